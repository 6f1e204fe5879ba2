//! Whose mailbox an address leads to: what the directory's answer makes of the mailbox that is being worked on.
//!
//! It must never move leave to another person only because its address has passed on: leave whose `staff` is unchanged stays in
//! its mailbox.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use super::{item::Item, mailbox::since, replan::wake, state::Kind};

/// What is to be asked of the directory before the first call to a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Question {
    /// The address.
    pub address: String,
    /// Whether the answer says whose mailbox this is; else only who holds the address now.
    pub identifies: bool,
}

/// What has to be asked about a mailbox and the items that are due in it. `asked_at`: when the directory last answered about
/// an item's address; `fresh_for`: how long that answer counts.
#[must_use]
pub fn questions(
    primary: &str,
    identify: bool,
    items: &[(&Item, Option<Timestamp>)],
    fresh_for: Duration,
    now: Timestamp,
) -> Vec<Question> {
    let mut questions = Vec::new();
    if identify && primary.contains('@') {
        questions.push(Question { address: primary.to_owned(), identifies: true });
    }
    for (item, asked_at) in items {
        let is_fresh = asked_at.is_some_and(|at| since(at, now) < fresh_for);
        let is_asked = questions.iter().any(|question| question.address == item.address);
        if item.resolve && !is_fresh && !is_asked && item.address.contains('@') {
            questions.push(Question { address: item.address.clone(), identifies: false });
        }
    }
    questions
}

/// What the answer means.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Identity {
    /// The address leads here, to the person of that id, if one is known.
    Here(Option<String>),
    /// It leads to the person of that id, who has another mailbox than this one: what was placed here by the address alone goes
    /// there.
    Elsewhere(String),
}

/// What the directory's answer means for a mailbox that is known to be `own`'s. An address that leads to no person keeps
/// its mailbox.
#[must_use]
pub fn identify(own: Option<&str>, question: &Question, answer: Option<&str>) -> Identity {
    match (own, answer) {
        (own, None) => Identity::Here(own.map(str::to_owned)),
        (None, Some(id)) => Identity::Here(Some(id.to_owned())),
        (Some(own), Some(id)) if own == id || question.identifies => Identity::Here(Some(id.to_owned())),
        (Some(_), Some(id)) => Identity::Elsewhere(id.to_owned()),
    }
}

/// An item that was written here before, and whose address has passed on to the mailbox `there`: it is taken away here, and
/// wanted there by a new one, or by `known`, which that mailbox has of the same leave.
#[must_use]
pub fn split(mut item: Item, there: i64, known: Option<Item>, now: Timestamp) -> (Item, Item) {
    let wanted = if let Some(mut known) = known {
        (known.wanted, known.resolve) = (true, false);
        known.address.clone_from(&item.address);
        known.rev += 1;
        known.make_due(now, now);
        known
    } else {
        let id = Uuid::new_v5(&item.id, &there.to_be_bytes());
        let mut copy = Item::new(id, item.kind, &item.tenant, there, &item.address, now);
        (copy.leave, copy.calendar, copy.rev) = (item.leave, item.calendar.clone(), item.rev);
        copy
    };
    (item.wanted, item.resolve) = (false, false);
    item.rev += 1;
    item.make_due(now, now);
    (item, wanted)
}

/// Leave has gone from here to the mailbox `there`: the automatic replies of both are looked at, and what this one has of
/// items about the whole mailbox the other gets as well.
pub fn bring_along(former: &mut [Item], present: &mut Vec<Item>, there: i64, address: &str, now: Timestamp) {
    for own in former {
        match present.iter_mut().find(|item| item.kind == own.kind) {
            Some(item) if item.kind == Kind::Reply => wake(item, now, now),
            Some(_) => {}
            None => {
                let id = Uuid::new_v5(&own.id, &there.to_be_bytes());
                present.push(Item::new(id, own.kind, &own.tenant, there, address, now));
            }
        }
        if own.kind == Kind::Reply {
            wake(own, now, now);
        }
    }
}

#[cfg(test)]
mod tests;
