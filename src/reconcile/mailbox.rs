//! One Exchange mailbox as far as it decides what happens next: its floor, its block, and whose it is.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};

use super::state::Reason;
use crate::domain::event::MailboxSettings;

/// Nothing of the mailbox is tried while this lasts: a person has to repair something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Block {
    /// Until when nothing is tried.
    pub until: Timestamp,
    /// Since when it fails for this reason.
    pub since: Timestamp,
    /// Why.
    pub reason: Reason,
    /// The same in a sentence.
    pub detail: String,
}

/// The part of a row of `mailboxes` that results change.
#[derive(Debug, Clone, PartialEq)]
pub struct Mailbox {
    /// The row.
    pub id: i64,
    /// Which claim is the latest: results of earlier ones come too late.
    pub epoch: i64,
    /// The person's object id.
    pub entra_id: Option<String>,
    /// A source gave the id.
    pub id_from_source: bool,
    /// There was a mailbox of that id.
    pub mailbox_seen: bool,
    /// The directory is to be asked whose mailbox this is.
    pub identify: bool,
    /// Nothing is sent before: a `Retry-After`.
    pub throttled_until: Option<Timestamp>,
    /// Nothing is tried before.
    pub block: Option<Block>,
    /// The owner's time zone and working hours, as the mailbox has them.
    pub settings: MailboxSettings,
    /// When they were last read.
    pub settings_at: Option<Timestamp>,
}

impl Mailbox {
    /// Notes what Microsoft asks for. Never shortens what it asked for before.
    pub fn throttle(&mut self, wait: Duration, now: Timestamp) {
        self.throttled_until = self.throttled_until.max(Some(after(now, wait)));
    }

    /// Blocks it. The same reason again goes on from when it began.
    pub fn block(&mut self, reason: Reason, detail: &str, wait: Duration, now: Timestamp) {
        let since = self.block.as_ref().filter(|block| block.reason == reason).map_or(now, |block| block.since);
        self.block = Some(Block { until: after(now, wait), since, reason, detail: detail.to_owned() });
    }

    /// Graph has just served a request in it: what blocked it is over, and there is a mailbox of its id.
    pub fn served(&mut self) {
        self.block = None;
        self.mailbox_seen |= self.entra_id.is_some();
    }

    /// Graph knows no such mailbox. It may have been renamed, or deleted and made anew: the directory is asked before the next
    /// call. An id that a source gave and under which there never was a mailbox is given up for the address.
    pub fn missing(&mut self) {
        if self.id_from_source && !self.mailbox_seen {
            self.entra_id = None;
            self.id_from_source = false;
        }
        self.identify = !self.id_from_source;
    }
}

/// `now` plus `wait`; the last possible moment if that is out of range.
#[must_use]
pub fn after(now: Timestamp, wait: Duration) -> Timestamp {
    SignedDuration::try_from(wait).ok().and_then(|wait| now.checked_add(wait).ok()).unwrap_or(Timestamp::MAX)
}

/// How long before `now` it was; zero if it lies ahead.
#[must_use]
pub fn since(then: Timestamp, now: Timestamp) -> Duration {
    Duration::try_from(now.duration_since(then)).unwrap_or_default()
}
