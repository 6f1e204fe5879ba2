//! A permission that may be missing: whether to send a request that needs it, and when to try again.
//!
//! A circuit breaker: open requests go on; while it is not known that they are answered, one request probes and the others go on
//! without. No delivery needs the answer: it must never hold up one that can go on without.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Notify, time::Instant};

use crate::{clock::Pause, graph::GraphError, reconcile::failure::Failure};

/// A denied permission is tried again after this: it may have been granted since.
const CLOSED_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Without a proper answer it is left alone for so long at least.
const TROUBLED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// One permission of one tenant, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct PermissionBreaker {
    probe: Mutex<Probe>,
    probed: Notify,
}

#[derive(Debug, Default)]
struct Probe {
    is_open: bool,
    /// A probe has no answer yet.
    is_under_way: bool,
    /// While it is not known to be open: no request is sent until then.
    pause: Option<Pause>,
    /// The mailbox that was last denied an answer, and is not tried for a while: others may be allowed.
    denied: Option<(i64, Pause)>,
}

impl Probe {
    fn is_closed(&self, now: Timestamp) -> bool {
        self.pause.is_some_and(|pause| pause.lasts(now))
    }
}

impl PermissionBreaker {
    /// Whether to ask now. Of the mailboxes that come while it is not known to be open one probes; the others go on without.
    pub(super) fn may_ask(&self, mailbox: i64, now: Timestamp) -> bool {
        let mut probe = self.probe();
        if probe.is_open {
            return true;
        }
        let is_denied = probe.denied.is_some_and(|(denied, pause)| denied == mailbox && pause.lasts(now));
        if is_denied || probe.is_closed(now) {
            return false;
        }
        // Should the probe never end, another one may begin.
        probe.pause = Some(Pause::begin(now, TROUBLED_FOR));
        probe.is_under_way = true;
        true
    }

    /// The same, but waits for a probe that is under way, for `patience` at most.
    pub(super) async fn may_ask_in_time(&self, mailbox: i64, now: Timestamp, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            let told = self.probed.notified();
            tokio::pin!(told);
            // Registered before the look, so that no notification is missed in between.
            told.as_mut().enable();
            if self.may_ask(mailbox, now) {
                return true;
            }
            if !self.probe().is_under_way || tokio::time::timeout_at(end, told).await.is_err() {
                return false;
            }
        }
    }

    /// The probe ended without saying anything of the permission: the next one may try at once.
    pub(super) fn unsaid(&self) {
        self.probe_ended(None);
    }

    /// Whether a request was answered since the last refusal.
    pub(super) fn is_open(&self) -> bool {
        self.probe().is_open
    }

    /// A request was answered. `true` when that was not known.
    pub(super) fn answered(&self) -> bool {
        let is_news = {
            let mut probe = self.probe();
            probe.is_under_way = false;
            !std::mem::replace(&mut probe.is_open, true)
        };
        self.probed.notify_waiters();
        is_news
    }

    /// No request is sent for a while.
    pub(super) fn refused(&self, error: &GraphError, now: Timestamp) {
        let asked = error.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
        let is_denial = error.failure == Failure::AccessDenied;
        if !is_denial {
            self.probe().denied = None;
        }
        let wait = if is_denial { CLOSED_FOR } else { TROUBLED_FOR }.max(asked);
        self.probe_ended(Some(Pause::begin(now, wait)));
    }

    /// This mailbox is denied an answer. Only when two are, one after the other, the permission is taken to be denied for all.
    pub(super) fn denied(&self, mailbox: i64, error: &GraphError, now: Timestamp) {
        let pause = Pause::begin(now, CLOSED_FOR);
        let former = self.probe().denied.replace((mailbox, pause));
        if former.is_some_and(|(former, _)| former != mailbox) {
            self.refused(error, now);
        } else {
            self.unsaid();
        }
    }

    /// Whether it is for want of a permission that this mailbox got no answer: then there is nothing to wait for.
    pub(super) fn is_denied(&self, mailbox: i64, now: Timestamp) -> bool {
        let probe = self.probe();
        let is_closed = !probe.is_under_way && probe.is_closed(now);
        !probe.is_open && probe.denied.is_some_and(|(denied, _)| denied == mailbox || is_closed)
    }

    fn probe_ended(&self, pause: Option<Pause>) {
        {
            let mut probe = self.probe();
            probe.is_under_way = false;
            probe.pause = pause;
            probe.is_open &= pause.is_none();
        }
        self.probed.notify_waiters();
    }

    fn probe(&self) -> MutexGuard<'_, Probe> {
        self.probe.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
