//! Team calendars: which calendars a leave belongs to, and what should be in each.
//!
//! A team's event is a copy beside the person's own, never instead of it, and it is about whom the leave is of: who granted
//! or posted it has no part in it. It must never show a leave that the person's own calendar hides, and by default it says
//! no more than who is away and when.

use serde::Serialize;

use super::{
    event::{self, Application, Desired, EventSpec, OwnTime, Times},
    leave::{Leave, Status},
    policy::{Policy, Publish, Sensitivity, ShowAs},
    template::Template,
};

/// The name under which the mailbox's own calendar is kept; no other can have it.
pub const OWN: &str = "default";

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
pub struct Place<'a> {
    /// The mailbox's address, or the Entra object id where no address is known.
    pub mailbox: &'a str,
    /// The calendar's name, or [`OWN`].
    pub calendar: &'a str,
}

impl TeamCalendar {
    /// Where it is.
    #[must_use]
    pub fn place(&self) -> Place<'_> {
        Place { mailbox: &self.mailbox, calendar: &self.calendar }
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

/// The calendars that a leave of that source belongs to: the person's own first, then the teams'.
#[must_use]
pub fn places<'a>(leave: &'a Leave, source: &str, policy: &'a Policy) -> Vec<Place<'a>> {
    let own = Place { mailbox: leave.staff.mailbox(), calendar: OWN };
    let teams = policy.team_calendars.iter().filter(|team| team.takes(leave, source)).map(TeamCalendar::place);
    std::iter::once(own).chain(teams).collect()
}

/// What should be in that calendar. `person` is what the person's own mailbox says of their time, whoever's calendar it is;
/// `theirs` what the calendar's mailbox says.
#[must_use]
pub fn desired(
    place: Place<'_>,
    application: &Application<'_>,
    policy: &Policy,
    person: &OwnTime,
    theirs: &OwnTime,
) -> Desired {
    if place.calendar == OWN {
        return event::desired(application, policy, person);
    }
    let Application { source, status, leave, .. } = *application;
    let mut teams = policy.team_calendars.iter().filter(|team| team.place() == place && team.takes(leave, source));
    // Nobody's calendar any more, or not for this leave.
    let Some(team) = teams.next() else { return Desired::Absent };
    let show_as = match (status, policy.appearance(leave.leave_type.as_deref()).publish) {
        (Status::Rejected | Status::Cancelled, _) => return Desired::Absent,
        (_, Publish::Never) | (Status::Pending, Publish::OnApproval) => return Desired::Hidden,
        (Status::Pending, Publish::OnRequest) => ShowAs::Tentative,
        (Status::Approved, _) => team.show_as,
    };
    Desired::Present(EventSpec {
        subject: event::subject(&team.title, application),
        body: event::text(&team.body, application),
        times: times(leave, policy, person, theirs),
        show_as,
        sensitivity: team.sensitivity,
        category: None,
        reminder: None,
    })
}

/// Hours are the person's. Whole days are dates, whatever the clock: Exchange keeps them as an interval in the zone that they
/// are sent in, and in another zone than the mailbox's own Outlook would show them on one day more.
fn times(leave: &Leave, policy: &Policy, person: &OwnTime, theirs: &OwnTime) -> Times {
    if leave.span.is_whole_days() {
        return event::times(&Leave { time_zone: None, ..leave.clone() }, policy, theirs);
    }
    event::times(leave, policy, person)
}
