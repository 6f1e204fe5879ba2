//! A lease as its holder sees it: a call to Graph may begin only while the lease is sure to outlast it.
//!
//! The database's fence cannot stop a request that is on its way to Graph; this can.

use tokio::{sync::Mutex, time::Instant};

use super::Engine;
use crate::{config::LEASE_MARGIN, store::queue::Lease};

/// A lease and until when it is sure to hold, by this machine's own running clock.
pub(super) struct Hold<'a> {
    engine: &'a Engine,
    pub(super) lease: &'a Lease,
    good_until: Mutex<Instant>,
}

impl<'a> Hold<'a> {
    /// A hold on a lease that was asked for at `claimed`.
    pub(super) fn new(engine: &'a Engine, lease: &'a Lease, claimed: Instant) -> Self {
        Self { engine, lease, good_until: Mutex::new(claimed + engine.settings.lease) }
    }

    /// Whether a call may begin: the lease will outlast it, if need be after renewing it.
    pub(super) async fn outlasts_a_call(&self) -> bool {
        let needed = self.engine.settings.call_timeout + LEASE_MARGIN;
        let mut good_until = self.good_until.lock().await;
        let asked = Instant::now();
        if *good_until > asked + needed {
            return true;
        }
        match self.engine.store.renew(self.lease, self.engine.settings.lease).await {
            Ok(true) => {
                *good_until = asked + self.engine.settings.lease;
                // The database may have taken its time.
                *good_until > Instant::now() + needed
            }
            Ok(false) => false,
            Err(error) => {
                tracing::warn!(%error, "a lease could not be renewed; its mailbox is left to others");
                false
            }
        }
    }
}
