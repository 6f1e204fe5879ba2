//! In whose mailbox a leave belongs, by what is stored. What the directory says later is for [`identity`](super::identity).
//!
//! It must never move leave to another person while its source names the same one.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    change::{Change, StoredLeave},
    item::Item,
    mailbox::since,
};
use crate::domain::team_calendar::PRIMARY;

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
    fn is_fresh(&self, fresh_for: Duration, now: Timestamp) -> bool {
        self.asked_at.is_some_and(|at| since(at, now) < fresh_for)
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
        (None, _, by_address) => at_address(by_address, change.directory_fresh_for, now),
    }
}

/// In which mailbox a calendar is that only an address names. `fresh_for`: how long the directory's answer counts.
#[must_use]
pub fn at_address(holder: Option<&Holder>, fresh_for: Duration, now: Timestamp) -> Seat {
    holder.map_or(Seat::New { entra_id: None }, |holder| Seat::Known {
        resolve: !holder.is_fresh(fresh_for, now),
        holder: holder.clone(),
    })
}

/// Whether the source's object id is another one than the directory's fresh answer for the address.
#[must_use]
pub fn contradicts(change: &Change, by_address: Option<&Holder>, now: Timestamp) -> bool {
    let given = change.leave.as_ref().and_then(|leave| leave.staff.entra_id.as_ref());
    let holder = by_address.filter(|holder| holder.is_fresh(change.directory_fresh_for, now));
    let told = holder.and_then(|holder| holder.entra_id.as_ref());
    given.is_some() && told.is_some() && given != told
}
