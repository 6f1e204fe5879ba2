//! Counts what a good client never does, while it happens.
//!
//! It must never need a look through the mailboxes: a million events are counted as they come and go.

use std::sync::atomic::{AtomicI64, AtomicU32, AtomicU64, Ordering::Relaxed};

use serde_json::{Value, json};

/// The counts.
#[derive(Debug, Default)]
pub(crate) struct Score {
    requests: AtomicU64,
    max_in_flight: AtomicU32,
    limit_violations: AtomicU64,
    retry_after_violations: AtomicU64,
    duplicates: AtomicI64,
    invitations: AtomicU64,
}

impl Score {
    /// A request arrived.
    pub(crate) fn request(&self) {
        self.requests.fetch_add(1, Relaxed);
    }

    /// A request made it `in_flight` for its app and mailbox, where `limit` are allowed.
    pub(crate) fn in_flight(&self, in_flight: u32, limit: u32) {
        self.max_in_flight.fetch_max(in_flight, Relaxed);
        self.limit_violations.fetch_add(u64::from(in_flight > limit), Relaxed);
    }

    /// A request came before the `Retry-After` of its mailbox had passed.
    pub(crate) fn too_early(&self) {
        self.retry_after_violations.fetch_add(1, Relaxed);
    }

    /// That many more (or fewer) pairs of living events carry one marker.
    pub(crate) fn duplicates(&self, change: i64) {
        self.duplicates.fetch_add(change, Relaxed);
    }

    /// That many people got mail because an event has attendees.
    pub(crate) fn invitations(&self, count: usize) {
        self.invitations.fetch_add(count as u64, Relaxed);
    }

    /// As JSON.
    pub(crate) fn shown(&self) -> Value {
        json!({
            "requests": self.requests.load(Relaxed),
            "max_in_flight_per_mailbox": self.max_in_flight.load(Relaxed),
            "limit_violations": self.limit_violations.load(Relaxed),
            "retry_after_violations": self.retry_after_violations.load(Relaxed),
            "duplicates": self.duplicates.load(Relaxed),
            "invitations": self.invitations.load(Relaxed),
        })
    }

    /// Back to nothing; the mailboxes have taken their duplicates back by then.
    pub(crate) fn clear(&self) {
        for count in [&self.requests, &self.limit_violations, &self.retry_after_violations, &self.invitations] {
            count.store(0, Relaxed);
        }
        self.max_in_flight.store(0, Relaxed);
    }
}
