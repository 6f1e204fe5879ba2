//! One leased mailbox: delivers what is due there, a few at a time, and gives the lease back.
//!
//! Stops at once when the lease is lost, when the mailbox or tenant turns out to be blocked, or when the service is to
//! stop; calls under way are always finished, so that their outcome is known. It knows no effect by name.

use std::{collections::VecDeque, panic::AssertUnwindSafe, time::Duration};

use futures_util::{FutureExt as _, StreamExt as _, stream::FuturesUnordered};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Engine,
    effects::{self, Delivered, TenantRefusal},
    lease::LeaseGuard,
    results::Results,
};
use crate::{
    reconcile::{
        settle::{DeliveryOutcome, DeliveryResult, Fenced},
        state::State,
    },
    store::leases::{Due, Lease},
};

/// How work on a mailbox goes on.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Next {
    Continue,
    /// Nothing more can be done here now; the lease is given back.
    Stop,
    /// The lease was given back with the last result.
    Released,
    /// The lease is somebody else's, or a result could not be written: it must expire by itself.
    Abandon,
}

/// What is under way: a delivery, or the writing down of its result.
enum Step<'a> {
    Delivered(&'a Due, Delivered),
    Written(Next),
}

/// Delivers `due`, all of this lease's mailbox.
pub(super) async fn work(
    engine: &Engine,
    results: &Results,
    lease: &Lease,
    claimed: Instant,
    mut due: Vec<Due>,
    stop: &CancellationToken,
) {
    let Some(tenant) = engine.tenants.get(&lease.tenant) else {
        results.release(lease.mailbox, lease.epoch);
        return;
    };
    due.sort_by_key(|due| due.item.kind.stage());
    let guard = LeaseGuard::new(engine, tenant, lease, &due, claimed, stop);
    let mut next = Next::Continue;
    let mut left: VecDeque<&Due> = due.iter().collect();
    let mut stage = 0;
    let mut under_way = FuturesUnordered::new();
    loop {
        if under_way.is_empty() {
            // Those of a later stage need what those of an earlier one bring about.
            stage = left.front().map_or(stage, |due| due.item.kind.stage());
        }
        while next == Next::Continue && !guard.is_paused() && under_way.len() < engine.settings.per_mailbox {
            let Some(due) = left.pop_front_if(|due| due.item.kind.stage() == stage) else { break };
            under_way.push(async { Step::Delivered(due, deliver(&guard, due).await) }.boxed());
        }
        let Some(ended) = under_way.next().await else { break };
        match ended {
            // What ends the work counts more than what goes on.
            Step::Written(written) => next = next.max(written),
            Step::Delivered(due, delivered) => {
                let is_last = under_way.is_empty()
                    && next != Next::Abandon
                    && (left.is_empty() || next == Next::Stop || guard.is_paused());
                let write = write(&guard, results, due, delivered, is_last);
                under_way.push(async { Step::Written(write.await) }.boxed());
            }
        }
    }
    if next < Next::Released {
        results.release(lease.mailbox, lease.epoch);
    }
}

async fn deliver(guard: &LeaseGuard<'_>, due: &Due) -> Delivered {
    // A panic is a bug in what this one item leads to: it must not take its neighbours along, nor come back for ever.
    AssertUnwindSafe(effects::deliver(guard, due)).catch_unwind().await.unwrap_or_else(|_panic| {
        tracing::error!(item = %due.item.id, "a delivery broke down; it is parked");
        effects::broken(guard, &due.item)
    })
}

/// Writes down what came of a delivery.
async fn write(guard: &LeaseGuard<'_>, results: &Results, due: &Due, delivered: Delivered, is_last: bool) -> Next {
    let (engine, lease) = (guard.engine, guard.lease);
    match delivered {
        Delivered::Interrupted => Next::Stop,
        Delivered::LeaseLost => {
            tracing::warn!(item = %due.item.id, "the lease was lost; the mailbox's new holder goes on");
            Next::Abandon
        }
        Delivered::Done(result) => {
            log(guard, due, &result);
            let outcome = result.outcome.clone();
            let written = settle(engine, results, result, is_last).await;
            if written < Next::Abandon {
                effects::count(&engine.metrics, &lease.tenant, due.item.kind, &outcome);
            }
            written
        }
        Delivered::TenantBlocked { refusal, result } => {
            block_tenant(guard, &refusal).await;
            if let Some(result) = result
                && settle(engine, results, result, false).await == Next::Abandon
            {
                return Next::Abandon;
            }
            Next::Stop
        }
    }
}

async fn settle(engine: &Engine, results: &Results, result: Box<DeliveryResult>, is_last: bool) -> Next {
    match results.settle(result, is_last).await {
        Ok(Fenced::Kept) if is_last => Next::Released,
        Ok(Fenced::Kept) => Next::Continue,
        Ok(Fenced::Late) => {
            tracing::warn!("a result came after its lease had ended; its event will be written once more");
            engine.wake_up.note_due();
            Next::Abandon
        }
        Err(_not_written) => Next::Abandon,
    }
}

async fn block_tenant(guard: &LeaseGuard<'_>, refusal: &TenantRefusal) {
    let (engine, tenant) = (guard.engine, &guard.lease.tenant);
    let TenantRefusal { reason, code, wait, detail } = refusal;
    guard.pause();
    engine.metrics.delivery(tenant, reason.word());
    if guard.tenant.blocked() {
        // Of Microsoft's words only the code: the others may name people.
        tracing::error!(
            tenant,
            reason = reason.word(),
            code,
            "Microsoft does not serve this tenant; `leavebridge doctor` says what to do"
        );
    }
    if let Err(error) = engine.store.block_tenant(tenant, *reason, detail, *wait).await {
        tracing::error!(%error, "a tenant's block could not be written");
        // Without the block the claim would come straight back.
        tokio::time::sleep(Duration::from_secs(1)).await;
    }
}

/// What an operator should see of a result at once.
fn log(guard: &LeaseGuard<'_>, due: &Due, result: &DeliveryResult) {
    let Some((reason, _)) = result.outcome.reason() else { return };
    let reason = reason.word();
    if result.outcome.state() == State::Parked {
        tracing::warn!(mapping = %due.item.id, reason, "parked: a person is needed");
    }
    let is_known = guard.lease.block.as_ref().is_some_and(|block| block.reason.word() == reason);
    if matches!(result.outcome, DeliveryOutcome::MailboxBlocked(..)) && !is_known {
        let code = result.told.as_ref().and_then(|(_, told)| told["code"].as_str());
        tracing::warn!(
            tenant = guard.lease.tenant, mapping = %due.item.id, reason, code,
            "a mailbox cannot be written to; its leave waits, and GET /mappings/ID says why"
        );
    }
}
