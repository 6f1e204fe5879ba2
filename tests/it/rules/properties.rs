//! What holds for every leave, in every zone, in every year.

use std::sync::LazyLock;

use jiff::{
    Timestamp, ToSpan as _,
    civil::{Date, DateTime, Time, date},
    tz::{TimeZone, TimeZoneDatabase},
};
use leavebridge::domain::{
    event::{Application, Desired, EventSpec, MailboxSettings, desired},
    leave::{Leave, Session, Span, Staff, Status},
    policy::Policy,
    zone::Zone,
};
use proptest::prelude::*;

/// The defaults.
static POLICY: LazyLock<Policy> = LazyLock::new(|| super::read("").unwrap());

fn event(policy: &Policy, span: Span, zone: &Zone) -> EventSpec {
    let staff = Staff { email: Some("amy.chan@contoso.com".into()), entra_id: None, employee_id: None, name: None };
    let leave = Leave { staff, leave_type: None, span, time_zone: Some(zone.clone()), department: None };
    let application = Application { id: "LA-1", source: "ess", status: Status::Approved, leave: &leave };
    match desired(&application, policy, &MailboxSettings::default()) {
        Desired::Present(event) => event,
        other => panic!("{other:?}"),
    }
}

/// Any zone that is one.
fn zone() -> impl Strategy<Value = Zone> {
    let names: Vec<_> = TimeZoneDatabase::bundled().available().map(|name| name.to_string()).collect();
    prop::sample::select(names).prop_filter_map("a zone", |name| Zone::parse(&name).ok())
}

/// Any day of the years that are taken in.
fn day() -> impl Strategy<Value = Date> {
    (0..36_890_i64).prop_map(|days| date(2000, 1, 1).saturating_add(days.days()))
}

fn session() -> impl Strategy<Value = Session> {
    prop::sample::select(vec![Session::Am, Session::Pm])
}

/// When an event is, as moments: its wall times read by the clock of the zone that it names.
fn moments(event: &EventSpec) -> (Timestamp, Timestamp) {
    let at = |local: DateTime| local.to_zoned(clock(&event.times.zone)).unwrap().timestamp();
    (at(event.times.start), at(event.times.end))
}

/// The clock of a zone of Windows'.
fn clock(name: &str) -> TimeZone {
    Zone::of_outlook(name).unwrap().rules()
}

/// By the rule: what does not exist is as much later, what exists twice is its first.
fn moment(local: DateTime, zone: &Zone) -> Timestamp {
    zone.rules().to_ambiguous_timestamp(local).compatible().unwrap()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn whole_days_are_exactly_the_days_of_the_leave(first in day(), length in 0..366_i64, zone in zone()) {
        prop_assume!(zone.outlook_name().is_some());
        let last = first.saturating_add(length.days());
        let span = Span::Days { first, starts: Session::Am, last, ends: Session::Pm };
        let times = event(&POLICY, span, &zone).times;
        prop_assert!(times.all_day);
        prop_assert_eq!(times.start, first.to_datetime(Time::midnight()));
        prop_assert_eq!(times.end, last.saturating_add(1.day()).to_datetime(Time::midnight()));
        prop_assert_eq!(Some(times.zone.as_str()), zone.outlook_name());
    }

    #[test]
    fn half_days_begin_and_end_on_the_days_of_the_leave(
        first in day(), length in 0..366_i64, starts in session(), ends in session(), zone in zone(),
    ) {
        let last = first.saturating_add(length.days());
        prop_assume!(!(starts == Session::Am && ends == Session::Pm));
        prop_assume!(length > 0 || starts <= ends);
        let found = event(&POLICY, Span::Days { first, starts, last, ends }, &zone);
        prop_assert!(!found.times.all_day);
        let (start, end) = moments(&found);
        let local = |at: Timestamp| at.to_zoned(zone.rules()).datetime();
        prop_assert_eq!(local(start).date(), first);
        prop_assert_eq!(local(end).date(), last);
        prop_assert!(start < end);
        let (begins, leaves) = (if starts == Session::Am { 9 } else { 13 }, if ends == Session::Am { 13 } else { 18 });
        prop_assert_eq!((local(start).hour(), local(end).hour()), (begins, leaves));
    }

    #[test]
    fn hours_are_the_moments_that_the_clocks_there_show(
        first in day(), minute in 0..1_440_i64, length in 1..5_000_i64, zone in zone(),
    ) {
        let from = first.to_datetime(Time::midnight()).saturating_add(minute.minutes());
        let until = from.saturating_add(length.minutes());
        let found = event(&POLICY, Span::Hours { from, until }, &zone);
        let (start, end) = moments(&found);
        prop_assert!(start < end, "{:?}", found.times);
        prop_assert_eq!(start, moment(from, &zone));
        // Where the clock jumps over the whole of it, it keeps its length instead.
        let by_rule = moment(until, &zone);
        let expected = if by_rule > start { by_rule } else { start + (until.duration_since(from)) };
        prop_assert_eq!(end, expected);
        // A wall time goes out by name only where it can mean one moment alone, and by Windows' clock the same.
        let is_plain = |at: DateTime| !zone.rules().to_ambiguous_timestamp(at).is_ambiguous();
        let is_theirs = |name: &str, at: DateTime| clock(name).to_timestamp(at).ok() == zone.rules().to_timestamp(at).ok();
        let is_right = |name: &&str| [from, until].iter().all(|at| is_plain(*at) && is_theirs(name, *at));
        let named = zone.outlook_name().filter(is_right);
        prop_assert_eq!(found.times.zone.as_str(), named.unwrap_or("UTC"));
    }
}
