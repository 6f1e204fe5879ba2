//! What a delivery's result makes of its item and its mailbox.
//!
//! Results are fenced by the epoch of the lease under which they were earned. One that comes too late changes nothing but
//! two things: its item is in doubt, because the late call may have overwritten in Outlook what the mailbox's new holder
//! wrote; and its `Retry-After` counts, because Microsoft asked for it, whichever claim is the latest.

use std::time::Duration;

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{
    item::{Doubt, Item},
    mailbox::{Mailbox, after},
    state::{Reason, State, TimelineKind},
};
use crate::domain::event::MailboxSettings;

/// How a delivery ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum DeliveryOutcome {
    /// It is as wanted.
    Settled {
        /// `Synced`, `Removed` or `Hidden`.
        state: State,
        /// Why it is so, where that needs a word.
        reason: Option<(Reason, String)>,
        /// When to look again although nothing changes.
        again_at: Option<Timestamp>,
    },
    /// There is more to do at once.
    Continue,
    /// Try again later.
    Waiting(Reason, String, Duration),
    /// Try nothing in this mailbox for a while: a person has to repair something.
    MailboxBlocked(Reason, String, Duration),
    /// Try nothing in this mailbox for a while: Microsoft asks for it.
    Throttled(Reason, String, Duration),
    /// A person is needed.
    Parked {
        /// Why.
        reason: Reason,
        /// The same in a sentence.
        detail: String,
        /// When there may be something else to do.
        again_at: Option<Timestamp>,
    },
}

impl DeliveryOutcome {
    /// It is as wanted, and stays so until something changes.
    #[must_use]
    pub const fn settled(state: State) -> Self {
        Self::Settled { state, reason: None, again_at: None }
    }

    /// How the item stands by it.
    #[must_use]
    pub const fn state(&self) -> State {
        match self {
            Self::Settled { state, .. } => *state,
            Self::Continue => State::Pending,
            Self::Waiting(..) | Self::MailboxBlocked(..) | Self::Throttled(..) => State::Waiting,
            Self::Parked { .. } => State::Parked,
        }
    }

    /// What its line in the timeline is about.
    #[must_use]
    pub const fn kind(&self) -> TimelineKind {
        match self {
            Self::Settled { .. } => TimelineKind::Delivered,
            Self::Parked { .. } => TimelineKind::Parked,
            _ => TimelineKind::Failed,
        }
    }

    /// Why it stands so.
    #[must_use]
    pub fn reason(&self) -> Option<(Reason, &str)> {
        match self {
            Self::Settled { reason, .. } => reason.as_ref().map(|(reason, detail)| (*reason, detail.as_str())),
            Self::Continue => None,
            Self::Waiting(reason, detail, _)
            | Self::MailboxBlocked(reason, detail, _)
            | Self::Throttled(reason, detail, _)
            | Self::Parked { reason, detail, .. } => Some((*reason, detail)),
        }
    }
}

/// What a delivery knows at its end about calls without an answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DoubtAfter {
    /// Nothing is unknown.
    Over,
    /// What was unknown before still is.
    Stays,
    /// A call of this delivery got no answer.
    Begins,
}

/// What came of one delivery.
#[derive(Debug, Clone, PartialEq)]
pub struct DeliveryResult {
    /// The item.
    pub item: Uuid,
    /// The row of its mailbox.
    pub mailbox: i64,
    /// The claim under which it was delivered.
    pub epoch: i64,
    /// The revision that was delivered.
    pub rev: i64,
    /// The doubt with which the delivery began.
    pub doubt_before: Option<Doubt>,
    /// How it ended.
    pub outcome: DeliveryOutcome,
    /// What is in the mailbox by it.
    pub observed: Option<Value>,
    /// Which event of the item it is, or the next one will be.
    pub incarnation: i32,
    /// What is unknown.
    pub doubt: DoubtAfter,
    /// How long Microsoft asks the whole mailbox to wait.
    pub retry_after: Option<Duration>,
    /// Graph answered about this mailbox.
    pub contacted: bool,
    /// Who holds the item's address was asked under this lease, where it had to be.
    pub resolved: bool,
    /// The mailbox's settings, if they were read.
    pub settings: Option<MailboxSettings>,
    /// For the timeline: of which leave, and what; `None` when it says nothing new.
    pub told: Option<(i64, Value)>,
}

/// Whether a result counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Fenced {
    /// Its lease still held.
    Kept,
    /// The mailbox had been claimed anew: the item is in doubt and is delivered again.
    Late,
}

/// Brings `item` and `mailbox`, as they are under lock, to what `result` says.
pub fn settle(item: &mut Item, mailbox: &mut Mailbox, result: &DeliveryResult, now: Timestamp) -> Fenced {
    if let Some(wait) = floor(result) {
        mailbox.throttle(wait, now);
    }
    item.updated_at = now;
    if result.epoch != mailbox.epoch {
        if result.doubt == DoubtAfter::Begins {
            item.put_in_doubt(now, Some(result.rev));
        } else {
            // It got its answer: nothing of it is under way any more, but it may have overwritten what came after it.
            item.doubt = Some(Doubt { since: now, oldest_rev: item.doubt.and_then(|doubt| doubt.oldest_rev) });
        }
        // The new holder's result, should one be under way, is not the last word.
        item.rev += 1;
        item.make_due(now, now);
        return Fenced::Late;
    }
    settle_mailbox(mailbox, result, now);
    item.resolve &= !result.resolved;
    item.observed.clone_from(&result.observed);
    item.incarnation = result.incarnation;
    item.doubt = doubt(item, result, now);
    if item.rev != result.rev {
        // A change came in meanwhile and has made the item due: it stays so. What it waits for is over.
        if item.state == State::Waiting && !matches!(result.outcome.state(), State::Waiting | State::Parked) {
            item.make_due(now, now);
        }
        return Fenced::Kept;
    }
    item.state = result.outcome.state();
    let reason = result.outcome.reason();
    let fails_by_itself = matches!(result.outcome, DeliveryOutcome::Waiting(..));
    item.attempts = match result.outcome {
        DeliveryOutcome::Settled { .. } | DeliveryOutcome::Continue => 0,
        // Failures of its mailbox do not count as its own.
        DeliveryOutcome::Waiting(..) if item.failing_since.is_none() => 1,
        _ => item.attempts.saturating_add(1),
    };
    item.failing_since = if fails_by_itself { item.failing_since.or(Some(now)) } else { None };
    item.reason = reason.map(|(reason, _)| reason);
    item.detail = reason.map(|(_, detail)| detail.to_owned());
    item.next_at = match &result.outcome {
        DeliveryOutcome::Settled { again_at, .. } | DeliveryOutcome::Parked { again_at, .. } => *again_at,
        DeliveryOutcome::Waiting(_, _, wait) => Some(after(now, *wait)),
        // The mailbox says until when: a copy of it here would outlast it.
        DeliveryOutcome::Continue | DeliveryOutcome::MailboxBlocked(..) | DeliveryOutcome::Throttled(..) => Some(now),
    };
    Fenced::Kept
}

/// The holder of a lease that ended at `died` had taken this item and saved no result for it.
pub fn abandoned(item: &mut Item, died: Timestamp, now: Timestamp) {
    if item.state.is_open() {
        // Where nothing was known and nothing in doubt it can only have sent a create, which writes over nothing however late.
        let can_overwrite = item.observed.is_some() || item.doubt.is_some();
        item.put_in_doubt(died, can_overwrite.then_some(0));
        item.updated_at = now;
    }
}

/// What the whole mailbox has to wait. It counts even when the result comes too late.
#[must_use]
pub fn floor(result: &DeliveryResult) -> Option<Duration> {
    let throttled = if let DeliveryOutcome::Throttled(_, _, wait) = result.outcome { Some(wait) } else { None };
    throttled.max(result.retry_after)
}

fn settle_mailbox(mailbox: &mut Mailbox, result: &DeliveryResult, now: Timestamp) {
    if let Some(settings) = &result.settings {
        mailbox.settings = settings.clone();
        mailbox.settings_at = Some(now);
    }
    match &result.outcome {
        DeliveryOutcome::MailboxBlocked(reason, detail, wait) => mailbox.block(*reason, detail, *wait, now),
        DeliveryOutcome::Settled { .. } if result.contacted => mailbox.served(),
        _ => {}
    }
    if result.outcome.reason().is_some_and(|(reason, _)| reason == Reason::MailboxMissing) {
        mailbox.missing();
    }
}

fn doubt(item: &Item, result: &DeliveryResult, now: Timestamp) -> Option<Doubt> {
    match result.doubt {
        DoubtAfter::Begins => {
            let oldest = item.doubt.and_then(|doubt| doubt.oldest_rev).map_or(result.rev, |rev| rev.min(result.rev));
            Some(Doubt { since: now, oldest_rev: Some(oldest) })
        }
        // A late result of an earlier lease came in while this one was being earned.
        _ if item.doubt != result.doubt_before => item.doubt,
        DoubtAfter::Over => None,
        DoubtAfter::Stays => Some(item.doubt.unwrap_or(Doubt { since: now, oldest_rev: None })),
    }
}

#[cfg(test)]
mod tests;
