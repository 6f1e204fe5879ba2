//! Team calendars: which calendars a leave belongs to, and what should be in each.
//!
//! A team's event is a copy beside the person's own, never instead of it, and it is about whom the leave is of: who granted
//! or posted it has no part in it. It must never show a leave that the person's own calendar hides, and by default it says
//! no more than who is away and when.

use super::{
    appearance::{Publish, ShowAs},
    event::{self, Application, Desired, EventSpec, MailboxSettings, Times},
    leave::{Leave, Status},
    policy::Policy,
    team_calendar::{CalendarTarget, PRIMARY, TeamCalendar},
};

/// The calendars that a leave of that source belongs to: the person's own first, then the teams'.
#[must_use]
pub fn places<'a>(leave: &'a Leave, source: &str, policy: &'a Policy) -> Vec<CalendarTarget<'a>> {
    let own = CalendarTarget { mailbox: leave.staff.mailbox(), calendar: PRIMARY };
    let teams = policy.team_calendars.iter().filter(|team| team.takes(leave, source)).map(TeamCalendar::place);
    std::iter::once(own).chain(teams).collect()
}

/// What should be in that calendar. `person` is what the person's own mailbox says of their time, in whichever calendar;
/// `theirs` what the calendar's mailbox says.
#[must_use]
pub fn desired(
    place: CalendarTarget<'_>,
    application: &Application<'_>,
    policy: &Policy,
    person: &MailboxSettings,
    theirs: &MailboxSettings,
) -> Desired {
    if place.calendar == PRIMARY {
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
fn times(leave: &Leave, policy: &Policy, person: &MailboxSettings, theirs: &MailboxSettings) -> Times {
    if leave.span.is_whole_days() {
        return event::times(&Leave { time_zone: None, ..leave.clone() }, policy, theirs);
    }
    event::times(leave, policy, person)
}
