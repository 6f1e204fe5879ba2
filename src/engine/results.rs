//! Writes results down: whatever has come in while the last writing was under way goes into one transaction.
//!
//! It adds no waiting: a lone result is written at once, and under load many share one commit.

use std::{collections::HashSet, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::{
    failpoint,
    reconcile::settle::{DeliveryResult, Fenced},
    store::{Store, StoreError, settle::Settling, wake_up::WakeUp},
};

const MOST_AT_ONCE: usize = 256;
const MOST_TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

enum Note {
    Result {
        result: Box<DeliveryResult>,
        /// It is the last one of its lease, which is given back with it.
        is_last: bool,
        done: oneshot::Sender<Fenced>,
    },
    Release(i64, i64),
}

/// Takes results to be written down; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Results(mpsc::UnboundedSender<Note>);

/// The result was not written: the database did not confirm it. The lease is left to expire, so that the next holder
/// knows that the outcome is in doubt.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotWritten;

impl Results {
    /// A writer and its work, which ends when the last handle is gone. Copies in calendars of teams become due `spacing`
    /// apart, when what they depend on has changed.
    pub(super) fn new(store: Store, wake_up: WakeUp, spacing: Duration) -> (Self, impl Future<Output = ()>) {
        let (notes, inbox) = mpsc::unbounded_channel();
        (Self(notes), write(inbox, store, wake_up, spacing))
    }

    /// Writes a result down, and gives its lease back with it if it is the last one; says whether its lease still held.
    pub(super) async fn settle(&self, result: Box<DeliveryResult>, is_last: bool) -> Result<Fenced, NotWritten> {
        let (done, written) = oneshot::channel();
        self.0.send(Note::Result { result, is_last, done }).map_err(|_| NotWritten)?;
        written.await.map_err(|_| NotWritten)
    }

    /// Gives a lease back. Not waited for: it would only expire instead.
    pub(super) fn release(&self, mailbox: i64, epoch: i64) {
        let _gone = self.0.send(Note::Release(mailbox, epoch));
    }
}

async fn write(mut inbox: mpsc::UnboundedReceiver<Note>, store: Store, wake_up: WakeUp, spacing: Duration) {
    let mut notes = Vec::with_capacity(MOST_AT_ONCE);
    while !notes.is_empty() || inbox.recv_many(&mut notes, MOST_AT_ONCE).await > 0 {
        let mut seen = HashSet::new();
        let mut later = Vec::new();
        let (mut results, mut waiting, mut releases) = (Vec::new(), Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                // A transaction settles an item once: two results of one item go into two.
                Note::Result { result, is_last, done } if !seen.insert(result.item) => {
                    later.push(Note::Result { result, is_last, done });
                }
                Note::Result { result, is_last, done } => {
                    if is_last {
                        releases.push((result.mailbox, result.epoch));
                    }
                    results.push(*result);
                    waiting.push(done);
                }
                Note::Release(mailbox, epoch) => releases.push((mailbox, epoch)),
            }
        }
        if results.is_empty() {
            failpoint::hit("before", "release");
            let given_back = store.release(&releases).await;
            failpoint::hit("after", "release");
            if let Err(error) = given_back {
                log(&error, "leases could not be given back; they will expire");
            }
        } else {
            let settling = Settling { results: &results, releases: &releases, spacing };
            if !releases.is_empty() {
                failpoint::hit("before", "release");
            }
            let settled = settle(&store, settling).await;
            if !releases.is_empty() {
                failpoint::hit("after", "release");
            }
            for (done, kept) in waiting.into_iter().zip(settled) {
                // The receiver may be gone; the result is written all the same.
                let _gone = kept.map(|kept| done.send(kept));
            }
            wake_up.note_settled();
        }
        // What came in for these mailboxes meanwhile was passed over because they were leased.
        wake_up.note_due();
        notes = later;
    }
}

/// Writes the results down; says for each whether its lease still held, or `None` when it could not be written.
async fn settle(store: &Store, settling: Settling<'_>) -> Vec<Option<Fenced>> {
    let mut tries = 0;
    loop {
        failpoint::hit("before", "record");
        let recorded = store.settle(&settling).await;
        failpoint::hit("after", "record");
        match recorded {
            Ok(kept) => return kept.into_iter().map(Some).collect(),
            // Fenced by its lease, a result may be tried again: a short trouble loses nothing.
            Err(StoreError::Unavailable(_)) if tries < MOST_TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE * tries).await;
            }
            // One that cannot be written must not take the others with it.
            Err(StoreError::Broken(_)) if settling.results.len() > 1 => {
                let mut kept = Vec::with_capacity(settling.results.len());
                for one in settling.results.chunks(1) {
                    let is_its_own = |(mailbox, _): &&(i64, i64)| one.iter().any(|result| result.mailbox == *mailbox);
                    let releases: Vec<(i64, i64)> = settling.releases.iter().filter(is_its_own).copied().collect();
                    let one = Settling { results: one, releases: &releases, spacing: settling.spacing };
                    kept.extend(Box::pin(settle(store, one)).await);
                }
                return kept;
            }
            Err(error) => {
                log(&error, "results of deliveries could not be written; they will be looked up again");
                return vec![None; settling.results.len()];
            }
        }
    }
}

fn log(error: &StoreError, what: &str) {
    tracing::error!(%error, cause = error.cause(), "{what}");
}
