//! Time and randomness as the simulator is given them, so that hours can pass in milliseconds and a run can be repeated.
//!
//! No other file may read the machine's clock or random source.

use jiff::Timestamp;
use uuid::Uuid;

/// A source of the current time.
pub(crate) struct Clock(Box<dyn Fn() -> Timestamp + Send + Sync>);

impl Clock {
    pub(crate) fn new(now: impl Fn() -> Timestamp + Send + Sync + 'static) -> Self {
        Self(Box::new(now))
    }

    pub(crate) fn now(&self) -> Timestamp {
        (self.0)()
    }
}

/// What gives random bits.
pub(crate) struct Random(Box<dyn Fn() -> u64 + Send + Sync>);

impl Random {
    pub(crate) fn new(bits: impl Fn() -> u64 + Send + Sync + 'static) -> Self {
        Self(Box::new(bits))
    }

    pub(crate) fn bits(&self) -> u64 {
        (self.0)()
    }

    /// A random (version 4) UUID.
    pub(crate) fn uuid(&self) -> Uuid {
        let bits = (u128::from(self.bits()) << 64) | u128::from(self.bits());
        uuid::Builder::from_random_bytes(bits.to_be_bytes()).into_uuid()
    }
}

/// The machine's own time.
#[expect(clippy::disallowed_methods, reason = "the one home of the machine's clock")]
pub(crate) fn system_time() -> Timestamp {
    Timestamp::now()
}

/// 64 bits of the operating system's random source.
pub(crate) fn system_bits() -> u64 {
    let mut bytes = [0; 8];
    // aws-lc aborts the process rather than hand out predictable bits; an error here cannot be survived either.
    aws_lc_rs::rand::fill(&mut bytes).expect("the operating system gives random bits");
    u64::from_be_bytes(bytes)
}
