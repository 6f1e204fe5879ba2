//! What every token's claims are checked for.

use jiff::{SignedDuration, Timestamp};
use serde_json::Value;

/// How far an issuer's clock may be ahead of ours.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

/// Whether a token with these times is good at `now`.
pub(super) fn is_in_time(expires: i64, not_before: Option<i64>, now: Timestamp) -> bool {
    now.as_second() < expires
        && not_before.is_none_or(|from| from <= now.as_second().saturating_add(CLOCK_TOLERANCE.as_secs()))
}

/// Whether an `aud` claim names `audience`.
pub(super) fn is_meant_for(audience: &str, claim: &Value) -> bool {
    match claim {
        Value::String(one) => one == audience,
        Value::Array(many) => many.iter().any(|one| one == audience),
        _ => false,
    }
}
