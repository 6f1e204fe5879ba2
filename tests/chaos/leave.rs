//! The model: what the portals have said about each leave, and what should be in Outlook because of it.
//!
//! It must never ask the service: its own understanding of dates, halves and hours is what the service is measured by.

use std::sync::{Mutex, MutexGuard, PoisonError};

use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, DateTime},
};
use leavebridge::domain::{marker::Marker, team_calendar::PRIMARY};
use serde_json::{Value, json};

use super::{
    dice::Dice,
    names::{Called, Names},
    stage::{TEAM, TEAM_CALENDAR},
};

/// IANA names and what Outlook calls them.
pub(crate) const ZONES: [(&str, &str); 3] =
    [("Asia/Hong_Kong", "China Standard Time"), ("Europe/London", "GMT Standard Time"), ("UTC", "UTC")];
const SUBJECT: &str = "Out of office";
/// As in config/default.toml.
const INSTALLATION: &str = "default";

/// When somebody is away.
#[derive(Debug, Clone, Copy)]
enum Away {
    Days {
        first: Date,
        last: Date,
    },
    /// From the first day's afternoon to the last day's morning.
    Halves {
        first: Date,
        last: Date,
    },
    Hours {
        from: DateTime,
        until: DateTime,
    },
}

/// One version of a leave.
#[derive(Debug, Clone)]
pub(crate) struct Revision {
    status: &'static str,
    /// Whose calendar: a place in the list of people.
    pub(crate) person: usize,
    called: Called,
    away: Away,
    zone: (&'static str, &'static str),
    at: Timestamp,
    pub(crate) acknowledged: bool,
}

/// One application for leave.
#[derive(Debug, Clone)]
pub(crate) struct Leave {
    pub(crate) id: String,
    /// `ess` or `backstage`.
    pub(crate) source: &'static str,
    pub(crate) revisions: Vec<Revision>,
    /// How many revisions there were when somebody last touched the event in Outlook; only a later one puts it right.
    pub(crate) touched: usize,
    /// It is called by the reception's address in all its versions.
    pub(crate) of_reception: bool,
}

/// An event as Outlook should show it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Event {
    pub(crate) all_day: bool,
    pub(crate) start: String,
    pub(crate) end: String,
    pub(crate) zone: String,
    pub(crate) show_as: String,
    pub(crate) subject: String,
}

/// All leaves of the run.
#[derive(Debug, Default)]
pub(crate) struct Book(Mutex<Vec<Leave>>);

impl Book {
    pub(crate) fn leaves(&self) -> MutexGuard<'_, Vec<Leave>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Revision {
    /// The version number `number` of a leave; its days differ from those of all the others, so that each can be told by
    /// the event it leads to.
    pub(crate) fn draw(
        dice: &Dice,
        number: usize,
        status: &'static str,
        (person, called): (usize, Called),
        origin: Timestamp,
    ) -> Self {
        let number = i64::try_from(number).unwrap_or(0);
        let shift = number * 4 + i64::try_from(dice.below(4)).unwrap_or(0);
        let first = jiff::civil::date(2027, 1, 4).saturating_add(shift.days());
        let last = first.saturating_add(i64::try_from(dice.below(4)).unwrap_or(0).days());
        let away = match dice.below(10) {
            0..7 => Away::Days { first, last },
            7 | 8 => Away::Halves { first, last: last.saturating_add(1.day()) },
            _ => {
                let from = first.at(9 + i8::try_from(dice.below(3)).unwrap_or(0), 30, 0, 0);
                Away::Hours { from, until: from.saturating_add(150.minutes()) }
            }
        };
        let at = origin + SignedDuration::from_secs(number);
        Self { status, person, called, away, zone: *dice.pick(&ZONES), at, acknowledged: false }
    }

    /// The webhook that says so.
    pub(crate) fn webhook(&self, id: &str, people: &[String], names: &Names, is_first: bool) -> Value {
        if self.status == "cancelled" {
            return json!({"type": "leave.cancelled", "timestamp": self.at, "data": {"id": id}});
        }
        let mut data = json!({
            "id": id, "staff": names.staff(&people[self.person], self.person, self.called), "leave_type": "ANNUAL", "status": self.status,
            "time_zone": self.zone.0, "reason": "family trip",
        });
        match self.away {
            Away::Days { first, last } => (data["start"], data["end"]) = (json!(first), json!(last)),
            Away::Halves { first, last } => {
                (data["start"], data["end"]) = (json!(first), json!(last));
                (data["start_session"], data["end_session"]) = (json!("pm"), json!("am"));
            }
            Away::Hours { from, until } => {
                let minutes = |at: DateTime| at.strftime("%Y-%m-%dT%H:%M").to_string();
                (data["start"], data["end"]) = (json!(minutes(from)), json!(minutes(until)));
            }
        }
        let kind = if is_first { "leave.created" } else { "leave.updated" };
        json!({"type": kind, "timestamp": self.at, "data": data})
    }

    /// What Outlook should show because of it; nothing when the leave does not take place.
    fn event(&self) -> Option<Event> {
        let show_as = match self.status {
            "approved" => "oof",
            "pending" => "tentative",
            _ => return None,
        };
        let (all_day, start, end) = match self.away {
            Away::Days { first, last } => (true, first.at(0, 0, 0, 0), last.saturating_add(1.day()).at(0, 0, 0, 0)),
            Away::Halves { first, last } => (false, first.at(13, 0, 0, 0), last.at(13, 0, 0, 0)),
            Away::Hours { from, until } => (false, from, until),
        };
        let text = |at: DateTime| at.strftime("%Y-%m-%dT%H:%M:%S").to_string();
        Some(Event {
            all_day,
            start: text(start),
            end: text(end),
            zone: self.zone.1.to_owned(),
            show_as: show_as.to_owned(),
            subject: SUBJECT.to_owned(),
        })
    }
}

impl Leave {
    /// The markers of its events: of the person's own and of the team's copy.
    pub(crate) fn markers(&self) -> [String; 2] {
        let marker = |calendar| Marker::new(INSTALLATION, "default", self.source, &self.id, calendar).event.to_string();
        [marker(PRIMARY), marker(TEAM_CALENDAR)]
    }

    /// The version that counts: the latest that the service has acknowledged.
    pub(crate) fn valid(&self) -> Option<&Revision> {
        self.revisions.iter().rev().find(|revision| revision.acknowledged)
    }

    /// The events that there should be because of one of its versions, each with the mailbox that it belongs to.
    pub(crate) fn events(&self, revision: &Revision, people: &[String]) -> Vec<(String, Event)> {
        let Some(own) = revision.event() else { return Vec::new() };
        let mut events = vec![(people[revision.person].clone(), own.clone())];
        if self.source == "backstage" {
            let show_as = if own.show_as == "oof" { "free" } else { "tentative" };
            let mut copy = Event { show_as: show_as.to_owned(), subject: self.id.clone(), ..own };
            if copy.all_day {
                // The shared mailbox's own, so that nobody's day shows as two.
                "UTC".clone_into(&mut copy.zone);
            }
            events.push((TEAM.to_owned(), copy));
        }
        events
    }

    /// The number of the earlier version that an event in that mailbox shows, if it shows one.
    pub(crate) fn shown(&self, address: &str, event: &Event, people: &[String]) -> Option<usize> {
        let shows = |(place, known): &(String, Event)| place == address && known == event;
        self.revisions.iter().rposition(|revision| self.events(revision, people).iter().any(shows))
    }

    /// What the portal knows of it, for people.
    pub(crate) fn story(&self) -> String {
        let lines = self.revisions.iter().enumerate().map(|(number, revision)| {
            let heard = if revision.acknowledged { "" } else { ", never acknowledged" };
            format!(
                "r{} {} person{} ({:?}) {:?}{heard}",
                number + 1,
                revision.status,
                revision.person,
                revision.called,
                revision.away
            )
        });
        let touched =
            if self.touched > 0 { format!("; touched in Outlook after r{}", self.touched) } else { String::new() };
        lines.collect::<Vec<_>>().join("; ") + &touched
    }
}
