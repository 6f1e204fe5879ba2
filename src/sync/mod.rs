//! The delivery engine: level-triggered, mailbox by mailbox.
//!
//! A bell or a timer only says "look": [`Engine::tick`] claims mailboxes that have something due and works on each in a
//! task of its own. Everything that has to survive is in the store. A process may die at any line: its leases expire,
//! the next holder distrusts what it cannot know, and `plan` starts from there. Tests drive the same single step.

mod calendar;
mod countdown;
mod directory;
mod door;
mod hold;
mod mailbox;
mod own_time;
mod reconcile;
mod replies;
mod reply;
mod resync;
mod walk;
mod writer;

use std::{
    collections::{BTreeMap, HashMap},
    sync::{
        Arc, Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use door::Door;
use jiff::{SignedDuration, Timestamp};
use own_time::Missed;
use replies::Replies;
use tokio::{task::JoinSet, time::Instant};
use tokio_util::sync::CancellationToken;
use writer::Writer;

use crate::{
    clock::{Clock, Pause, Random},
    config,
    domain::policy::Policy,
    failpoint,
    graph::Graph,
    store::{Store, StoreError, bell::Bell, queue::Due},
    telemetry::Metrics,
};

/// How often to look without being told.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// While many mailboxes are worked on, looks are so far apart: one costs hardly more for many mailboxes than for one.
const PACE: Duration = Duration::from_millis(8);
/// The same with nearly all mailboxes taken: each that stands empty is time lost.
const HASTE: Duration = Duration::from_millis(2);
/// So few at work that a look costs nobody anything.
const FEW: usize = 8;
/// Mappings per mailbox and lease: then others have their turn.
const BATCH: i64 = 30;
/// How often a tenant's last success is written down.
const NOTE_SUCCESS_EVERY: SignedDuration = SignedDuration::from_secs(10);
/// For so long one success speaks for a tenant's token.
const LATELY: SignedDuration = SignedDuration::from_mins(3);

/// One tenant, ready to be served.
#[derive(Debug)]
pub struct Tenant {
    /// Its Graph.
    pub graph: Graph,
    /// Its policy.
    pub policy: Policy,
    noted: Mutex<Option<Pause>>,
    accepted: Mutex<Option<Pause>>,
    is_blocked: AtomicBool,
    directory: Door,
    settings: Door,
}

impl Tenant {
    /// A tenant with that Graph and policy.
    #[must_use]
    pub fn new(graph: Graph, policy: Policy) -> Self {
        Self {
            graph,
            policy,
            noted: Mutex::new(None),
            accepted: Mutex::new(None),
            is_blocked: AtomicBool::new(false),
            directory: Door::default(),
            settings: Door::default(),
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
    pub bell: Bell,
    /// The tenants that are served.
    pub tenants: BTreeMap<String, Tenant>,
    /// Limits and times.
    pub settings: config::Sync,
    /// The time.
    pub clock: Arc<dyn Clock>,
    /// Jitter.
    pub random: Arc<dyn Random>,
    /// Figures.
    pub metrics: Metrics,
}

impl Engine {
    /// Delivers until `stop`; then finishes the calls under way, gives the leases back and returns.
    pub async fn run(self: Arc<Self>, stop: CancellationToken) {
        let (writer, writing) = Writer::new(self.store.clone(), self.bell.clone());
        let mut writing = tokio::spawn(writing);
        let served: Vec<String> = self.tenants.keys().cloned().collect();
        if let Err(error) = self.store.try_tenants(&served).await {
            tracing::warn!(%error, cause = error.cause(), "tenants that were blocked stay so for a minute");
        }
        let mut mailboxes = JoinSet::new();
        let mut replies = Replies::default();
        let mut missed = Missed::default();
        // Subscribed before the first claim: what is due later than the claim's look will ring.
        let mut bell = self.bell.hear_due();
        while !stop.is_cancelled() {
            bell.borrow_and_update();
            let looked = Instant::now();
            missed.tick(&self).await;
            let free = self.settings.mailboxes.saturating_sub(mailboxes.len());
            if let Err(error) = self.tick(&served, free, &writer, &mut mailboxes, &stop).await {
                tracing::warn!(%error, cause = error.cause(), "cannot look for what is due");
            }
            let free = self.settings.mailboxes.saturating_sub(mailboxes.len());
            if let Err(error) = replies.tick(&self, free, &writer, &mut mailboxes, &stop).await {
                tracing::warn!(%error, cause = error.cause(), "cannot look for automatic replies that are due");
            }
            let pause = LOOK_EVERY.mul_f64(0.9 + self.random.fraction() / 5.0);
            tokio::select! {
                () = stop.cancelled() => {}
                Some(_) = mailboxes.join_next() => {}
                // Without it no result would ever be written down: better to end, and to be started anew.
                _ = &mut writing => return,
                _ = bell.changed(), if mailboxes.len() < self.settings.mailboxes => {}
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
        drop(writer);
        if writing.await.is_err() {
            tracing::error!("the writer of results broke down");
        }
    }

    /// One look: claims up to `free` mailboxes and begins to work on them.
    async fn tick(
        self: &Arc<Self>,
        served: &[String],
        free: usize,
        writer: &Writer,
        mailboxes: &mut JoinSet<()>,
        stop: &CancellationToken,
    ) -> Result<(), StoreError> {
        if free == 0 {
            return Ok(());
        }
        let claimed = Instant::now();
        let leases = self.store.claim(served, free, self.settings.lease).await?;
        if leases.is_empty() {
            return Ok(());
        }
        failpoint::hit("after", "claim");
        // A fresh look after the claim's commit: no other replica can be at work on these any more.
        let ids: Vec<i64> = leases.iter().map(|lease| lease.mailbox).collect();
        let mut due_by_mailbox: HashMap<i64, Vec<Due>> = HashMap::new();
        for due in self.store.due(&ids, BATCH).await? {
            due_by_mailbox.entry(due.mailbox).or_default().push(due);
        }
        for lease in leases {
            let due = due_by_mailbox.remove(&lease.mailbox).unwrap_or_default();
            let (engine, writer, stop) = (Arc::clone(self), writer.clone(), stop.clone());
            mailboxes.spawn(async move { mailbox::work(&engine, &writer, &lease, claimed, due, &stop).await });
        }
        Ok(())
    }
}
