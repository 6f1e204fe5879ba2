//! Two mailboxes turn out to be one: what becomes of their leases, limits and items.
//!
//! The lower id survives. It must never let anything be claimed while either lease may still be worked under, nor remove an
//! event that the leave still wants.

use jiff::Timestamp;

use super::{
    item::{Doubt, Item},
    mailbox::Block,
    settle::abandoned,
    state::Kind,
};
use crate::domain::reply::Memory;

/// The lease, floor and block of one of the two.
#[derive(Debug, Clone, PartialEq)]
pub struct Side {
    /// Which claim is the latest.
    pub epoch: i64,
    /// Until when its lease lasts; `None` when it is released.
    pub lease_until: Option<Timestamp>,
    /// What its holder took.
    pub lease_items: Vec<uuid::Uuid>,
    /// Nothing is sent before.
    pub throttled_until: Option<Timestamp>,
    /// Nothing is tried before.
    pub block: Option<Block>,
}

/// The one mailbox that both are. A lease that its holder has just given up, with no call under way, counts as released.
#[must_use]
pub fn merge_mailboxes(survivor: &Side, other: &Side) -> Side {
    Side {
        epoch: survivor.epoch.max(other.epoch) + 1,
        // Nothing is claimed before both are over, and what they took is in doubt then.
        lease_until: survivor.lease_until.max(other.lease_until),
        lease_items: survivor.lease_items.iter().chain(&other.lease_items).copied().collect(),
        throttled_until: survivor.throttled_until.max(other.throttled_until),
        // What blocked it under one name need not block it under the other.
        block: None,
    }
}

/// What becomes of two items of one leave and calendar.
#[derive(Debug, Clone, PartialEq)]
pub struct MergedEvents {
    /// The one that stays.
    pub kept: Item,
    /// The other, where its event has to be removed, by its id; else its row goes.
    pub surplus: Option<Item>,
}

/// What the holder of a lease that is not over has taken may be being written at this moment: it is in doubt, from the end of
/// that lease on.
pub fn doubt_taken(item: &mut Item, sides: &[Side]) {
    for side in sides {
        if let Some(until) = side.lease_until.filter(|_| side.lease_items.contains(&item.id)) {
            abandoned(item, until, item.updated_at);
        }
    }
}

/// Whether the one mailbox takes over what its other name has said of its owner's time. `kept_at`, `other_at`: when each said it.
#[must_use]
pub fn takes_settings(kept_at: Option<Timestamp>, other_at: Option<Timestamp>) -> bool {
    other_at > kept_at
}

/// Brings two items of one leave and calendar together. Where the wanted one was never worked on it takes over the other's
/// event; else the other's event is removed, unless both mean the same.
#[must_use]
pub fn merge_events(mut kept: Item, mut other: Item, now: Timestamp) -> MergedEvents {
    if other.wanted && !kept.wanted {
        std::mem::swap(&mut kept, &mut other);
    }
    let (mailbox, rev) = (kept.mailbox.min(other.mailbox), kept.rev.max(other.rev) + 1);
    (kept.mailbox, kept.rev, other.mailbox, other.rev) = (mailbox, rev, mailbox, rev);
    if other.is_untouched() {
        kept.make_due(now, now);
        return MergedEvents { kept, surplus: None };
    }
    if kept.is_untouched() {
        kept.observed = other.observed;
        kept.incarnation = other.incarnation;
        kept.created_in = other.created_in;
        kept.doubt = other.doubt;
        kept.make_due(now, now);
        return MergedEvents { kept, surplus: None };
    }
    // Under one name the marker may have led to the event of the other, or it was taken away there: it is made sure of.
    kept.doubt = kept.doubt.or(other.doubt).or(Some(Doubt { since: now, oldest_rev: None }));
    if event_id(&kept).is_some() && event_id(&kept) == event_id(&other) {
        kept.make_due(now, now);
        return MergedEvents { kept, surplus: None };
    }
    other.wanted = false;
    other.surplus = true;
    for item in [&mut kept, &mut other] {
        item.make_due(now, now);
    }
    MergedEvents { kept, surplus: Some(other) }
}

fn event_id(item: &Item) -> Option<&str> {
    item.observed.as_ref()?.get("event_id")?.as_str()
}

/// Brings the two items together that are about the whole mailbox.
#[must_use]
pub fn merge_whole(mut kept: Item, other: &Item, now: Timestamp) -> Item {
    if kept.kind == Kind::Reply {
        let read = |item: &Item| Memory::read(item.observed.as_ref(), item.doubt.is_some());
        let merged = Memory::merged(read(&kept), read(other));
        kept.doubt = [kept.doubt, other.doubt].into_iter().flatten().max_by_key(|doubt| doubt.since);
        kept.observed = Some(merged.to_value());
    }
    kept.rev += 1;
    kept.make_due(now, now);
    kept
}

#[cfg(test)]
mod tests;
