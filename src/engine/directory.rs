//! Whom the calls to a mailbox name: the person's object id, which survives a change of the address, or the address as
//! the source gave it; and whether the address leads to another person by now.
//!
//! It must never fail a delivery, nor hold it up for longer than [`ANSWER_WITHIN`] for each address, and as long for the question
//! of another that shows whether the directory may be asked: without an answer what is known counts. Where the app may not look into the directory, that costs one request an hour.

use std::time::Duration;

use jiff::Timestamp;
use tokio::time::Instant;

use super::{ConnectedTenant, Engine};
use crate::{
    reconcile::{
        identity::{Identity, identify, questions},
        item::Item,
    },
    store::{
        identity::Identified,
        leases::{Due, Lease},
    },
};

/// How long the calls to a mailbox wait for the directory.
const ANSWER_WITHIN: Duration = Duration::from_secs(2);

/// Whom the calls under this lease name; `None` when what is due has come to another mailbox. Asks the directory where it has
/// not been asked yet, the answer is old, or the mailbox was missing since.
pub(super) async fn user(engine: &Engine, tenant: &ConnectedTenant, lease: &Lease, due: &[Due]) -> Option<String> {
    let mut own = lease.entra_id.clone();
    let holder = lease.holder.filter(|holder| *holder != lease.mailbox);
    if let Some(other) = holder.filter(|_| own.is_none() && lease.identify) {
        // Its object id was given up, and its address is entered as another mailbox.
        return match engine.store.join(lease, other).await {
            Ok(Identified::Here(_)) => Some(lease.address.clone()),
            Ok(Identified::Moved) => {
                engine.wake_up.note_due();
                None
            }
            Err(error) => {
                tracing::warn!(%error, cause = error.cause(), "two mailboxes that are one could not be joined");
                Some(lease.address.clone())
            }
        };
    }
    let items: Vec<(&Item, Option<Timestamp>)> = due.iter().map(|due| (&due.item, due.asked_at)).collect();
    // An address that has passed on to another mailbox says nothing of this one any more.
    let identifies = lease.identify && holder.is_none();
    for question in questions(&lease.address, identifies, &items, engine.directory_fresh_for, lease.now) {
        // Without waiting for the answer to another mailbox's question, leave would go to the former holder of the address.
        if !tenant.directory.may_ask_in_time(lease.mailbox, engine.clock.now(), ANSWER_WITHIN).await {
            break;
        }
        let end = Instant::now() + ANSWER_WITHIN.min(engine.settings.call_timeout);
        let answer = match tenant.graph.look_up(&question.address, end).await {
            Ok(answer) => answer,
            Err(error) => {
                tenant.directory.refused(&error, engine.clock.now());
                tracing::info!(
                    tenant = lease.tenant,
                    code = error.code,
                    "no look-up in the directory: addresses are used as given"
                );
                break;
            }
        };
        tenant.directory.answered();
        let identity = identify(own.as_deref(), &question, answer.as_deref());
        match engine.store.identified(lease, &question.address, &identity).await {
            Ok(Identified::Here(id)) => own = id,
            Ok(Identified::Moved) => {
                engine.wake_up.note_due();
                return None;
            }
            Err(error) => {
                tracing::warn!(%error, cause = error.cause(), "what the directory said could not be written; it is asked again");
                if matches!(identity, Identity::Elsewhere(_)) {
                    // It is somebody else's leave. Without a pause the claim would come straight back.
                    tokio::time::sleep(ANSWER_WITHIN).await;
                    return None;
                }
                own = own.or(answer);
            }
        }
    }
    Some(own.unwrap_or_else(|| lease.address.clone()))
}
