//! States, times and durations in words.

use std::time::Duration;

use jiff::Timestamp;
use maud::{Markup, html};

use crate::reconcile::state::Reason;

/// What a mapping's state means.
pub(super) fn meaning(state: &str) -> &'static str {
    match state {
        "pending" => "It is due, or being delivered.",
        "waiting" => "It is tried again by itself.",
        "synced" => "The event is as wanted.",
        "removed" => "There is no event, as wanted.",
        "hidden" => "The policy says: no event.",
        "parked" => "It needs a person.",
        _ => "",
    }
}

/// A state as a badge; the word says all, the colour only helps.
pub(super) fn badge(state: &str) -> Markup {
    html! { span class=(format!("badge {state}")) { (state) } }
}

/// What a reason means and what can be done about it.
pub(super) fn reason(word: &str) -> Option<&'static str> {
    Reason::of(word).map(Reason::meaning)
}

/// A moment: how far away it is, and with its full form for machines and for pointing at.
pub(super) fn moment(at: Timestamp, now: Timestamp) -> Markup {
    let text = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) title=(text) { (away(at, now)) } }
}

/// The full form of a moment.
pub(super) fn stamp(at: Timestamp) -> Markup {
    let text = at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string();
    html! { time datetime=(at.strftime("%Y-%m-%dT%H:%M:%SZ")) { (text) } }
}

fn away(at: Timestamp, now: Timestamp) -> String {
    let seconds = at.duration_since(now).as_secs();
    let span = Duration::from_secs(seconds.unsigned_abs());
    match seconds {
        1.. => format!("in {}", long(span)),
        0 => "now".into(),
        _ => format!("{} ago", long(span)),
    }
}

/// A duration in its largest unit.
pub(super) fn long(span: Duration) -> String {
    let seconds = span.as_secs();
    let (number, unit) = match seconds {
        0..120 => (seconds, "second"),
        120..7_200 => (seconds / 60, "minute"),
        7_200..172_800 => (seconds / 3_600, "hour"),
        _ => (seconds / 86_400, "day"),
    };
    count(i64::try_from(number).unwrap_or(i64::MAX), unit)
}

/// "1 day", "2 days".
pub(super) fn count(number: i64, noun: &str) -> String {
    format!("{number} {noun}{}", if number == 1 { "" } else { "s" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_told_in_the_unit_that_one_would_say() {
        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        for (at, words) in [
            ("2026-11-22T12:00:00Z", "now"),
            ("2026-11-22T12:00:01Z", "in 1 second"),
            ("2026-11-22T11:58:01Z", "119 seconds ago"),
            ("2026-11-22T12:59:00Z", "in 59 minutes"),
            ("2026-11-22T09:30:00Z", "2 hours ago"),
            ("2026-11-30T12:00:00Z", "in 8 days"),
        ] {
            assert_eq!(away(at.parse().unwrap(), now), words);
        }
    }

    #[test]
    fn every_state_and_every_reason_has_its_sentence() {
        for state in crate::http::query::STATES {
            assert!(meaning(state).ends_with('.'), "{state}");
        }
        for word in Reason::ALL.iter().map(|reason| reason.word()) {
            assert!(reason(word).is_some_and(|sentence| sentence.ends_with('.')), "{word}");
        }
    }
}
