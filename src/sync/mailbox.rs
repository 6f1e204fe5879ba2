//! One leased mailbox: delivers what is due there, a few at a time, and gives the lease back.
//!
//! Stops at once when the lease is lost, when the mailbox or tenant turns out to be blocked, or when the service is to
//! stop; calls under way are always finished, so that their outcome is known.

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Engine,
    hold::Hold,
    reconcile::{Delivered, Delivery},
    reply,
    writer::Writer,
};
use crate::store::{
    ledger::{Ending, Record},
    queue::{Due, Lease},
};

/// How work on a mailbox went on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    GoOn,
    /// Nothing more can be done here now; the lease is given back.
    Stop,
    /// The lease is somebody else's, or a result could not be written: it must expire by itself.
    Abandon,
}

/// Delivers `due`, all of this lease's mailbox.
pub(super) async fn work(
    engine: &Engine,
    writer: &Writer,
    lease: &Lease,
    claimed: Instant,
    due: Vec<Due>,
    stop: &CancellationToken,
) {
    let hold = Hold::new(engine, lease, claimed, stop);
    let mut next = Next::GoOn;
    let mut left = due.iter();
    let mut under_way = FuturesUnordered::new();
    loop {
        while next == Next::GoOn && !hold.is_closed() && under_way.len() < engine.settings.per_mailbox {
            let Some(due) = left.next() else { break };
            under_way.push(deliver(engine, writer, &hold, due));
        }
        match under_way.next().await {
            // What ends the work counts more than what goes on.
            Some(ended) => next = next.max(ended),
            None => break,
        }
    }
    if next != Next::Abandon {
        writer.release(lease.mailbox, lease.epoch);
    }
}

async fn deliver(engine: &Engine, writer: &Writer, hold: &Hold<'_>, due: &Due) -> Next {
    let lease = hold.lease;
    let Some(tenant) = engine.tenants.get(&lease.tenant) else { return Next::Stop };
    let delivery =
        Delivery { graph: &tenant.graph, policy: &tenant.policy, due, jitter: engine.random.fraction(), hold };
    // A panic is a bug in what this one leave leads to: it must not take its neighbours along, nor come back for ever.
    let delivered = AssertUnwindSafe(delivery.run()).catch_unwind().await.unwrap_or_else(|_panic| {
        tracing::error!(mapping = %due.id, "a delivery broke down; it is parked");
        Delivered::broken(due)
    });
    match delivered {
        Delivered::Interrupted => Next::Stop,
        Delivered::Lost => {
            tracing::warn!(mapping = %due.id, "the lease was lost; the mailbox's new holder goes on");
            Next::Abandon
        }
        Delivered::Done { holding, ending, retry_after, story } => {
            if let Ending::Parked(reason, _) = &ending {
                tracing::warn!(mapping = %due.id, reason = reason.word(), "parked: a person is needed");
            }
            let is_settled = matches!(ending, Ending::Synced | Ending::Removed | Ending::Hidden | Ending::Parked(..));
            // The reply follows the leave, and does not wait until the event can be written.
            let begins_to_wait = match ending {
                Ending::Waiting(..) => due.failing_for.is_none(),
                Ending::MailboxBlocked(..) | Ending::Throttled(..) => due.attempts == 0,
                _ => false,
            };
            if (is_settled || begins_to_wait) && tenant.policy.replies() && !reply::ask(engine, lease).await {
                return Next::Abandon;
            }
            if let Ending::MailboxBlocked(reason, ..) = &ending
                && lease.blocked.as_ref().is_none_or(|(word, _)| word != reason.word())
            {
                tracing::warn!(
                    tenant = lease.tenant, mapping = %due.id, reason = reason.word(), code = story["code"].as_str(),
                    "a mailbox cannot be written to; its leave waits, and GET /mappings/ID says why"
                );
            }
            let record = Record::new(lease, due, holding, ending, retry_after, story);
            let state = record.state();
            let written = write(engine, writer, record).await;
            if written == Next::GoOn {
                engine.metrics.delivery(&lease.tenant, state);
            }
            written
        }
        Delivered::TenantBlocked { reason, code, wait, detail, holding } => {
            engine.metrics.delivery(&lease.tenant, reason.word());
            if tenant.blocked() {
                // Of Microsoft's words only the code: the others may name people.
                tracing::error!(
                    tenant = lease.tenant,
                    reason = reason.word(),
                    code,
                    "Microsoft does not serve this tenant; `leavebridge doctor` says what to do"
                );
            }
            let blocked = engine.store.block_tenant(&lease.tenant, reason, &detail, wait).await;
            if let Err(error) = blocked {
                tracing::error!(%error, "a tenant's block could not be written");
                // Without the block the claim would come straight back.
                tokio::time::sleep(Duration::from_secs(1)).await;
            }
            if let Some(holding) = holding {
                let story = serde_json::json!({"step": "nothing", "reason": reason.word()});
                let record = Record::new(lease, due, holding, Ending::Onward, None, story);
                if write(engine, writer, record).await == Next::Abandon {
                    return Next::Abandon;
                }
            }
            Next::Stop
        }
    }
}

async fn write(engine: &Engine, writer: &Writer, record: Record) -> Next {
    match writer.record(record).await {
        Ok(true) => Next::GoOn,
        Ok(false) => {
            tracing::warn!("a result came after its lease had ended; its event will be written once more");
            // The mapping was marked as in doubt and is due again.
            engine.bell.ring_due();
            Next::Abandon
        }
        Err(_not_written) => Next::Abandon,
    }
}
