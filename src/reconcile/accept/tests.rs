use serde_json::Value;

use std::time::Duration;

use uuid::Uuid;

use super::*;
use crate::{
    domain::{
        leave::{Leave, Session, Span, Staff},
        team_calendar::PRIMARY,
    },
    reconcile::{
        place::{Holder, Seat, contradicts, place},
        state::State,
    },
};

const NOW: &str = "2026-11-22T12:00:00Z";

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at(NOW)
}

fn leave(email: Option<&str>, entra_id: Option<&str>, last: &str) -> Leave {
    let staff =
        Staff { email: email.map(str::to_owned), entra_id: entra_id.map(str::to_owned), employee_id: None, name: None };
    let (starts, ends) = (Session::Am, Session::Pm);
    let span = Span::Days { first: "2026-12-21".parse().unwrap(), starts, last: last.parse().unwrap(), ends };
    let time_zone = crate::domain::zone::Zone::parse("Europe/London").ok();
    Leave { staff, leave_type: None, span, time_zone, department: None }
}

fn change(status: Status, leave: Option<Leave>, when: &str) -> Change {
    let target = |leave: &Leave| Target { address: leave.staff.mailbox().to_owned(), calendar: PRIMARY.to_owned() };
    Change {
        client: "ess".into(),
        delivery: Some(("d-1".into(), vec![1])),
        tenant: "default".into(),
        source: "ess".into(),
        id: "LA-1".into(),
        status,
        targets: leave.iter().map(target).collect(),
        leave,
        at: at(when),
        has_replies: false,
        look_first: false,
        directory_fresh_for: Duration::from_hours(24),
        ids: (100..110).map(Uuid::from_u128).collect(),
    }
}

fn amy() -> Leave {
    leave(Some("amy@contoso.com"), None, "2026-12-23")
}

fn stored(status: Status, content: Option<Leave>, when: &str) -> StoredLeave {
    StoredLeave { row: 3, status, content, source_at: at(when), rev: 4 }
}

#[test]
fn the_later_change_counts_and_a_cancellation_of_the_same_moment_is_the_later_one() {
    const EARLY: &str = "2026-11-22T08:00:00Z";
    const MIDDLE: &str = "2026-11-22T09:00:00Z";
    const LATE: &str = "2026-11-22T10:00:00Z";
    let longer = leave(Some("amy@contoso.com"), None, "2026-12-24");
    let approved = |leave: &Leave, when| change(Status::Approved, Some(leave.clone()), when);
    let cancelled = |when| change(Status::Cancelled, None, when);
    let known = |status, when| stored(status, Some(amy()), when);
    for (stored, change, expected) in [
        (known(Status::Approved, MIDDLE), approved(&longer, LATE), Acceptance::Accepted),
        (known(Status::Approved, MIDDLE), approved(&longer, MIDDLE), Acceptance::Accepted),
        (known(Status::Approved, MIDDLE), approved(&longer, EARLY), Acceptance::Stale),
        (known(Status::Approved, MIDDLE), approved(&amy(), LATE), Acceptance::Unchanged),
        (known(Status::Approved, MIDDLE), approved(&amy(), MIDDLE), Acceptance::Unchanged),
        (known(Status::Approved, MIDDLE), approved(&amy(), EARLY), Acceptance::Stale),
        (known(Status::Approved, MIDDLE), change_of(Status::Pending, MIDDLE), Acceptance::Accepted),
        (known(Status::Approved, MIDDLE), cancelled(MIDDLE), Acceptance::Accepted),
        (known(Status::Approved, MIDDLE), cancelled(EARLY), Acceptance::Stale),
        (known(Status::Cancelled, MIDDLE), approved(&amy(), MIDDLE), Acceptance::Stale),
        (known(Status::Cancelled, MIDDLE), approved(&amy(), LATE), Acceptance::Accepted),
        (known(Status::Cancelled, MIDDLE), cancelled(LATE), Acceptance::Unchanged),
        (stored(Status::Cancelled, None, MIDDLE), cancelled(LATE), Acceptance::Unchanged),
        // What cannot be read is not the same.
        (stored(Status::Approved, None, MIDDLE), approved(&amy(), LATE), Acceptance::Accepted),
    ] {
        assert_eq!(judge(Some(&stored), &change), expected, "{stored:?} {change:?}");
    }
    assert_eq!(judge(None, &cancelled(EARLY)), Acceptance::Accepted);
}

fn change_of(status: Status, when: &str) -> Change {
    change(status, Some(amy()), when)
}

fn holder(mailbox: i64, entra_id: Option<&str>, hours_ago: Option<i64>) -> Holder {
    let asked_at = hours_ago.map(|hours| now() - jiff::SignedDuration::from_hours(hours));
    Holder { mailbox, entra_id: entra_id.map(str::to_owned), asked_at, settings_at: None }
}

fn event(mailbox: i64, id: u128) -> Item {
    let mut item =
        Item::new(Uuid::from_u128(id), Kind::Event, "default", mailbox, "amy@contoso.com", at("2026-11-21T00:00:00Z"));
    (item.leave, item.state, item.next_at) = (Some(3), State::Synced, None);
    item
}

#[test]
fn leave_goes_to_whoever_holds_the_address_now_and_stays_while_the_source_names_the_same_person() {
    let (address, id) = (Some("amy@contoso.com"), Some("id"));
    let by = |email, entra_id| change(Status::Approved, Some(leave(email, entra_id, "2026-12-24")), NOW);
    let there = |email, entra_id| stored(Status::Approved, Some(leave(email, entra_id, "2026-12-23")), NOW);
    let known = |mailbox, resolve| Some((mailbox, resolve));
    for (what, change, stored, by_address, by_id, expected) in [
        ("new, fresh", by(address, None), None, Some(holder(1, id, Some(3))), None, known(1, false)),
        ("new, old answer", by(address, None), None, Some(holder(1, id, Some(25))), None, known(1, true)),
        ("new, never asked", by(address, None), None, Some(holder(1, None, None)), None, known(1, true)),
        ("new, unknown", by(address, None), None, None, None, None),
        (
            "an id decides",
            by(address, id),
            None,
            Some(holder(1, None, None)),
            Some(holder(2, id, None)),
            known(2, false),
        ),
        ("an id that is new", by(address, id), None, Some(holder(1, Some("other"), Some(1))), None, None),
        (
            "same person stays",
            by(address, None),
            Some(there(address, None)),
            Some(holder(8, id, Some(25))),
            None,
            known(5, false),
        ),
        (
            "other address",
            by(Some("ben@contoso.com"), None),
            Some(there(address, None)),
            Some(holder(8, None, Some(1))),
            None,
            known(8, false),
        ),
        (
            "an id is given now",
            by(address, id),
            Some(there(address, None)),
            Some(holder(1, None, None)),
            Some(holder(2, id, None)),
            known(2, false),
        ),
    ] {
        let items = [event(5, 1)];
        let seat = place(
            &change,
            stored.as_ref().map(|stored| (stored, &items[..])),
            by_address.as_ref(),
            by_id.as_ref(),
            now(),
        );
        let seen = match seat {
            Seat::Known { holder, resolve } => Some((holder.mailbox, resolve)),
            Seat::New { .. } => None,
        };
        assert_eq!(seen, expected, "{what}");
    }
}

#[test]
fn a_contradiction_shows_only_against_a_fresh_answer_of_the_directory() {
    let given = change(Status::Approved, Some(leave(Some("amy@contoso.com"), Some("id"), "2026-12-24")), NOW);
    for (holder, expected) in [
        (Some(holder(1, Some("other"), Some(1))), true),
        (Some(holder(1, Some("id"), Some(1))), false),
        (Some(holder(1, Some("other"), Some(30))), false),
        (Some(holder(1, None, Some(1))), false),
        (None, false),
    ] {
        assert_eq!(contradicts(&given, holder.as_ref(), now()), expected, "{holder:?}");
    }
}

fn placed(mailbox: i64) -> Placed {
    Placed { mailbox, resolve: false, settings_at: Some(now()) }
}

fn accepted(change: &Change, mut items: Vec<Item>, placed: &[Placed]) -> Vec<Item> {
    accept(change, 3, 5, &mut items, &mut Vec::new(), placed, now());
    items
}

#[test]
fn an_event_that_may_be_there_already_is_looked_for_before_the_first_is_created() {
    for (look_first, expected) in [(false, None), (true, Some(Timestamp::UNIX_EPOCH))] {
        let change = Change { look_first, ..change_of(Status::Approved, NOW) };
        let items = accepted(&change, Vec::new(), &[placed(5)]);
        assert_eq!(items[0].doubt.map(|doubt| doubt.since), expected);
        // One that this database has seen stays as it is.
        assert_eq!(accepted(&change, vec![event(5, 1)], &[placed(5)])[0].doubt, None);
    }
}

#[test]
fn a_changed_leave_is_due_where_it_is_and_goes_from_where_it_was() {
    let change = change_of(Status::Approved, NOW);
    let mut failing = event(5, 1);
    (failing.state, failing.attempts, failing.reason) = (State::Parked, 9, Some(Reason::Rejected));
    let items = accepted(&change, vec![failing.clone()], &[placed(5)]);
    let [item] = &items[..] else { panic!("{items:?}") };
    assert_eq!((item.state, item.attempts, item.reason, item.rev), (State::Pending, 0, None, failing.rev + 1));
    assert_eq!((item.wanted, item.next_at), (true, Some(now())));

    let items = accepted(&change, vec![event(5, 1)], &[placed(6)]);
    let seen: Vec<_> = items.iter().map(|item| (item.mailbox, item.wanted, item.state)).collect();
    assert_eq!(seen, [(5, false, State::Pending), (6, true, State::Pending)]);
    assert_eq!(items[1].id, change.ids[0]);

    // And back.
    let items = accepted(&change, items, &[placed(5)]);
    let seen: Vec<_> = items.iter().map(|item| (item.mailbox, item.wanted)).collect();
    assert_eq!(seen, [(5, true), (6, false)]);
}

#[test]
fn a_cancellation_that_says_nothing_of_the_leave_makes_all_of_it_due() {
    let mut gone = event(6, 2);
    gone.wanted = false;
    let items = accepted(&change(Status::Cancelled, None, NOW), vec![event(5, 1), gone], &[]);
    let seen: Vec<_> = items.iter().map(|item| (item.mailbox, item.state, item.wanted)).collect();
    assert_eq!(seen, [(5, State::Pending, true), (6, State::Synced, false)]);
}

#[test]
fn a_copy_left_by_a_merge_is_never_taken_for_the_leaves_own() {
    let mut surplus = event(5, 2);
    (surplus.surplus, surplus.wanted) = (true, false);
    let items = accepted(&change_of(Status::Approved, NOW), vec![surplus.clone(), event(5, 1)], &[placed(5)]);
    assert_eq!(items[0], surplus);
    assert_eq!((items[1].state, items[1].wanted), (State::Pending, true));
}

#[test]
fn replies_and_settings_of_whole_mailboxes_are_woken_where_the_leave_is_about_them() {
    let mut change = change_of(Status::Approved, NOW);
    change.has_replies = true;
    let leave = change.leave.as_mut().unwrap();
    leave.time_zone = None;
    let mut of_mailboxes = Vec::new();
    let old = Placed { settings_at: Some(at("2026-11-21T11:00:00Z")), ..placed(5) };
    accept(&change, 3, 5, &mut Vec::new(), &mut of_mailboxes, std::slice::from_ref(&old), now());
    let kinds: Vec<_> = of_mailboxes.iter().map(|item| (item.kind, item.mailbox, item.state)).collect();
    assert_eq!(kinds, [(Kind::Reply, 5, State::Pending), (Kind::Settings, 5, State::Pending)]);

    // One that waits for a permission goes on waiting; what is denied is not asked for again at each leave.
    for item in &mut of_mailboxes {
        (item.state, item.reason) = (State::Waiting, Some(Reason::AccessDenied));
        item.next_at = Some(at("2026-11-22T13:00:00Z"));
    }
    of_mailboxes[1].state = State::Hidden;
    let before = of_mailboxes.clone();
    accept(&change, 3, 5, &mut Vec::new(), &mut of_mailboxes, &[old], now());
    assert_eq!(of_mailboxes[0], Item { rev: before[0].rev + 1, ..before[0].clone() });
    assert_eq!(of_mailboxes[1], before[1]);
}

#[test]
fn the_timeline_says_what_became_of_a_webhook_and_nothing_of_what_changed_nothing() {
    let change = change_of(Status::Approved, "2026-11-22T09:00:00.1234567Z");
    let (kind, detail) = told(&change, Acceptance::Accepted, 5, false, true).unwrap();
    assert_eq!(kind, TimelineKind::Changed);
    let expected: Value = serde_json::json!({
        "outcome": "accepted", "status": "approved", "rev": 5, "client": "ess", "delivery": "d-1",
        "source_at": "2026-11-22T09:00:00.123456Z", "reason": "identity-conflict",
    });
    assert_eq!(detail, expected);
    assert_eq!(told(&change, Acceptance::Accepted, 1, true, false).unwrap().0, TimelineKind::Received);
    assert_eq!(told(&change, Acceptance::Stale, 5, false, false).unwrap().0, TimelineKind::Received);
    assert_eq!(told(&change, Acceptance::Unchanged, 5, false, false), None);
}
