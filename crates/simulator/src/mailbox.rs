//! One mailbox: its calendars, its events, and the ways to find them without looking at each.
//!
//! It must never forget a soft-deleted event (its transactionId may still be taken) and never show one in a list.

use std::{
    collections::{BTreeSet, HashMap, hash_map::Entry},
    sync::Arc,
};

use jiff::Timestamp;

use super::{
    content::Content,
    event::Event,
    failure::Failure,
    ids::{Form, Seal},
    property::PropertyId,
    replies::AutomaticReplies,
    score::Score,
};

/// One person's mailbox.
#[derive(Debug)]
pub(crate) struct Mailbox {
    pub(crate) seal: Seal,
    /// Names by number; number 0 is the default calendar.
    pub(crate) calendars: Vec<Box<str>>,
    /// The numbers of those that are deleted.
    removed: BTreeSet<u32>,
    /// What the mailbox answers by itself.
    pub(crate) replies: AutomaticReplies,
    events: Vec<Option<Event>>,
    living: usize,
    changes: u64,
    by_transaction: HashMap<Box<str>, u32>,
    /// Living events by extended property and value.
    by_marker: HashMap<Box<str>, Vec<u32>>,
    /// How many living events carry just the same extended properties.
    marked_alike: HashMap<Vec<Box<str>>, i64>,
    score: Arc<Score>,
}

/// What became of a POST.
#[derive(Debug)]
pub(crate) enum Created {
    /// A new event with this number.
    New(u32),
    /// The same content came under this transactionId before; this is that event.
    Known(u32),
    /// Other content came under this transactionId before.
    Taken(u32),
}

impl Mailbox {
    /// An empty mailbox.
    pub(crate) fn new(seal: Seal, score: Arc<Score>) -> Self {
        Self {
            seal,
            calendars: vec!["Calendar".into()],
            removed: BTreeSet::new(),
            replies: AutomaticReplies::default(),
            events: Vec::new(),
            living: 0,
            changes: 0,
            by_transaction: HashMap::new(),
            by_marker: HashMap::new(),
            marked_alike: HashMap::new(),
            score,
        }
    }

    /// Adds an event, unless its transactionId was used before.
    pub(crate) fn create(
        &mut self,
        calendar: u32,
        content: Content,
        transaction_id: Option<Box<str>>,
        now: Timestamp,
    ) -> Created {
        let fingerprint = content.fingerprint();
        let known = transaction_id.as_deref().and_then(|id| self.by_transaction.get(id).copied());
        if let Some(event) = known.and_then(|serial| self.at(serial)) {
            let same = event.fingerprint == fingerprint;
            return if same { Created::Known(event.serial) } else { Created::Taken(event.serial) };
        }
        let serial = u32::try_from(self.events.len()).unwrap_or(u32::MAX);
        if let Some(id) = &transaction_id {
            self.by_transaction.insert(id.clone(), serial);
        }
        self.changes += 1;
        self.living += 1;
        self.mark(serial, &content.properties);
        self.score.invitations(content.attendees.len());
        self.events.push(Some(Event {
            serial,
            calendar,
            change: self.changes,
            created: now,
            modified: now,
            transaction_id,
            fingerprint,
            deleted: false,
            content,
        }));
        Created::New(serial)
    }

    /// The event that `id`, in either form, stands for; the deleted ones too.
    pub(crate) fn find(&self, id: &str) -> Result<&Event, Failure> {
        let serial =
            Seal::serial(id).map_err(|_| Failure::bad_request("ErrorInvalidIdMalformed", "Id is malformed."))?;
        let ours = |event: &&Event| {
            let matches = |form| self.seal.event(event.serial, form) == id;
            matches(Form::Immutable) || matches(Form::Default)
        };
        self.at(serial).filter(ours).ok_or_else(Failure::item_not_found)
    }

    /// Event number `serial`.
    pub(crate) fn at(&self, serial: u32) -> Option<&Event> {
        self.events.get(serial as usize)?.as_ref()
    }

    /// The number of the calendar called `id`.
    pub(crate) fn calendar(&self, id: &str) -> Result<u32, Failure> {
        let serial =
            Seal::serial(id).map_err(|_| Failure::bad_request("ErrorInvalidIdMalformed", "Id is malformed."))?;
        let ours = self.open_calendars().any(|number| number == serial) && self.seal.calendar(serial) == id;
        if ours { Ok(serial) } else { Err(Failure::item_not_found()) }
    }

    /// The numbers of the calendars that are not deleted.
    pub(crate) fn open_calendars(&self) -> impl Iterator<Item = u32> {
        (0..).take(self.calendars.len()).filter(|number| !self.removed.contains(number))
    }

    /// The number of the calendar of that name.
    pub(crate) fn calendar_named(&self, name: &str) -> Option<u32> {
        let is_it =
            |number: &u32| self.calendars.get(*number as usize).is_some_and(|own| own.eq_ignore_ascii_case(name));
        self.open_calendars().find(is_it)
    }

    /// Moves a calendar to Deleted Items, with its events.
    pub(crate) fn remove_calendar(&mut self, number: u32, forget_transaction: bool, now: Timestamp) {
        let inside: Vec<u32> =
            self.living().filter(|event| event.calendar == number).map(|event| event.serial).collect();
        for serial in inside {
            self.delete(serial, forget_transaction, now);
        }
        self.removed.insert(number);
    }

    /// Gives an event new content.
    pub(crate) fn replace(&mut self, serial: u32, content: Content, now: Timestamp) -> Option<&Event> {
        let old = self.events.get_mut(serial as usize)?.as_mut()?;
        let properties = content.properties.clone();
        // A change of a meeting is mailed to everybody on it.
        self.score.invitations(content.attendees.len());
        let before = std::mem::replace(&mut old.content, content);
        self.changes += 1;
        (old.change, old.modified) = (self.changes, now);
        if !old.deleted && before.properties != properties {
            self.unmark(serial, &before.properties);
            self.mark(serial, &properties);
        }
        self.at(serial)
    }

    /// Moves an event to Deleted Items.
    pub(crate) fn delete(&mut self, serial: u32, forget_transaction: bool, now: Timestamp) {
        let Some(event) = self.events.get_mut(serial as usize).and_then(Option::as_mut) else { return };
        if std::mem::replace(&mut event.deleted, true) {
            return;
        }
        self.changes += 1;
        (event.change, event.modified) = (self.changes, now);
        self.living -= 1;
        self.score.invitations(event.content.attendees.len());
        let properties = event.content.properties.clone();
        if forget_transaction && let Some(id) = &event.transaction_id {
            self.by_transaction.remove(id);
        }
        self.unmark(serial, &properties);
    }

    /// Takes an event back out of Deleted Items.
    pub(crate) fn restore(&mut self, serial: u32, now: Timestamp) {
        let Some(event) = self.events.get_mut(serial as usize).and_then(Option::as_mut) else { return };
        if !std::mem::replace(&mut event.deleted, false) {
            return;
        }
        self.changes += 1;
        (event.change, event.modified) = (self.changes, now);
        self.living += 1;
        let properties = event.content.properties.clone();
        self.mark(serial, &properties);
    }

    /// Removes an event for good.
    pub(crate) fn purge(&mut self, serial: u32, now: Timestamp) {
        self.delete(serial, true, now);
        if let Some(place) = self.events.get_mut(serial as usize) {
            *place = None;
        }
    }

    /// The living events that carry `property` with `value`.
    pub(crate) fn marked(&self, property: &PropertyId, value: &str) -> impl Iterator<Item = &Event> {
        let serials = self.by_marker.get(&property.index_key(value)).map_or(&[][..], Vec::as_slice);
        serials.iter().filter_map(|serial| self.at(*serial))
    }

    /// The living events, in the order they came.
    pub(crate) fn living(&self) -> impl Iterator<Item = &Event> {
        self.all().filter(|event| !event.deleted)
    }

    /// All events, the deleted ones too.
    pub(crate) fn all(&self) -> impl Iterator<Item = &Event> {
        self.events.iter().flatten()
    }

    /// The score that this mailbox counts into.
    pub(crate) fn score(&self) -> Arc<Score> {
        Arc::clone(&self.score)
    }

    /// How many living events there are.
    pub(crate) fn count(&self) -> usize {
        self.living
    }

    fn mark(&mut self, serial: u32, properties: &[(PropertyId, Box<str>)]) {
        for (id, value) in properties {
            self.by_marker.entry(id.index_key(value)).or_default().push(serial);
        }
        if let Some(mark) = whole_mark(properties) {
            let same = self.marked_alike.entry(mark).or_default();
            self.score.duplicates(*same);
            *same += 1;
        }
    }

    fn unmark(&mut self, serial: u32, properties: &[(PropertyId, Box<str>)]) {
        for (id, value) in properties {
            let Entry::Occupied(mut same) = self.by_marker.entry(id.index_key(value)) else { continue };
            same.get_mut().retain(|other| *other != serial);
            if same.get().is_empty() {
                same.remove();
            }
        }
        if let Some(Entry::Occupied(mut same)) = whole_mark(properties).map(|mark| self.marked_alike.entry(mark)) {
            *same.get_mut() -= 1;
            self.score.duplicates(-*same.get());
            if *same.get() == 0 {
                same.remove();
            }
        }
    }
}

/// All that a client marked an event with, in one; `None` where it did not. Clients may mark events with more than one property,
/// of which one alone may be the same for many.
fn whole_mark(properties: &[(PropertyId, Box<str>)]) -> Option<Vec<Box<str>>> {
    let mut mark: Vec<Box<str>> = properties.iter().map(|(id, value)| id.index_key(value)).collect();
    mark.sort();
    Some(mark).filter(|mark| !mark.is_empty())
}

impl Drop for Mailbox {
    /// A mailbox that goes takes its duplicates out of the score.
    fn drop(&mut self) {
        for count in self.marked_alike.values() {
            self.score.duplicates(-(count * (count - 1) / 2));
        }
    }
}
