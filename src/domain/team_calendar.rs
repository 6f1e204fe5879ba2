//! The calendars that leave can be written into: each person's own, and those in which a team sees who is away.

use serde::Serialize;

use super::{
    appearance::{Sensitivity, ShowAs},
    leave::Leave,
    template::Template,
};

/// The name under which the mailbox's own calendar is kept; no other can have it.
pub const PRIMARY: &str = "default";

/// A calendar in which a team sees who is away.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct TeamCalendar {
    /// The shared mailbox's address, in lower case.
    pub mailbox: String,
    /// The calendar's name there.
    pub calendar: String,
    /// Whose leave, by department, in lower case; empty for everybody's.
    pub departments: Vec<String>,
    /// The leave of which sources, in lower case; empty for all.
    pub sources: Vec<String>,
    /// Which kinds of leave, by the source's code in lower case; empty for all.
    pub types: Vec<String>,
    /// The event's title.
    pub title: Template,
    /// The event's text; may be empty.
    pub body: Template,
    /// How granted leave shows.
    pub show_as: ShowAs,
    /// Who sees the details.
    pub sensitivity: Sensitivity,
}

/// One calendar of one mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct CalendarTarget<'a> {
    /// The mailbox's address, or the Entra object id where no address is known.
    pub mailbox: &'a str,
    /// The calendar's name, or [`PRIMARY`].
    pub calendar: &'a str,
}

impl TeamCalendar {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> CalendarTarget<'_> {
        CalendarTarget { mailbox: &self.mailbox, calendar: &self.calendar }
    }

    /// Whether that leave of that source belongs into it.
    #[must_use]
    pub fn takes(&self, leave: &Leave, source: &str) -> bool {
        let fits = |wanted: &[String], value: Option<&str>| {
            let value = value.map(|value| value.trim().to_lowercase());
            wanted.is_empty() || value.is_some_and(|value| wanted.contains(&value))
        };
        fits(&self.departments, leave.department.as_deref())
            && fits(&self.sources, Some(source))
            && fits(&self.types, leave.leave_type.as_deref())
    }
}
