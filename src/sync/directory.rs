//! Whom the calls to a mailbox name: the person's object id, which survives a change of the address, or the address as
//! the source gave it.
//!
//! It must never fail a delivery, nor hold it up for longer than [`PATIENCE`]: without an answer the address is used as it
//! is. Where the app may not look into the directory, that costs one request an hour.

use std::time::Duration;

use tokio::time::Instant;

use super::Engine;
use crate::store::queue::Lease;

/// How long the calls to a mailbox wait for the directory.
const PATIENCE: Duration = Duration::from_secs(2);

/// Whom the calls under this lease name. Asks the directory where nobody has asked yet, or the mailbox was missing since.
pub(super) async fn user(engine: &Engine, lease: &Lease) -> String {
    // Somebody who is missing is still who they were, unless the directory knows another of that address.
    let known = || lease.entra_id.as_ref().unwrap_or(&lease.address).clone();
    let Some(tenant) = engine.tenants.get(&lease.tenant) else { return known() };
    let is_address = lease.address.contains('@');
    if lease.is_known() || !is_address || !tenant.directory.may_ask(lease.mailbox, engine.clock.now()) {
        return known();
    }
    let end = Instant::now() + PATIENCE.min(engine.settings.call_timeout);
    match tenant.graph.look_up(&lease.address, end).await {
        Ok(id) => {
            tenant.directory.answered();
            if let Err(error) = engine.store.resolved(lease, id.as_deref()).await {
                tracing::warn!(%error, "what the directory said could not be written; it is asked again");
            }
            id.unwrap_or_else(known)
        }
        Err(error) => {
            tenant.directory.refused(&error, engine.clock.now());
            tracing::info!(
                tenant = lease.tenant,
                code = error.code,
                "no look-up in the directory: addresses are used as given"
            );
            known()
        }
    }
}
