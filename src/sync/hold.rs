//! A lease as its holder sees it: a call to Graph may begin only while the lease is sure to outlast it, and while nobody has
//! said that the mailbox is to be left alone.
//!
//! The database's fence cannot stop a request that is on its way to Graph; this can.

use std::sync::atomic::{AtomicBool, Ordering};

use tokio::{
    sync::{Mutex, OnceCell},
    time::Instant,
};
use tokio_util::sync::CancellationToken;

use super::{Engine, Tenant, calendar::Calendars, directory, own_time, walk::Halt};
use crate::{
    config::LEASE_MARGIN,
    domain::{
        event::OwnTime,
        judge::{Failure, Reason},
    },
    failpoint,
    graph::{Graph, GraphError, Mailbox},
    store::queue::Lease,
};

/// Whether a call may begin.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Leave {
    /// It may, if it is over by then.
    Granted(Instant),
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
    user: OnceCell<String>,
    own: OnceCell<OwnTime>,
    pub(super) calendars: Calendars,
    stop: &'a CancellationToken,
}

impl<'a> Hold<'a> {
    /// A hold on a lease that was asked for at `claimed`.
    pub(super) fn new(engine: &'a Engine, lease: &'a Lease, claimed: Instant, stop: &'a CancellationToken) -> Self {
        let good_until = Mutex::new(claimed + engine.settings.lease);
        Self {
            engine,
            lease,
            good_until,
            closed: AtomicBool::new(false),
            user: OnceCell::new(),
            own: OnceCell::new(),
            calendars: Calendars::default(),
            stop,
        }
    }

    /// From now on no call may begin, whichever delivery wants to: a `Retry-After` is for all of the mailbox.
    pub(super) fn close(&self) {
        self.closed.store(true, Ordering::Relaxed);
    }

    /// Whether calls may no longer begin.
    pub(super) fn is_closed(&self) -> bool {
        self.closed.load(Ordering::Relaxed) || self.stop.is_cancelled()
    }

    /// Whom the calls name. Found out once, when the first call needs it.
    pub(super) async fn user(&self) -> &str {
        self.user.get_or_init(|| directory::user(self.engine, self.lease)).await
    }

    /// What the mailbox says of its owner's time. Found out once, when the first leave needs it.
    ///
    /// # Errors
    /// When Microsoft asks us to stay away from the mailbox.
    pub(super) async fn own_time(&self) -> Result<&OwnTime, GraphError> {
        self.own.get_or_try_init(|| own_time::ask(self.engine, self)).await
    }

    /// The id of the mailbox's calendar of that name, if anybody has noted it.
    pub(super) async fn remembered(&self, name: &str) -> Option<String> {
        let known = self.engine.store.calendar(self.lease.mailbox, name).await;
        known.unwrap_or_else(|error| {
            tracing::warn!(%error, "a calendar's id could not be read; the calendar is looked for");
            None
        })
    }

    /// Notes it, for later leases.
    pub(super) async fn remember(&self, name: &str, id: &str) {
        if let Err(error) = self.engine.store.remember_calendar(self.lease, name, id).await {
            tracing::warn!(%error, "a calendar's id could not be written; the calendar is looked for again");
        }
    }

    /// For as long as a call may take, whatever precedes a call may take as well.
    pub(super) fn soon(&self) -> Instant {
        Instant::now() + self.engine.settings.call_timeout
    }

    /// Whether a call may begin: the lease will outlast it, if need be after renewing it.
    pub(super) async fn may_call(&self) -> Leave {
        let call_timeout = self.engine.settings.call_timeout;
        let needed = call_timeout + LEASE_MARGIN;
        let mut good_until = self.good_until.lock().await;
        let mut asked = Instant::now();
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
            asked = Instant::now();
            if *good_until <= asked + needed {
                return Leave::Lost;
            }
        }
        if self.is_closed() { Leave::Closed } else { Leave::Granted(asked + call_timeout) }
    }

    /// Makes a call, if it may begin; once more with a new token, if it may begin again, should Graph refuse the first:
    /// one that expired early or was revoked, or a claims challenge (continuous access evaluation).
    pub(super) async fn call<'b, T, F>(
        &'b self,
        graph: &Graph,
        name: &'static str,
        call: impl Fn(Mailbox<'b>) -> F,
    ) -> Result<Result<T, GraphError>, Halt>
    where
        F: Future<Output = Result<T, GraphError>>,
    {
        let mut is_first = true;
        loop {
            // Before the lease is looked at, because it takes time, in which the mailbox may have been closed or lost.
            graph.sign_in(self.soon()).await.map_err(Halt::Failed)?;
            let user = self.user().await;
            let until = match self.may_call().await {
                Leave::Granted(until) => until,
                Leave::Closed => return Err(Halt::Interrupted),
                Leave::Lost => return Err(Halt::Lost),
            };
            failpoint::hit("before", name);
            let answer = call(Mailbox { user, until }).await;
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
    /// must not hold up everybody else.
    fn is_its_own(&self, error: &GraphError) -> bool {
        let is_of_graph = error.request_ids.as_ref().is_some_and(|trail| trail.status.is_some());
        let is_known = self.lease.blocked.as_ref().is_some_and(|(word, _)| word == Reason::MailboxMissing.word());
        let is_served = |tenant: &Tenant| tenant.is_served(self.engine.clock.now());
        error.failure == Failure::Credentials
            && is_of_graph
            && (is_known || self.engine.tenants.get(&self.lease.tenant).is_some_and(is_served))
    }

    /// Whatever Graph answers, but that the token is no good, says that it is.
    async fn note<T>(&self, answer: &Result<T, GraphError>) {
        let is_taken = match answer {
            Ok(_) => true,
            Err(error) => {
                let status = error.request_ids.as_ref().and_then(|trail| trail.status);
                error.failure != Failure::Credentials && status.is_some_and(|status| (400..500).contains(&status))
            }
        };
        if is_taken && let Some(tenant) = self.engine.tenants.get(&self.lease.tenant) {
            tenant.served(&self.engine.store, &self.lease.tenant, self.engine.clock.now()).await;
        }
    }
}
