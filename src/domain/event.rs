//! Leave and policy → the event that should be in the calendar.
//!
//! Whole days become an all-day event from midnight to the midnight after the last day; everything else becomes one timed
//! event from the first to the last moment away. Nothing private gets in unless the policy says so by name.

use jiff::{
    ToSpan,
    civil::{Date, DateTime, Time},
    tz::TimeZone,
};
use serde::{Deserialize, Serialize};

use super::{
    appearance::{Appearance, Publish, Sensitivity, ShowAs},
    hours::Hours,
    leave::{Leave, Session, Span, Status},
    policy::Policy,
    template::{Field, Template},
    zone::Zone,
};

/// Outlook refuses longer titles or cuts them; cutting here keeps "as written" and "as wanted" equal.
const LONGEST_SUBJECT: usize = 255;
/// The title of leave whose own title comes out empty.
const DEFAULT_SUBJECT: &str = "Out of office";

/// One application for leave, as it is now.
#[derive(Debug, Clone, Copy)]
pub struct Application<'a> {
    /// Its id at its source.
    pub id: &'a str,
    /// The source.
    pub source: &'a str,
    /// Its status in the approval.
    pub status: Status,
    /// The leave itself.
    pub leave: &'a Leave,
}

/// What a mailbox itself says of its owner's time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct MailboxSettings {
    /// Its time zone.
    pub zone: Option<Zone>,
    /// Its working hours, as it tells them.
    pub hours: Option<Hours>,
}

impl MailboxSettings {
    /// The hours by which leave is planned: the mailbox's own, completed by the policy's, or else those.
    #[must_use]
    pub fn hours_by(&self, policy: &Hours) -> Hours {
        self.hours.as_ref().map_or_else(|| policy.clone(), |own| own.completed_by(policy))
    }
}

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
    /// The category that gives it its colour; none for none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub category: Option<String>,
    /// How many minutes before it Outlook reminds; none for not at all.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub reminder: Option<u32>,
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
    /// The category, or that there is none any more.
    pub category: Option<Option<String>>,
    /// The reminder, or that there is none any more.
    pub reminder: Option<Option<u32>>,
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
            category: changed(&self.category, &applied.category),
            reminder: changed(&self.reminder, &applied.reminder),
        }
    }

    /// All fields, for an event that is not there yet or of which it is not known what it holds. `applied` is what it may
    /// hold: where neither that nor this event has a category or a reminder, what the person gave it stays.
    #[must_use]
    pub fn in_full(&self, applied: Option<&Self>) -> EventPatch {
        let has_category = self.category.is_some() || applied.is_some_and(|applied| applied.category.is_some());
        let has_reminder = self.reminder.is_some() || applied.is_some_and(|applied| applied.reminder.is_some());
        EventPatch {
            subject: Some(self.subject.clone()),
            body: Some(self.body.clone()),
            times: Some(self.times.clone()),
            show_as: Some(self.show_as),
            sensitivity: Some(self.sensitivity),
            category: has_category.then(|| self.category.clone()),
            reminder: has_reminder.then_some(self.reminder),
        }
    }
}

/// What should be in the person's own calendar.
#[must_use]
pub fn desired(application: &Application<'_>, policy: &Policy, own: &MailboxSettings) -> Desired {
    let Application { status, leave, .. } = *application;
    let appearance = policy.appearance(leave.leave_type.as_deref());
    let show_as = match (status, appearance.publish) {
        (Status::Rejected | Status::Cancelled, _) => return Desired::Absent,
        (_, Publish::Never) | (Status::Pending, Publish::OnApproval) => return Desired::Hidden,
        (Status::Pending, Publish::OnRequest) => appearance.show_as_pending,
        (Status::Approved, _) => appearance.show_as,
    };
    Desired::Present(EventSpec {
        subject: subject(&appearance.title, application),
        body: body(appearance, policy, application),
        times: times(leave, policy, own),
        show_as,
        sensitivity: appearance.sensitivity,
        category: appearance.category.clone(),
        reminder: appearance.reminder,
    })
}

/// One line, never empty, no longer than Outlook keeps.
pub(super) fn subject(title: &Template, application: &Application<'_>) -> String {
    let filled = title.fill(|field| value(field, application));
    let words: Vec<&str> = filled.split_whitespace().collect();
    let line = if words.is_empty() { DEFAULT_SUBJECT.to_owned() } else { words.join(" ") };
    line.chars().take(LONGEST_SUBJECT).collect()
}

fn body(appearance: &Appearance, policy: &Policy, application: &Application<'_>) -> String {
    let text = text(&appearance.body, application);
    let link = policy.link.as_ref().map(|link| link.fill(|field| encoded(&value(field, application))));
    let lines: Vec<String> = [Some(text), link].into_iter().flatten().collect();
    lines.into_iter().filter(|line| !line.is_empty()).collect::<Vec<_>>().join("\n")
}

/// A text with its gaps filled; may be empty.
pub(super) fn text(body: &Template, application: &Application<'_>) -> String {
    body.fill(|field| value(field, application)).trim().to_owned()
}

/// The value of a template's field.
pub(super) fn value(field: Field, application: &Application<'_>) -> String {
    let Application { id, source, status, leave } = *application;
    let staff = &leave.staff;
    let name = || {
        let of_address = staff.email.as_deref().and_then(|email| email.split('@').next());
        staff.name.as_deref().map(str::trim).filter(|name| !name.is_empty()).or(of_address).unwrap_or_default()
    };
    let (first, last) = days(&leave.span);
    match field {
        Field::Name => name().to_owned(),
        Field::FirstName => name().split_whitespace().next().unwrap_or_default().to_owned(),
        Field::LeaveType => leave.leave_type.clone().unwrap_or_default(),
        Field::Status => status.word().to_owned(),
        Field::Department => leave.department.clone().unwrap_or_default(),
        Field::EmployeeId => staff.employee_id.clone().unwrap_or_default(),
        Field::Source => source.to_owned(),
        Field::Id => id.to_owned(),
        Field::FirstDay => first.to_string(),
        Field::LastDay => last.to_string(),
    }
}

/// The first and the last day away.
#[must_use]
pub fn days(span: &Span) -> (Date, Date) {
    match *span {
        Span::Days { first, last, .. } => (first, last),
        // Until midnight is until the end of the day before.
        Span::Hours { from, until } if until.time() == Time::midnight() && until.date() > from.date() => {
            (from.date(), until.date().saturating_sub(1.day()))
        }
        Span::Hours { from, until } => (from.date(), until.date()),
    }
}

/// A value in a link: nothing in it can lead elsewhere.
fn encoded(value: &str) -> String {
    const KEPT: &percent_encoding::AsciiSet =
        &percent_encoding::NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');
    percent_encoding::utf8_percent_encode(value, KEPT).to_string()
}

/// When: in the leave's own zone, else in the mailbox's, else in the policy's; a morning and an afternoon by the mailbox's own
/// working hours, else by the policy's.
pub(super) fn times(leave: &Leave, policy: &Policy, own: &MailboxSettings) -> Times {
    let hours = &own.hours_by(&policy.hours);
    let (all_day, start, end) = match leave.span {
        Span::Days { first, starts: Session::Am, last, ends: Session::Pm } => {
            (true, midnight(first), midnight(last.saturating_add(1.day())))
        }
        Span::Days { first, starts, last, ends } => {
            let (begins, leaves) = (hours.on(first.weekday()), hours.on(last.weekday()));
            let start = if starts == Session::Am { begins.start } else { begins.midday };
            let end = if ends == Session::Am { leaves.midday } else { leaves.end };
            (false, first.to_datetime(start), last.to_datetime(end))
        }
        Span::Hours { from, until } => (false, from, until),
    };
    let zone = leave.time_zone.as_ref().or(own.zone.as_ref()).unwrap_or(&policy.time_zone);
    let clock = zone.rules();
    let is_plain = |at: DateTime| !clock.to_ambiguous_timestamp(at).is_ambiguous();
    // Windows may not follow a change of a country's clock, or follow it under another name.
    let is_the_same = |name: &str, at: DateTime| {
        Zone::of_outlook(name).is_some_and(|theirs| theirs.rules().to_timestamp(at).ok() == clock.to_timestamp(at).ok())
    };
    let is_right = |name: &str| [start, end].into_iter().all(|at| is_plain(at) && is_the_same(name, at));
    match zone.outlook_name() {
        // Whole days are dates: the mailbox of somebody there is by that name, whatever its clock.
        Some(name) if all_day || is_right(name) => Times { all_day, start, end, zone: name.into() },
        // No Windows zone has this clock (whole days in such a zone were refused at the door), or its own has another, or the
        // clock is put forward or back at just that time and it is not documented what Exchange makes of it: the exact moments
        // are right everywhere.
        _ => exactly(start, end, &clock),
    }
}

fn midnight(day: Date) -> DateTime {
    day.to_datetime(Time::midnight())
}

/// The same moments on UTC's clock. A time that does not exist (clock put forward) is taken as the one as much later, a
/// time that exists twice as its first: RFC 5545's rule. However the clock jumps, the end never comes before the start.
fn exactly(start: DateTime, end: DateTime, clock: &TimeZone) -> Times {
    let in_utc = |local: DateTime| {
        local.to_zoned(clock.clone()).map_or(local, |moment| TimeZone::UTC.to_datetime(moment.timestamp()))
    };
    let (first, mut last) = (in_utc(start), in_utc(end));
    if last <= first {
        last = first.saturating_add(end.duration_since(start));
    }
    Times { all_day: false, start: first, end: last, zone: "UTC".into() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_changed_is_written() {
        let one = EventSpec {
            subject: "Out of office".into(),
            body: "Kept by the leave system.".into(),
            times: exactly("2026-12-21T09:00".parse().unwrap(), "2026-12-21T13:00".parse().unwrap(), &TimeZone::UTC),
            show_as: ShowAs::Oof,
            sensitivity: Sensitivity::Private,
            category: Some("Leave".into()),
            reminder: Some(15),
        };
        assert!(one.changes_since(&one).is_empty());
        let none = EventPatch::default();
        let later = Times { end: "2026-12-21T14:00".parse().unwrap(), ..one.times.clone() };
        for (other, patch) in [
            (
                EventSpec { subject: "Away".into(), ..one.clone() },
                EventPatch { subject: Some("Away".into()), ..none.clone() },
            ),
            (
                EventSpec { body: String::new(), ..one.clone() },
                EventPatch { body: Some(String::new()), ..none.clone() },
            ),
            (EventSpec { times: later.clone(), ..one.clone() }, EventPatch { times: Some(later), ..none.clone() }),
            (
                EventSpec { show_as: ShowAs::Busy, ..one.clone() },
                EventPatch { show_as: Some(ShowAs::Busy), ..none.clone() },
            ),
            (
                EventSpec { sensitivity: Sensitivity::Normal, ..one.clone() },
                EventPatch { sensitivity: Some(Sensitivity::Normal), ..none.clone() },
            ),
            (EventSpec { category: None, ..one.clone() }, EventPatch { category: Some(None), ..none.clone() }),
            (EventSpec { reminder: None, ..one.clone() }, EventPatch { reminder: Some(None), ..none.clone() }),
        ] {
            assert_eq!(other.changes_since(&one), patch);
        }
    }

    #[test]
    fn what_the_person_gave_an_event_stays_where_we_have_nothing_to_say_even_in_doubt() {
        let with = |category: Option<&str>, reminder| EventSpec {
            subject: "Away".into(),
            body: String::new(),
            times: exactly("2026-12-21T09:00".parse().unwrap(), "2026-12-21T13:00".parse().unwrap(), &TimeZone::UTC),
            show_as: ShowAs::Oof,
            sensitivity: Sensitivity::Private,
            category: category.map(str::to_owned),
            reminder,
        };
        let (plain, rich) = (with(None, None), with(Some("Leave"), Some(15)));
        for (event, applied, category, reminder) in [
            (&plain, None, None, None),
            (&plain, Some(&plain), None, None),
            (&plain, Some(&rich), Some(None), Some(None)),
            (&rich, None, Some(Some("Leave".to_owned())), Some(Some(15))),
            (&rich, Some(&plain), Some(Some("Leave".to_owned())), Some(Some(15))),
        ] {
            let patch = event.in_full(applied);
            assert_eq!((patch.category, patch.reminder), (category, reminder), "{applied:?}");
            assert!(patch.subject.is_some() && patch.body.is_some() && patch.times.is_some());
        }
    }

    #[test]
    fn an_event_of_an_older_version_is_read_as_it_was_written() {
        let older = r#"{"subject":"Away","body":"","times":{"all_day":true,"start":"2026-12-21T00:00:00","end":"2026-12-22T00:00:00","zone":"UTC"},"show_as":"oof","sensitivity":"private"}"#;
        let event: EventSpec = serde_json::from_str(older).unwrap();
        assert_eq!((event.category, event.reminder), (None, None));
    }
}
