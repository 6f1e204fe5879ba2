//! Writes results down: whatever has come in while the last writing was under way goes into one transaction.
//!
//! It adds no waiting: a lone result is written at once, and under load many share one commit.

use std::{collections::HashSet, time::Duration};

use tokio::sync::{mpsc, oneshot};

use crate::{
    failpoint,
    store::{Store, StoreError, bell::Bell, ledger::Record},
};

const MOST_AT_ONCE: usize = 256;
const MOST_TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_millis(100);

enum Note {
    Record(Box<Record>, oneshot::Sender<bool>),
    Release(i64, i64),
}

/// Takes results to be written down; cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Writer(mpsc::UnboundedSender<Note>);

/// The result was not written: the database did not confirm it. The lease is left to expire, so that the next holder
/// knows that the outcome is in doubt.
#[derive(Debug, Clone, Copy)]
pub(super) struct NotWritten;

impl Writer {
    /// A writer and its work, which ends when the last handle is gone.
    pub(super) fn new(store: Store, bell: Bell) -> (Self, impl Future<Output = ()>) {
        let (notes, inbox) = mpsc::unbounded_channel();
        (Self(notes), write(inbox, store, bell))
    }

    /// Writes a result down. `false` when the lease under which it was earned is somebody else's by now.
    pub(super) async fn record(&self, record: Record) -> Result<bool, NotWritten> {
        let (done, written) = oneshot::channel();
        self.0.send(Note::Record(Box::new(record), done)).map_err(|_| NotWritten)?;
        written.await.map_err(|_| NotWritten)
    }

    /// Gives a lease back. Not waited for: it would only expire instead.
    pub(super) fn release(&self, mailbox: i64, epoch: i64) {
        let _gone = self.0.send(Note::Release(mailbox, epoch));
    }
}

async fn write(mut inbox: mpsc::UnboundedReceiver<Note>, store: Store, bell: Bell) {
    let mut notes = Vec::with_capacity(MOST_AT_ONCE);
    while !notes.is_empty() || inbox.recv_many(&mut notes, MOST_AT_ONCE).await > 0 {
        let mut seen = HashSet::new();
        let mut later = Vec::new();
        let (mut records, mut waiting, mut releases) = (Vec::new(), Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                // A statement changes a row once: two results of one mapping go into two.
                Note::Record(record, done) if !seen.insert(record.mapping()) => {
                    later.push(Note::Record(record, done));
                }
                Note::Record(record, done) => {
                    records.push(*record);
                    waiting.push(done);
                }
                Note::Release(mailbox, epoch) => releases.push((mailbox, epoch)),
            }
        }
        if !records.is_empty() {
            for (done, kept) in waiting.into_iter().zip(record(&store, &records).await) {
                // Whoever asked may be gone; the result is written all the same.
                let _gone = kept.map(|kept| done.send(kept));
            }
            bell.ring_settled();
        }
        if !releases.is_empty() {
            failpoint::hit("before", "release");
            let given_back = store.release(&releases).await;
            failpoint::hit("after", "release");
            match given_back {
                // What came in for these mailboxes meanwhile was passed over because they were leased.
                Ok(()) => bell.ring_due(),
                Err(error) => log(&error, "leases could not be given back; they will expire"),
            }
        }
        notes = later;
    }
}

/// Writes the records down; says for each whether its lease still held, or `None` when it could not be written.
async fn record(store: &Store, records: &[Record]) -> Vec<Option<bool>> {
    let mut tries = 0;
    loop {
        failpoint::hit("before", "record");
        let recorded = store.record(records).await;
        failpoint::hit("after", "record");
        match recorded {
            Ok(kept) => return kept.into_iter().map(Some).collect(),
            // Fenced by its lease, a record may be tried again: a short trouble loses nothing.
            Err(StoreError::Unavailable(_)) if tries < MOST_TRIES => {
                tries += 1;
                tokio::time::sleep(PAUSE * tries).await;
            }
            // One that cannot be written must not take the others with it.
            Err(StoreError::Broken(_)) if records.len() > 1 => {
                let mut kept = Vec::with_capacity(records.len());
                for one in records.chunks(1) {
                    kept.extend(Box::pin(record(store, one)).await);
                }
                return kept;
            }
            Err(error) => {
                log(&error, "results of deliveries could not be written; they will be looked up again");
                return vec![None; records.len()];
            }
        }
    }
}

fn log(error: &StoreError, what: &str) {
    tracing::error!(%error, cause = error.cause(), "{what}");
}
