//! Whom the calls to a mailbox name: the person's object id, which survives a change of the address, or the address as
//! the source gave it.
//!
//! It must never fail a delivery, nor hold it up for longer than [`PATIENCE`]: without an answer the address is used as it
//! is. Where the app may not look into the directory, that costs one request an hour.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::time::Instant;

use super::Engine;
use crate::{domain::judge::Failure, graph::GraphError, store::queue::Lease};

/// How long the calls to a mailbox wait for the directory.
const PATIENCE: Duration = Duration::from_secs(2);
/// A directory that is closed to the app is tried again so late: somebody may have granted the permission.
const CLOSED_FOR: SignedDuration = SignedDuration::from_hours(1);
/// One that does not answer as it should is left alone for so long at least.
const TROUBLED_FOR: SignedDuration = SignedDuration::from_mins(1);

/// Whether a tenant's directory may be looked into, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Directory(Mutex<Standing>);

#[derive(Debug, Default)]
struct Standing {
    is_open: bool,
    /// While it is not known to be open: when somebody may try it next.
    next_try: Option<Timestamp>,
}

impl Directory {
    /// Whether to ask now. Of those who come while it is not known to be open one is sent ahead; the others go on without.
    fn may_ask(&self, now: Timestamp) -> bool {
        let mut standing = self.standing();
        if !standing.is_open && standing.next_try.is_some_and(|next| now < next) {
            return false;
        }
        if !standing.is_open {
            // Should nothing ever come of it, another is sent.
            standing.next_try = now.checked_add(TROUBLED_FOR).ok();
        }
        true
    }

    fn answered(&self) {
        self.standing().is_open = true;
    }

    fn refused(&self, error: &GraphError, now: Timestamp) {
        let asked = error.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
        let wait = if error.failure == Failure::AccessDenied { CLOSED_FOR } else { TROUBLED_FOR }.max(asked);
        *self.standing() = Standing { is_open: false, next_try: now.checked_add(wait).ok() };
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whom the calls under this lease name. Asks the directory where nobody has asked yet, or the mailbox was missing since.
pub(super) async fn user(engine: &Engine, lease: &Lease) -> String {
    if let Some(id) = &lease.entra_id {
        return id.clone();
    }
    let address = &lease.address;
    let Some(tenant) = engine.tenants.get(&lease.tenant) else { return address.clone() };
    let is_id = !address.contains('@');
    if lease.looked_up || is_id || !tenant.directory.may_ask(engine.clock.now()) {
        return address.clone();
    }
    let end = Instant::now() + PATIENCE.min(engine.settings.call_timeout);
    match tenant.graph.look_up(address, end).await {
        Ok(id) => {
            tenant.directory.answered();
            if let Err(error) = engine.store.resolved(lease, id.as_deref()).await {
                tracing::warn!(%error, "what the directory said could not be written; it is asked again");
            }
            id.unwrap_or_else(|| address.clone())
        }
        Err(error) => {
            tenant.directory.refused(&error, engine.clock.now());
            tracing::info!(
                tenant = lease.tenant,
                code = error.code,
                "no look-up in the directory: addresses are used as given"
            );
            address.clone()
        }
    }
}
