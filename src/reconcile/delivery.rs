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
            doubt: match (progress.doubted, progress.is_in_doubt()) {
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
    Progress::new(observed(item), item.doubt.is_some(), doubted_for(item, now))
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
        || progress.is_in_doubt() != item.doubt.is_some()
        || progress.observed.written != before.written
}

fn doubted_for(item: &Item, now: Timestamp) -> Duration {
    item.doubt.map(|doubt| since(doubt.since, now)).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;
    use uuid::Uuid;

    use super::*;
    use crate::reconcile::{
        converge::{Answer, Next},
        item::Doubt,
        state::{Kind, State},
    };

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn seconds_ago(seconds: i64) -> Timestamp {
        now() - SignedDuration::from_secs(seconds)
    }

    fn spec() -> crate::domain::event::EventSpec {
        serde_json::from_value(serde_json::json!({
            "subject": "Out of office", "body": "", "show_as": "oof", "sensitivity": "private",
            "times": {"all_day": true, "start": "2026-12-21T00:00:00", "end": "2026-12-22T00:00:00", "zone": "UTC"},
        }))
        .unwrap()
    }

    /// An item of revision 5, whose event may be found.
    fn item(oldest_rev: Option<i64>, seconds: i64) -> Item {
        let mut item = Item::new(Uuid::nil(), Kind::Event, "default", 7, "amy@contoso.com", now());
        (item.rev, item.doubt) = (5, Some(Doubt { since: seconds_ago(seconds), oldest_rev }));
        item
    }

    /// The way to its end; the event is in the calendar already, or is made.
    fn end(item: &Item, desired: &Desired, is_there: bool) -> Progress {
        let mut way = begin(item, now());
        while let Next::Call(call) = way.next(desired) {
            let ids = if is_there || way.observed.event_id.is_some() { vec!["e".to_owned()] } else { Vec::new() };
            let answer = match &call {
                crate::reconcile::converge::Call::Find => Answer::Found { ours: ids.first().cloned(), ids },
                crate::reconcile::converge::Call::Remove(_) => Answer::Removed,
                _ => Answer::Written { id: "e".into(), web_link: None },
            };
            way.take(desired, &call, answer);
        }
        assert_eq!(way.next(desired), Next::Done);
        way
    }

    #[test]
    fn while_a_write_may_come_late_the_item_stays_in_doubt_and_behind_an_older_one_it_is_written_again() {
        let minute = |seconds| Some(Duration::from_secs(seconds));
        for (oldest_rev, seconds, is_there, doubt, wait) in [
            (Some(4), 20, true, DoubtAfter::Stays, minute(40)),
            (Some(0), 20, true, DoubtAfter::Stays, minute(40)),
            // It writes what is wanted now, but what is wanted may change.
            (Some(5), 20, true, DoubtAfter::Stays, None),
            (Some(4), 60, true, DoubtAfter::Over, None),
            // Only a create can come late, and it writes over nothing.
            (None, 20, true, DoubtAfter::Over, None),
            // Nothing late can know an event that was made just now.
            (Some(4), 20, false, DoubtAfter::Over, None),
        ] {
            let (item, desired) = (item(oldest_rev, seconds), Desired::Present(spec()));
            let way = end(&item, &desired, is_there);
            let about = format!("{oldest_rev:?} {seconds} {is_there}");
            assert_eq!(Findings::at_end(&item, &way, &desired, now()).doubt, doubt, "{about}");
            assert_eq!(must_write_again(&item, &way, &desired, now()), wait, "{about}");
        }
    }

    #[test]
    fn a_write_that_comes_late_does_no_harm_to_an_event_that_is_removed() {
        let item = item(Some(4), 20);
        let way = end(&item, &Desired::Absent, true);
        let findings = Findings::at_end(&item, &way, &Desired::Absent, now());
        assert_eq!((findings.doubt, findings.incarnation), (DoubtAfter::Over, 1));
        assert_eq!(must_write_again(&item, &way, &Desired::Absent, now()), None);
    }

    #[test]
    fn the_doubt_of_a_settled_item_ends_by_itself_and_that_of_an_open_or_parked_one_does_not() {
        for (state, seconds, stays) in [
            (State::Synced, 59, true),
            (State::Synced, 60, false),
            (State::Hidden, 60, false),
            (State::Pending, 60, true),
            (State::Waiting, 60, true),
            (State::Parked, 60, true),
        ] {
            let mut item = item(Some(4), seconds);
            item.state = state;
            item.make_due(now(), now());
            assert_eq!(item.doubt.is_some(), stays, "{state:?} {seconds}");
        }
    }
}
