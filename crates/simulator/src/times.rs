//! How Outlook writes times: local wall time with seven fractional digits beside a zone name, midnights for all-day.
//!
//! It must never read the machine's zone or clock.

use std::sync::Arc;

use jiff::{Timestamp, civil, tz::TimeZone};
use serde_json::{Value, json};

use super::zones::Zone;

/// One end of an event: the wall time that was sent, its zone, and the instant both name.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Moment {
    /// The wall time as sent.
    pub(crate) local: civil::DateTime,
    /// The zone as sent.
    pub(crate) zone: Arc<Zone>,
    /// The instant; this is what Exchange stores, for all-day events too.
    pub(crate) at: Timestamp,
}

impl Moment {
    /// `local` in `zone`; nothing when that lies outside the calendar.
    pub(crate) fn new(local: civil::DateTime, zone: Arc<Zone>) -> Option<Self> {
        let at = local.to_zoned(zone.rules.clone()).ok()?.timestamp();
        Some(Self { local, zone, at })
    }

    /// As Graph shows it: in UTC unless the caller prefers another zone.
    ///
    /// All-day events are shown from midnight to midnight whatever zone is asked for; Microsoft staff confirmed it in
    /// microsoft-graph-docs issues 1802 and 471.
    pub(crate) fn shown(&self, all_day: bool, preferred: Option<&Zone>) -> Value {
        let name = preferred.map_or("UTC", |zone| &zone.name);
        let local = match preferred {
            _ if all_day => self.local,
            Some(zone) => zone.rules.to_datetime(self.at),
            None => TimeZone::UTC.to_datetime(self.at),
        };
        json!({"dateTime": seven_digits(local), "timeZone": name})
    }

    /// As it was sent.
    pub(crate) fn sent(&self) -> Value {
        json!({"dateTime": seven_digits(self.local), "timeZone": self.zone.name})
    }
}

/// Reads `2026-12-21T09:00:00[.fffffff]`: wall time, which has neither `Z` nor an offset.
pub(crate) fn wall_time(text: &str) -> Option<civil::DateTime> {
    let plain = text
        .chars()
        .enumerate()
        .all(|(at, c)| c.is_ascii_digit() || c == ':' || c == '.' || c == 'T' || (c == '-' && at < 10));
    if !plain || !text.contains('T') {
        return None;
    }
    text.parse().ok()
}

/// `2026-12-21T09:00:00.0000000`.
pub(crate) fn seven_digits(local: civil::DateTime) -> String {
    format!("{}.{:07}", local.strftime("%Y-%m-%dT%H:%M:%S"), local.subsec_nanosecond() / 100)
}

/// `2026-12-21T09:00:00.0000000Z`, as in `createdDateTime`.
pub(crate) fn seven_digits_utc(at: Timestamp) -> String {
    format!("{}Z", seven_digits(TimeZone::UTC.to_datetime(at)))
}

/// Reads one side of a calendarView window: the offset in the value decides, and a value without one is UTC.
pub(crate) fn window_side(text: &str) -> Option<Timestamp> {
    if let Ok(at) = text.parse::<Timestamp>() {
        return Some(at);
    }
    let local = match text.parse::<civil::Date>() {
        Ok(day) if !text.contains('T') => day.to_datetime(civil::Time::midnight()),
        _ => wall_time(text)?,
    };
    TimeZone::UTC.to_timestamp(local).ok()
}

/// The `Date` header.
pub(crate) fn http_date(at: Timestamp) -> String {
    at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::zones::zone;

    #[test]
    fn wall_time_has_no_offset() {
        for good in ["2026-12-21T09:00:00", "2026-12-21T09:00:00.0000000", "2026-12-21T09:00"] {
            assert!(wall_time(good).is_some(), "{good}");
        }
        for bad in [
            "2026-12-21T09:00:00Z",
            "2026-12-21T09:00:00+01:00",
            "2026-12-21T09:00:00-01:00",
            "2026-12-21",
            "soon",
            "2026-13-01T00:00:00",
        ] {
            assert!(wall_time(bad).is_none(), "{bad}");
        }
    }

    #[test]
    fn times_are_shown_in_utc_unless_another_zone_is_preferred() {
        let moment =
            Moment::new(wall_time("2026-07-01T09:00:00").unwrap(), zone("Europe/London", false).unwrap()).unwrap();
        assert_eq!(moment.shown(false, None), json!({"dateTime": "2026-07-01T08:00:00.0000000", "timeZone": "UTC"}));
        let tokyo = zone("Tokyo Standard Time", false).unwrap();
        assert_eq!(
            moment.shown(false, Some(&tokyo)),
            json!({"dateTime": "2026-07-01T17:00:00.0000000", "timeZone": "Tokyo Standard Time"})
        );
    }

    #[test]
    fn all_day_events_are_shown_at_midnight_in_every_zone() {
        let moment =
            Moment::new(wall_time("2026-07-01T00:00:00").unwrap(), zone("Asia/Tokyo", false).unwrap()).unwrap();
        assert_eq!(moment.at.to_string(), "2026-06-30T15:00:00Z");
        assert_eq!(moment.shown(true, None), json!({"dateTime": "2026-07-01T00:00:00.0000000", "timeZone": "UTC"}));
    }

    #[test]
    fn a_window_side_without_an_offset_is_utc() {
        let same = |a: &str, b: &str| window_side(a).unwrap() == window_side(b).unwrap();
        assert!(same("2026-12-01T00:00:00", "2026-12-01T00:00:00Z"));
        assert!(same("2026-12-01", "2026-12-01T00:00:00Z"));
        assert!(same("2026-12-01T08:00:00+08:00", "2026-12-01T00:00:00Z"));
        assert_eq!(window_side("tomorrow"), None);
    }

    #[test]
    fn the_date_header_is_an_http_date() {
        assert_eq!(http_date("2026-11-22T03:04:05Z".parse().unwrap()), "Sun, 22 Nov 2026 03:04:05 GMT");
    }
}
