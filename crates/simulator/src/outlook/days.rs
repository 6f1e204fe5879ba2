//! Which days an event covers in the calendar of the person it belongs to.
//!
//! An all-day event is stored as an interval in the zone it was sent in. It must never be drawn by the dates that were
//! sent: sent in the wrong zone it covers parts of two days, and Outlook shows it on both.

use std::sync::Arc;

use jiff::{
    Timestamp, ToSpan,
    civil::{Date, Time},
    tz::TimeZone,
};

use super::super::{
    directory::Person,
    draft::{Sensitivity, ShowAs},
    event::Event,
    profile::Profile,
};

/// A person and what is on their days.
#[derive(Debug)]
pub(super) struct Row {
    pub(super) profile: Arc<Profile>,
    pub(super) events: Vec<Shown>,
    /// The automatic reply, where there is one that has not ended.
    pub(super) reply: Option<String>,
}

/// An event as it is drawn.
#[derive(Debug)]
pub(super) struct Shown {
    pub(super) subject: String,
    /// The calendar's name, if it is a further one.
    pub(super) calendar: Option<String>,
    pub(super) show_as: ShowAs,
    pub(super) private: bool,
    pub(super) all_day: bool,
    pub(super) first: Date,
    pub(super) last: Date,
    pub(super) from: Time,
    pub(super) to: Time,
    /// Name and value of everything worth reading.
    pub(super) fields: Vec<(&'static str, String)>,
}

impl Row {
    /// What `person` has on the days from `window.0` to `window.1`.
    pub(super) fn read(person: &Person, window: (Date, Date), now: Timestamp) -> Self {
        let profile = person.profile();
        let zone = TimeZone::get(&profile.time_zone).unwrap_or(TimeZone::UTC);
        let mailbox = person.mailbox();
        let shown = mailbox.living().map(|event| {
            // The first calendar needs no name.
            let further = mailbox.calendars.get(event.calendar as usize).filter(|_| event.calendar != 0);
            Shown::read(event, further.map(|name| &**name), &zone)
        });
        let mut events: Vec<Shown> = shown.filter(|event| event.first <= window.1 && event.last >= window.0).collect();
        // Bars above, the day's appointments below them in their order.
        events.sort_by_key(|event| (!event.is_bar(), event.first, event.from));
        let reply = mailbox.replies.line(now, &zone);
        drop(mailbox);
        Self { profile, events, reply }
    }
}

impl Shown {
    fn read(event: &Event, calendar: Option<&str>, zone: &TimeZone) -> Self {
        let content = &event.content;
        let (first, last) = covered(content.start.at, content.end.at, zone);
        let (start, end) = (zone.to_datetime(content.start.at), zone.to_datetime(content.end.at));
        let time = |at: jiff::civil::DateTime| at.strftime("%a %-d %b %Y, %H:%M").to_string();
        let sent = format!(
            "{} – {} ({})",
            content.start.local.strftime("%Y-%m-%d %H:%M"),
            content.end.local.strftime("%Y-%m-%d %H:%M"),
            content.start.zone.name
        );
        let body = if content.html { "HTML".to_owned() } else { content.body.to_string() };
        let mut fields = vec![
            ("Calendar", calendar.unwrap_or_default().to_owned()),
            ("From", time(start)),
            ("To", time(end)),
            ("Sent as", if content.all_day { format!("all day, {sent}") } else { sent }),
            ("Show as", content.show_as.word().to_owned()),
            ("Sensitivity", content.sensitivity.word().to_owned()),
            ("Categories", content.categories.join(", ")),
            ("Location", content.location.to_string()),
            ("Text", body),
            (
                "Reminder",
                if content.reminder { format!("{} min before", content.reminder_minutes) } else { "off".into() },
            ),
        ];
        fields.extend(content.properties.iter().map(|(_, value)| ("Marker", value.to_string())));
        fields.retain(|(name, value)| !value.is_empty() && (*name, value.as_str()) != ("Text", "HTML"));
        Self {
            subject: if content.subject.is_empty() { "(no subject)".into() } else { content.subject.to_string() },
            calendar: calendar.map(str::to_owned),
            show_as: content.show_as,
            private: matches!(content.sensitivity, Sensitivity::Private | Sensitivity::Confidential),
            all_day: content.all_day,
            first,
            last,
            from: start.time(),
            to: end.time(),
            fields,
        }
    }

    /// Whether it is drawn as a bar over whole days.
    pub(super) fn is_bar(&self) -> bool {
        self.all_day || self.first != self.last
    }

    /// The part of it in the week that begins on `monday`: first and last column, from 1.
    pub(super) fn columns(&self, monday: Date) -> Option<(i32, i32)> {
        let column = |day: Date| (day - monday).get_days() + 1;
        let (first, last) = (column(self.first), column(self.last));
        (first <= 7 && last >= 1).then(|| (first.max(1), last.min(7)))
    }
}

/// The days that an interval touches; midnight belongs to the day before it.
fn covered(start: Timestamp, end: Timestamp, zone: &TimeZone) -> (Date, Date) {
    let first = zone.to_datetime(start).date();
    let end = zone.to_datetime(end);
    let last = if end.time() == Time::midnight() { end.date().saturating_sub(1.day()) } else { end.date() };
    (first, last.max(first))
}

/// The Monday of a day's week.
pub(super) fn monday(day: Date) -> Date {
    day.saturating_sub(i32::from(day.weekday().to_monday_zero_offset()).days())
}

#[cfg(test)]
mod tests {
    use jiff::civil::date;

    use super::*;

    #[test]
    fn an_all_day_event_sent_in_the_wrong_zone_lands_on_two_days() {
        let zone = |name: &str| TimeZone::get(name).unwrap();
        let at = |text: &str| text.parse::<Timestamp>().unwrap();
        for (start, end, name, first, last) in [
            ("2026-12-20T16:00:00Z", "2026-12-21T16:00:00Z", "Asia/Shanghai", date(2026, 12, 21), date(2026, 12, 21)),
            ("2026-12-21T00:00:00Z", "2026-12-22T00:00:00Z", "Asia/Shanghai", date(2026, 12, 21), date(2026, 12, 22)),
            (
                "2026-12-21T00:00:00Z",
                "2026-12-22T00:00:00Z",
                "America/New_York",
                date(2026, 12, 20),
                date(2026, 12, 21),
            ),
            ("2026-12-21T09:00:00Z", "2026-12-21T09:00:00Z", "UTC", date(2026, 12, 21), date(2026, 12, 21)),
        ] {
            assert_eq!(covered(at(start), at(end), &zone(name)), (first, last), "{start} {name}");
        }
    }

    #[test]
    fn a_week_begins_on_monday() {
        assert_eq!(monday(date(2026, 12, 21)), date(2026, 12, 21));
        assert_eq!(monday(date(2026, 12, 27)), date(2026, 12, 21));
    }
}
