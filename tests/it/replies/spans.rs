//! Which leave becomes one reply, as a table.

use jiff::Timestamp;
use leavebridge::domain::{
    event::MailboxSettings,
    leave::{Leave, Session, Span, Staff},
    policy::Policy,
    reply::{Away, wanted},
    zone::Zone,
};

use crate::rules;

const POLICY: &str = r#"
    [policy]
    time_zone = "Europe/London"
    [policy.hours]
    friday = "09:00-14:00"
    [policy.automatic_replies]
    enabled = true
    inside = "{first_day} {last_day} {id}"
    [policy.types.HOME.automatic_replies]
    enabled = false
"#;

/// `2026-12-21`, `2026-12-21pm..2026-12-22am`, `2026-12-21T14:00..2026-12-21T16:00`, behind a kind of leave and a semicolon,
/// before `in` and a zone.
fn away(row: i64, text: &str) -> Away {
    let (text, zone) = text.split_once(" in ").map_or((text, None), |(text, zone)| (text, Zone::parse(zone).ok()));
    let (kind, text) = text.split_once("; ").unwrap_or(("ANNUAL", text));
    let (first, last) = text.split_once("..").unwrap_or((text, text));
    let span = if first.contains('T') {
        Span::Hours { from: first.parse().unwrap(), until: last.parse().unwrap() }
    } else {
        let starts = if first.ends_with("pm") { Session::Pm } else { Session::Am };
        let ends = if last.ends_with("am") { Session::Am } else { Session::Pm };
        Span::Days { first: first[..10].parse().unwrap(), starts, last: last[..10].parse().unwrap(), ends }
    };
    let staff = Staff { email: Some("amy@contoso.com".into()), entra_id: None, employee_id: None, name: None };
    let leave = Leave { staff, leave_type: Some(kind.into()), span, time_zone: zone, department: None };
    Away { row, id: format!("L{row}"), source: "ess".into(), leave }
}

fn told(now: &str, leaves: &[&str], policy: &Policy) -> String {
    told_of(&MailboxSettings::default(), now, leaves, policy)
}

fn told_of(own: &MailboxSettings, now: &str, leaves: &[&str], policy: &Policy) -> String {
    let leaves: Vec<Away> = (1..).zip(leaves).map(|(row, text)| away(row, text)).collect();
    let now: Timestamp = now.parse().unwrap();
    wanted(now, &leaves, policy, own)
        .map_or_else(String::new, |wanted| format!("{} {}: {}", wanted.from, wanted.until, wanted.inside))
}

#[test]
fn the_first_stretch_of_leave_without_a_working_hour_in_between_is_the_reply() {
    let policy = rules::read(POLICY).unwrap();
    let now = "2026-12-01T12:00:00Z";
    for (leaves, expected) in [
        (&[][..], String::new()),
        (&["HOME; 2026-12-21"], String::new()),
        (&["2026-12-21"], "2026-12-21T00:00:00Z 2026-12-22T00:00:00Z: 2026-12-21 2026-12-21 L1".to_owned()),
        // The earlier one first, whichever came first.
        (
            &["2026-12-28", "2026-12-21"],
            "2026-12-21T00:00:00Z 2026-12-22T00:00:00Z: 2026-12-21 2026-12-21 L2".to_owned(),
        ),
        // Within another, overlapping, and day after day.
        (
            &["2026-12-21..2026-12-23", "2026-12-22"],
            "2026-12-21T00:00:00Z 2026-12-24T00:00:00Z: 2026-12-21 2026-12-23 L1".to_owned(),
        ),
        (
            &["2026-12-23..2026-12-24", "2026-12-21..2026-12-23"],
            "2026-12-21T00:00:00Z 2026-12-25T00:00:00Z: 2026-12-21 2026-12-24 L2".to_owned(),
        ),
        (
            &["2026-12-21", "2026-12-22"],
            "2026-12-21T00:00:00Z 2026-12-23T00:00:00Z: 2026-12-21 2026-12-22 L1".to_owned(),
        ),
        // A night in between, and a working morning in between.
        (
            &["2026-12-21pm..2026-12-21", "2026-12-22..2026-12-22am"],
            "2026-12-21T13:00:00Z 2026-12-22T13:00:00Z: 2026-12-21 2026-12-22 L1".to_owned(),
        ),
        (
            &["2026-12-21", "2026-12-22pm..2026-12-22"],
            "2026-12-21T00:00:00Z 2026-12-22T00:00:00Z: 2026-12-21 2026-12-21 L1".to_owned(),
        ),
        // An hour of work in between; and none, on a day that is over at two.
        (
            &["2026-12-21T09:00..2026-12-21T11:00", "2026-12-21T12:00..2026-12-21T14:00"],
            "2026-12-21T09:00:00Z 2026-12-21T11:00:00Z: 2026-12-21 2026-12-21 L1".to_owned(),
        ),
        (
            &["2026-12-25T10:00..2026-12-25T14:00", "2026-12-25T16:00..2026-12-25T18:00"],
            "2026-12-25T10:00:00Z 2026-12-25T18:00:00Z: 2026-12-25 2026-12-25 L1".to_owned(),
        ),
        // A weekend in between, also after a short Friday; and a weekend with a working day at its end.
        (
            &["2026-12-18", "2026-12-21..2026-12-22"],
            "2026-12-18T00:00:00Z 2026-12-23T00:00:00Z: 2026-12-18 2026-12-22 L1".to_owned(),
        ),
        (
            &["2026-12-18T09:00..2026-12-18T14:00", "2026-12-21..2026-12-21am"],
            "2026-12-18T09:00:00Z 2026-12-21T13:00:00Z: 2026-12-18 2026-12-21 L1".to_owned(),
        ),
        (
            &["2026-12-18", "2026-12-22"],
            "2026-12-18T00:00:00Z 2026-12-19T00:00:00Z: 2026-12-18 2026-12-18 L1".to_owned(),
        ),
        (
            &["2026-12-18..2026-12-18am", "2026-12-21"],
            "2026-12-18T09:00:00Z 2026-12-18T13:00:00Z: 2026-12-18 2026-12-18 L1".to_owned(),
        ),
        // The same days a week later are not the same weekend.
        (
            &["2026-12-18", "2026-12-28"],
            "2026-12-18T00:00:00Z 2026-12-19T00:00:00Z: 2026-12-18 2026-12-18 L1".to_owned(),
        ),
        // A whole day in between.
        (
            &["2026-12-21", "2026-12-23"],
            "2026-12-21T00:00:00Z 2026-12-22T00:00:00Z: 2026-12-21 2026-12-21 L1".to_owned(),
        ),
        // What is over does not count, what runs does.
        (
            &["2026-11-23..2026-11-24", "2026-11-30..2026-12-02"],
            "2026-11-30T00:00:00Z 2026-12-03T00:00:00Z: 2026-11-30 2026-12-02 L2".to_owned(),
        ),
        (&["2026-11-23..2026-11-24"], String::new()),
        // So late that it would be over before it could be set.
        (&["2026-12-01T09:00..2026-12-01T12:01"], String::new()),
    ] {
        assert_eq!(told(now, leaves, &policy), expected, "{leaves:?}");
    }
}

#[test]
fn whose_weekend_is_another_has_one_reply_around_that() {
    let policy =
        rules::read(&POLICY.replace("friday = \"09:00-14:00\"", "friday = \"off\"\nsunday = \"09:00-18:00\"")).unwrap();
    let now = "2026-12-01T12:00:00Z";
    // Thursday and Sunday; then Friday and Monday, with a working Sunday in between.
    assert_eq!(
        told(now, &["2026-12-17", "2026-12-20"], &policy),
        "2026-12-17T00:00:00Z 2026-12-21T00:00:00Z: 2026-12-17 2026-12-20 L1"
    );
    assert_eq!(
        told(now, &["2026-12-18", "2026-12-21"], &policy),
        "2026-12-18T00:00:00Z 2026-12-19T00:00:00Z: 2026-12-18 2026-12-18 L1"
    );
}

#[test]
fn work_lies_in_between_by_the_clock_of_whoever_works() {
    let policy = rules::read(&POLICY.replace("friday = \"09:00-14:00\"", "")).unwrap();
    let now = "2026-12-01T12:00:00Z";
    for (zone, leaves, is_one) in [
        // From 10:00 to 16:00 she is at work.
        (
            "Asia/Hong_Kong",
            ["2026-12-21T00:00..2026-12-21T02:00 in UTC", "2026-12-21T08:00..2026-12-21T10:00 in UTC"],
            false,
        ),
        // Until the end of Friday's work, from the beginning of Monday's.
        (
            "Asia/Hong_Kong",
            ["2026-12-18T01:00..2026-12-18T10:00 in UTC", "2026-12-21T01:00..2026-12-21T04:00 in UTC"],
            true,
        ),
        // On Friday afternoon he is at work, though not by the clock of the leave.
        ("America/New_York", ["2026-12-18T13:00..2026-12-18T18:00 in UTC", "2026-12-21 in America/New_York"], false),
        // By two clocks: from 11:00 to 17:00 she is at work.
        (
            "Asia/Tokyo",
            ["2026-12-21T09:00..2026-12-21T11:00 in Asia/Tokyo", "2026-12-21T08:00..2026-12-21T09:00 in UTC"],
            false,
        ),
        (
            "Asia/Tokyo",
            ["2026-12-21T09:00..2026-12-21T18:00 in Asia/Tokyo", "2026-12-22T00:00..2026-12-22T02:00 in UTC"],
            true,
        ),
    ] {
        let own = MailboxSettings { zone: Zone::parse(zone).ok(), hours: None };
        let [both, first] = [&leaves[..], &leaves[..1]].map(|leaves| told_of(&own, now, leaves, &policy));
        assert_eq!(both != first, is_one, "{zone} {leaves:?}: {both}");
    }
}
