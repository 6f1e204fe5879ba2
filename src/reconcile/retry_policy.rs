//! What a failed delivery means and when to try again: the one place where a `Retry-After`, a missing mailbox or a refused
//! secret turns into a wait. A table; no clock, no I/O.
//!
//! Three rules hold everywhere: a `Retry-After` is a floor and never shortened; what belongs to the mailbox or the tenant
//! holds up the mailbox or the tenant as a whole, not each of its items in turn; and nothing is tried for ever.

use std::time::Duration;

use super::{failure::Failure, state::Reason};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What is done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RetryDecision {
    /// This item is tried again after that time.
    Defer(Duration),
    /// Nothing of this mailbox is tried before that time is over: a person has to repair something.
    BlockMailbox(Duration),
    /// Nothing of this mailbox is tried before that time is over: Microsoft asks for it.
    Throttle(Duration),
    /// Nothing of this tenant is tried before that time is over, and no attempt is counted.
    BlockTenant(Duration),
    /// A person is needed.
    Park,
}

/// What happened before this failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct History {
    /// Failures of this item since its last success or change, this one not counted.
    pub attempts: u32,
    /// For how long this item has been failing.
    pub failing_for: Duration,
    /// For how long the mailbox has been blocked for this very reason.
    pub blocked_for: Duration,
}

/// What to do about a failure. `jitter` is a random number in `0.0..1.0`; it only ever lengthens a wait.
#[must_use]
pub fn retry_policy(failure: Failure, history: History, jitter: f64) -> (Reason, RetryDecision) {
    let backoff = backoff(history.attempts);
    let wait = |least: Option<Duration>| spread(backoff.max(least.unwrap_or_default()), jitter);
    let within = |limit: Duration, verdict| if history.failing_for < limit { verdict } else { RetryDecision::Park };
    match failure {
        Failure::Throttled { retry_after } => {
            let least = retry_after.unwrap_or(backoff.max(10 * SECOND)).max(SECOND);
            (Reason::Throttled, RetryDecision::Throttle(spread(least, jitter)))
        }
        Failure::Unavailable { retry_after } => {
            (Reason::GraphUnavailable, within(7 * DAY, RetryDecision::Defer(wait(retry_after))))
        }
        Failure::InDoubt { left } => {
            (Reason::GraphUnavailable, within(7 * DAY, RetryDecision::Defer(left.max(SECOND))))
        }
        Failure::Failing => (Reason::GraphError, within(DAY, RetryDecision::Defer(wait(None)))),
        Failure::Conflict => (Reason::Conflict, within(DAY, RetryDecision::Defer(wait(None)))),
        Failure::EventGone | Failure::AlreadyCreated => {
            (Reason::EventGone, within(DAY, RetryDecision::Defer(wait(None))))
        }
        Failure::MailboxMissing => (Reason::MailboxMissing, slowly(history, jitter)),
        Failure::AccessDenied => (Reason::AccessDenied, slowly(history, jitter)),
        Failure::MailboxFull => (Reason::MailboxFull, slowly(history, jitter)),
        Failure::Rejected => (Reason::Rejected, RetryDecision::Park),
        Failure::Credentials => (Reason::Credentials, RetryDecision::BlockTenant(MINUTE)),
        Failure::EntraUnavailable { retry_after } => (
            Reason::EntraUnavailable,
            RetryDecision::BlockTenant(spread(retry_after.unwrap_or_default().max(10 * SECOND), jitter)),
        ),
    }
}

/// 2 s · 2ⁿ, at most an hour.
fn backoff(attempts: u32) -> Duration {
    (2 * SECOND).saturating_mul(1 << attempts.min(16)).min(HOUR)
}

/// Spreads out retries that wait for the same thing: up to a quarter later, at most 5 minutes.
fn spread(wait: Duration, jitter: f64) -> Duration {
    wait + (wait / 4).min(5 * MINUTE).mul_f64(jitter.clamp(0.0, 1.0))
}

/// For what only a person can repair: hourly for a day, then daily for 30 days, then parked.
fn slowly(history: History, jitter: f64) -> RetryDecision {
    match history.blocked_for {
        t if t < DAY => RetryDecision::BlockMailbox(spread(HOUR, jitter / 4.0)),
        t if t < 31 * DAY => RetryDecision::BlockMailbox(spread(DAY, jitter / 4.0)),
        _ => RetryDecision::Park,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NEW: History = History { attempts: 0, failing_for: Duration::ZERO, blocked_for: Duration::ZERO };

    #[test]
    fn each_failure_has_its_consequence() {
        let after = |seconds| Some(Duration::from_secs(seconds));
        let tried = |attempts| History { attempts, ..NEW };
        let failing = |failing_for| History { failing_for, attempts: 20, ..NEW };
        let blocked = |blocked_for| History { blocked_for, ..NEW };
        for (failure, history, reason, verdict) in [
            (Failure::Throttled { retry_after: after(7) }, NEW, Reason::Throttled, RetryDecision::Throttle(7 * SECOND)),
            (Failure::Throttled { retry_after: after(0) }, NEW, Reason::Throttled, RetryDecision::Throttle(SECOND)),
            (Failure::Throttled { retry_after: None }, NEW, Reason::Throttled, RetryDecision::Throttle(10 * SECOND)),
            (
                Failure::Throttled { retry_after: None },
                tried(6),
                Reason::Throttled,
                RetryDecision::Throttle(128 * SECOND),
            ),
            (
                Failure::Throttled { retry_after: after(90_000) },
                NEW,
                Reason::Throttled,
                RetryDecision::Throttle(25 * HOUR),
            ),
            (
                Failure::Unavailable { retry_after: None },
                NEW,
                Reason::GraphUnavailable,
                RetryDecision::Defer(2 * SECOND),
            ),
            (
                Failure::Unavailable { retry_after: None },
                tried(3),
                Reason::GraphUnavailable,
                RetryDecision::Defer(16 * SECOND),
            ),
            (
                Failure::Unavailable { retry_after: after(30) },
                NEW,
                Reason::GraphUnavailable,
                RetryDecision::Defer(30 * SECOND),
            ),
            (
                Failure::Unavailable { retry_after: None },
                failing(6 * DAY),
                Reason::GraphUnavailable,
                RetryDecision::Defer(HOUR),
            ),
            (
                Failure::Unavailable { retry_after: None },
                failing(7 * DAY),
                Reason::GraphUnavailable,
                RetryDecision::Park,
            ),
            (
                Failure::InDoubt { left: 41 * SECOND },
                tried(9),
                Reason::GraphUnavailable,
                RetryDecision::Defer(41 * SECOND),
            ),
            (Failure::Failing, failing(23 * HOUR), Reason::GraphError, RetryDecision::Defer(HOUR)),
            (Failure::Failing, failing(DAY), Reason::GraphError, RetryDecision::Park),
            (Failure::Conflict, NEW, Reason::Conflict, RetryDecision::Defer(2 * SECOND)),
            (Failure::MailboxMissing, NEW, Reason::MailboxMissing, RetryDecision::BlockMailbox(HOUR)),
            (Failure::MailboxMissing, blocked(DAY), Reason::MailboxMissing, RetryDecision::BlockMailbox(DAY)),
            (Failure::MailboxMissing, blocked(30 * DAY), Reason::MailboxMissing, RetryDecision::BlockMailbox(DAY)),
            (Failure::MailboxMissing, blocked(31 * DAY), Reason::MailboxMissing, RetryDecision::Park),
            (Failure::AccessDenied, NEW, Reason::AccessDenied, RetryDecision::BlockMailbox(HOUR)),
            (Failure::MailboxFull, NEW, Reason::MailboxFull, RetryDecision::BlockMailbox(HOUR)),
            (Failure::Rejected, NEW, Reason::Rejected, RetryDecision::Park),
            (Failure::Credentials, tried(50), Reason::Credentials, RetryDecision::BlockTenant(MINUTE)),
            (
                Failure::EntraUnavailable { retry_after: after(120) },
                NEW,
                Reason::EntraUnavailable,
                RetryDecision::BlockTenant(2 * MINUTE),
            ),
        ] {
            assert_eq!(retry_policy(failure, history, 0.0), (reason, verdict), "{failure:?} {history:?}");
        }
    }

    fn failures() -> impl Strategy<Value = Failure> {
        let retry_after = proptest::option::of((0..100_000_u64).prop_map(Duration::from_secs));
        retry_after.prop_flat_map(|retry_after| {
            proptest::sample::select(vec![
                Failure::Throttled { retry_after },
                Failure::Unavailable { retry_after },
                Failure::EntraUnavailable { retry_after },
                Failure::Failing,
                Failure::Conflict,
                Failure::MailboxMissing,
            ])
        })
    }

    proptest! {
        #[test]
        fn no_wait_is_shorter_than_retry_after_or_longer_than_it_must_be(
            failure in failures(), attempts in 0..10_000_u32, hours in 0..2_000_u64, jitter in 0.0..1.0_f64,
        ) {
            let time = Duration::from_hours(hours);
            let history = History { attempts, failing_for: time, blocked_for: time };
            let asked = match failure {
                Failure::Throttled { retry_after }
                | Failure::Unavailable { retry_after }
                | Failure::EntraUnavailable { retry_after } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            match retry_policy(failure, history, jitter).1 {
                RetryDecision::Defer(wait)
                | RetryDecision::BlockMailbox(wait)
                | RetryDecision::Throttle(wait)
                | RetryDecision::BlockTenant(wait) => {
                    prop_assert!(wait >= asked);
                    prop_assert!(wait >= SECOND);
                    prop_assert!(wait <= asked.max(25 * HOUR) + 5 * MINUTE);
                }
                RetryDecision::Park => prop_assert!(time >= DAY),
            }
        }

        #[test]
        fn the_longer_it_fails_the_longer_the_wait(attempts in 0..100_u32) {
            prop_assert!(backoff(attempts) <= backoff(attempts + 1));
        }
    }
}
