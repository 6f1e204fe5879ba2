//! The delivery engine: level-triggered, mailbox by mailbox.
//!
//! A notification or a timer only says "look": the loop claims mailboxes that have something due and works on each in a
//! task of its own. Everything that has to survive is in the store. A process may die at any line: its leases expire,
//! the next holder distrusts what it cannot know, and starts from there. Every effect goes through the same loop.

mod breaker;
mod countdown;
mod directory;
mod effects;
mod lease;
mod results;
mod resync;
mod work;

use std::{
    collections::{BTreeMap, HashSet},
    sync::{
        Arc, Mutex, OnceLock, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use breaker::PermissionBreaker;
use jiff::{SignedDuration, Timestamp};
use results::Results;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::{
    clock::{Clock, Pause, Random},
    config,
    domain::policy::Policy,
    failpoint,
    graph::Graph,
    store::{Store, StoreError, wake_up::WakeUp},
    telemetry::Metrics,
};

/// How often to look without a notification.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// While many mailboxes are worked on, looks are so far apart: one costs hardly more for many mailboxes than for one.
const PACE: Duration = Duration::from_millis(8);
/// The same with nearly all slots taken: an empty slot is time lost.
const HASTE: Duration = Duration::from_millis(2);
/// With so few mailboxes at work a look costs the others nothing.
const FEW: usize = 8;
/// Items per mailbox and lease: then others have their turn.
const BATCH: i64 = 30;
/// How often a tenant's last success is written down.
const NOTE_SUCCESS_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// For how long one success shows that a tenant's token is accepted.
const LATELY: SignedDuration = SignedDuration::from_mins(3);

/// One tenant, ready to be served.
#[derive(Debug)]
pub struct ConnectedTenant {
    /// Its Graph.
    pub graph: Graph,
    /// Its policy.
    pub policy: Policy,
    noted: Mutex<Option<Pause>>,
    accepted: Mutex<Option<Pause>>,
    is_blocked: AtomicBool,
    directory: PermissionBreaker,
    settings: PermissionBreaker,
}

impl ConnectedTenant {
    /// A tenant with that Graph and policy.
    #[must_use]
    pub fn new(graph: Graph, policy: Policy) -> Self {
        Self {
            graph,
            policy,
            noted: Mutex::new(None),
            accepted: Mutex::new(None),
            is_blocked: AtomicBool::new(false),
            directory: PermissionBreaker::default(),
            settings: PermissionBreaker::default(),
        }
    }

    /// The tenant was blocked: its next success is news. `true` when the block is.
    fn blocked(&self) -> bool {
        *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = None;
        !self.is_blocked.swap(true, Ordering::Relaxed)
    }

    /// Graph has taken the tenant's token. Notes now and then that the tenant is served, which ends its block.
    async fn served(&self, store: &Store, name: &str, now: Timestamp) {
        *self.accepted.lock().unwrap_or_else(PoisonError::into_inner) = Some(Pause::begin(now, LATELY));
        {
            let mut noted = self.noted.lock().unwrap_or_else(PoisonError::into_inner);
            if noted.is_some_and(|noted| noted.lasts(now)) {
                return;
            }
            *noted = Some(Pause::begin(now, NOTE_SUCCESS_EVERY));
        }
        match store.tenant_served(name).await {
            Ok(true) if self.is_blocked.swap(false, Ordering::Relaxed) => {
                tracing::info!(tenant = name, "Microsoft serves this tenant again");
            }
            Ok(true) => {}
            // A block is still to run: what ends it is the next success after that.
            Ok(false) => *self.noted.lock().unwrap_or_else(PoisonError::into_inner) = None,
            Err(error) => tracing::warn!(%error, "a tenant's last success could not be written"),
        }
    }

    /// Whether Graph took a token of this tenant a short time ago: then it is one mailbox's own trouble if it does not there.
    fn is_served(&self, now: Timestamp) -> bool {
        self.accepted.lock().unwrap_or_else(PoisonError::into_inner).is_some_and(|lately| lately.lasts(now))
    }
}

/// The engine of one replica.
#[derive(Debug)]
pub struct Engine {
    /// Where the work is.
    pub store: Store,
    /// Says when to look.
    pub wake_up: WakeUp,
    /// The tenants that are served.
    pub tenants: BTreeMap<String, ConnectedTenant>,
    /// Limits and times.
    pub settings: config::Sync,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub random: Arc<dyn Random>,
    /// Figures.
    pub metrics: Metrics,
    /// For how long the directory's answer about an address counts.
    pub directory_fresh_for: Duration,
    /// The name of this installation: a part of every event's marker.
    pub installation: String,
    /// Which generation of the database it is: a part of every transactionId.
    pub generation: OnceLock<Uuid>,
    /// The mailboxes that this replica works on.
    pub at_work: AtWork,
}

/// The mailboxes that a replica works on at this moment; cheap to clone.
#[derive(Debug, Clone, Default)]
pub struct AtWork(Arc<Mutex<HashSet<i64>>>);

/// One of them, until it is dropped.
#[derive(Debug)]
struct Entry(AtWork, i64);

impl AtWork {
    fn enter(&self, mailbox: i64) -> Entry {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).insert(mailbox);
        Entry(self.clone(), mailbox)
    }

    fn mailboxes(&self) -> Vec<i64> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().copied().collect()
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.0.0.lock().unwrap_or_else(PoisonError::into_inner).remove(&self.1);
    }
}

impl Engine {
    /// Delivers until `stop`; then finishes the calls under way, gives the leases back and returns.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (results, writing) = Results::new(self.store.clone(), self.wake_up.clone(), resync::PACE.spacing);
        let mut writing = tokio::spawn(writing);
        let served: Vec<String> = self.tenants.keys().cloned().collect();
        if let Err(error) = self.store.try_tenants(&served).await {
            tracing::warn!(%error, cause = error.cause(), "tenants that were blocked stay so for a minute");
        }
        if !self.learn_generation(&stop).await {
            return;
        }
        let mut mailboxes = JoinSet::new();
        // Subscribed before the first claim: what becomes due behind the claim's look is noticed.
        let mut due = self.wake_up.due();
        while !stop.is_cancelled() {
            due.borrow_and_update();
            let looked = Instant::now();
            let free = self.settings.mailboxes.saturating_sub(mailboxes.len());
            if let Err(error) = self.tick(&served, free, &results, &mut mailboxes, &stop).await {
                tracing::warn!(%error, cause = error.cause(), "cannot look for what is due");
            }
            let pause = LOOK_EVERY.mul_f64(0.9 + self.random.fraction() / 5.0);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(_) = mailboxes.join_next() => {}
                // Without it no result would ever be written down: better to end, and to be started anew.
                _ = &mut writing => return,
                _ = due.changed(), if mailboxes.len() < self.settings.mailboxes => {}
                () = tokio::time::sleep(pause) => {}
            }
            match mailboxes.len() {
                at_work if at_work > self.settings.mailboxes / 4 * 3 => tokio::time::sleep(HASTE).await,
                at_work if at_work > FEW => tokio::time::sleep_until(looked + PACE).await,
                _ => {}
            }
            while mailboxes.try_join_next().is_some() {}
        }
        while mailboxes.join_next().await.is_some() {}
        drop(results);
        if writing.await.is_err() {
            tracing::error!("the writer of results broke down");
        }
    }

    /// Asks the database which generation it is, until it says. `false` when stopped meanwhile.
    async fn learn_generation(&self, stop: &CancellationToken) -> bool {
        while !stop.is_cancelled() {
            match self.store.generation().await {
                Ok(generation) => {
                    self.generation.get_or_init(|| generation);
                    return true;
                }
                Err(error) => tracing::warn!(%error, cause = error.cause(), "cannot begin to deliver yet"),
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
        false
    }

    /// One look: claims up to `free` mailboxes and begins to work on them.
    async fn tick(
        self: &Arc<Self>,
        served: &[String],
        free: usize,
        results: &Results,
        mailboxes: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        if free == 0 {
            return Ok(());
        }
        let claimed = Instant::now();
        let busy = self.at_work.mailboxes();
        let leases = self.store.claim(served, free, BATCH, self.settings.lease, &busy).await?;
        if !leases.is_empty() {
            failpoint::hit("after", "claim");
        }
        for (lease, due) in leases {
            let (engine, results, stop) = (Arc::clone(self), results.clone(), stop.clone());
            let entry = self.at_work.enter(lease.mailbox);
            mailboxes.spawn(async move {
                work::work(&engine, &results, &lease, claimed, due, &stop).await;
                drop(entry);
            });
        }
        Ok(())
    }
}
