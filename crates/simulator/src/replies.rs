//! The automatic reply of a mailbox: one setting, kept the way Exchange keeps it.
//!
//! Texts come back as HTML documents and times in UTC, whatever was sent: a client must recognise its own all the same.

use jiff::{Timestamp, tz::TimeZone};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};

use super::{failure::Failure, times, zones};

/// Whether the mailbox replies.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Status {
    #[default]
    Disabled,
    AlwaysEnabled,
    Scheduled,
}

/// Which strangers get a reply.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Audience {
    None,
    ContactsOnly,
    #[default]
    All,
}

/// `automaticRepliesSetting`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct AutomaticReplies {
    status: Status,
    audience: Audience,
    start: Option<Timestamp>,
    end: Option<Timestamp>,
    inside: String,
    outside: String,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Zoned {
    date_time: String,
    time_zone: Option<String>,
}

impl AutomaticReplies {
    /// The setting with that change. With `now`, by the rules of Graph: only a range in the future may be set.
    pub(crate) fn change(&self, change: &Map<String, Value>, now: Option<Timestamp>) -> Result<Self, Failure> {
        let mut changed = self.clone();
        for (name, value) in change {
            match name.as_str() {
                "status" => changed.status = word(value)?,
                "externalAudience" => changed.audience = word(value)?,
                "scheduledStartDateTime" => changed.start = Some(moment(value)?),
                "scheduledEndDateTime" => changed.end = Some(moment(value)?),
                "internalReplyMessage" => changed.inside = document(value)?,
                "externalReplyMessage" => changed.outside = document(value)?,
                name if name.starts_with('@') => {}
                _ => return Err(unreadable()),
            }
        }
        if changed.status == Status::Scheduled {
            // Exchange's code and words (MS-OXWOOF 3.1.4.2); that the start counts too is Graph's documentation.
            let bad = || {
                let message = "The scheduled duration for sending automatic replies isn't valid.";
                Failure::bad_request("ErrorInvalidScheduledOofDuration", message)
            };
            let (start, end) = changed.start.zip(changed.end).ok_or_else(bad)?;
            let in_the_past = now.is_some_and(|now| start < now);
            if in_the_past || end <= start {
                return Err(bad());
            }
        }
        Ok(changed)
    }

    /// As Graph shows it.
    pub(crate) fn shown(&self) -> Value {
        let moment = |at: Option<Timestamp>| {
            let at = at.map(|at| times::seven_digits(TimeZone::UTC.to_datetime(at)))?;
            Some(json!({"dateTime": at, "timeZone": "UTC"}))
        };
        json!({
            "status": self.status,
            "externalAudience": self.audience,
            "scheduledStartDateTime": moment(self.start),
            "scheduledEndDateTime": moment(self.end),
            "internalReplyMessage": self.inside,
            "externalReplyMessage": self.outside,
        })
    }

    /// A line for the page; none when there is no reply now or later.
    pub(crate) fn line(&self, now: Timestamp, zone: &TimeZone) -> Option<String> {
        let local = |at: Timestamp| zone.to_datetime(at).strftime("%-d %b %H:%M").to_string();
        match (self.status, self.start, self.end) {
            (Status::AlwaysEnabled, ..) => Some("Automatic reply: on".into()),
            (Status::Scheduled, Some(start), Some(end)) if now < end => {
                Some(format!("Automatic reply: {} – {}", local(start), local(end)))
            }
            _ => None,
        }
    }
}

fn unreadable() -> Failure {
    Failure::bad_request("RequestBodyRead", "The value of automaticRepliesSetting cannot be read.")
}

fn word<T: serde::de::DeserializeOwned>(value: &Value) -> Result<T, Failure> {
    serde_json::from_value(value.clone()).map_err(|_| unreadable())
}

fn moment(value: &Value) -> Result<Timestamp, Failure> {
    let zoned: Zoned = word(value)?;
    let name = zoned.time_zone.as_deref().unwrap_or("UTC");
    let zone = zones::zone(name, false);
    let zone = zone.ok_or_else(|| Failure::bad_request("InvalidTimeZone", format!("{name} is no time zone.")))?;
    let local = times::wall_time(&zoned.date_time).ok_or_else(unreadable)?;
    Ok(local.to_zoned(zone.rules.clone()).map_err(|_| unreadable())?.timestamp())
}

/// A text as Exchange gives it back.
fn document(value: &Value) -> Result<String, Failure> {
    let text = value.as_str().ok_or_else(unreadable)?;
    if text.is_empty() || text.starts_with("<html>") {
        return Ok(text.to_owned());
    }
    Ok(format!("<html>\n<body>\n{text}\n</body>\n</html>\n"))
}
