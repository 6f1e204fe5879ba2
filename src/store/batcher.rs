//! Where changes wait to be taken in: what arrives while others are being written goes into one transaction.
//!
//! It adds no waiting: a lone change is written at once, and under load many share a round trip and a commit. It must never
//! say that a change is stored before the commit, nor let one change that cannot be stored refuse or hold up its neighbours.

use std::{
    collections::HashSet,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use sqlx::PgPool;
use tokio::sync::oneshot;

use super::{accept::accept, answer::Intake, error::StoreError};
use crate::reconcile::change::Change;

/// Changes in one transaction.
const MOST_AT_ONCE: usize = 64;
/// Batches at a time: while one waits for the disk another is prepared.
const MOST_WRITERS: usize = 2;
/// So many have to wait before there is another batch beside the one that is being written: few and large ones cost less than
/// many and small ones.
const ENOUGH_FOR_ANOTHER: usize = 16;
/// How often a batch that lost an insert to another replica is decided again.
const MOST_TRIES: usize = 5;

type Answer = Result<Intake, StoreError>;
type Queued = (Change, oneshot::Sender<Answer>);

/// The changes of one process that wait.
#[derive(Debug, Default)]
pub(super) struct IntakeBatcher(Mutex<Waiting>);

#[derive(Debug, Default)]
struct Waiting {
    changes: Vec<Queued>,
    /// Batches that are being written, and whose writers come back for more.
    writers: usize,
}

impl IntakeBatcher {
    /// Takes in one change, together with others that wait.
    pub(super) async fn take_in(self: &Arc<Self>, pool: &PgPool, change: Change) -> Answer {
        let (done, answer) = oneshot::channel();
        let begins = {
            let mut waiting = self.waiting();
            waiting.changes.push((change, done));
            let enough = if waiting.writers == 0 { 1 } else { ENOUGH_FOR_ANOTHER };
            let begins = waiting.writers < MOST_WRITERS && waiting.changes.len() >= enough;
            waiting.writers += usize::from(begins);
            begins
        };
        if begins {
            // In a task of its own: a request may be cancelled, and the others must not suffer from it.
            tokio::spawn(BatchWriter { batcher: Arc::clone(self), pool: pool.clone(), finished: false }.write());
        }
        answer.await.unwrap_or(Err(StoreError::Unavailable(sqlx::Error::WorkerCrashed)))
    }

    fn waiting(&self) -> MutexGuard<'_, Waiting> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// What is written next: different leaves, and different deliveries.
    fn next_batch(&self) -> Vec<Queued> {
        let mut waiting = self.waiting();
        let (mut leaves, mut deliveries, mut size) = (HashSet::new(), HashSet::new(), 0);
        let takes: Vec<bool> = waiting
            .changes
            .iter()
            .map(|(change, _)| {
                let leave = (&change.tenant, &change.source, &change.id);
                let delivery = change.delivery.as_ref().map(|(id, _)| (&change.client, id));
                let is_free = size < MOST_AT_ONCE
                    && !leaves.contains(&leave)
                    && delivery.is_none_or(|delivery| !deliveries.contains(&delivery));
                if is_free {
                    leaves.insert(leave);
                    deliveries.extend(delivery);
                    size += 1;
                }
                is_free
            })
            .collect();
        let (mut batch, mut left) = (Vec::with_capacity(size), Vec::new());
        for (queued, is_taken) in std::mem::take(&mut waiting.changes).into_iter().zip(takes) {
            if is_taken { batch.push(queued) } else { left.push(queued) }
        }
        waiting.changes = left;
        if batch.is_empty() {
            // Under the same lock: the next change sees that there is one writer less.
            waiting.writers -= 1;
        }
        batch
    }
}

/// Writes what waits, until nothing does.
struct BatchWriter {
    batcher: Arc<IntakeBatcher>,
    pool: PgPool,
    finished: bool,
}

impl Drop for BatchWriter {
    fn drop(&mut self) {
        if !self.finished {
            // Only after a panic: the changes of this batch get an error by the end of their channels, later ones a new writer.
            let mut waiting = self.batcher.waiting();
            waiting.writers -= 1;
            waiting.changes.clear();
        }
    }
}

impl BatchWriter {
    async fn write(mut self) {
        loop {
            let batch = self.batcher.next_batch();
            if batch.is_empty() {
                self.finished = true;
                return;
            }
            self.write_together(batch).await;
        }
    }

    async fn write_together(&self, mut batch: Vec<Queued>) {
        // In one order everywhere: replicas that write the same rows do not lock each other out.
        batch.sort_by(|(one, _), (other, _)| {
            (&one.tenant, &one.source, &one.id).cmp(&(&other.tenant, &other.source, &other.id))
        });
        let (changes, waiting): (Vec<_>, Vec<_>) = batch.into_iter().unzip();
        match until_decided(&self.pool, &changes, false).await {
            // The request may be gone; the change is stored all the same.
            Ok(answers) => waiting.into_iter().zip(answers).for_each(|(done, answer)| drop(done.send(answer))),
            Err(
                StoreError::Unavailable(sqlx::Error::Database(_))
                | StoreError::Broken(_)
                | StoreError::Newer
                | StoreError::TooOld,
            ) => {
                // One of them cannot be stored, or has to wait for a lock: it must not take the others with it.
                for (change, done) in changes.into_iter().zip(waiting) {
                    let pool = self.pool.clone();
                    tokio::spawn(async move {
                        let answers = until_decided(&pool, &[change], true).await;
                        let answer = answers.and_then(|mut answers| {
                            answers.pop().unwrap_or_else(|| Err(StoreError::unknown("an answer")))
                        });
                        drop(done.send(answer));
                    });
                }
            }
            Err(StoreError::Unavailable(error)) => {
                // The database is away, for all of them and for those that arrived meanwhile.
                let others = std::mem::take(&mut self.batcher.waiting().changes).into_iter().map(|(_, done)| done);
                for done in waiting.into_iter().chain(others) {
                    let error = StoreError::Unavailable(sqlx::Error::Protocol(error.to_string()));
                    drop(done.send(Err(error)));
                }
            }
        }
    }
}

/// Takes these changes in, all or none, and gives an answer for each, in order. What another replica wrote at the same moment
/// is seen the next time round, and decided again.
async fn until_decided(pool: &PgPool, changes: &[Change], alone: bool) -> Result<Vec<Answer>, StoreError> {
    for _ in 0..MOST_TRIES {
        match accept(pool, changes, alone).await {
            Err(error) if error.is_lost_race() => {}
            ended => return ended,
        }
    }
    Err(StoreError::Unavailable(sqlx::Error::Protocol("the same rows change too fast".into())))
}
