//! Writes results down: whatever has come in while the last writing was under way goes into one transaction.
//!
//! It adds no waiting: a lone result is written at once, and under load many share one commit.

use tokio::sync::{mpsc, oneshot};

use crate::store::{Store, StoreError, bell::Bell, ledger::Record};

const MOST_AT_ONCE: usize = 256;

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
    while inbox.recv_many(&mut notes, MOST_AT_ONCE).await > 0 {
        let (mut records, mut waiting, mut releases) = (Vec::new(), Vec::new(), Vec::new());
        for note in notes.drain(..) {
            match note {
                Note::Record(record, done) => {
                    records.push(*record);
                    waiting.push(done);
                }
                Note::Release(mailbox, epoch) => releases.push((mailbox, epoch)),
            }
        }
        if !records.is_empty() {
            match store.record(&records).await {
                Ok(kept) => {
                    for (done, kept) in waiting.into_iter().zip(kept) {
                        // Whoever asked may be gone; the result is written all the same.
                        let _gone = done.send(kept);
                    }
                    bell.ring_settled();
                }
                Err(error) => log(&error, "results of deliveries could not be written; they will be looked up again"),
            }
        }
        if !releases.is_empty() {
            match store.release(&releases).await {
                // What came in for these mailboxes meanwhile was passed over because they were leased.
                Ok(()) => bell.ring_due(),
                Err(error) => log(&error, "leases could not be given back; they will expire"),
            }
        }
    }
}

fn log(error: &StoreError, what: &str) {
    tracing::error!(error = %error, cause = ?std::error::Error::source(error), "{what}");
}
