//! What a webhook makes of its leave and of the leave's items. Pure, and the only way in.
//!
//! [`judge`] says whether the change counts; [`place`](super::place::place) whose mailbox it is about; [`accept`] what becomes
//! of the items. All see rows as they are under the leave's lock, so that changes of one leave come one after the other.

use jiff::Timestamp;
use serde_json::{Value, json};

use super::{
    change::{Change, Placed, StoredLeave, Target},
    item::Item,
    state::{Acceptance, Kind, Reason, TimelineKind},
    whole,
};
use crate::domain::leave::Status;

/// Whether the change counts. Its delivery has not been seen before.
#[must_use]
pub fn judge(stored: Option<&StoredLeave>, change: &Change) -> Acceptance {
    let Some(stored) = stored else { return Acceptance::Accepted };
    if change.at < stored.source_at {
        return Acceptance::Stale;
    }
    let is_same = change.status == stored.status
        && (change.status == Status::Cancelled || (stored.content.is_some() && change.leave == stored.content));
    if is_same {
        Acceptance::Unchanged
    } else if change.at == stored.source_at && stored.status == Status::Cancelled {
        // Of two changes of one moment the cancellation is the later one.
        Acceptance::Stale
    } else {
        Acceptance::Accepted
    }
}

/// What an accepted change makes of the items: those of the leave as they are stored, and those of whole mailboxes that it is
/// about. New ones are added to the lists.
pub fn accept(
    change: &Change,
    leave: i64,
    rev: i64,
    items: &mut Vec<Item>,
    of_mailboxes: &mut Vec<Item>,
    placed: &[Placed],
    now: Timestamp,
) {
    let mut ids = change.ids.iter().copied();
    if change.leave.is_none() {
        // A cancellation does not say whose leave it was: all its events are removed.
        items.iter_mut().filter(|item| item.wanted).for_each(|item| renew(item, now));
    } else {
        for item in items.iter_mut().filter(|item| item.wanted) {
            let is_target = |(target, placed): (&Target, &Placed)| {
                placed.mailbox == item.mailbox && target.calendar == item.calendar && !item.surplus
            };
            if !change.targets.iter().zip(placed).any(is_target) {
                // The leave has moved: its event goes from where it no longer belongs.
                item.wanted = false;
                renew(item, now);
            }
        }
        for (target, placed) in change.targets.iter().zip(placed) {
            let is_it =
                |item: &&mut Item| item.mailbox == placed.mailbox && item.calendar == target.calendar && !item.surplus;
            if let Some(item) = items.iter_mut().find(is_it) {
                item.wanted = true;
                item.address.clone_from(&target.address);
                item.resolve = placed.resolve;
                renew(item, now);
            } else if let Some(id) = ids.next() {
                let mut item = Item::new(id, Kind::Event, &change.tenant, placed.mailbox, &target.address, now);
                item.leave = Some(leave);
                item.calendar.clone_from(&target.calendar);
                item.resolve = placed.resolve;
                item.rev = rev;
                if change.look_first {
                    // Whatever wrote it did so long ago: there is nothing to wait for before looking.
                    item.put_in_doubt(Timestamp::UNIX_EPOCH, None);
                }
                items.push(item);
            }
        }
    }
    whole::wake_items(change, items, of_mailboxes, placed, &mut ids, now);
}

fn renew(item: &mut Item, now: Timestamp) {
    item.rev += 1;
    item.make_due(now, now);
}

/// The change's line in the leave's timeline; `None` where it says nothing new.
#[must_use]
pub fn told(
    change: &Change,
    acceptance: Acceptance,
    rev: i64,
    is_first: bool,
    conflict: bool,
) -> Option<(TimelineKind, Value)> {
    let kind = match acceptance {
        Acceptance::Accepted if !is_first => TimelineKind::Changed,
        Acceptance::Accepted | Acceptance::Stale => TimelineKind::Received,
        Acceptance::Unchanged | Acceptance::Duplicate => return None,
    };
    let mut detail = json!({
        "outcome": acceptance, "status": change.status, "client": change.client,
        // With the precision of the database.
        "source_at": format!("{:.6}", change.at),
    });
    if acceptance == Acceptance::Accepted {
        detail["rev"] = rev.into();
    }
    if let Some((delivery, _)) = &change.delivery {
        detail["delivery"] = delivery.as_str().into();
    }
    if conflict {
        detail["reason"] = Reason::IdentityConflict.word().into();
    }
    Some((kind, detail))
}

#[cfg(test)]
mod tests;
