//! Counts what was done and what was seen, by name.

use std::{
    collections::BTreeMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};
use leavebridge::clock::{Clock as _, SystemClock};

/// What an answer needs to be read and heeded; the simulator itself grants as much.
const REACTION: SignedDuration = SignedDuration::from_millis(100);

/// The counts, and answers that should never have been given.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    counts: Mutex<BTreeMap<String, u64>>,
    oddities: Mutex<Vec<String>>,
    /// From when until when some replica was frozen.
    frozen: Mutex<Vec<(Timestamp, Timestamp)>>,
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

    /// A replica was frozen from then until now.
    pub(crate) fn thawed(&self, since: Timestamp) {
        self.frozen.lock().unwrap_or_else(PoisonError::into_inner).push((since, SystemClock.now()));
    }

    /// Whether what was sent at `at` may come from a replica that slept when everybody was told something at `told`, and
    /// had not had the time to hear of it.
    pub(crate) fn slept_through(&self, told: Timestamp, at: Timestamp) -> bool {
        let frozen = self.frozen.lock().unwrap_or_else(PoisonError::into_inner);
        let heard_after = |told: Timestamp, thawed: Timestamp| told <= thawed && at <= thawed + REACTION;
        frozen.iter().any(|(since, thawed)| *since - REACTION <= told && at >= *thawed && heard_after(told, *thawed))
    }

    fn counts(&self) -> MutexGuard<'_, BTreeMap<String, u64>> {
        self.counts.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
