//! What can be brought about in a mailbox: an event, an automatic reply, the reading of its settings. Each is a file or folder
//! with what is wanted, what to do next, and the calls that do it.
//!
//! This is where they are registered: the loop hands an item over and gets a result back, and knows no effect by name.

mod event;
mod reply;
mod settings;

use std::time::Duration;

use serde_json::{Value, json};

use super::lease::{Halt, LeaseGuard};
use crate::{
    graph::{GraphError, RequestIds},
    reconcile::{
        item::Item,
        mailbox::since,
        retry_policy::{History, RetryDecision, retry_policy},
        settle::{DeliveryOutcome, DeliveryResult, DoubtAfter},
        state::{Kind, Reason},
    },
    store::leases::Due,
    telemetry::Metrics,
};

/// What came of one delivery.
#[derive(Debug)]
pub(super) enum Delivered {
    /// To be written down.
    Done(Box<DeliveryResult>),
    /// The tenant cannot be served. The result is there only if something was found out on the way.
    TenantBlocked { refusal: TenantRefusal, result: Option<Box<DeliveryResult>> },
    /// Interrupted before anything was found out: nothing to write down.
    Interrupted,
    /// The lease is lost: stop at once and write nothing.
    LeaseLost,
}

/// Why a tenant cannot be served.
#[derive(Debug)]
pub(super) struct TenantRefusal {
    pub(super) reason: Reason,
    /// Microsoft's code.
    pub(super) code: String,
    /// For how long nothing is tried.
    pub(super) wait: Duration,
    pub(super) detail: String,
}

/// Delivers one item.
pub(super) async fn deliver(guard: &LeaseGuard<'_>, due: &Due) -> Delivered {
    match due.item.kind {
        Kind::Event => event::deliver(guard, due).await,
        Kind::Reply => reply::deliver(guard, due).await,
        Kind::Settings => settings::deliver(guard, due).await,
    }
}

/// A delivery broke down: what it may have done is in doubt, and a person is needed.
pub(super) fn broken(guard: &LeaseGuard<'_>, item: &Item) -> Delivered {
    let detail = Reason::Internal.meaning().to_owned();
    let outcome = DeliveryOutcome::Parked { reason: Reason::Internal, detail, again_at: None };
    let mut result = result(guard, item, outcome);
    result.doubt = DoubtAfter::Begins;
    result.told = item.leave.map(|leave| (leave, json!({"step": "nothing", "reason": Reason::Internal})));
    Delivered::Done(Box::new(result))
}

/// Counts a delivery by how its item stands now.
pub(super) fn count(metrics: &Metrics, tenant: &str, kind: Kind, outcome: &DeliveryOutcome) {
    match kind {
        Kind::Event => metrics.delivery(tenant, outcome.state().word()),
        Kind::Reply => metrics.reply(tenant, outcome.state().reply_word()),
        Kind::Settings => {}
    }
}

/// A result that leaves what is known as it is.
fn result(guard: &LeaseGuard<'_>, item: &Item, outcome: DeliveryOutcome) -> DeliveryResult {
    DeliveryResult {
        item: item.id,
        mailbox: guard.lease.mailbox,
        epoch: guard.lease.epoch,
        rev: item.rev,
        doubt_before: item.doubt,
        outcome,
        observed: item.observed.clone(),
        incarnation: item.incarnation,
        doubt: if item.doubt.is_some() { DoubtAfter::Stays } else { DoubtAfter::Over },
        retry_after: None,
        contacted: false,
        resolved: guard.is_resolved(),
        settings: None,
        told: None,
    }
}

/// What is done about a failure, and why.
fn decide(guard: &LeaseGuard<'_>, item: &Item, error: &GraphError) -> (Reason, RetryDecision) {
    let now = guard.lease.now;
    let failing_for = item.failing_since.map(|then| since(then, now)).unwrap_or_default();
    let is_throttled = matches!(error.failure, crate::reconcile::failure::Failure::Throttled { .. });
    // What an item suffered with its mailbox is not held against it.
    let attempts = if item.failing_since.is_none() && !is_throttled { 0 } else { item.attempts };
    let mut history =
        History { attempts: u32::try_from(attempts).unwrap_or(0), failing_for, blocked_for: Duration::ZERO };
    let jitter = guard.engine.random.fraction();
    let (reason, _) = retry_policy(error.failure, history, jitter);
    let block = guard.lease.block.as_ref().filter(|block| block.reason == reason);
    history.blocked_for = block.map(|block| since(block.since, now)).unwrap_or_default();
    retry_policy(error.failure, history, jitter)
}

/// The outcome of a failure. `Err`: the whole tenant cannot be served.
fn outcome(reason: Reason, decision: RetryDecision, error: &GraphError) -> Result<DeliveryOutcome, TenantRefusal> {
    let detail = format!("{}. {}", error.sentence(), reason.meaning());
    Ok(match decision {
        RetryDecision::Defer(wait) => DeliveryOutcome::Waiting(reason, detail, wait),
        RetryDecision::BlockMailbox(wait) => DeliveryOutcome::MailboxBlocked(reason, detail, wait),
        RetryDecision::Throttle(wait) => DeliveryOutcome::Throttled(reason, detail, wait),
        RetryDecision::Park => DeliveryOutcome::Parked { reason, detail, again_at: None },
        RetryDecision::BlockTenant(wait) => {
            return Err(TenantRefusal { reason, code: error.code.clone(), wait, detail });
        }
    })
}

/// A line of a timeline: the step, what went wrong, and the ids of the call.
fn timeline_detail(step: &str, trouble: Option<(Reason, &str)>, request_ids: Option<&RequestIds>) -> Value {
    let mut detail = json!({"step": step});
    if let Some((reason, code)) = trouble {
        detail["reason"] = reason.word().into();
        detail["code"] = code.into();
    }
    if let Some(request_ids) = request_ids {
        detail["graph"] = request_ids.to_json();
    }
    detail
}

/// How a halt ends a delivery that has nothing to write down.
fn halted(halt: &Halt) -> Option<Delivered> {
    match halt {
        Halt::LeaseLost => Some(Delivered::LeaseLost),
        Halt::Interrupted => Some(Delivered::Interrupted),
        Halt::Failed(_) => None,
    }
}
