//! What a mailbox says of its owner's time: zone and working hours.
//!
//! Only these two are asked for: the rest of the settings holds the person's own texts. They are never changed.

use jiff::civil::{Time, Weekday};
use reqwest::Method;
use serde::Deserialize;

use super::{
    client::{Answer, Graph, MailboxAccess, parse},
    error::GraphError,
};

/// Zone and working hours as Exchange keeps them.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct MailboxTime {
    /// Windows' name of the zone; may be empty, or a zone that the person made up.
    #[serde(default)]
    pub time_zone: Option<String>,
    /// The working hours; `None` where there are none, or none that can be read.
    #[serde(default, deserialize_with = "lenient")]
    pub working_hours: Option<WorkingHours>,
}

/// Working hours: the same on every working day.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WorkingHours {
    /// When work begins.
    pub start_time: Time,
    /// When it ends.
    pub end_time: Time,
    /// In which zone that is meant.
    pub time_zone: ZoneName,
    /// On which days.
    #[serde(default, deserialize_with = "weekdays")]
    pub days_of_week: Vec<Weekday>,
}

/// A zone's name.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct ZoneName {
    /// Windows' name of it.
    pub name: String,
}

impl Graph {
    /// What the mailbox says of its owner's time.
    ///
    /// # Errors
    /// See [`Failure`](crate::reconcile::failure::Failure); `AccessDenied` without `MailboxSettings.Read`.
    pub async fn mailbox_time(&self, mailbox: MailboxAccess<'_>) -> Result<MailboxTime, GraphError> {
        let mut url = self.url(&mailbox, &["mailboxSettings"]);
        url.set_query(Some("$select=timeZone,workingHours"));
        let Answer { body, request_ids } = self.call(mailbox.until, Method::GET, url, None).await?;
        parse(body, &request_ids)
    }
}

/// Hours that cannot be read are no reason to do without the zone.
fn lenient<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<WorkingHours>, D::Error> {
    let value = serde_json::Value::deserialize(deserializer)?;
    Ok(serde_json::from_value(value).ok())
}

fn weekdays<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Vec<Weekday>, D::Error> {
    let words = Vec::<String>::deserialize(deserializer)?;
    let known = |word: &String| match word.to_ascii_lowercase().as_str() {
        "monday" => Some(Weekday::Monday),
        "tuesday" => Some(Weekday::Tuesday),
        "wednesday" => Some(Weekday::Wednesday),
        "thursday" => Some(Weekday::Thursday),
        "friday" => Some(Weekday::Friday),
        "saturday" => Some(Weekday::Saturday),
        "sunday" => Some(Weekday::Sunday),
        _ => None,
    };
    Ok(words.iter().filter_map(known).collect())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_cannot_be_read_is_left_out_and_the_rest_is_taken() {
        let hours = json!({"daysOfWeek": ["monday", "friday", "someday"], "startTime": "08:00:00.0000000",
            "endTime": "17:00:00.0000000", "timeZone": {"name": "GMT Standard Time"}});
        let read = |value| serde_json::from_value::<MailboxTime>(value).unwrap();
        let time = read(json!({"timeZone": "GMT Standard Time", "workingHours": hours, "dateFormat": "x"}));
        assert_eq!(time.time_zone.as_deref(), Some("GMT Standard Time"));
        let found = time.working_hours.unwrap();
        assert_eq!((found.start_time.to_string(), found.days_of_week.len()), ("08:00:00".into(), 2));
        for odd in [
            json!({"startTime": "25:00"}),
            json!({"startTime": "08:00:00", "endTime": "17:00:00", "timeZone": {"bias": 60}}),
            json!(null),
            json!("none"),
        ] {
            let time = read(json!({"timeZone": "", "workingHours": odd}));
            assert_eq!((time.time_zone.as_deref(), time.working_hours), (Some(""), None), "{odd}");
        }
        assert_eq!(read(json!({})), MailboxTime { time_zone: None, working_hours: None });
    }
}
