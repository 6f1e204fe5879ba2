//! A lease as its holder sees it: a call to Graph may begin only while the lease is sure to outlast it, and while nothing
//! has shown that the mailbox is to be left alone.
//!
//! The database's fence cannot stop a request that is on its way to Graph; this can.

use std::sync::{
    OnceLock,
    atomic::{AtomicBool, Ordering},
};

use tokio::{
    sync::{Mutex, OnceCell},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{ConnectedTenant, Engine, directory};
use crate::{
    config::LEASE_MARGIN,
    domain::event::MailboxSettings,
    failpoint,
    graph::{Graph, GraphError, MailboxAccess},
    reconcile::{failure::Failure, state::Reason},
    store::leases::{Due, Lease},
};

/// Whether a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CallPermit {
    /// It may, if it is over by then.
    Granted(Instant),
    /// The mailbox or tenant is blocked, or the service is to stop: not now.
    Paused,
    /// The lease is lost or cannot be counted on.
    LeaseLost,
}

/// Why a delivery ended early.
#[derive(Debug)]
pub(super) enum Halt {
    /// The lease is lost: stop at once and write nothing.
    LeaseLost,
    /// The mailbox is to be left alone, or what is due in it has come to another.
    Interrupted,
    /// Microsoft refused, or did not answer.
    Failed(GraphError),
}

/// A lease and until when it is sure to hold, by this machine's own running clock.
pub(super) struct LeaseGuard<'a> {
    pub(super) engine: &'a Engine,
    pub(super) tenant: &'a ConnectedTenant,
    pub(super) lease: &'a Lease,
    due: &'a [Due],
    good_until: Mutex<Instant>,
    paused: AtomicBool,
    user: OnceCell<Option<String>>,
    settings: OnceLock<MailboxSettings>,
    pub(super) calendars: Mutex<std::collections::HashMap<String, String>>,
    stop: &'a CancellationToken,
}

impl<'a> LeaseGuard<'a> {
    /// The guard of a lease that was asked for at `claimed`, with all that is to be delivered under it.
    pub(super) fn new(
        engine: &'a Engine,
        tenant: &'a ConnectedTenant,
        lease: &'a Lease,
        due: &'a [Due],
        claimed: Instant,
        stop: &'a CancellationToken,
    ) -> Self {
        Self {
            engine,
            tenant,
            lease,
            due,
            good_until: Mutex::new(claimed + engine.settings.lease),
            paused: AtomicBool::new(false),
            user: OnceCell::new(),
            settings: OnceLock::new(),
            calendars: Mutex::default(),
            stop,
        }
    }

    /// From now on no call may begin, whichever delivery wants to: a `Retry-After` is for all of the mailbox.
    pub(super) fn pause(&self) {
        self.paused.store(true, Ordering::Relaxed);
    }

    /// Whether calls may no longer begin.
    pub(super) fn is_paused(&self) -> bool {
        self.paused.load(Ordering::Relaxed) || self.stop.is_cancelled()
    }

    /// Whom the calls name. Found out once, when the first call needs it, so that no call is under way then. `None` when what
    /// is due here has come to another mailbox by it.
    pub(super) async fn user(&self) -> Option<&str> {
        let user = self.user.get_or_init(async || {
            let user = directory::user(self.engine, self.tenant, self.lease, self.due).await;
            if user.is_none() {
                self.pause();
            }
            user
        });
        user.await.as_deref()
    }

    /// Whether it was found out whom the calls name.
    pub(super) fn is_resolved(&self) -> bool {
        self.user.initialized()
    }

    /// What the mailbox says of its owner's time, as far as is known.
    pub(super) fn settings(&self) -> &MailboxSettings {
        self.settings.get().unwrap_or(&self.lease.settings)
    }

    /// Whether the mailbox was asked under this lease.
    pub(super) fn has_settings(&self) -> bool {
        self.settings.get().is_some()
    }

    /// The mailbox has just said that.
    pub(super) fn note_settings(&self, settings: &MailboxSettings) {
        let _first = self.settings.set(settings.clone());
    }

    /// For as long as a call may take, whatever precedes a call may take as well.
    pub(super) fn soon(&self) -> Instant {
        Instant::now() + self.engine.settings.call_timeout
    }

    /// Whether a call may begin: the lease will outlast it, if need be after renewing it.
    pub(super) async fn permit(&self) -> CallPermit {
        let call_timeout = self.engine.settings.call_timeout;
        let needed = call_timeout + LEASE_MARGIN;
        let mut good_until = self.good_until.lock().await;
        let mut asked = Instant::now();
        if *good_until <= asked + needed {
            match self.engine.store.renew(self.lease, self.engine.settings.lease).await {
                Ok(true) => *good_until = asked + self.engine.settings.lease,
                Ok(false) => return CallPermit::LeaseLost,
                Err(error) => {
                    tracing::warn!(%error, "a lease could not be renewed; its mailbox is left to others");
                    return CallPermit::LeaseLost;
                }
            }
            // The database may have taken its time.
            asked = Instant::now();
            if *good_until <= asked + needed {
                return CallPermit::LeaseLost;
            }
        }
        if self.is_paused() { CallPermit::Paused } else { CallPermit::Granted(asked + call_timeout) }
    }

    /// Makes a call, if it may begin; once more with a new token, if it may begin again, should Graph refuse the first:
    /// one that expired early or was revoked, or a claims challenge (continuous access evaluation).
    pub(super) async fn call<'b, T, F>(
        &'b self,
        name: &'static str,
        call: impl Fn(&'b Graph, MailboxAccess<'b>) -> F,
    ) -> Result<Result<T, GraphError>, Halt>
    where
        F: Future<Output = Result<T, GraphError>>,
    {
        let graph = &self.tenant.graph;
        let mut is_first = true;
        loop {
            // Before the lease is looked at, because it takes time, in which the mailbox may have been paused or lost.
            graph.sign_in(self.soon()).await.map_err(Halt::Failed)?;
            let Some(user) = self.user().await else { return Err(Halt::Interrupted) };
            let until = match self.permit().await {
                CallPermit::Granted(until) => until,
                CallPermit::Paused => return Err(Halt::Interrupted),
                CallPermit::LeaseLost => return Err(Halt::LeaseLost),
            };
            failpoint::hit("before", name);
            let answer = call(graph, MailboxAccess { user, until }).await;
            failpoint::hit("after", name);
            match answer {
                Err(error) if is_first && error.failure == Failure::Credentials => is_first = false,
                Err(error) if self.is_its_own(&error) => {
                    return Ok(Err(GraphError { failure: Failure::MailboxMissing, ..error }));
                }
                answer => {
                    self.note(&answer).await;
                    return Ok(answer);
                }
            }
        }
    }

    /// Whether a new token is refused by this mailbox alone: so do mailboxes on an Exchange server of the customer's own, which
    /// must not hold up all others.
    fn is_its_own(&self, error: &GraphError) -> bool {
        let is_of_graph = error.request_ids.as_ref().is_some_and(|request_ids| request_ids.status.is_some());
        let is_known = self.lease.block.as_ref().is_some_and(|block| block.reason == Reason::MailboxMissing);
        error.failure == Failure::Credentials
            && is_of_graph
            && (is_known || self.tenant.is_served(self.engine.clock.now()))
    }

    /// Any answer of Graph except a refusal of the token shows that it takes the token.
    async fn note<T>(&self, answer: &Result<T, GraphError>) {
        let is_taken = match answer {
            Ok(_) => true,
            Err(error) => {
                let status = error.request_ids.as_ref().and_then(|request_ids| request_ids.status);
                error.failure != Failure::Credentials && status.is_some_and(|status| (400..500).contains(&status))
            }
        };
        if is_taken {
            self.tenant.served(&self.engine.store, &self.lease.tenant, self.engine.clock.now()).await;
        }
    }
}
