use serde_json::json;
use uuid::Uuid;

use super::*;
use crate::reconcile::{
    item::Doubt,
    state::{Reason, State},
};

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T12:00:00Z")
}

fn event(id: u128, wanted: bool, event_id: Option<&str>) -> Item {
    let mut item =
        Item::new(Uuid::from_u128(id), Kind::Event, "default", 5, "amy@contoso.com", at("2026-11-21T00:00:00Z"));
    (item.leave, item.wanted, item.state) = (Some(3), wanted, State::Synced);
    item.observed = event_id.map(|id| json!({"event_id": id}));
    item
}

fn id(item: &Item) -> (u128, Option<&str>) {
    (item.id.as_u128(), item.observed.as_ref().and_then(|observed| observed["event_id"].as_str()))
}

#[test]
fn of_two_mappings_of_one_leave_the_wanted_one_stays_and_the_others_event_goes_by_its_id() {
    // As they were: wanted, event; what stays, and what is left over beside it.
    for ([one, other], stays, left) in [
        ([(true, Some("a")), (true, Some("b"))], (1, Some("a")), Some((2, Some("b")))),
        ([(false, Some("a")), (true, Some("b"))], (2, Some("b")), Some((1, Some("a")))),
        ([(true, Some("a")), (true, None)], (1, Some("a")), None),
        // The wanted one was never written: it takes the other's event over, so that there is never none in between.
        ([(false, Some("a")), (true, None)], (2, Some("a")), None),
        ([(true, None), (false, Some("b"))], (1, Some("b")), None),
        ([(true, None), (true, None)], (1, None), None),
        // Under both names the same event was found: there is nothing to remove.
        ([(true, Some("a")), (true, Some("a"))], (1, Some("a")), None),
        ([(false, Some("a")), (true, Some("a"))], (2, Some("a")), None),
    ] {
        let (one, other) = (event(1, one.0, one.1), event(2, other.0, other.1));
        let what = format!("{one:?} {other:?}");
        let MergedEvents { kept, surplus } = merge_events(one, other, now());
        assert_eq!((id(&kept), surplus.as_ref().map(id)), (stays, left), "{what}");
        assert_eq!((kept.surplus, kept.state), (false, State::Pending));
        if let Some(surplus) = surplus {
            assert!(kept.doubt.is_some(), "under the other name it may have been taken away");
            assert_eq!((surplus.surplus, surplus.wanted, surplus.state), (true, false, State::Pending));
        }
    }
}

#[test]
fn what_the_holder_of_the_other_lease_had_taken_is_in_doubt_and_is_created_again_under_the_same_transaction() {
    let ends = at("2026-11-22T12:00:30Z");
    let side = |lease_until, taken: &[u128]| Side {
        epoch: 1,
        lease_until,
        lease_items: taken.iter().copied().map(Uuid::from_u128).collect(),
        throttled_until: None,
        block: None,
    };
    // The leave belongs to the other name by now, while the event of the first is being made.
    let (mut first, mut second) = (event(1, false, None), event(2, true, None));
    (first.created_in, second.created_in) = (5, 8);
    (first.state, second.state) = (State::Pending, State::Pending);
    for item in [&mut first, &mut second] {
        doubt_taken(item, &[side(Some(ends), &[1]), side(None, &[2])]);
    }
    assert_eq!(first.doubt, Some(Doubt { since: ends, oldest_rev: None }), "until the lease ends its create may begin");
    assert_eq!(second.doubt, None, "nobody works on it");
    let MergedEvents { kept, surplus } = merge_events(first, second, now());
    assert_eq!(surplus, None, "one row is enough");
    assert_eq!((kept.id.as_u128(), kept.wanted, kept.created_in), (2, true, 5));
    assert_eq!(kept.doubt.map(|doubt| doubt.since), Some(ends));
}

#[test]
fn the_one_mailbox_is_not_claimed_before_both_leases_are_over_and_keeps_the_longer_floor() {
    let side = |epoch, lease: Option<&str>, floor: Option<&str>, item| Side {
        epoch,
        lease_until: lease.map(at),
        lease_items: vec![Uuid::from_u128(item)],
        throttled_until: floor.map(at),
        block: Some(Block { until: now(), since: now(), reason: Reason::MailboxMissing, detail: String::new() }),
    };
    let one = side(3, Some("2026-11-22T12:00:30Z"), Some("2026-11-22T12:05:00Z"), 1);
    let other = side(8, Some("2026-11-22T12:00:50Z"), Some("2026-11-22T12:01:00Z"), 2);
    let merged = merge_mailboxes(&one, &other);
    assert_eq!(merged.epoch, 9, "results of both leases come too late");
    assert_eq!(merged.lease_until, Some(at("2026-11-22T12:00:50Z")));
    assert_eq!(merged.lease_items, [Uuid::from_u128(1), Uuid::from_u128(2)], "and are in doubt then");
    assert_eq!(merged.throttled_until, Some(at("2026-11-22T12:05:00Z")));
    assert_eq!(merged.block, None);
}

#[test]
fn two_automatic_replies_of_one_mailbox_remember_what_both_wrote() {
    let setting =
        |text: &str| json!({"status": "scheduled", "audience": "none", "window": null, "inside": text, "outside": ""});
    let reply = |id, written: &[&str], before: &str, doubt| {
        let mut item = Item::new(Uuid::from_u128(id), Kind::Reply, "default", 5, "amy@contoso.com", now());
        let written: Vec<_> = written.iter().map(|text| setting(text)).collect();
        item.observed = Some(json!({"written": written, "before": setting(before)}));
        item.doubt = doubt;
        item
    };
    let doubt = Some(Doubt { since: now(), oldest_rev: None });
    // What the second found there was the first's own.
    let merged = merge_whole(reply(1, &["ours"], "theirs", None), &reply(2, &["ours too"], "ours", doubt), now());
    let memory = Memory::read(merged.observed.as_ref(), merged.doubt.is_some());
    let texts: Vec<&str> = memory.written.iter().map(|written| written.inside.as_str()).collect();
    assert_eq!(texts, ["ours", "ours too"]);
    assert_eq!(memory.before.map(|before| before.inside).as_deref(), Some("theirs"));
    assert!(memory.in_doubt);
    assert_eq!(merged.state, State::Pending);
}
