//! Gives each target of a change its mailbox, and enters those that are missing.

use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde::Serialize;

use super::lookup::Lookup;
use crate::reconcile::{
    change::{Change, Placed},
    place::{self, Holder, Seat},
};

/// A mailbox that is entered.
#[derive(Serialize)]
pub(super) struct NewMailbox {
    pub(super) id: i64,
    pub(super) tenant: String,
    pub(super) address: String,
    pub(super) entra_id: Option<String>,
    pub(super) id_from_source: bool,
    pub(super) identify: bool,
}

/// Who holds an address.
#[derive(Serialize)]
pub(super) struct NewAddress {
    pub(super) tenant: String,
    pub(super) address: String,
    pub(super) mailbox: i64,
}

/// Gives each target its mailbox, and enters those that are missing.
pub(super) struct Seats<'a> {
    pub(super) found: &'a Lookup,
    pub(super) teams: &'a HashMap<(String, String), (Option<Holder>, i64)>,
    pub(super) entered: BTreeMap<(String, String), i64>,
    pub(super) new: Vec<NewMailbox>,
    pub(super) new_addresses: Vec<NewAddress>,
}

impl Seats<'_> {
    /// Where the change's targets are, in their order.
    pub(super) fn place(&mut self, n: usize, change: &Change, now: Timestamp) -> Vec<Placed> {
        let found = &self.found.changes[n];
        let stored = found.stored.as_ref().map(|stored| (stored, found.items.as_slice()));
        let mut placed = Vec::with_capacity(change.targets.len());
        for (at, target) in change.targets.iter().enumerate() {
            let (seat, spare) = if at == 0 {
                (
                    place::place(change, stored, found.by_address.as_ref(), found.by_id.as_ref(), now),
                    found.spare_mailbox,
                )
            } else {
                let known = self.teams.get(&(change.tenant.clone(), target.address.clone()));
                let (holder, spare) = known.map_or((None, 0), |(holder, spare)| (holder.as_ref(), *spare));
                (place::at_address(holder, change.directory_fresh_for, now), spare)
            };
            placed.push(match seat {
                Seat::Known { holder, resolve } => {
                    Placed { mailbox: holder.mailbox, resolve, settings_at: holder.settings_at }
                }
                Seat::New { entra_id } => self.enter(change, &target.address, entra_id, spare),
            });
        }
        placed
    }

    fn enter(&mut self, change: &Change, address: &str, entra_id: Option<String>, spare: i64) -> Placed {
        let name = entra_id.clone().unwrap_or_else(|| address.to_owned());
        let key = (change.tenant.clone(), name);
        let mailbox = *self.entered.entry(key).or_insert_with(|| {
            let tenant = change.tenant.clone();
            // An object id counts for that leave alone: it says nothing of who holds the address.
            if entra_id.is_none() {
                self.new_addresses.push(NewAddress {
                    tenant: tenant.clone(),
                    address: address.to_owned(),
                    mailbox: spare,
                });
            }
            let (id_from_source, identify) = (entra_id.is_some(), entra_id.is_none());
            let address = address.to_owned();
            self.new.push(NewMailbox { id: spare, tenant, address, entra_id, id_from_source, identify });
            spare
        });
        Placed {
            mailbox,
            resolve: change.leave.as_ref().is_none_or(|leave| leave.staff.entra_id.is_none()),
            settings_at: None,
        }
    }
}
