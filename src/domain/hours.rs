//! Working hours: what a morning, an afternoon and a working day are, weekday by weekday.

use std::fmt;

use jiff::civil::{Time, Weekday};
use serde::{Deserialize, Serialize};

/// The working hours of one day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Day {
    /// When work and the morning begin.
    pub start: Time,
    /// When the morning ends and the afternoon begins.
    pub midday: Time,
    /// When the afternoon and work end.
    pub end: Time,
}

impl Day {
    /// A day from `start` to `end`, cut at `midday` where that lies inside of it, and else half-way.
    #[must_use]
    pub fn new(start: Time, midday: Time, end: Time) -> Option<Self> {
        if start >= end {
            return None;
        }
        let midday = if start < midday && midday < end { midday } else { halfway(start, end) };
        Some(Self { start, midday, end })
    }
}

/// In whole minutes, as everything that people agree on.
fn halfway(start: Time, end: Time) -> Time {
    let minutes = |time: Time| i64::from(time.hour()) * 60 + i64::from(time.minute());
    let minute = i64::midpoint(minutes(start), minutes(end));
    let part = |number: i64| i8::try_from(number).unwrap_or(0);
    Time::new(part(minute / 60), part(minute % 60), 0, 0).unwrap_or(start)
}

/// A week of working hours.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hours {
    /// Of days that have none of their own, days off included: leave that is entered for one has to lie somewhere.
    pub usual: Day,
    /// Of single weekdays, Monday first.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub week: [Option<Day>; 7],
    /// Which weekdays are off, Monday first.
    #[serde(default, skip_serializing_if = "is_plain")]
    pub off: [bool; 7],
}

impl Hours {
    /// The hours as a mailbox has them, without a midday, completed by the policy's. Where it names no working day at all,
    /// the policy's days off count.
    #[must_use]
    pub fn completed_by(&self, policy: &Self) -> Self {
        let usual = Day::new(self.usual.start, policy.usual.midday, self.usual.end).unwrap_or(self.usual);
        let off = if self.off == days_off(&[]) { policy.off } else { self.off };
        Self { usual, week: self.week, off }
    }

    /// Where leave that is entered for a weekday lies, be it a day off.
    #[must_use]
    pub fn on(&self, weekday: Weekday) -> Day {
        self.week.get(place(weekday)).copied().flatten().unwrap_or(self.usual)
    }

    /// When its owner is expected at work; never on a day off.
    #[must_use]
    pub fn at_work(&self, weekday: Weekday) -> Option<Day> {
        let is_off = self.off.get(place(weekday)).copied().unwrap_or_default();
        (!is_off).then(|| self.on(weekday))
    }
}

/// All days but these, Monday first.
#[must_use]
pub fn days_off(working: &[Weekday]) -> [bool; 7] {
    let mut off = [true; 7];
    for weekday in working {
        if let Some(off) = off.get_mut(place(*weekday)) {
            *off = false;
        }
    }
    off
}

fn place(weekday: Weekday) -> usize {
    usize::try_from(weekday.to_monday_zero_offset()).unwrap_or(0)
}

// A log must not show when a person works.
impl fmt::Debug for Hours {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Hours").finish_non_exhaustive()
    }
}

fn is_plain<T: Default + PartialEq>(week: &[T; 7]) -> bool {
    week.iter().all(|day| *day == T::default())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn time(text: &str) -> Time {
        text.parse().unwrap()
    }

    #[test]
    fn a_day_is_cut_at_midday_or_half_way() {
        for (start, end, midday) in [
            ("09:00", "18:00", "13:00"),
            ("13:00", "18:00", "15:30"),
            ("06:00", "13:00", "09:30"),
            ("14:00", "22:00", "18:00"),
            ("06:00", "09:45", "07:52"),
        ] {
            let day = Day::new(time(start), time("13:00"), time(end)).unwrap();
            assert_eq!(day.midday, time(midday), "{start}-{end}");
        }
        assert_eq!(Day::new(time("18:00"), time("13:00"), time("09:00")), None);
        assert_eq!(Day::new(time("09:00"), time("13:00"), time("09:00")), None);
    }

    #[test]
    fn a_weekday_without_hours_of_its_own_has_the_usual_ones() {
        let usual = Day::new(time("09:00"), time("13:00"), time("18:00")).unwrap();
        let short = Day::new(time("08:00"), time("13:00"), time("14:00")).unwrap();
        let mut week = [None; 7];
        week[4] = Some(short);
        let hours = Hours { usual, week, off: [false; 7] };
        assert_eq!(hours.on(Weekday::Friday), short);
        assert_eq!(hours.on(Weekday::Monday), usual);
        assert_eq!(hours.on(Weekday::Sunday), usual);
    }

    #[test]
    fn nobody_is_expected_on_a_day_off_and_leave_may_still_be_entered_for_it() {
        let usual = Day::new(time("09:00"), time("13:00"), time("18:00")).unwrap();
        let mut hours = Hours { usual, week: [None; 7], off: [false; 7] };
        hours.off[6] = true;
        assert_eq!((hours.at_work(Weekday::Sunday), hours.on(Weekday::Sunday)), (None, usual));
        assert_eq!(hours.at_work(Weekday::Monday), Some(usual));
    }

    #[test]
    fn hours_that_were_stored_before_there_were_days_off_can_be_read() {
        let stored = r#"{"usual":{"start":"09:00:00","midday":"13:00:00","end":"18:00:00"}}"#;
        let hours: Hours = serde_json::from_str(stored).unwrap();
        assert_eq!(hours.off, [false; 7]);
        assert_eq!(serde_json::to_string(&hours).unwrap(), stored);
    }
}
