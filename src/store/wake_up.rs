//! Notifies those that wait that it is time to look again: in this process at once, in the other replicas through
//! LISTEN/NOTIFY.
//!
//! A notification says only "look", never what happened, and may get lost: every listener also looks by itself now and then. It
//! is not part of the intake's transaction, because PostgreSQL lets transactions that notify commit only one after the other; it
//! follows right behind, one for many changes.

use std::{sync::Arc, time::Duration};

use sqlx::postgres::PgListener;
use tokio::sync::{Notify, watch};
use tokio_util::sync::CancellationToken;

use super::database::Store;

/// Other replicas are notified at most this often.
const QUIET: Duration = Duration::from_millis(20);
const RECONNECT: Duration = Duration::from_secs(1);
const DUE: &str = "leavebridge_due";
const SETTLED: &str = "leavebridge_settled";

/// Notifies when something may be due, and when something may be settled. Cheap to clone.
#[derive(Debug, Clone)]
pub struct WakeUp(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    due: watch::Sender<u64>,
    settled: watch::Sender<u64>,
    told: watch::Sender<(u64, u64)>,
    work: Notify,
}

impl Default for WakeUp {
    fn default() -> Self {
        let (due, _) = watch::channel(0);
        let (settled, _) = watch::channel(0);
        let (told, _) = watch::channel((0, 0));
        Self(Arc::new(Inner { due, settled, told, work: Notify::new() }))
    }
}

impl WakeUp {
    /// Something may be due.
    pub fn note_due(&self) {
        self.0.due.send_modify(|rings| *rings += 1);
        self.0.told.send_modify(|told| told.0 += 1);
        self.0.work.notify_one();
    }

    /// Something may be settled.
    pub fn note_settled(&self) {
        self.0.settled.send_modify(|rings| *rings += 1);
        self.0.told.send_modify(|told| told.1 += 1);
        self.0.work.notify_one();
    }

    /// Is notified when something may be due; what was before the call is not seen.
    #[must_use]
    pub fn due(&self) -> watch::Receiver<u64> {
        self.0.due.subscribe()
    }

    /// Is notified when something may be settled; what was before the call is not seen.
    #[must_use]
    pub fn settled(&self) -> watch::Receiver<u64> {
        self.0.settled.subscribe()
    }

    /// Passes notifications to the other replicas, and theirs to this one, until `stop`. Survives a database that is away.
    pub async fn carry(&self, store: Store, stop: CancellationToken) {
        tokio::select! {
            () = stop.cancelled() => {}
            () = self.tell(&store) => {}
            () = self.listen(&store) => {}
        }
    }

    async fn tell(&self, store: &Store) {
        let mut said = (0, 0);
        loop {
            self.0.work.notified().await;
            let now = *self.0.told.borrow();
            for (channel, rung) in [(DUE, now.0 != said.0), (SETTLED, now.1 != said.1)] {
                if !rung {
                    continue;
                }
                let told = sqlx::query!("SELECT pg_notify($1, '')", channel).execute(&store.pool).await;
                if let Err(error) = told {
                    tracing::debug!(%error, "the other replicas were not told; they will look by themselves");
                }
            }
            said = now;
            tokio::time::sleep(QUIET).await;
        }
    }

    async fn listen(&self, store: &Store) {
        loop {
            if let Err(error) = self.listen_once(store).await {
                tracing::debug!(%error, "not listening to the other replicas; trying again");
            }
            tokio::time::sleep(RECONNECT).await;
        }
    }

    async fn listen_once(&self, store: &Store) -> Result<(), sqlx::Error> {
        let mut listener = PgListener::connect_with(&store.pool).await?;
        listener.listen_all([DUE, SETTLED]).await?;
        // Notifications may have been missed while nothing listened.
        self.0.due.send_modify(|rings| *rings += 1);
        self.0.settled.send_modify(|rings| *rings += 1);
        while let Some(notification) = listener.try_recv().await? {
            let bell = if notification.channel() == DUE { &self.0.due } else { &self.0.settled };
            bell.send_modify(|rings| *rings += 1);
        }
        Ok(())
    }
}
