//! Counts what was done and what was seen, by name.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

/// The counts, and answers that should never have been given.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<BTreeMap<String, u64>>,
    oddities: Mutex<Vec<String>>,
}

impl Tally {
    /// One more of those.
    pub(crate) fn count(&self, what: &str) {
        self.add(what, 1);
    }

    /// So many more of those.
    pub(crate) fn add(&self, what: &str, many: u64) {
        *self.counts().entry(what.to_owned()).or_default() += many;
    }

    /// How many there were.
    pub(crate) fn of(&self, what: &str) -> u64 {
        self.counts().get(what).copied().unwrap_or(0)
    }

    /// All whose name begins so, with the rest of the name.
    pub(crate) fn all(&self, prefix: &str) -> Vec<(String, u64)> {
        let counts = self.counts();
        counts.iter().filter_map(|(name, count)| Some((name.strip_prefix(prefix)?.to_owned(), *count))).collect()
    }

    /// Something that the service should never do or say.
    pub(crate) fn odd(&self, what: String) {
        self.oddities.lock().unwrap_or_else(PoisonError::into_inner).push(what);
    }

    /// All of that.
    pub(crate) fn oddities(&self) -> Vec<String> {
        self.oddities.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
