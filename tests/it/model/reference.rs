//! The pure model: what a portal is told, and what Outlook holds once nothing is left to do.
//!
//! It knows nothing of revisions, leases, attempts or faults, and so nothing of how leavebridge does it.

use std::collections::BTreeMap;

use jiff::civil::{DateTime, date};

use super::{
    history::{Called, Content, Edit, Kind, PEOPLE},
    outlook,
};

/// A leave as its portals left it.
#[derive(Debug, Clone)]
struct Leave {
    status: &'static str,
    /// Unknown while nothing but a cancellation has arrived.
    content: Option<Content>,
    /// In whose mailbox it belongs: of several, in whose it is found. Nothing has been written for it then when the address
    /// that names the person passed on, and it may have been asked about before or after.
    holders: Vec<usize>,
    at: i64,
}

/// What a portal is told.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Outcome {
    Accepted,
    Unchanged,
    Stale,
}

/// What of an event is ours to write.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Entry {
    pub(super) times: Times,
    pub(super) show_as: String,
    pub(super) subject: String,
    pub(super) body: String,
    pub(super) sensitivity: String,
}

/// When, as Outlook shows it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Times {
    pub(super) all_day: bool,
    pub(super) start: String,
    pub(super) end: String,
}

/// An automatic reply, by the clock of the leave.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Reply {
    pub(super) from: DateTime,
    pub(super) until: DateTime,
    /// The first and the last day, of December 2026.
    pub(super) first: u8,
    pub(super) last: u8,
}

/// An event of ours as it is in a calendar.
#[derive(Debug, Clone)]
pub(super) struct Found {
    pub(super) id: String,
    pub(super) entry: Entry,
    pub(super) categories: Vec<String>,
}

/// What somebody did to one event.
#[derive(Debug, Clone)]
struct Touched {
    id: String,
    /// What we had last written into it by then.
    ours: Entry,
    theirs: Entry,
    category: Option<String>,
    deleted: Option<Deleted>,
}

#[derive(Debug, Clone, Copy)]
struct Deleted {
    /// It was as wanted, and nothing was under way.
    settled: bool,
    /// So many changes of the leave had been accepted.
    accepted: usize,
}

/// All leaves, and what people did to their events.
#[derive(Debug)]
pub(super) struct Model {
    subject: String,
    body: String,
    /// There is a team's calendar.
    team: bool,
    /// Who has the reception's address.
    pub(super) reception: usize,
    leaves: BTreeMap<usize, Leave>,
    touched: BTreeMap<(usize, usize), Touched>,
    /// How many changes of each leave were accepted, and how many came too late.
    pub(super) accepted: BTreeMap<usize, usize>,
    pub(super) stale: BTreeMap<usize, usize>,
    /// Nobody has been taken by surprise so far who might write an event in full, not knowing what it holds.
    pub(super) calm: bool,
}

impl Outcome {
    pub(super) const ALL: [Self; 3] = [Self::Accepted, Self::Unchanged, Self::Stale];
}

impl Kind {
    fn status(self) -> &'static str {
        match self {
            Self::Created(status) | Self::Updated(status) => status.unwrap_or("approved"),
            Self::Cancelled => "cancelled",
        }
    }
}

impl Model {
    pub(super) fn new(subject: String, body: String, team: bool) -> Self {
        let (leaves, touched, accepted, stale) = Default::default();
        Self { subject, body, team, reception: 0, leaves, touched, accepted, stale, calm: true }
    }

    /// A webhook arrives that says how a leave stood at `at`.
    pub(super) fn post(&mut self, leave: usize, kind: Kind, content: &Content, at: i64) -> Outcome {
        let status = kind.status();
        let content = (kind != Kind::Cancelled).then(|| content.clone());
        let present = match &content {
            Some(Content { called: Called::Reception, .. }) => self.reception,
            Some(content) => content.person,
            None => 0,
        };
        let Some(stored) = self.leaves.get_mut(&leave) else {
            self.leaves.insert(leave, Leave { status, content, holders: vec![present], at });
            return Outcome::Accepted;
        };
        if at < stored.at {
            return Outcome::Stale;
        }
        if status == stored.status && (status == "cancelled" || content == stored.content) {
            stored.at = at;
            return Outcome::Unchanged;
        }
        if at == stored.at && stored.status == "cancelled" {
            return Outcome::Stale;
        }
        let name =
            |content: &Content| (content.called, if content.called == Called::Reception { 0 } else { content.person });
        if content.as_ref().is_some_and(|new| stored.content.as_ref().map(name) != Some(name(new))) {
            stored.holders = vec![present];
        }
        (stored.status, stored.at) = (status, at);
        stored.content = content.or_else(|| stored.content.take());
        Outcome::Accepted
    }

    /// The reception's address passes on, while everything is settled. Leave that is in Outlook stays where it is.
    pub(super) fn pass_on(&mut self, to: usize) {
        self.reception = to;
        for leave in self.leaves.values_mut() {
            let is_there = ["approved", "pending"].contains(&leave.status);
            let is_named = leave.content.as_ref().is_some_and(|content| content.called == Called::Reception);
            if is_named && !is_there && !leave.holders.contains(&to) {
                leave.holders.push(to);
            }
        }
    }

    /// Where a leave may be in several people's mailboxes, it is in the one in which it was found.
    pub(super) fn found(&mut self, leave: usize, is_in: impl Fn(usize) -> bool) {
        if let Some(leave) = self.leaves.get_mut(&leave) {
            let holder = leave.holders.iter().copied().find(|holder| is_in(*holder)).unwrap_or(leave.holders[0]);
            leave.holders = vec![holder];
        }
    }

    /// What the portal was told in the end.
    pub(super) fn told(&mut self, leave: usize, outcome: Outcome) {
        match outcome {
            Outcome::Accepted => *self.accepted.entry(leave).or_default() += 1,
            Outcome::Stale => *self.stale.entry(leave).or_default() += 1,
            Outcome::Unchanged => {}
        }
    }

    /// How a leave stands, if there is one.
    pub(super) fn status(&self, leave: usize) -> Option<&'static str> {
        self.leaves.get(&leave).map(|leave| leave.status)
    }

    /// The event that there should be for a leave in a mailbox's calendar.
    pub(super) fn wanted(&self, leave: usize, mailbox: usize) -> Option<Entry> {
        let Leave { status, content: Some(content), holders, .. } = self.leaves.get(&leave)? else { return None };
        let is_team = mailbox == PEOPLE;
        let show_as = match *status {
            "approved" if is_team => "free",
            "approved" => "oof",
            "pending" => "tentative",
            _ => return None,
        };
        let Content { person, first, days, from_noon, leave_type, .. } = *content;
        let day = |day: u8, time: &str| format!("2026-12-{day:02}T{time}:00.0000000");
        let times = if from_noon {
            Times { all_day: false, start: day(first, "13:00"), end: day(first + days - 1, "18:00") }
        } else {
            Times { all_day: true, start: day(first, "00:00"), end: day(first + days, "00:00") }
        };
        let show_as = show_as.to_owned();
        if is_team {
            let (subject, sensitivity) = (format!("{} – away", outlook::name(person)), "normal".to_owned());
            let entry = Entry { times, show_as, subject, body: String::new(), sensitivity };
            return (self.team && leave_type == "ANNUAL").then_some(entry);
        }
        let (subject, body, sensitivity) = (self.subject.clone(), self.body.clone(), "private".to_owned());
        holders.contains(&mailbox).then_some(Entry { times, show_as, subject, body, sensitivity })
    }

    /// The automatic reply that somebody's mailbox should have, of the first leave without work in between that is not over
    /// at `now`.
    pub(super) fn reply(&self, person: usize, now: DateTime) -> Option<Reply> {
        // In half days, for work begins and ends with them.
        let mut spans: Vec<(i32, i32, Reply)> = Vec::new();
        for leave in self.leaves.values().filter(|leave| leave.status == "approved") {
            let Some(Content { first, days, from_noon, .. }) =
                leave.content.clone().filter(|_| leave.holders.contains(&person))
            else {
                continue;
            };
            let day = |day: u8, hour: i8| date(2026, 12, i8::try_from(day).unwrap()).at(hour, 0, 0, 0);
            let last = first + days - 1;
            let (from, until) =
                if from_noon { (day(first, 13), day(last, 18)) } else { (day(first, 0), day(last + 1, 0)) };
            let reply = Reply { from, until, first, last };
            spans.push((i32::from(first) * 2 + i32::from(from_noon), i32::from(last) * 2 + 2, reply));
        }
        spans.sort_by_key(|(_, _, reply)| (reply.from, reply.until));
        let mut merged: Vec<(i32, i32, Reply)> = Vec::new();
        for (begins, ends, next) in spans {
            match merged.last_mut().filter(|(_, ended, _)| begins <= *ended) {
                Some((_, ended, reply)) => {
                    *ended = ends.max(*ended);
                    reply.until = next.until.max(reply.until);
                    reply.last = next.last.max(reply.last);
                }
                None => merged.push((begins, ends, next)),
            }
        }
        merged.into_iter().map(|(_, _, reply)| reply).find(|reply| reply.until > now)
    }

    /// Somebody changed an event from `before` to `after`.
    pub(super) fn edited(&mut self, leave: usize, person: usize, before: &Found, after: &Found, edit: Edit) {
        let touched = self.touch(leave, person, before);
        touched.theirs = after.entry.clone();
        if edit == Edit::Tag {
            touched.category = after.categories.first().cloned();
        }
    }

    /// Somebody deleted an event that held `held`.
    pub(super) fn deleted(&mut self, leave: usize, person: usize, held: &Found, settled: bool) {
        let accepted = self.accepted.get(&leave).copied().unwrap_or_default();
        self.touch(leave, person, held).deleted = Some(Deleted { settled, accepted });
    }

    /// Remembers what was ours in an event: of what somebody has changed, what it was before.
    fn touch(&mut self, leave: usize, person: usize, held: &Found) -> &mut Touched {
        let blank = Touched {
            id: held.id.clone(),
            ours: held.entry.clone(),
            theirs: held.entry.clone(),
            category: None,
            deleted: None,
        };
        let touched = self.touched.entry((leave, person)).or_insert_with(|| blank.clone());
        if touched.id != held.id {
            *touched = blank;
        }
        // What is no longer as they made it, we have written since.
        if held.entry.times != touched.theirs.times {
            touched.ours.times.clone_from(&held.entry.times);
        }
        if held.entry.body != touched.theirs.body {
            touched.ours.body.clone_from(&held.entry.body);
        }
        touched.ours.show_as.clone_from(&held.entry.show_as);
        touched.ours.subject.clone_from(&held.entry.subject);
        touched.theirs = held.entry.clone();
        touched
    }

    /// What is wrong with the living events of a leave in somebody's calendar, where `known` is the one that the
    /// leave's mapping names, and none of its deliveries has failed if it was `smooth`.
    pub(super) fn complaint(
        &self,
        (leave, person): (usize, usize),
        live: &[Found],
        known: Option<&str>,
        smooth: bool,
    ) -> Option<String> {
        let wanted = self.wanted(leave, person);
        let touched = self.touched.get(&(leave, person));
        let (Some(wanted), [event]) = (&wanted, live) else {
            let deleted = |wanted: &Entry| {
                // Nothing had to be written since: that it is gone is found out only by what compares calendars with
                // what they should hold, which this version does not do.
                touched.is_some_and(|touched| {
                    touched.deleted.is_some() && Some(&*touched.id) == known && touched.ours == *wanted
                })
            };
            let fine = live.is_empty() && wanted.as_ref().is_none_or(deleted);
            return (!fine).then(|| format!("wanted {wanted:?}, touched {touched:?}"));
        };
        if known != Some(&*event.id) {
            return Some(format!("the mapping names another event: {known:?}"));
        }
        let here = touched.filter(|touched| touched.id == event.id);
        let Some(here) = here else {
            let accepted = self.accepted.get(&leave).copied().unwrap_or_default();
            let again = touched.and_then(|touched| touched.deleted);
            if again.is_some_and(|deleted| deleted.settled && deleted.accepted == accepted) {
                return Some("it came back after its deletion although nothing has changed since".into());
            }
            return (event.entry != *wanted).then(|| format!("wanted {wanted:?}"));
        };
        // What we never had reason to write since may be as they made it.
        let mut theirs = wanted.clone();
        if event.entry.times == here.theirs.times && here.ours.times == wanted.times {
            theirs.times.clone_from(&event.entry.times);
        }
        if event.entry.body == here.theirs.body && here.ours.body == wanted.body {
            theirs.body.clone_from(&event.entry.body);
        }
        let kept = event.categories.first() == here.category.as_ref();
        // Our text never changes, so there was no reason to write over theirs.
        let notes_kept = !self.calm || !smooth || event.entry.body == here.theirs.body;
        let fine = here.deleted.is_none() && event.entry == theirs && kept && notes_kept;
        (!fine).then(|| format!("wanted {wanted:?}, touched {here:?}, calm {}, smooth {smooth}", self.calm))
    }
}
