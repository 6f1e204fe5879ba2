//! Leave and policy → the event that should be in the calendar.
//!
//! Whole days become an all-day event from midnight to the midnight after the last day; everything else becomes one timed
//! event from the first to the last moment away. Nothing private gets in unless the policy says it itself.

use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::{
    leave::{Leave, Session, Span, Status},
    policy::{Policy, Publish, Sensitivity, ShowAs},
};

/// Outlook refuses longer titles or cuts them; cutting here keeps "as written" and "as wanted" equal.
const LONGEST_SUBJECT: usize = 255;

/// What should be in the calendar for one leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Desired {
    /// This event.
    Present(EventSpec),
    /// No event: the leave does not take place.
    Absent,
    /// No event: the policy keeps it to itself.
    Hidden,
}

/// Everything that we write into an event.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct EventSpec {
    /// The title.
    pub subject: String,
    /// The text; empty for none.
    pub body: String,
    /// When.
    pub times: Times,
    /// How the time shows to others.
    pub show_as: ShowAs,
    /// Who sees the details.
    pub sensitivity: Sensitivity,
}

/// When an event takes place: local wall times in a zone that Outlook knows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Times {
    /// Whole days; `start` and `end` are midnights then.
    pub all_day: bool,
    /// The first moment.
    pub start: DateTime,
    /// The first moment after it.
    pub end: DateTime,
    /// The Windows name of the zone.
    pub zone: String,
}

/// The fields of an event that are to be written; `None` leaves a field as it is, with what staff made of it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct EventPatch {
    /// The title.
    pub subject: Option<String>,
    /// The text.
    pub body: Option<String>,
    /// When; all of it, because the parts are only valid together.
    pub times: Option<Times>,
    /// How the time shows to others.
    pub show_as: Option<ShowAs>,
    /// Who sees the details.
    pub sensitivity: Option<Sensitivity>,
}

impl EventPatch {
    /// Whether there is nothing to write.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        *self == Self::default()
    }
}

impl EventSpec {
    /// What must be written to turn an event that was last written as `applied` into this one.
    #[must_use]
    pub fn changes_since(&self, applied: &Self) -> EventPatch {
        fn changed<T: Clone + PartialEq>(wanted: &T, applied: &T) -> Option<T> {
            (wanted != applied).then(|| wanted.clone())
        }
        EventPatch {
            subject: changed(&self.subject, &applied.subject),
            body: changed(&self.body, &applied.body),
            times: changed(&self.times, &applied.times),
            show_as: changed(&self.show_as, &applied.show_as),
            sensitivity: changed(&self.sensitivity, &applied.sensitivity),
        }
    }

    /// All fields, for an event of which it is not known what it holds.
    #[must_use]
    pub fn in_full(&self) -> EventPatch {
        EventPatch {
            subject: Some(self.subject.clone()),
            body: Some(self.body.clone()),
            times: Some(self.times.clone()),
            show_as: Some(self.show_as),
            sensitivity: Some(self.sensitivity),
        }
    }
}

/// What should be in the calendar for a leave of that status.
#[must_use]
pub fn desired(status: Status, leave: &Leave, policy: &Policy) -> Desired {
    let show_as = match (status, policy.publish) {
        (Status::Rejected | Status::Cancelled, _) => return Desired::Absent,
        (_, Publish::Never) | (Status::Pending, Publish::OnApproval) => return Desired::Hidden,
        (Status::Pending, Publish::OnRequest) => policy.show_as_pending,
        (Status::Approved, _) => policy.show_as,
    };
    Desired::Present(EventSpec {
        subject: policy.title.chars().take(LONGEST_SUBJECT).collect(),
        body: policy.body.clone(),
        times: times(leave, policy),
        show_as,
        sensitivity: policy.sensitivity,
    })
}

fn times(leave: &Leave, policy: &Policy) -> Times {
    let (all_day, start, end) = match leave.span {
        Span::Days { first, starts: Session::Am, last, ends: Session::Pm } => {
            (true, midnight(first), midnight(last.saturating_add(1.day())))
        }
        Span::Days { first, starts, last, ends } => {
            let start = if starts == Session::Am { policy.day_start } else { policy.midday };
            let end = if ends == Session::Am { policy.midday } else { policy.day_end };
            (false, first.to_datetime(start), last.to_datetime(end))
        }
        Span::Hours { from, until } => (false, from, until),
    };
    let zone = leave.time_zone.as_ref().unwrap_or(&policy.time_zone);
    match zone.outlook_name() {
        Some(name) => Times { all_day, start, end, zone: name.into() },
        // No Windows zone has this clock: the exact moments in UTC are right for timed events, and whole days in such a
        // zone were refused at the door.
        None => {
            Times { all_day, start: in_utc(start, &zone.rules()), end: in_utc(end, &zone.rules()), zone: "UTC".into() }
        }
    }
}

fn midnight(day: Date) -> DateTime {
    day.to_datetime(Time::midnight())
}

/// The same moment on UTC's clock. A time that does not exist (clock put forward) is taken as the one as much later, a
/// time that exists twice as its first: RFC 5545's rule and Outlook's.
fn in_utc(local: DateTime, zone: &TimeZone) -> DateTime {
    local.to_zoned(zone.clone()).map_or(local, |moment| TimeZone::UTC.to_datetime(moment.timestamp()))
}

#[cfg(test)]
pub(crate) mod tests;
