//! Time and randomness as parameters, so that hours and days can be tested in milliseconds.
//!
//! Nothing outside this file may read the machine's clock or random source; `clippy.toml` enforces it.
//! Leases and retry times are *not* decided here: they live in PostgreSQL, whose clock is the one clock that all
//! replicas share (`leavebridge_now()` in the migrations).

use std::{
    fmt,
    sync::{
        Arc, Mutex,
        atomic::{AtomicU64, Ordering},
    },
};

use jiff::{SignedDuration, Timestamp};
use uuid::Uuid;

/// Tells the present moment.
pub trait Clock: Send + Sync + fmt::Debug {
    /// The present moment.
    fn now(&self) -> Timestamp;
}

/// A while in which something is not to be done again. A clock that is set back ends it: else it would last for as long as the
/// clock was wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Pause {
    since: Timestamp,
    wait: SignedDuration,
}

impl Pause {
    /// From `now` on.
    #[must_use]
    pub const fn begin(now: Timestamp, wait: SignedDuration) -> Self {
        Self { since: now, wait }
    }

    /// Whether it still lasts.
    #[must_use]
    pub fn lasts(&self, now: Timestamp) -> bool {
        let gone = now.duration_since(self.since);
        SignedDuration::ZERO <= gone && gone < self.wait
    }
}

/// The machine's own clock.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemClock;

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one home of the machine's clock")]
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }
}

/// A clock that moves only when a test advances it; clones share one time.
#[derive(Debug, Clone)]
pub struct ManualClock(Arc<Mutex<Timestamp>>);

impl ManualClock {
    /// A clock that shows `start` until it is moved.
    #[must_use]
    pub fn at(start: Timestamp) -> Self {
        Self(Arc::new(Mutex::new(start)))
    }

    /// Moves the clock forward by `by`.
    pub fn advance(&self, by: SignedDuration) {
        let mut now = self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner);
        *now += by;
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        *self.0.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

/// Gives random bits.
pub trait Random: Send + Sync + fmt::Debug {
    /// 64 random bits.
    fn bits(&self) -> u64;

    /// A number in `0.0..1.0`, for jitter.
    fn fraction(&self) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "53 bits fit a f64 exactly")]
        let numerator = (self.bits() >> 11) as f64;
        numerator / 9_007_199_254_740_992.0
    }

    /// Sixteen random bytes.
    fn bytes(&self) -> [u8; 16] {
        let mut bytes = [0; 16];
        bytes[..8].copy_from_slice(&self.bits().to_be_bytes());
        bytes[8..].copy_from_slice(&self.bits().to_be_bytes());
        bytes
    }

    /// A random (version 4) UUID.
    fn uuid(&self) -> Uuid {
        uuid::Builder::from_random_bytes(self.bytes()).into_uuid()
    }

    /// A UUID that sorts by `now` (version 7), for primary keys that grow at one end of their index.
    fn uuid_at(&self, now: Timestamp) -> Uuid {
        let millis = u64::try_from(now.as_millisecond()).unwrap_or(0);
        let bytes = self.bytes();
        let mut random = [0; 10];
        random.copy_from_slice(&bytes[..10]);
        uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
    }
}

/// The operating system's random source.
#[derive(Debug, Default, Clone, Copy)]
pub struct SystemRandom;

impl Random for SystemRandom {
    fn bits(&self) -> u64 {
        let mut bytes = [0; 8];
        // aws-lc aborts the process rather than hand out predictable bits; an error here cannot be survived either.
        aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bits");
        u64::from_be_bytes(bytes)
    }
}

/// A reproducible sequence (SplitMix64) for tests.
#[derive(Debug)]
pub struct SeededRandom(AtomicU64);

impl SeededRandom {
    /// The sequence that belongs to `seed`.
    #[must_use]
    pub const fn new(seed: u64) -> Self {
        Self(AtomicU64::new(seed))
    }
}

impl Random for SeededRandom {
    fn bits(&self) -> u64 {
        let mut z = self.0.fetch_add(0x9E37_79B9_7F4A_7C15, Ordering::Relaxed).wrapping_add(0x9E37_79B9_7F4A_7C15);
        z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        z ^ (z >> 31)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fraction_is_at_least_zero_and_below_one() {
        let random = SeededRandom::new(7);
        assert!((0..10_000).map(|_| random.fraction()).all(|f| (0.0..1.0).contains(&f)));
    }

    #[test]
    fn a_pause_ends_by_itself_or_when_the_clock_is_set_back() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        let pause = Pause::begin(now, SignedDuration::from_mins(1));
        for (seconds, lasts) in [(0, true), (59, true), (60, false), (3600, false), (-1, false), (-28_800, false)] {
            assert_eq!(pause.lasts(now + SignedDuration::from_secs(seconds)), lasts, "{seconds}");
        }
    }

    #[test]
    fn keys_made_later_sort_later() {
        let random = SeededRandom::new(7);
        let early = random.uuid_at("2026-11-22T00:00:00Z".parse().unwrap());
        let late = random.uuid_at("2026-11-22T00:00:01Z".parse().unwrap());
        assert!(early < late);
        assert_eq!(early.get_version_num(), 7);
    }

    #[test]
    fn a_manual_clock_stands_until_it_is_moved_and_its_clones_move_with_it() {
        let clock = ManualClock::at("2026-11-22T00:00:00Z".parse().unwrap());
        let clone = clock.clone();
        assert_eq!(clock.now(), clone.now());
        clock.advance(SignedDuration::from_hours(1));
        assert_eq!(clone.now(), "2026-11-22T01:00:00Z".parse().unwrap());
    }
}
