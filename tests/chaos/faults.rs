//! Microsoft's bad moments: each way in which it is known to fail, again and again, for requests that nobody chose.
//!
//! It must never ask for a wait longer than a dead replica's lease is sure to last: who was told of it may be dead, and
//! whoever takes over cannot know.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, tz::TimeZone};
use leavebridge::clock::{Clock as _, SystemClock};
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    dice::Dice,
    stage::{CALL_TIMEOUT, Stage},
};

/// A `Retry-After` that everybody can know of: a lease outlasts a call by five seconds, and writing it down takes time.
const LONGEST_RETRY_AFTER: u64 = 4;
/// Rules that still wait for a request of their kind; more would only pile up.
const MOST_RULES: usize = 12;

/// Adds faults until it is over.
pub(crate) async fn script(stage: Arc<Stage>, over: CancellationToken) -> anyhow::Result<()> {
    let dice = stage.dice("faults");
    while !over.is_cancelled() {
        tokio::select! {
            () = over.cancelled() => break,
            () = tokio::time::sleep(dice.millis(100, 600)) => {}
        }
        let waiting = stage.microsoft.control(reqwest::Method::GET, "faults", None).await?;
        if waiting.as_array().is_some_and(|rules| rules.len() < MOST_RULES) {
            stage.microsoft.fault(&json!([rule(&stage, &dice)])).await?;
        }
    }
    Ok(())
}

/// One fault, for the next request or the next few.
fn rule(stage: &Stage, dice: &Dice) -> Value {
    let method = *dice.pick(&["POST", "POST", "PATCH", "PATCH", "DELETE", "GET"]);
    let mut rule = match dice.below(14) {
        0 => json!({"status": 429, "headers": {"retry-after": retry_after(dice)}}),
        1 => json!({"status": 429}),
        2 => json!({"status": 503, "headers": {"retry-after": retry_after(dice)}}),
        3 => json!({"status": dice.pick(&[500, 502, 503, 504, 509])}),
        4 => json!({"status": dice.pick(&[500, 502, 504]), "when": "after-commit"}),
        5 => json!({"drop": true}),
        6 | 7 => json!({"drop": true, "when": "after-commit"}),
        // Carried out, and said with so much delay that nobody listens any more.
        8 => json!({"delay_ms": slower_than_the_timeout(dice), "when": "after-commit"}),
        9 if !stage.options.no_late_commits => json!({"delay_ms": slower_than_the_timeout(dice)}),
        9 | 10 => json!({"delay_ms": dice.between(100, 600)}),
        11 => json!({"status": 200, "body": "{\"id\":\"AAMkAD", "when": "after-commit"}),
        12 => {
            json!({"status": 200, "body": "<html><body>Please sign in</body></html>", "when": *dice.pick(&["before", "after-commit"])})
        }
        _ => json!({"status": 401}),
    };
    // Two refusals of the token in a row would mean that the app is shut out.
    let times = if rule["status"] == 401 { 1 } else { dice.between(1, 2) };
    (rule["method"], rule["path"], rule["times"]) = (json!(method), json!("/v1.0/users/*"), json!(times));
    rule
}

/// In each of the forms that have been seen: seconds, with a fraction, a date.
fn retry_after(dice: &Dice) -> String {
    let seconds = dice.between(1, LONGEST_RETRY_AFTER);
    match dice.below(3) {
        0 => seconds.to_string(),
        1 => format!("{}.{}", seconds - 1, dice.between(1, 9)),
        _ => {
            let wait = SignedDuration::try_from(Duration::from_secs(seconds)).unwrap_or(SignedDuration::ZERO);
            let at = (SystemClock.now() + wait).to_zoned(TimeZone::UTC);
            at.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
        }
    }
}

/// At most two and a half times the timeout: longer than three times nobody counts a call as under way.
fn slower_than_the_timeout(dice: &Dice) -> u64 {
    u64::try_from(CALL_TIMEOUT.as_millis()).unwrap_or(0) + dice.between(100, 1_500)
}
