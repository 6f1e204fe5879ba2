//! Reads the body of `POST /leaves` into a [`LeaveChange`]: parse, don't validate, and name every problem at once.
//!
//! A problem says where and what, never the value: values are private. Unknown fields and the `reason` are not looked at,
//! so they can be neither stored nor logged.

mod fields;
mod ignored;

use fields::{Fields, one_of, text};
pub use ignored::ignored;
use jiff::{
    SignedDuration, Timestamp,
    civil::{Date, DateTime},
    tz::TimeZone,
};
use serde_json::{Map, Value};
use uuid::Uuid;

use super::{
    leave::{Leave, Session, Span, Staff, Status},
    problem::Problems,
    zone::Zone,
};

/// How far a source's clock may run ahead of ours.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
const LONGEST_SPAN_DAYS: i32 = 366;
const YEARS: std::ops::RangeInclusive<i16> = 2000..=2100;
/// Events of an unsupported zone cannot be whole days: Outlook would shift them onto the day before or after.
const NO_OUTLOOK_ZONE: &str =
    "Outlook has no such time zone, so whole days cannot be placed; name one with the same clock";

/// One thing that happened to one leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LeaveChange {
    /// The tenant that the body names, if it does.
    pub tenant: Option<String>,
    /// The leave's id at its source. Case matters.
    pub id: String,
    /// When it happened at the source; orders the changes of one leave.
    pub at: Timestamp,
    /// The leave's status now.
    pub status: Status,
    /// The whole leave, or `None` for a cancellation, which need not repeat it.
    pub leave: Option<Leave>,
}

impl LeaveChange {
    /// Reads a body that arrived at `now`.
    ///
    /// # Errors
    /// Everything that is wrong with it.
    pub fn parse(body: &Value, now: Timestamp) -> Result<Self, Problems> {
        let mut problems = Problems::default();
        let change = read(body, now, &mut problems);
        match change {
            Some(change) => problems.or(change),
            None => Err(problems),
        }
    }
}

fn read(body: &Value, now: Timestamp, problems: &mut Problems) -> Option<LeaveChange> {
    let Value::Object(root) = body else {
        problems.add("body", "must be a JSON object");
        return None;
    };
    let mut root = Fields { object: root, prefix: "", problems };
    let kind = root.required("type", one_of(&["leave.created", "leave.updated", "leave.cancelled"]));
    let at = root.required("timestamp", |text| {
        let at: Timestamp =
            text.parse().map_err(|_| "must be an RFC 3339 time with offset such as \"2026-11-22T09:30:00+08:00\"")?;
        if at.duration_since(now) > CLOCK_TOLERANCE {
            return Err("lies more than 5 minutes in the future: is the sender's clock right?".into());
        }
        // No leave happened then, and PostgreSQL's time begins later than RFC 3339 can write.
        if !YEARS.contains(&at.to_zoned(TimeZone::UTC).year()) {
            return Err("must lie in the years 2000 to 2100".into());
        }
        Ok(at)
    });
    let data = root.object("data")?;
    let mut data = Fields { object: data, prefix: "data.", problems };
    let tenant = data.optional("tenant", text(64));
    let id = data.required("id", |id| {
        if id.trim() != id {
            return Err("must not begin or end with white space".into());
        }
        // HTTP clients resolve such a path before they ask for it.
        if matches!(id, "." | "..") {
            return Err("must not be . or ..".into());
        }
        text(128)(id)
    });
    if kind == Some("leave.cancelled") {
        return Some(LeaveChange { tenant, id: id?, at: at?, status: Status::Cancelled, leave: None });
    }
    let status = data
        .optional("status", |word| Status::of(word).ok_or("must be pending, approved, rejected or cancelled".into()));
    // Columns of a fixed width come with blanks.
    let trimmed = |text: String| Some(text.trim().to_owned()).filter(|text| !text.is_empty());
    let leave_type = data.optional("leave_type", text(64)).and_then(trimmed);
    let department = data.optional("department", text(256)).and_then(trimmed);
    let time_zone = data.optional("time_zone", |name| Zone::parse(name).map_err(|error| error.to_string()));
    let span = span(&mut data);
    if span.is_some_and(|span| span.is_whole_days())
        && time_zone.as_ref().is_some_and(|zone| zone.outlook_name().is_none())
    {
        data.problem("time_zone", NO_OUTLOOK_ZONE);
    }
    let staff = data.object("staff").map(|object| staff_of(object, problems));
    let leave = Leave { staff: staff?, leave_type, span: span?, time_zone, department };
    Some(LeaveChange { tenant, id: id?, at: at?, status: status.unwrap_or(Status::Approved), leave: Some(leave) })
}

fn staff_of(object: &Map<String, Value>, problems: &mut Problems) -> Staff {
    let mut staff = Fields { object, prefix: "data.staff.", problems };
    let before = staff.problems.iter().count();
    let email = staff.optional("email", email);
    let entra_id = staff.optional("entra_id", |id| {
        let id = Uuid::parse_str(id).map_err(|_| "must be an Entra object id, a GUID")?;
        Ok(id.hyphenated().to_string())
    });
    let employee_id = staff.optional("employee_id", text(64));
    let name = staff.optional("name", text(256));
    if email.is_none() && entra_id.is_none() && staff.problems.iter().count() == before {
        staff.problem("email", "is missing: email or entra_id says whose calendar it is");
    }
    Staff { email, entra_id, employee_id, name }
}

/// A mailbox's address, in lower case.
///
/// # Errors
/// What is wrong with it, in words.
pub fn email(address: &str) -> Result<String, String> {
    let address = text(254)(address)?;
    let forbidden = |c: char| c.is_whitespace() || "<>()[]\\/,;:\"|?*".contains(c);
    match address.split_once('@') {
        Some((user, host))
            if !user.is_empty() && !host.is_empty() && !host.contains('@') && !address.contains(forbidden) =>
        {
            Ok(address.to_lowercase())
        }
        _ => Err("must be a mailbox address such as \"amy.chan@contoso.com\"".into()),
    }
}

fn span(data: &mut Fields<'_, '_>) -> Option<Span> {
    let start = data.required("start", moment);
    let end = data.required("end", moment);
    let starts = data.optional("start_session", one_of(&["am", "pm"]));
    let ends = data.optional("end_session", one_of(&["am", "pm"]));
    match (start?, end?) {
        (Moment::Day(first), Moment::Day(last)) => {
            let starts = if starts == Some("pm") { Session::Pm } else { Session::Am };
            let ends = if ends == Some("am") { Session::Am } else { Session::Pm };
            if (last, ends) < (first, starts) {
                let says_sessions = last == first;
                data.problem(if says_sessions { "end_session" } else { "end" }, "lies before the start");
            } else if (last - first).get_days() >= LONGEST_SPAN_DAYS {
                data.problem("end", "lies more than 366 days after the start");
            }
            Some(Span::Days { first, starts, last, ends })
        }
        (Moment::Time(from), Moment::Time(until)) => {
            for (name, given) in [("start_session", starts), ("end_session", ends)] {
                if given.is_some() {
                    data.problem(name, "goes with dates only; leave by the hour says its hours itself");
                }
            }
            if until <= from {
                data.problem("end", "must lie after the start");
            } else if until.duration_since(from) > SignedDuration::from_hours(24 * i64::from(LONGEST_SPAN_DAYS)) {
                data.problem("end", "lies more than 366 days after the start");
            }
            Some(Span::Hours { from, until })
        }
        _ => {
            data.problem("end", "must be of the same kind as start: both dates or both date-times");
            None
        }
    }
}

/// One end of a span as it is written.
#[derive(Clone, Copy)]
enum Moment {
    Day(Date),
    Time(DateTime),
}

/// `2026-12-21` or `2026-12-21T14:00[:00]`: nothing else, because everything else (offsets, `Z`, other orders) would mean
/// an instant or a guess, and leave is civil time.
fn moment(text: &str) -> Result<Moment, String> {
    const SHAPE: &str =
        "must be a date such as \"2026-12-21\" or a local date-time such as \"2026-12-21T14:00\", without offset or Z";
    let shape: String = text.chars().map(|c| if c.is_ascii_digit() { '0' } else { c }).collect();
    let (moment, year) = match shape.as_str() {
        "0000-00-00" => {
            let day: Date = text.parse().map_err(|_| "is no day of the calendar")?;
            (Moment::Day(day), day.year())
        }
        "0000-00-00T00:00" | "0000-00-00T00:00:00" => {
            let time: DateTime = text.parse().map_err(|_| "is no time of the calendar")?;
            (Moment::Time(time), time.year())
        }
        _ => return Err(SHAPE.into()),
    };
    if YEARS.contains(&year) { Ok(moment) } else { Err("must lie in the years 2000 to 2100".into()) }
}

#[cfg(test)]
mod tests;
