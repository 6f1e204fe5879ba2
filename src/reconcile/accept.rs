//! What a webhook makes of its leave and of the leave's items. Pure, and the only way in.
//!
//! [`judge`] says whether the change counts; [`place`] whose mailbox it is about; [`accept`] what becomes of the items. All
//! see rows as they are under the leave's lock, so that changes of one leave come one after the other.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    item::Item,
    mailbox::since,
    replan::wake,
    state::{Acceptance, Kind, Reason, State, TimelineKind},
};
use crate::domain::{
    leave::{Leave, Span, Status},
    team_calendar::PRIMARY,
};

/// For how long the directory's answer about an address counts, and the settings that were read from a mailbox.
pub const FRESH_FOR: Duration = Duration::from_hours(24);
/// For how long settings that the app may not read are not asked for again.
const DENIED_FOR: Duration = Duration::from_hours(1);

/// A calendar that a leave belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The mailbox's address, or the Entra object id where no address is known.
    pub address: String,
    /// Which of its calendars.
    pub calendar: String,
}

/// One change of one leave.
#[derive(Debug, Clone)]
pub struct Change {
    /// The client that sent it.
    pub client: String,
    /// The sender's id of the delivery, and the hash of what it says.
    pub delivery: Option<(String, Vec<u8>)>,
    /// The leave's tenant.
    pub tenant: String,
    /// The leave's source: with tenant and id its identity.
    pub source: String,
    /// The leave's id at its source.
    pub id: String,
    /// Where the leave stands.
    pub status: Status,
    /// The whole leave; `None` for a cancellation that does not repeat it.
    pub leave: Option<Leave>,
    /// When it happened at the source.
    pub at: Timestamp,
    /// The calendars that the leave belongs to, the person's own first. Empty for a cancellation that does not repeat the leave.
    pub targets: Vec<Target>,
    /// Whether the tenant has automatic replies.
    pub has_replies: bool,
    /// Fresh ids for items that do not exist yet: enough for two per target and one more.
    pub ids: Vec<Uuid>,
}

/// A leave as it is stored.
#[derive(Debug, Clone)]
pub struct StoredLeave {
    /// Its row.
    pub row: i64,
    /// Where it stands.
    pub status: Status,
    /// Its content; `None` where nothing but a cancellation has arrived, or this program cannot read it.
    pub content: Option<Leave>,
    /// When its latest change happened at the source.
    pub source_at: Timestamp,
    /// Its revision.
    pub rev: i64,
}

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

/// A mailbox as far as placing leave needs to know it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holder {
    /// Its row.
    pub mailbox: i64,
    /// The person's object id, once known.
    pub entra_id: Option<String>,
    /// When the directory last said that this mailbox holds the address.
    pub asked_at: Option<Timestamp>,
    /// When the mailbox's settings were last read.
    pub settings_at: Option<Timestamp>,
}

impl Holder {
    fn is_fresh(&self, now: Timestamp) -> bool {
        self.asked_at.is_some_and(|at| since(at, now) < FRESH_FOR)
    }
}

/// In which mailbox a target is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Seat {
    /// In that one. `resolve`: who holds the address has to be asked first.
    Known {
        /// The mailbox.
        holder: Holder,
        /// Who holds the address has to be asked first.
        resolve: bool,
    },
    /// In one that has to be entered.
    New {
        /// The object id that the source gave.
        entra_id: Option<String>,
    },
}

/// In which mailbox a person's own calendar is: the one that the leave is in already, while the source names the same person;
/// else that of the object id that the source gives, which counts for this leave alone; else that of the person who holds the
/// address now.
#[must_use]
pub fn place(
    change: &Change,
    stored: Option<(&StoredLeave, &[Item])>,
    by_address: Option<&Holder>,
    by_id: Option<&Holder>,
    now: Timestamp,
) -> Seat {
    let Some(staff) = change.leave.as_ref().map(|leave| &leave.staff) else {
        return Seat::New { entra_id: None };
    };
    if let Some((leave, items)) = stored
        && leave
            .content
            .as_ref()
            .is_some_and(|content| content.staff.email == staff.email && content.staff.entra_id == staff.entra_id)
        && let Some(item) = items.iter().find(|item| item.wanted && !item.surplus && item.calendar == PRIMARY)
    {
        let known = [by_address, by_id].into_iter().flatten().find(|holder| holder.mailbox == item.mailbox);
        let holder = known.cloned().unwrap_or(Holder {
            mailbox: item.mailbox,
            entra_id: None,
            asked_at: None,
            settings_at: None,
        });
        return Seat::Known { holder, resolve: item.resolve };
    }
    match (&staff.entra_id, by_id, by_address) {
        (Some(_), Some(holder), _) => Seat::Known { holder: holder.clone(), resolve: false },
        (Some(id), None, _) => Seat::New { entra_id: Some(id.clone()) },
        (None, _, by_address) => at_address(by_address, now),
    }
}

/// In which mailbox a calendar is that only an address names.
#[must_use]
pub fn at_address(holder: Option<&Holder>, now: Timestamp) -> Seat {
    holder.map_or(Seat::New { entra_id: None }, |holder| Seat::Known {
        resolve: !holder.is_fresh(now),
        holder: holder.clone(),
    })
}

/// Whether the source's object id is another one than the directory's fresh answer for the address.
#[must_use]
pub fn contradicts(change: &Change, by_address: Option<&Holder>, now: Timestamp) -> bool {
    let given = change.leave.as_ref().and_then(|leave| leave.staff.entra_id.as_ref());
    let holder = by_address.filter(|holder| holder.is_fresh(now));
    let told = holder.and_then(|holder| holder.entra_id.as_ref());
    given.is_some() && told.is_some() && given != told
}

/// A target in the mailbox where it was placed; as many and in the same order as the change's targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The mailbox's row.
    pub mailbox: i64,
    /// Who holds the address has to be asked before anything is written.
    pub resolve: bool,
    /// When the mailbox's settings were last read.
    pub settings_at: Option<Timestamp>,
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
                items.push(item);
            }
        }
    }
    if change.has_replies {
        let mut own: Vec<(i64, String)> = items
            .iter()
            .filter(|item| item.calendar == PRIMARY && item.updated_at == now)
            .map(|item| (item.mailbox, item.address.clone()))
            .collect();
        own.sort();
        own.dedup_by_key(|(mailbox, _)| *mailbox);
        for (mailbox, address) in own {
            wake_or_add(of_mailboxes, Kind::Reply, change, mailbox, &address, &mut ids, now);
        }
    }
    for (target, placed) in change.targets.iter().zip(placed) {
        if needs_settings(change, target) && placed.settings_at.is_none_or(|at| since(at, now) >= FRESH_FOR) {
            wake_or_add(of_mailboxes, Kind::Settings, change, placed.mailbox, &target.address, &mut ids, now);
        }
    }
}

fn renew(item: &mut Item, now: Timestamp) {
    item.rev += 1;
    item.make_due(now, now);
}

/// Whether what is written there depends on what the target's own mailbox says of its owner's time.
#[must_use]
pub fn needs_settings(change: &Change, target: &Target) -> bool {
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
