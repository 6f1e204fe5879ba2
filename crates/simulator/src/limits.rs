//! Throttling per app and mailbox: four requests in flight, ten thousand in ten minutes.
//!
//! It must never let a refused request off: Microsoft documents that throttled calls keep counting.

use std::{
    collections::{HashMap, VecDeque},
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use jiff::{SignedDuration, Timestamp};

use super::{failure::Failure, score::Score, settings::Switches};

const WINDOW: SignedDuration = SignedDuration::from_mins(10);
/// A request that arrives so soon after a `Retry-After` was sent off before it could be heard of: no mistake of the caller's.
const IN_TRANSIT: SignedDuration = SignedDuration::from_millis(100);

/// Counts what happens at one mailbox.
#[derive(Debug, Default)]
pub(crate) struct Gate(Mutex<Book>);

#[derive(Debug, Default)]
struct Book {
    apps: HashMap<Box<str>, Lane>,
    /// Since when and until when a `Retry-After` asks everybody to stay away.
    closed: Option<(Timestamp, Timestamp)>,
}

#[derive(Debug, Default)]
struct Lane {
    in_flight: u32,
    recent: VecDeque<Timestamp>,
}

/// One request's place in the count of those in flight; dropping it gives the place back.
#[derive(Debug)]
pub(crate) struct Place {
    gate: Arc<Gate>,
    app: Box<str>,
}

impl Drop for Place {
    fn drop(&mut self) {
        if let Some(lane) = self.gate.book().apps.get_mut(&self.app) {
            lane.in_flight = lane.in_flight.saturating_sub(1);
        }
    }
}

impl Gate {
    /// Whether a `Retry-After` of this mailbox has still to pass, and for how long it has been known.
    pub(crate) fn closed(&self, now: Timestamp) -> Option<SignedDuration> {
        let closed = self.book().closed.filter(|(since, until)| now > *since + IN_TRANSIT && now < *until);
        closed.map(|(since, _)| now.duration_since(since))
    }

    /// A `Retry-After` was handed out.
    pub(crate) fn close(&self, now: Timestamp, until: Timestamp) {
        let mut book = self.book();
        book.closed = Some(match book.closed {
            Some((since, earlier)) if now < earlier => (since, earlier.max(until)),
            _ => (now, until),
        });
    }

    /// Forgets the past; requests in flight stay in flight.
    pub(crate) fn clear(&self) {
        let mut book = self.book();
        book.closed = None;
        book.apps.values_mut().for_each(|lane| lane.recent.clear());
    }

    fn book(&self) -> MutexGuard<'_, Book> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Lets a request of `app` to the mailbox behind `gate` in, or says what limit it is over.
pub(crate) fn enter(
    gate: &Arc<Gate>,
    app: &str,
    now: Timestamp,
    switches: &Switches,
    score: &Score,
) -> Result<Place, Failure> {
    let mut book = gate.book();
    if !book.apps.contains_key(app) {
        book.apps.insert(app.into(), Lane::default());
    }
    let Some(lane) = book.apps.get_mut(app) else { return Err(Failure::item_not_found()) };
    let limit = switches.requests_per_ten_minutes.max(1);
    while lane.recent.front().is_some_and(|at| now.duration_since(*at) >= WINDOW) {
        lane.recent.pop_front();
    }
    let window_full = lane.recent.len() >= limit;
    lane.recent.push_back(now);
    while lane.recent.len() > limit {
        lane.recent.pop_front();
    }
    score.in_flight(lane.in_flight + 1, switches.concurrent_per_mailbox);
    if lane.in_flight >= switches.concurrent_per_mailbox {
        return Err(Failure::throttled("MailboxConcurrency", switches.concurrency_retry_after_seconds));
    }
    if window_full {
        let oldest = lane.recent.front().copied().unwrap_or(now);
        let wait = WINDOW.saturating_sub(now.duration_since(oldest));
        return Err(Failure::throttled("MailboxRequests", u64::try_from(wait.as_secs()).unwrap_or(0) + 1));
    }
    lane.in_flight += 1;
    Ok(Place { gate: Arc::clone(gate), app: app.into() })
}

/// Reads a `Retry-After`: seconds (an older sample of Microsoft's has a fraction) or an HTTP date.
pub(crate) fn retry_after(value: &str, now: Timestamp) -> Option<Timestamp> {
    if let Ok(seconds) = value.trim().parse::<f64>() {
        return now.checked_add(SignedDuration::try_from_secs_f64(seconds).ok()?).ok();
    }
    jiff::fmt::rfc2822::parse(value).ok().map(|date| date.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn retry_after_is_seconds_with_or_without_a_fraction_or_a_date() {
        let now: Timestamp = "2026-11-22T00:00:00Z".parse().unwrap();
        for (value, until) in [
            ("10", Some("2026-11-22T00:00:10Z")),
            ("2.5", Some("2026-11-22T00:00:02.5Z")),
            ("Sun, 22 Nov 2026 00:01:00 GMT", Some("2026-11-22T00:01:00Z")),
            ("soon", None),
        ] {
            assert_eq!(retry_after(value, now), until.map(|until| until.parse().unwrap()), "{value}");
        }
    }
}
