//! What was asked of Microsoft and how it was answered, for tests and for people who wonder.
//!
//! It must never hold a body or an `Authorization` header: tokens and secrets have no place in it.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::Timestamp;
use serde::Serialize;

const CAPACITY: usize = 100_000;

/// One exchange.
#[derive(Debug, Clone, Serialize)]
pub(crate) struct Entry {
    /// Counts from 1, in the order of the answers.
    pub(crate) n: u64,
    /// When the request arrived.
    pub(crate) at: Timestamp,
    pub(crate) method: String,
    /// Percent-decoded, without the query.
    pub(crate) path: String,
    /// As sent; the token endpoint has none.
    pub(crate) query: Option<String>,
    /// 0 when the connection was closed instead.
    pub(crate) status: u16,
    /// The person's address, or whatever the path said when nobody is called so.
    pub(crate) mailbox: Option<String>,
    pub(crate) prefer: Option<String>,
    /// The fault rule that struck.
    pub(crate) fault: Option<String>,
    /// It came before a `Retry-After` had passed that had been handed out so many milliseconds before.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) too_early_ms: Option<i128>,
}

/// The last exchanges.
#[derive(Debug, Default)]
pub(crate) struct Journal(Mutex<Pages>);

#[derive(Debug, Default)]
struct Pages {
    entries: VecDeque<Entry>,
    written: u64,
}

impl Journal {
    /// Writes an exchange down.
    pub(crate) fn write(&self, mut entry: Entry) {
        let mut pages = self.pages();
        pages.written += 1;
        entry.n = pages.written;
        if pages.entries.len() == CAPACITY {
            pages.entries.pop_front();
        }
        pages.entries.push_back(entry);
    }

    /// The exchanges with a number above `after`.
    pub(crate) fn after(&self, after: u64) -> Vec<Entry> {
        let pages = self.pages();
        let wanted = usize::try_from(pages.written.saturating_sub(after)).unwrap_or(usize::MAX);
        let skipped = pages.entries.len().saturating_sub(wanted);
        pages.entries.range(skipped..).cloned().collect()
    }

    /// Starts again at 1.
    pub(crate) fn clear(&self) {
        *self.pages() = Pages::default();
    }

    fn pages(&self) -> MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_entries_after_a_number_are_given() {
        let journal = Journal::default();
        for _ in 0..3 {
            journal.write(Entry {
                n: 0,
                at: Timestamp::UNIX_EPOCH,
                method: "GET".into(),
                path: "/".into(),
                query: None,
                status: 200,
                mailbox: None,
                prefer: None,
                fault: None,
                too_early_ms: None,
            });
        }
        let numbers = |after| journal.after(after).iter().map(|entry| entry.n).collect::<Vec<_>>();
        assert_eq!(numbers(0), [1, 2, 3]);
        assert_eq!(numbers(2), [3]);
        assert_eq!(numbers(9), [0; 0]);
    }
}
