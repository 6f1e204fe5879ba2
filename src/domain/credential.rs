//! The status of a tenant's credential: which one Microsoft accepts, when it expires, and when to announce that.
//!
//! Pure: the caller passes the time. It must never hold a secret, nor anything from which one could be derived.

use jiff::{Timestamp, civil::Date, tz::TimeZone};

/// How many days before the end it is announced, once each; after the end it is announced every day.
pub const NOTICE_DAYS: [i32; 6] = [1, 3, 7, 14, 30, 60];

/// The end of a credential.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Expiry {
    /// Some time on that day: all that Entra's portal shows of a secret.
    Day(Date),
    /// At that very moment: a certificate says so itself.
    Moment(Timestamp),
}

impl Expiry {
    /// The day (UTC) on which it ends.
    #[must_use]
    pub fn date(self) -> Date {
        match self {
            Self::Day(date) => date,
            Self::Moment(at) => date_of(at),
        }
    }

    /// How many days are left, counted from date to date; below zero when it is over.
    #[must_use]
    pub fn days_left(self, now: Timestamp) -> i32 {
        (self.date() - date_of(now)).get_days()
    }

    /// How many seconds are left. Of a day only its beginning can be counted on.
    #[must_use]
    pub fn seconds_left(self, now: Timestamp) -> i64 {
        let end = match self {
            Self::Day(date) => date.to_zoned(TimeZone::UTC).map_or(now, |midnight| midnight.timestamp()),
            Self::Moment(at) => at,
        };
        end.duration_since(now).as_secs()
    }

    /// Whether it is over for certain.
    #[must_use]
    pub fn is_over(self, now: Timestamp) -> bool {
        match self {
            Self::Day(_) => self.days_left(now) < 0,
            Self::Moment(at) => at <= now,
        }
    }
}

fn date_of(at: Timestamp) -> Date {
    at.to_zoned(TimeZone::UTC).date()
}

/// The status of a tenant's credential, as far as this process knows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CredentialStatus {
    /// Which kind it is, in the words of the configuration.
    pub kind: &'static str,
    /// The configuration key of what Microsoft last took; `None` before the first token and while none is taken.
    pub in_use: Option<&'static str>,
    /// When it ends, where that is known.
    pub expires: Option<Expiry>,
    /// Why there was no new token the last time. Known before the old token expires, which may take hours.
    pub problem: Option<String>,
}

/// What is to be said of a credential's end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Notice {
    /// So many days are left.
    Ahead(i32),
    /// It is over.
    Over,
}

/// Says once per step that a credential is about to end, and once a day that it is over.
#[derive(Debug, Default)]
pub struct Countdown(Option<(Expiry, ExpiryStep)>);

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum ExpiryStep {
    Within(i32),
    OverOn(Date),
}

impl Countdown {
    /// What is new at `now`.
    pub fn next_notice(&mut self, expires: Option<Expiry>, now: Timestamp) -> Option<Notice> {
        let reached = expires.and_then(|expires| Some((expires, step(expires, now)?)));
        if self.0 == reached {
            return None;
        }
        self.0 = reached;
        reached.map(|(expires, step)| match step {
            ExpiryStep::Within(_) => Notice::Ahead(expires.days_left(now)),
            ExpiryStep::OverOn(_) => Notice::Over,
        })
    }
}

fn step(expires: Expiry, now: Timestamp) -> Option<ExpiryStep> {
    if expires.is_over(now) {
        return Some(ExpiryStep::OverOn(date_of(now)));
    }
    let left = expires.days_left(now);
    NOTICE_DAYS.into_iter().find(|step| left <= *step).map(ExpiryStep::Within)
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    fn at(text: &str) -> Timestamp {
        text.parse().unwrap()
    }

    fn day(text: &str) -> Expiry {
        Expiry::Day(text.parse().unwrap())
    }

    #[test]
    fn each_step_is_told_once_and_the_end_every_day() {
        let mut countdown = Countdown::default();
        let expires = Some(day("2027-03-01"));
        let mut told = Vec::new();
        // Every hour from 70 days before to three days after.
        for hour in 0..(73 * 24) {
            let now = at("2026-12-21T00:30:00Z") + SignedDuration::from_hours(hour);
            if let Some(notice) = countdown.next_notice(expires, now) {
                told.push((now.to_string()[..13].to_owned(), notice));
            }
        }
        let told: Vec<_> = told.iter().map(|(hour, notice)| (hour.as_str(), *notice)).collect();
        assert_eq!(
            told,
            [
                ("2026-12-31T00", Notice::Ahead(60)),
                ("2027-01-30T00", Notice::Ahead(30)),
                ("2027-02-15T00", Notice::Ahead(14)),
                ("2027-02-22T00", Notice::Ahead(7)),
                ("2027-02-26T00", Notice::Ahead(3)),
                ("2027-02-28T00", Notice::Ahead(1)),
                ("2027-03-02T00", Notice::Over),
                ("2027-03-03T00", Notice::Over),
            ]
        );
        assert_eq!(told.len(), 8);
    }

    #[test]
    fn a_process_that_starts_late_says_at_once_how_many_days_are_left() {
        let now = at("2026-11-22T12:00:00Z");
        for (expires, notice) in [
            (None, None),
            (Some(day("2027-01-22")), None),
            (Some(day("2027-01-21")), Some(Notice::Ahead(60))),
            (Some(day("2026-12-12")), Some(Notice::Ahead(20))),
            (Some(day("2026-11-22")), Some(Notice::Ahead(0))),
            (Some(day("2026-11-21")), Some(Notice::Over)),
            (Some(Expiry::Moment(at("2026-11-22T12:00:01Z"))), Some(Notice::Ahead(0))),
            (Some(Expiry::Moment(at("2026-11-22T12:00:00Z"))), Some(Notice::Over)),
        ] {
            let mut countdown = Countdown::default();
            assert_eq!(countdown.next_notice(expires, now), notice, "{expires:?}");
            assert_eq!(countdown.next_notice(expires, now), None, "{expires:?}: once");
        }
    }

    #[test]
    fn a_renewed_credential_is_quiet_and_counts_anew() {
        let mut countdown = Countdown::default();
        let now = at("2026-11-22T12:00:00Z");
        assert_eq!(countdown.next_notice(Some(day("2026-11-20")), now), Some(Notice::Over));
        assert_eq!(countdown.next_notice(Some(day("2027-11-20")), now), None);
        assert_eq!(countdown.next_notice(Some(day("2026-12-01")), now), Some(Notice::Ahead(9)));
    }

    #[test]
    fn seconds_are_counted_to_the_moment_or_to_the_beginning_of_the_day() {
        let now = at("2026-11-22T12:00:00Z");
        assert_eq!(day("2026-11-23").seconds_left(now), 43_200);
        assert_eq!(day("2026-11-22").seconds_left(now), -43_200);
        assert_eq!(Expiry::Moment(at("2026-11-22T12:01:00Z")).seconds_left(now), 60);
    }
}
