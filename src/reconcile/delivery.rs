//! What the way of one event means for its item: how it begins from the stored row, and what is to be stored at its end.
//!
//! It must never give up a doubt while a request without an answer can still change what is in the calendar, nor use an
//! incarnation again whose event was taken away.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;

use super::{
    converge::Progress,
    item::{Item, LATEST},
    mailbox::since,
    plan::ObservedEvent,
    settle::{DeliveryResult, DoubtAfter},
};
use crate::domain::event::Desired;

/// What a way has found out, as a result carries it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Findings {
    /// What is in the calendar, as far as is known.
    pub observed: Option<Value>,
    /// Which event of the item it is, or the next one will be.
    pub incarnation: i32,
    /// What is unknown.
    pub doubt: DoubtAfter,
}

impl Findings {
    /// Those of a way as far as it has led.
    #[must_use]
    pub fn so_far(item: &Item, progress: &Progress) -> Self {
        let is_empty = progress.observed == ObservedEvent::default();
        Self {
            observed: if is_empty { None } else { serde_json::to_value(&progress.observed).ok() },
            incarnation: item.incarnation,
            doubt: match (progress.doubted, progress.unsure) {
                (true, _) => DoubtAfter::Begins,
                (false, true) => DoubtAfter::Stays,
                (false, false) => DoubtAfter::Over,
            },
        }
    }

    /// Those of a way that has reached what is wanted. After a deletion the next event is another one. While a write without
    /// an answer may still be carried out, the item stays in doubt: what is wanted may change before.
    #[must_use]
    pub fn at_end(item: &Item, progress: &Progress, desired: &Desired, now: Timestamp) -> Self {
        let so_far = Self::so_far(item, progress);
        Self {
            incarnation: item.incarnation + i32::from(progress.removed),
            doubt: if late_write(item, progress, desired, now).is_some() { DoubtAfter::Stays } else { so_far.doubt },
            ..so_far
        }
    }

    /// Those of a way that found the event gone: the next one is another one, and no request is under way for it.
    #[must_use]
    pub const fn to_recreate(item: &Item) -> Self {
        Self { observed: None, incarnation: item.incarnation + 1, doubt: DoubtAfter::Over }
    }

    /// The result that carries them.
    #[must_use]
    pub fn into_result(self, result: DeliveryResult) -> DeliveryResult {
        let Self { observed, incarnation, doubt } = self;
        DeliveryResult { observed, incarnation, doubt, ..result }
    }
}

/// The event as the item's row knows it.
#[must_use]
pub fn observed(item: &Item) -> ObservedEvent {
    item.observed.as_ref().and_then(|noted| serde_json::from_value(noted.clone()).ok()).unwrap_or_default()
}

/// The beginning of the way, for an item that was claimed at `now`.
#[must_use]
pub fn begin(item: &Item, now: Timestamp) -> Progress {
    let observed = observed(item);
    // One that is left over beside another of its leave is never looked for: its marker is the other's as well.
    let unsure = item.doubt.is_some() && !(item.surplus && observed.event_id.is_none());
    Progress::new(observed, unsure, doubted_for(item, now))
}

/// For how long a write whose answer was lost may still be carried out on the event that is there now. Not after a create:
/// Graph carries a transaction out once, and nothing late can know the new event.
fn late_write(item: &Item, progress: &Progress, desired: &Desired, now: Timestamp) -> Option<Duration> {
    let is_write = item.doubt.is_some_and(|doubt| doubt.oldest_rev.is_some());
    let left = LATEST.checked_sub(doubted_for(item, now)).filter(|left| !left.is_zero());
    left.filter(|_| is_write && !progress.created && matches!(desired, Desired::Present(_)))
}

/// For how long a write of an older revision may still be carried out, so that it is written once more behind it.
#[must_use]
pub fn must_write_again(item: &Item, progress: &Progress, desired: &Desired, now: Timestamp) -> Option<Duration> {
    let is_older = item.doubt.and_then(|doubt| doubt.oldest_rev).is_some_and(|rev| rev < item.rev);
    late_write(item, progress, desired, now).filter(|_| is_older)
}

/// Whether something was found out that must not be forgotten.
#[must_use]
pub fn has_learnt(item: &Item, progress: &Progress) -> bool {
    let before = observed(item);
    progress.observed.event_id != before.event_id
        || progress.unsure != item.doubt.is_some()
        || progress.observed.written != before.written
}

fn doubted_for(item: &Item, now: Timestamp) -> Duration {
    item.doubt.map(|doubt| since(doubt.since, now)).unwrap_or_default()
}
