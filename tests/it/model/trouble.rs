//! What Graph, Entra and the way to them may do to a call, as rules for the simulator.
//!
//! Every rule is something that the real service may do. It never lies about what it did: a refusal comes before the
//! work, and only an answer that leaves the outcome open may come after it.

use jiff::{SignedDuration, Timestamp};
use proptest::{option, prelude::*, sample::select};
use serde_json::{Value, json};

use super::history::MAILBOXES;

/// Whether answers may come later than we wait for them.
pub(super) const SLOWER_THAN_CALL_TIMEOUT: bool = true;
/// How long the service of a model test waits for an answer.
pub(super) const CALL_TIMEOUT: &str = "1s";

/// No answer asks for a longer wait.
pub(super) const LONGEST_RETRY_AFTER: SignedDuration = SignedDuration::from_secs(4_000);

/// A rule.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    call: Call,
    /// Only in this mailbox.
    mailbox: Option<usize>,
    /// So often, or until it is mended.
    times: Option<u8>,
    trouble: Trouble,
}

/// Which calls it strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Call {
    Any,
    Create,
    Change,
    Remove,
    Find,
    Token,
}

#[derive(Debug, Clone)]
enum Trouble {
    /// 429.
    Throttled(Wait),
    /// A 5xx; the work was done or not.
    Down { status: u16, wait: Wait, after: bool },
    /// The connection closes without an answer; the work was done or not.
    Lost { after: bool },
    /// The work was done, and what is said about it cannot be read.
    Garbled(&'static str),
    /// A refusal with that status and code.
    Refused(u16, &'static str),
    /// So many milliseconds later; the work is done at their beginning or at their end.
    Slow { millis: u64, after: bool },
}

/// What `Retry-After` says.
#[derive(Debug, Clone)]
enum Wait {
    Unsaid,
    Seconds(u32),
    Decimal(u32),
    Date(u32),
}

/// Any trouble.
pub(super) fn fault() -> impl Strategy<Value = Fault> {
    let call = prop_oneof![
        3 => Just(Call::Any), 3 => Just(Call::Create), 3 => Just(Call::Change),
        2 => Just(Call::Remove), 2 => Just(Call::Find), 1 => Just(Call::Token),
    ];
    let times = prop_oneof![4 => Just(Some(1)), 2 => Just(Some(2)), 1 => Just(None)];
    (call, option::weighted(0.3, 0..MAILBOXES), times, trouble()).prop_map(|(call, mailbox, times, trouble)| Fault {
        call,
        mailbox,
        times,
        trouble,
    })
}

/// Trouble that leaves open what became of a write, or has it wait.
pub(super) fn lost_on_the_way() -> impl Strategy<Value = Fault> {
    let trouble = prop_oneof![
        3 => Just(Trouble::Lost { after: true }),
        1 => Just(Trouble::Lost { after: false }),
        1 => Just(Trouble::Down { status: 504, wait: Wait::Unsaid, after: true }),
        2 => (20..60_u64, any::<bool>()).prop_map(|(millis, after)| Trouble::Slow { millis, after }),
        1 => wait().prop_map(Trouble::Throttled),
    ];
    (select(vec![Call::Any, Call::Create, Call::Change, Call::Remove]), trouble).prop_map(|(call, trouble)| Fault {
        call,
        mailbox: None,
        times: Some(1),
        trouble,
    })
}

fn trouble() -> impl Strategy<Value = Trouble> {
    let refusals = vec![
        (401, "InvalidAuthenticationToken"),
        (403, "ErrorAccessDenied"),
        (404, "ErrorItemNotFound"),
        (404, "ErrorInvalidUser"),
        (404, "MailboxNotEnabledForRESTAPI"),
        (404, "ResourceNotFound"),
        (404, "NobodyKnowsThisCode"),
        (400, "ErrorInvalidRequest"),
        (409, "ErrorIrresolvableConflict"),
        (403, "ErrorQuotaExceeded"),
    ];
    let slow = if SLOWER_THAN_CALL_TIMEOUT { vec![20_u64, 60, 1_300] } else { vec![20, 60] };
    prop_oneof![
        5 => wait().prop_map(Trouble::Throttled),
        4 => (select(vec![500_u16, 502, 503, 504, 509]), wait(), any::<bool>())
            .prop_map(|(status, wait, after)| Trouble::Down { status, wait, after }),
        4 => any::<bool>().prop_map(|after| Trouble::Lost { after }),
        2 => select(vec!["", "<html>Service Unavailable", "{\"id\": \"AAkALg", "[]"]).prop_map(Trouble::Garbled),
        4 => select(refusals).prop_map(|(status, code)| Trouble::Refused(status, code)),
        3 => (select(slow), any::<bool>()).prop_map(|(millis, after)| Trouble::Slow { millis, after }),
    ]
}

fn wait() -> impl Strategy<Value = Wait> {
    let seconds = || prop_oneof![3 => 15..90_u32, 1 => 1..3_990_u32];
    prop_oneof![
        Just(Wait::Unsaid),
        seconds().prop_map(Wait::Seconds),
        seconds().prop_map(Wait::Decimal),
        seconds().prop_map(Wait::Date),
    ]
}

impl Fault {
    /// The rule as the simulator takes it at `now`; if it is `broad`, what reads or writes strikes mailbox settings and
    /// calendars as well.
    pub(super) fn rule(&self, mailboxes: &[&str], now: Timestamp, broad: bool) -> Value {
        let whose = self.mailbox.map_or("*", |mailbox| mailboxes[mailbox]);
        let (method, path) = match self.call {
            Call::Any if broad => (None, format!("/v1.0/users/{whose}/*")),
            Call::Create if broad => (Some("POST"), format!("/v1.0/users/{whose}/*")),
            Call::Change if broad => (Some("PATCH"), format!("/v1.0/users/{whose}/*")),
            Call::Find if broad => (Some("GET"), format!("/v1.0/users/{whose}/*")),
            Call::Any => (None, format!("/v1.0/users/{whose}/events*")),
            Call::Create => (Some("POST"), format!("/v1.0/users/{whose}/events")),
            Call::Change => (Some("PATCH"), format!("/v1.0/users/{whose}/events/*")),
            Call::Remove => (Some("DELETE"), format!("/v1.0/users/{whose}/events/*")),
            Call::Find => (Some("GET"), format!("/v1.0/users/{whose}/events")),
            Call::Token => (Some("POST"), "*/oauth2/v2.0/token".to_owned()),
        };
        let mut rule = self.trouble.rule(self.call, now);
        rule["method"] = json!(method);
        rule["path"] = json!(path);
        rule["times"] = json!(self.times);
        rule
    }
}

impl Trouble {
    fn rule(&self, call: Call, now: Timestamp) -> Value {
        let when = |after: bool| if after { "after-commit" } else { "before" };
        match self {
            Self::Throttled(wait) => json!({"status": 429, "headers": wait.headers(now)}),
            Self::Down { status, wait, after } => {
                json!({"status": status, "headers": wait.headers(now), "when": when(*after)})
            }
            Self::Lost { after } => json!({"drop": true, "when": when(*after)}),
            // An empty answer to a DELETE says what it should.
            Self::Garbled(body) => json!({"status": 200, "body": body, "when": when(true)}),
            Self::Refused(_, code) if call == Call::Token => {
                json!({"status": 401, "body": {"error": "invalid_client", "error_description": code, "error_codes": [7_000_222]}})
            }
            // A DELETE that finds nothing where there is something would be a lie.
            Self::Refused(404, "ErrorItemNotFound") if matches!(call, Call::Any | Call::Remove) => {
                Self::Refused(404, "ErrorInvalidUser").rule(call, now)
            }
            Self::Refused(status, code) => {
                json!({"status": status, "body": {"error": {"code": code, "message": "As scripted."}}})
            }
            Self::Slow { millis, after } => json!({"delay_ms": millis, "when": when(*after)}),
        }
    }
}

impl Wait {
    fn headers(&self, now: Timestamp) -> Value {
        match self {
            Self::Unsaid => json!({}),
            Self::Seconds(seconds) => json!({"retry-after": seconds.to_string()}),
            Self::Decimal(seconds) => json!({"retry-after": format!("{seconds}.5")}),
            Self::Date(seconds) => {
                let at = now + SignedDuration::from_secs(i64::from(*seconds));
                json!({"retry-after": at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()})
            }
        }
    }
}
