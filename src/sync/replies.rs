//! Whose automatic replies are looked after, and the claim of those that are due. It must never begin to look after a tenant's
//! that has none and had none.

use std::sync::Arc;

use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;

use super::{Engine, reply, writer::Writer};
use crate::store::StoreError;

/// Whose replies are looked after.
#[derive(Debug, Default)]
pub(super) struct Replies {
    /// The tenants; `None` until the database has said who had some before.
    served: Option<Vec<String>>,
    /// All mailboxes of theirs are known to be looked after.
    entered: bool,
}

impl Replies {
    /// One look: claims up to `free` mailboxes whose reply is due and begins to work on them. Costs nothing where no
    /// tenant has replies.
    pub(super) async fn tick(
        &mut self,
        engine: &Arc<Engine>,
        free: usize,
        writer: &Writer,
        mailboxes: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        let names = |on: bool| {
            let tenants = engine.tenants.iter().filter(move |(_, tenant)| tenant.policy.replies() == on);
            tenants.map(|(name, _)| name.clone()).collect::<Vec<String>>()
        };
        if self.served.is_none() {
            let mut served = names(true);
            served.extend(engine.store.close_replies(&names(false)).await?);
            self.served = Some(served);
        }
        if !self.entered {
            // A stretch at each look, so that nobody's new leave waits while a hundred thousand are entered.
            self.entered = !engine.store.enter_replies(&names(true)).await?;
            if !self.entered {
                engine.bell.ring_due();
            }
        }
        let served = self.served.as_deref().unwrap_or_default();
        if free == 0 || served.is_empty() {
            return Ok(());
        }
        let claimed = Instant::now();
        for lease in engine.store.claim_replies(served, free, engine.settings.lease).await? {
            let (engine, writer, stop) = (Arc::clone(engine), writer.clone(), stop.clone());
            mailboxes.spawn(async move {
                if reply::work(&engine, &lease, claimed, &stop).await {
                    writer.release(lease.mailbox, lease.epoch);
                }
            });
        }
        Ok(())
    }
}
