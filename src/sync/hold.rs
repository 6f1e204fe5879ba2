//! A lease as its holder sees it: a call to Graph may begin only while the lease is sure to outlast it, and while nobody has
//! said that the mailbox is to be left alone.
//!
//! The database's fence cannot stop a request that is on its way to Graph; this can.

use std::sync::{
    MutexGuard, PoisonError,
    atomic::{AtomicBool, Ordering},
};

use tokio::{sync::Mutex, time::Instant};
use tokio_util::sync::CancellationToken;

use super::Engine;
use crate::{config::LEASE_MARGIN, store::queue::Lease};

/// For so many more call timeouts Graph may be at work on a call that we have stopped waiting for.
const STILL_AT_WORK: u32 = 2;

/// Whether a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// It may.
    Granted,
    /// The mailbox or tenant is blocked, or the service is to stop: not now.
    Closed,
    /// The lease is lost or cannot be counted on.
    Lost,
}

/// A lease and until when it is sure to hold, by this machine's own running clock.
pub(super) struct Hold<'a> {
    engine: &'a Engine,
    pub(super) lease: &'a Lease,
    good_until: Mutex<Instant>,
    closed: AtomicBool,
    /// Until when each call that was given up may still be under way.
    given_up: std::sync::Mutex<Vec<Instant>>,
    stop: &'a CancellationToken,
}

impl<'a> Hold<'a> {
    /// A hold on a lease that was asked for at `claimed`.
    pub(super) fn new(engine: &'a Engine, lease: &'a Lease, claimed: Instant, stop: &'a CancellationToken) -> Self {
        let good_until = Mutex::new(claimed + engine.settings.lease);
        Self { engine, lease, good_until, closed: AtomicBool::new(false), given_up: std::sync::Mutex::default(), stop }
    }

    /// From now on no call may begin, whichever delivery wants to: a `Retry-After` is for all of the mailbox.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether calls may no longer begin.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || self.stop.is_cancelled()
    }

    /// A call was given up. Its place at the mailbox is not free yet: Microsoft counts what it is at work on, not what
    /// somebody waits for.
    pub(super) fn give_up(&self) {
        let until = Instant::now() + self.engine.settings.call_timeout * STILL_AT_WORK;
        self.given_up_calls().push(until);
    }

    /// How many calls that were given up may still be under way.
    pub(super) fn given_up(&self) -> usize {
        self.given_up_calls().len()
    }

    /// Keeps the lease until no call that was given up can be under way any more. `false` when it could not be kept, or
    /// the service is to stop: it must not be given back then.
    pub(super) async fn outlast(&self) -> bool {
        loop {
            let Some(last) = self.given_up_calls().iter().max().copied() else { return true };
            // Renews it if need be; whether a call may begin is not the question.
            if self.may_call().await == Leave::Lost {
                return false;
            }
            let look = Instant::now() + self.engine.settings.call_timeout;
            tokio::select! {
                () = self.stop.cancelled() => return false,
                () = tokio::time::sleep_until(last.min(look)) => {}
            }
        }
    }

    fn given_up_calls(&self) -> MutexGuard<'_, Vec<Instant>> {
        let mut calls = self.given_up.lock().unwrap_or_else(PoisonError::into_inner);
        let now = Instant::now();
        calls.retain(|until| *until > now);
        calls
    }

    /// Whether a call may begin: the lease will outlast it, if need be after renewing it.
    pub(super) async fn may_call(&self) -> Leave {
        let needed = self.engine.settings.call_timeout + LEASE_MARGIN;
        let mut good_until = self.good_until.lock().await;
        let asked = Instant::now();
        if *good_until <= asked + needed {
            match self.engine.store.renew(self.lease, self.engine.settings.lease).await {
                Ok(true) => *good_until = asked + self.engine.settings.lease,
                Ok(false) => return Leave::Lost,
                Err(error) => {
                    tracing::warn!(%error, "a lease could not be renewed; its mailbox is left to others");
                    return Leave::Lost;
                }
            }
            // The database may have taken its time.
            if *good_until <= Instant::now() + needed {
                return Leave::Lost;
            }
        }
        if self.is_closed() { Leave::Closed } else { Leave::Granted }
    }
}
