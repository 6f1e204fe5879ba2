use proptest::prelude::*;

use super::*;
use crate::domain::{leave::Staff, zone::Zone};

pub(crate) fn policy() -> Policy {
    Policy {
        publish: Publish::OnRequest,
        title: "Out of office".into(),
        body: "Kept by the leave system.".into(),
        show_as: ShowAs::Oof,
        show_as_pending: ShowAs::Tentative,
        sensitivity: Sensitivity::Private,
        time_zone: Zone::parse("Europe/London").unwrap(),
        day_start: "09:00".parse().unwrap(),
        midday: "13:00".parse().unwrap(),
        day_end: "18:00".parse().unwrap(),
    }
}

pub(crate) fn leave(span: Span, zone: Option<&str>) -> Leave {
    Leave {
        staff: Staff {
            email: Some("amy.chan@contoso.com".into()),
            entra_id: None,
            employee_id: None,
            name: Some("Amy Chan".into()),
        },
        leave_type: Some("SICK".into()),
        span,
        time_zone: zone.map(|zone| Zone::parse(zone).unwrap()),
        department: None,
    }
}

fn days(first: &str, starts: Session, last: &str, ends: Session) -> Span {
    Span::Days { first: first.parse().unwrap(), starts, last: last.parse().unwrap(), ends }
}

fn hours(from: &str, until: &str) -> Span {
    Span::Hours { from: from.parse().unwrap(), until: until.parse().unwrap() }
}

#[test]
fn a_leave_lands_on_its_days_and_hours() {
    use Session::{Am, Pm};
    for (span, zone, all_day, start, end, outlook) in [
        (days("2026-12-21", Am, "2026-12-21", Pm), None, true, "2026-12-21", "2026-12-22", "GMT Standard Time"),
        (days("2026-12-21", Am, "2026-12-23", Pm), None, true, "2026-12-21", "2026-12-24", "GMT Standard Time"),
        (days("2026-12-31", Am, "2027-01-01", Pm), None, true, "2026-12-31", "2027-01-02", "GMT Standard Time"),
        (days("2028-02-28", Am, "2028-02-29", Pm), None, true, "2028-02-28", "2028-03-01", "GMT Standard Time"),
        (
            days("2026-03-29", Am, "2026-03-29", Pm),
            Some("Europe/Vienna"),
            true,
            "2026-03-29",
            "2026-03-30",
            "W. Europe Standard Time",
        ),
        (
            days("2026-12-21", Am, "2026-12-21", Am),
            Some("Asia/Hong_Kong"),
            false,
            "2026-12-21T09:00",
            "2026-12-21T13:00",
            "China Standard Time",
        ),
        (
            days("2026-12-21", Pm, "2026-12-21", Pm),
            None,
            false,
            "2026-12-21T13:00",
            "2026-12-21T18:00",
            "GMT Standard Time",
        ),
        (
            days("2026-12-21", Pm, "2026-12-23", Am),
            None,
            false,
            "2026-12-21T13:00",
            "2026-12-23T13:00",
            "GMT Standard Time",
        ),
        (
            hours("2026-12-21T14:00", "2026-12-21T15:30"),
            None,
            false,
            "2026-12-21T14:00",
            "2026-12-21T15:30",
            "GMT Standard Time",
        ),
        (
            hours("2026-12-21T22:00", "2026-12-22T06:00"),
            Some("Asia/Kolkata"),
            false,
            "2026-12-21T22:00",
            "2026-12-22T06:00",
            "India Standard Time",
        ),
        (
            hours("2026-12-21T10:00", "2026-12-21T12:00"),
            Some("America/Coyhaique"),
            false,
            "2026-12-21T13:00",
            "2026-12-21T15:00",
            "UTC",
        ),
    ] {
        let Desired::Present(event) = desired(Status::Approved, &leave(span, zone), &policy()) else {
            panic!("{span:?} has no event")
        };
        let wanted = Times { all_day, start: start.parse().unwrap(), end: end.parse().unwrap(), zone: outlook.into() };
        assert_eq!(event.times, wanted, "{span:?} {zone:?}");
    }
}

#[test]
fn status_and_policy_decide_whether_and_how_a_leave_shows() {
    use Publish::{Never, OnApproval, OnRequest};
    use Status::{Approved, Cancelled, Pending, Rejected};
    for (status, publish, shows) in [
        (Pending, OnRequest, Ok(ShowAs::Tentative)),
        (Pending, OnApproval, Err(Desired::Hidden)),
        (Pending, Never, Err(Desired::Hidden)),
        (Approved, OnRequest, Ok(ShowAs::Oof)),
        (Approved, OnApproval, Ok(ShowAs::Oof)),
        (Approved, Never, Err(Desired::Hidden)),
        (Rejected, OnRequest, Err(Desired::Absent)),
        (Rejected, Never, Err(Desired::Absent)),
        (Cancelled, OnRequest, Err(Desired::Absent)),
        (Cancelled, OnApproval, Err(Desired::Absent)),
    ] {
        let policy = Policy { publish, ..policy() };
        let leave = leave(days("2026-12-21", Session::Am, "2026-12-21", Session::Pm), None);
        let seen = match desired(status, &leave, &policy) {
            Desired::Present(event) => Ok(event.show_as),
            other => Err(other),
        };
        assert_eq!(seen, shows, "{status:?} {publish:?}");
    }
}

#[test]
fn an_event_says_nothing_about_the_leave_but_when() {
    let leave = leave(days("2026-12-21", Session::Am, "2026-12-21", Session::Pm), None);
    let Desired::Present(event) = desired(Status::Approved, &leave, &policy()) else { panic!("no event") };
    assert_eq!(event.subject, "Out of office");
    assert_eq!(event.sensitivity, Sensitivity::Private);
    let said = serde_json::to_string(&event).unwrap();
    assert!(!said.contains("SICK") && !said.contains("Amy"), "{said}");
}

#[test]
fn a_title_is_cut_to_what_outlook_keeps() {
    let policy = Policy { title: "ö".repeat(300), ..policy() };
    let leave = leave(days("2026-12-21", Session::Am, "2026-12-21", Session::Pm), None);
    let Desired::Present(event) = desired(Status::Approved, &leave, &policy) else { panic!("no event") };
    assert_eq!(event.subject.chars().count(), 255);
}

#[test]
fn only_what_changed_is_written() {
    let spec = |span, policy: &Policy| match desired(Status::Approved, &leave(span, None), policy) {
        Desired::Present(event) => event,
        other => panic!("{other:?}"),
    };
    let one = spec(days("2026-12-21", Session::Am, "2026-12-21", Session::Pm), &policy());
    assert!(one.changes_since(&one).is_empty());
    let longer = spec(days("2026-12-21", Session::Am, "2026-12-22", Session::Pm), &policy());
    assert_eq!(longer.changes_since(&one), EventPatch { times: Some(longer.times.clone()), ..EventPatch::default() });
    let renamed = EventSpec { subject: "Away".into(), ..one.clone() };
    assert_eq!(renamed.changes_since(&one), EventPatch { subject: Some("Away".into()), ..EventPatch::default() });
}

proptest! {
    #[test]
    fn whole_days_cover_exactly_the_leave(start in 0..36_000_i64, length in 0..366_i64, zone in 0..598_usize) {
        let first = jiff::civil::date(2001, 1, 1).saturating_add(start.days());
        let last = first.saturating_add(length.days());
        let zones = jiff::tz::TimeZoneDatabase::bundled();
        let name = zones.available().nth(zone % zones.available().count()).unwrap().to_string();
        let Ok(zone) = Zone::parse(&name) else { return Ok(()) };
        prop_assume!(zone.outlook_name().is_some());
        let span = Span::Days { first, starts: Session::Am, last, ends: Session::Pm };
        let times = times(&leave(span, Some(zone.name())), &policy());
        prop_assert!(times.all_day);
        prop_assert_eq!(times.start, midnight(first));
        prop_assert_eq!((times.end.date() - first).get_days(), i32::try_from(length).unwrap() + 1);
        prop_assert_eq!(times.end.time(), Time::midnight());
    }
}
