//! Chance that can be repeated: every part of the run throws dice of its own, made from the run's seed and its name.

use std::time::Duration;

use leavebridge::clock::{Random as _, SeededRandom};

/// One part's dice.
#[derive(Debug)]
pub(crate) struct Dice(SeededRandom);

impl Dice {
    /// The dice of that part of the run.
    pub(crate) fn new(seed: u64, part: &str) -> Self {
        // FNV-1a: any spreading of the name will do.
        let name = part
            .bytes()
            .fold(0xcbf2_9ce4_8422_2325, |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
        Self(SeededRandom::new(seed ^ name))
    }

    /// A number from `least` to `most`.
    pub(crate) fn between(&self, least: u64, most: u64) -> u64 {
        least + self.0.bits() % (most - least + 1)
    }

    /// A place in something of that length.
    pub(crate) fn below(&self, length: usize) -> usize {
        usize::try_from(self.0.bits() % length.max(1) as u64).unwrap_or(0)
    }

    /// True that often.
    pub(crate) fn chance(&self, often: f64) -> bool {
        self.0.fraction() < often
    }

    /// One of them.
    pub(crate) fn pick<'a, T>(&self, from: &'a [T]) -> &'a T {
        &from[self.below(from.len())]
    }

    /// A time from `least` to `most` milliseconds.
    pub(crate) fn millis(&self, least: u64, most: u64) -> Duration {
        Duration::from_millis(self.between(least, most))
    }
}
