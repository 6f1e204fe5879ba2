//! What a failed delivery means and when to try again. A table; no clock, no I/O.
//!
//! Three rules hold everywhere: a `Retry-After` is a floor and never shortened; what belongs to the mailbox or the tenant
//! holds up the mailbox or the tenant instead of being suffered once per leave; and nothing is tried for ever.

use std::time::Duration;

use serde::Serialize;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_mins(1);
const HOUR: Duration = Duration::from_hours(1);
const DAY: Duration = Duration::from_hours(24);

/// What went wrong, by what it means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The mailbox gets too many requests.
    Throttled {
        /// How long Microsoft asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Graph or the way to it is down for the moment; the call may or may not have been carried out.
    Unavailable {
        /// How long Microsoft asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Graph stumbles over this request (HTTP 500); the call may or may not have been carried out.
    Failing,
    /// Somebody changed the event at the same moment.
    Conflict,
    /// There is no mailbox of that address that Graph could reach: unknown, unlicensed, on premises, a guest.
    MailboxMissing,
    /// The app may not touch this mailbox.
    AccessDenied,
    /// The mailbox is full.
    MailboxFull,
    /// The event is not there (any more).
    EventGone,
    /// The event was created by an earlier attempt, with other content.
    AlreadyCreated,
    /// Graph refuses what we sent: it would refuse it again.
    Rejected,
    /// Microsoft refuses our credentials or token.
    Credentials,
    /// The token endpoint is down and no token is left that lives.
    EntraUnavailable {
        /// How long Microsoft asks us to wait.
        retry_after: Option<Duration>,
    },
}

impl Failure {
    /// Whether the call may have been carried out although it failed.
    #[must_use]
    pub const fn leaves_outcome_unknown(self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Failing)
    }
}

/// Why a mapping waits or is parked: the fixed words of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize)]
#[serde(rename_all = "kebab-case")]
#[expect(missing_docs, reason = "each is explained by `meaning`")]
pub enum Reason {
    Throttled,
    GraphUnavailable,
    GraphError,
    Conflict,
    MailboxMissing,
    AccessDenied,
    MailboxFull,
    EventGone,
    Rejected,
    Credentials,
    EntraUnavailable,
    Internal,
}

impl Reason {
    /// All there are, for the documentation and its test.
    pub const ALL: [Self; 12] = [
        Self::Throttled,
        Self::GraphUnavailable,
        Self::GraphError,
        Self::Conflict,
        Self::MailboxMissing,
        Self::AccessDenied,
        Self::MailboxFull,
        Self::EventGone,
        Self::Rejected,
        Self::Credentials,
        Self::EntraUnavailable,
        Self::Internal,
    ];

    /// The fixed word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Throttled => "throttled",
            Self::GraphUnavailable => "graph-unavailable",
            Self::GraphError => "graph-error",
            Self::Conflict => "conflict",
            Self::MailboxMissing => "mailbox-missing",
            Self::AccessDenied => "access-denied",
            Self::MailboxFull => "mailbox-full",
            Self::EventGone => "event-gone",
            Self::Rejected => "rejected",
            Self::Credentials => "credentials",
            Self::EntraUnavailable => "entra-unavailable",
            Self::Internal => "internal",
        }
    }

    /// What it means and what a person can do, as a sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Throttled => "Microsoft asks us to slow down for this mailbox; it goes on by itself.",
            Self::GraphUnavailable => "Microsoft Graph did not answer; it is tried again by itself.",
            Self::GraphError => "Microsoft Graph failed on this request; it is tried again by itself for a day.",
            Self::Conflict => "The event was changed at the same moment; it is tried again by itself.",
            Self::MailboxMissing => {
                "Exchange Online has no mailbox of this address: check the address, the licence, and whether it is a guest or still on premises. It is tried again by itself: hourly for a day, then daily for 30 days; a retry tries at once."
            }
            Self::AccessDenied => {
                "The app may not write to this mailbox: check admin consent for Calendars.ReadWrite, or whether the mailbox lies in the scope that Exchange grants the app. It is tried again by itself: hourly for a day, then daily for 30 days; a retry tries at once."
            }
            Self::MailboxFull => "The mailbox is full; once there is room it goes on by itself.",
            Self::EventGone => "The event had been deleted in Outlook; a new one is made by itself.",
            Self::Rejected => {
                "Microsoft Graph refuses this event as it stands. Correct the leave at its source, or report the request-id to whoever runs leavebridge, then retry."
            }
            Self::Credentials => {
                "Microsoft refuses the app's credentials: check directory_id, client_id and the secret's Value and expiry. All leave of this tenant waits and goes on within a minute after the repair."
            }
            Self::Internal => {
                "leavebridge itself stumbled over this leave. Report it to whoever runs leavebridge, with the log of that moment; a retry or a new change tries again."
            }
            Self::EntraUnavailable => "Microsoft Entra issues no token at the moment; it is tried again by itself.",
        }
    }
}

/// What is done about a failure.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// This mapping is tried again after that time.
    Defer(Duration),
    /// Nothing of this mailbox is tried before that time is over: somebody has to mend something.
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
    /// Failures of this mapping since its last success or change, this one not counted.
    pub attempts: u32,
    /// For how long this mapping has been failing.
    pub failing_for: Duration,
    /// For how long the mailbox has been blocked for this very reason.
    pub blocked_for: Duration,
}

/// What to do about a failure. `jitter` is a random number in `0.0..1.0`; it only ever lengthens a wait.
#[must_use]
pub fn judge(failure: Failure, history: History, jitter: f64) -> (Reason, Verdict) {
    let backoff = backoff(history.attempts);
    let wait = |least: Option<Duration>| spread(backoff.max(least.unwrap_or_default()), jitter);
    let within = |limit: Duration, verdict| if history.failing_for < limit { verdict } else { Verdict::Park };
    match failure {
        Failure::Throttled { retry_after } => {
            let least = retry_after.unwrap_or(backoff.max(10 * SECOND)).max(SECOND);
            (Reason::Throttled, Verdict::Throttle(spread(least, jitter)))
        }
        Failure::Unavailable { retry_after } => {
            (Reason::GraphUnavailable, within(7 * DAY, Verdict::Defer(wait(retry_after))))
        }
        Failure::Failing => (Reason::GraphError, within(DAY, Verdict::Defer(wait(None)))),
        Failure::Conflict => (Reason::Conflict, within(DAY, Verdict::Defer(wait(None)))),
        Failure::EventGone | Failure::AlreadyCreated => (Reason::EventGone, within(DAY, Verdict::Defer(wait(None)))),
        Failure::MailboxMissing => (Reason::MailboxMissing, slowly(history, jitter)),
        Failure::AccessDenied => (Reason::AccessDenied, slowly(history, jitter)),
        Failure::MailboxFull => (Reason::MailboxFull, slowly(history, jitter)),
        Failure::Rejected => (Reason::Rejected, Verdict::Park),
        Failure::Credentials => (Reason::Credentials, Verdict::BlockTenant(MINUTE)),
        Failure::EntraUnavailable { retry_after } => (
            Reason::EntraUnavailable,
            Verdict::BlockTenant(spread(retry_after.unwrap_or_default().max(10 * SECOND), jitter)),
        ),
    }
}

/// 2 s · 2ⁿ, at most an hour.
fn backoff(attempts: u32) -> Duration {
    (2 * SECOND).saturating_mul(1 << attempts.min(16)).min(HOUR)
}

/// Lets those who wait for the same thing come back one after the other: up to a quarter, at most 5 minutes, later.
fn spread(wait: Duration, jitter: f64) -> Duration {
    wait + (wait / 4).min(5 * MINUTE).mul_f64(jitter.clamp(0.0, 1.0))
}

/// For what a person has to mend and a machine cannot: hourly for a day, then daily for 30 days, then a person is told.
fn slowly(history: History, jitter: f64) -> Verdict {
    match history.blocked_for {
        t if t < DAY => Verdict::BlockMailbox(spread(HOUR, jitter / 4.0)),
        t if t < 31 * DAY => Verdict::BlockMailbox(spread(DAY, jitter / 4.0)),
        _ => Verdict::Park,
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
            (Failure::Throttled { retry_after: after(7) }, NEW, Reason::Throttled, Verdict::Throttle(7 * SECOND)),
            (Failure::Throttled { retry_after: after(0) }, NEW, Reason::Throttled, Verdict::Throttle(SECOND)),
            (Failure::Throttled { retry_after: None }, NEW, Reason::Throttled, Verdict::Throttle(10 * SECOND)),
            (Failure::Throttled { retry_after: None }, tried(6), Reason::Throttled, Verdict::Throttle(128 * SECOND)),
            (Failure::Throttled { retry_after: after(90_000) }, NEW, Reason::Throttled, Verdict::Throttle(25 * HOUR)),
            (Failure::Unavailable { retry_after: None }, NEW, Reason::GraphUnavailable, Verdict::Defer(2 * SECOND)),
            (
                Failure::Unavailable { retry_after: None },
                tried(3),
                Reason::GraphUnavailable,
                Verdict::Defer(16 * SECOND),
            ),
            (
                Failure::Unavailable { retry_after: after(30) },
                NEW,
                Reason::GraphUnavailable,
                Verdict::Defer(30 * SECOND),
            ),
            (
                Failure::Unavailable { retry_after: None },
                failing(6 * DAY),
                Reason::GraphUnavailable,
                Verdict::Defer(HOUR),
            ),
            (Failure::Unavailable { retry_after: None }, failing(7 * DAY), Reason::GraphUnavailable, Verdict::Park),
            (Failure::Failing, failing(23 * HOUR), Reason::GraphError, Verdict::Defer(HOUR)),
            (Failure::Failing, failing(DAY), Reason::GraphError, Verdict::Park),
            (Failure::Conflict, NEW, Reason::Conflict, Verdict::Defer(2 * SECOND)),
            (Failure::MailboxMissing, NEW, Reason::MailboxMissing, Verdict::BlockMailbox(HOUR)),
            (Failure::MailboxMissing, blocked(DAY), Reason::MailboxMissing, Verdict::BlockMailbox(DAY)),
            (Failure::MailboxMissing, blocked(30 * DAY), Reason::MailboxMissing, Verdict::BlockMailbox(DAY)),
            (Failure::MailboxMissing, blocked(31 * DAY), Reason::MailboxMissing, Verdict::Park),
            (Failure::AccessDenied, NEW, Reason::AccessDenied, Verdict::BlockMailbox(HOUR)),
            (Failure::MailboxFull, NEW, Reason::MailboxFull, Verdict::BlockMailbox(HOUR)),
            (Failure::Rejected, NEW, Reason::Rejected, Verdict::Park),
            (Failure::Credentials, tried(50), Reason::Credentials, Verdict::BlockTenant(MINUTE)),
            (
                Failure::EntraUnavailable { retry_after: after(120) },
                NEW,
                Reason::EntraUnavailable,
                Verdict::BlockTenant(2 * MINUTE),
            ),
        ] {
            assert_eq!(judge(failure, history, 0.0), (reason, verdict), "{failure:?} {history:?}");
        }
    }

    #[test]
    fn the_word_of_a_reason_is_the_same_wherever_it_is_written() {
        for reason in Reason::ALL {
            assert_eq!(serde_json::to_value(reason).unwrap(), reason.word());
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
            match judge(failure, history, jitter).1 {
                Verdict::Defer(wait)
                | Verdict::BlockMailbox(wait)
                | Verdict::Throttle(wait)
                | Verdict::BlockTenant(wait) => {
                    prop_assert!(wait >= asked);
                    prop_assert!(wait >= SECOND);
                    prop_assert!(wait <= asked.max(25 * HOUR) + 5 * MINUTE);
                }
                Verdict::Park => prop_assert!(time >= DAY),
            }
        }

        #[test]
        fn the_longer_it_fails_the_longer_the_wait(attempts in 0..100_u32) {
            prop_assert!(backoff(attempts) <= backoff(attempts + 1));
        }
    }
}
