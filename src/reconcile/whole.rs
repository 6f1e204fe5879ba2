//! What a webhook wakes beside its events: the items that are about a mailbox as a whole and have no leave, its automatic
//! reply and the reading of its settings.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{
    change::{Change, Placed, Target},
    item::Item,
    mailbox::since,
    replan::wake,
    state::{Kind, State},
};
use crate::domain::{
    leave::{Span, Status},
    team_calendar::PRIMARY,
};

/// For how long the settings count that were read from a mailbox.
pub const SETTINGS_FRESH_FOR: Duration = Duration::from_hours(24);
/// For how long settings that the app may not read are not asked for again.
const DENIED_FOR: Duration = Duration::from_hours(1);

/// The mailboxes whose items without a leave [`wake_items`] has to see.
#[must_use]
pub fn mailboxes(change: &Change, items: &[Item], placed: &[Placed], now: Timestamp) -> Vec<i64> {
    let mut mailboxes = Vec::new();
    if change.has_replies {
        mailboxes.extend(items.iter().map(|item| item.mailbox));
        mailboxes.extend(placed.first().map(|placed| placed.mailbox));
    }
    mailboxes.extend(want_settings(change, placed, now).map(|(_, placed)| placed.mailbox));
    mailboxes
}

/// What an accepted change makes of the items without a leave: `of_mailboxes`, as they are stored. `items`: the leave's own, as
/// they are by the change. New ones are added, with ids of `ids`.
pub fn wake_items(
    change: &Change,
    items: &[Item],
    of_mailboxes: &mut Vec<Item>,
    placed: &[Placed],
    ids: &mut impl Iterator<Item = Uuid>,
    now: Timestamp,
) {
    if change.has_replies {
        let mut own: Vec<(i64, String)> = items
            .iter()
            .filter(|item| item.calendar == PRIMARY && item.updated_at == now)
            .map(|item| (item.mailbox, item.address.clone()))
            .collect();
        own.sort();
        own.dedup_by_key(|(mailbox, _)| *mailbox);
        for (mailbox, address) in own {
            wake_or_add(of_mailboxes, Kind::Reply, change, mailbox, &address, ids, now);
        }
    }
    for (target, placed) in want_settings(change, placed, now) {
        wake_or_add(of_mailboxes, Kind::Settings, change, placed.mailbox, &target.address, ids, now);
    }
}

/// The targets in mailboxes whose settings have to be read.
fn want_settings<'a>(
    change: &'a Change,
    placed: &'a [Placed],
    now: Timestamp,
) -> impl Iterator<Item = (&'a Target, &'a Placed)> {
    change.targets.iter().zip(placed).filter(move |(target, placed)| {
        needs_settings(change, target) && placed.settings_at.is_none_or(|at| since(at, now) >= SETTINGS_FRESH_FOR)
    })
}

/// Whether what is written there depends on what the target's own mailbox says of its owner's time.
fn needs_settings(change: &Change, target: &Target) -> bool {
    let is_there = matches!(change.status, Status::Pending | Status::Approved);
    is_there
        && change.leave.as_ref().is_some_and(|leave| match target.calendar.as_str() {
            PRIMARY => leave.depends_on_mailbox_settings(),
            _ => matches!(leave.span, Span::Days { .. }) && leave.span.is_whole_days(),
        })
}

/// Whether the reading of a mailbox's settings is worth an attempt now: it is not under way, and was not just denied.
#[must_use]
pub fn may_ask(settings: Option<&Item>, now: Timestamp) -> bool {
    settings.is_none_or(|item| {
        !item.state.is_open() && (item.state != State::Hidden || since(item.updated_at, now) >= DENIED_FOR)
    })
}

fn wake_or_add(
    of_mailboxes: &mut Vec<Item>,
    kind: Kind,
    change: &Change,
    mailbox: i64,
    address: &str,
    ids: &mut impl Iterator<Item = Uuid>,
    now: Timestamp,
) {
    match of_mailboxes.iter_mut().find(|item| item.kind == kind && item.mailbox == mailbox) {
        Some(item) if kind == Kind::Settings && !may_ask(Some(item), now) => {}
        Some(item) => wake(item, now, now),
        None => of_mailboxes.extend(ids.next().map(|id| Item::new(id, kind, &change.tenant, mailbox, address, now))),
    }
}
