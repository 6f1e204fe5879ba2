//! How a tenant wants its leave to look in Outlook, and how each kind of leave.
//!
//! By default nothing of a leave but its time reaches Outlook; whatever more does, a policy says by name.

use std::collections::BTreeMap;

use serde::Serialize;

use super::{appearance::Appearance, hours::Hours, team_calendar::TeamCalendar, template::Template, zone::Zone};

/// How a tenant wants its leave to look in Outlook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// How leave looks whose type has no appearance of its own.
    // Its former name is part of the policy's stored fingerprint: another one would mark every mapping as changed.
    #[serde(rename = "look")]
    pub appearance: Appearance,
    /// The appearance of single types of leave, by the source's code in lower case.
    pub types: BTreeMap<String, Appearance>,
    /// Where people find their leave; it becomes the last line of the event's text.
    pub link: Option<Template>,
    /// The zone of leave that names none, of people whose mailbox names none.
    pub time_zone: Zone,
    /// The working hours of people whose mailbox tells none.
    pub hours: Hours,
    /// The calendars in which teams see who is away.
    pub team_calendars: Vec<TeamCalendar>,
}

impl Policy {
    /// How leave of that type looks.
    #[must_use]
    pub fn appearance(&self, leave_type: Option<&str>) -> &Appearance {
        let own = leave_type.and_then(|code| self.types.get(&code.trim().to_lowercase()));
        own.unwrap_or(&self.appearance)
    }

    /// Whether any leave brings about an automatic reply.
    #[must_use]
    pub fn replies(&self) -> bool {
        std::iter::once(&self.appearance).chain(self.types.values()).any(|appearance| appearance.reply.is_some())
    }
}
