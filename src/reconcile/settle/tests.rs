use serde_json::json;

use super::*;
use crate::reconcile::{
    mailbox::Block,
    state::{Kind, State::*},
};

const NOW: &str = "2026-11-22T12:00:00Z";
const MINUTE: Duration = Duration::from_mins(1);

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at(NOW)
}

fn item() -> Item {
    let mut item =
        Item::new(Uuid::from_u128(1), Kind::Event, "default", 7, "amy@contoso.com", at("2026-11-22T11:00:00Z"));
    (item.leave, item.rev, item.resolve) = (Some(3), 5, true);
    item
}

fn mailbox() -> Mailbox {
    Mailbox {
        id: 7,
        epoch: 2,
        entra_id: Some("id".into()),
        id_from_source: false,
        mailbox_seen: false,
        identify: false,
        throttled_until: None,
        block: None,
        settings: MailboxSettings::default(),
        settings_at: None,
    }
}

fn result(outcome: DeliveryOutcome) -> DeliveryResult {
    DeliveryResult {
        item: Uuid::from_u128(1),
        mailbox: 7,
        epoch: 2,
        rev: 5,
        doubt_before: None,
        outcome,
        observed: Some(json!({"event_id": "AAk="})),
        incarnation: 0,
        doubt: DoubtAfter::Over,
        retry_after: None,
        contacted: true,
        resolved: true,
        settings: None,
        told: None,
    }
}

fn waiting(reason: Reason, wait: Duration) -> DeliveryOutcome {
    DeliveryOutcome::Waiting(reason, "why".into(), wait)
}

fn blocked(reason: Reason) -> DeliveryOutcome {
    DeliveryOutcome::MailboxBlocked(reason, "why".into(), 60 * MINUTE)
}

fn throttled(wait: Duration) -> DeliveryOutcome {
    DeliveryOutcome::Throttled(Reason::Throttled, "why".into(), wait)
}

fn parked() -> DeliveryOutcome {
    DeliveryOutcome::Parked { reason: Reason::Rejected, detail: "why".into(), again_at: None }
}

#[test]
fn each_outcome_makes_of_the_item_what_the_rules_say() {
    let later = |minutes: u32| Some(after(now(), minutes * MINUTE));
    for (outcome, state, attempts, failing, next_at) in [
        (DeliveryOutcome::settled(Synced), Synced, 0, false, None),
        (DeliveryOutcome::settled(Removed), Removed, 0, false, None),
        (DeliveryOutcome::settled(Hidden), Hidden, 0, false, None),
        (DeliveryOutcome::Continue, Pending, 0, false, Some(now())),
        // The first failure of its own: what it suffered with its mailbox before is not held against it.
        (waiting(Reason::GraphUnavailable, 2 * MINUTE), Waiting, 1, true, later(2)),
        // The mailbox says until when: nothing of it is copied here.
        (blocked(Reason::MailboxMissing), Waiting, 4, false, Some(now())),
        (throttled(MINUTE), Waiting, 4, false, Some(now())),
        (parked(), Parked, 4, false, None),
    ] {
        let (mut item, mut mailbox) = (item(), mailbox());
        item.attempts = 3;
        let fenced = settle(&mut item, &mut mailbox, &result(outcome.clone()), now());
        assert_eq!(fenced, Fenced::Kept);
        assert_eq!(
            (item.state, item.attempts, item.failing_since.is_some(), item.next_at),
            (state, attempts, failing, next_at),
            "{outcome:?}"
        );
        assert_eq!(item.reason, outcome.reason().map(|(reason, _)| reason));
        assert!(!item.resolve, "it was written here: it stays here");
        assert_eq!(item.observed, Some(json!({"event_id": "AAk="})));
    }
}

#[test]
fn a_retry_after_is_a_floor_that_nothing_shortens_and_that_counts_even_when_it_comes_late() {
    let floor = |minutes: u32| Some(after(now(), minutes * MINUTE));
    for (before, outcome, retry_after, epoch, expected) in [
        (None, throttled(5 * MINUTE), None, 2, floor(5)),
        (floor(9), throttled(5 * MINUTE), None, 2, floor(9)),
        (floor(3), throttled(5 * MINUTE), Some(7 * MINUTE), 2, floor(7)),
        (None, waiting(Reason::GraphUnavailable, MINUTE), Some(7 * MINUTE), 2, floor(7)),
        (floor(3), DeliveryOutcome::settled(Synced), None, 2, floor(3)),
        (None, throttled(5 * MINUTE), None, 1, floor(5)),
    ] {
        let (mut item, mut mailbox) = (item(), mailbox());
        mailbox.throttled_until = before;
        let result = DeliveryResult { epoch, retry_after, ..result(outcome) };
        settle(&mut item, &mut mailbox, &result, now());
        assert_eq!(mailbox.throttled_until, expected, "{result:?}");
    }
}

#[test]
fn a_block_goes_on_while_the_reason_is_the_same_and_ends_with_the_first_success() {
    let long_ago = at("2026-11-20T12:00:00Z");
    let block = |since, reason| Block { until: after(now(), 60 * MINUTE), since, reason, detail: "why".into() };
    let missing = Some(block(long_ago, Reason::MailboxMissing));
    for (before, outcome, contacted, expected) in [
        (None, blocked(Reason::MailboxFull), true, Some(block(now(), Reason::MailboxFull))),
        (missing.clone(), blocked(Reason::MailboxMissing), true, missing.clone()),
        (missing.clone(), blocked(Reason::AccessDenied), true, Some(block(now(), Reason::AccessDenied))),
        (missing.clone(), DeliveryOutcome::settled(Synced), true, None),
        // Without a call nothing is known of the mailbox.
        (missing.clone(), DeliveryOutcome::settled(Removed), false, missing.clone()),
        (missing.clone(), DeliveryOutcome::Continue, true, missing.clone()),
        (missing.clone(), waiting(Reason::GraphUnavailable, MINUTE), true, missing.clone()),
    ] {
        let (mut item, mut mailbox) = (item(), mailbox());
        mailbox.block = before;
        let result = DeliveryResult { contacted, ..result(outcome) };
        settle(&mut item, &mut mailbox, &result, now());
        assert_eq!(mailbox.block, expected, "{result:?}");
    }
}

#[test]
fn a_missing_mailbox_is_looked_for_again_and_an_id_that_nobody_ever_had_is_given_up() {
    for (id_from_source, mailbox_seen, keeps_id, identify) in
        [(false, false, true, true), (false, true, true, true), (true, true, true, false), (true, false, false, true)]
    {
        let (mut item, mut mailbox) = (item(), Mailbox { id_from_source, mailbox_seen, ..mailbox() });
        settle(&mut item, &mut mailbox, &result(blocked(Reason::MailboxMissing)), now());
        assert_eq!(
            (mailbox.entra_id.is_some(), mailbox.identify),
            (keeps_id, identify),
            "from the source: {id_from_source}, seen: {mailbox_seen}"
        );
    }
}

#[test]
fn whose_an_address_is_has_to_be_asked_until_it_was() {
    let (mut item, mut mailbox) = (item(), mailbox());
    let unasked = DeliveryResult { resolved: false, ..result(DeliveryOutcome::settled(State::Hidden)) };
    settle(&mut item, &mut mailbox, &unasked, now());
    assert!(item.resolve, "nothing had to be written, so nobody was asked");
    settle(&mut item, &mut mailbox, &result(DeliveryOutcome::settled(State::Synced)), now());
    assert!(!item.resolve);
}

#[test]
fn what_changed_meanwhile_stays_due_whatever_comes_of_the_old_revision() {
    for outcome in [
        DeliveryOutcome::settled(Synced),
        waiting(Reason::GraphUnavailable, MINUTE),
        blocked(Reason::MailboxMissing),
        parked(),
    ] {
        let (mut item, mut mailbox) = (item(), mailbox());
        item.rev = 6;
        let before = item.clone();
        settle(&mut item, &mut mailbox, &result(outcome), now());
        let (state, rev, next_at) = (item.state, item.rev, item.next_at);
        assert_eq!((state, rev, next_at, item.reason), (Pending, 6, before.next_at, None));
        // What is in Outlook by the old revision is known all the same.
        assert_eq!(item.observed, Some(json!({"event_id": "AAk="})));
    }
}

#[test]
fn what_waited_and_was_planned_anew_meanwhile_is_due_once_it_is_served() {
    let (mut item, mut mailbox) = (item(), mailbox());
    (item.state, item.rev, item.next_at) = (Waiting, 6, Some(after(now(), 60 * MINUTE)));
    settle(&mut item, &mut mailbox, &result(DeliveryOutcome::settled(Synced)), now());
    assert_eq!((item.state, item.next_at), (Pending, Some(now())));
}

#[test]
fn a_result_that_comes_too_late_puts_its_item_in_doubt_and_changes_nothing_else() {
    for (doubt, known, oldest_rev) in [
        (DoubtAfter::Over, None, None),
        (DoubtAfter::Begins, None, Some(5)),
        (DoubtAfter::Over, Some(2), Some(2)),
        (DoubtAfter::Begins, Some(7), Some(5)),
    ] {
        let (mut item, mut mailbox) = (item(), mailbox());
        (item.rev, item.state, item.observed) = (6, Synced, Some(json!({"event_id": "new"})));
        item.doubt = known.map(|rev| Doubt { since: at("2026-11-22T11:59:00Z"), oldest_rev: Some(rev) });
        let result = DeliveryResult { epoch: 1, doubt, ..result(blocked(Reason::MailboxMissing)) };
        assert_eq!(settle(&mut item, &mut mailbox, &result, now()), Fenced::Late);
        assert_eq!(item.doubt, Some(Doubt { since: now(), oldest_rev }));
        assert_eq!((item.state, item.next_at), (Pending, Some(now())), "it is written once more");
        assert_eq!(item.rev, 7, "whatever the new holder is doing is not the last word");
        assert_eq!(item.observed, Some(json!({"event_id": "new"})));
        assert_eq!(mailbox, super::tests::mailbox());
    }
}

#[test]
fn a_doubt_begins_stays_and_ends_as_the_delivery_says_unless_a_late_result_came_in_between() {
    let old = Doubt { since: at("2026-11-22T11:59:30Z"), oldest_rev: Some(4) };
    let new = |oldest_rev| Some(Doubt { since: now(), oldest_rev: Some(oldest_rev) });
    for (stored, before, doubt, expected) in [
        (None, None, DoubtAfter::Over, None),
        (None, None, DoubtAfter::Begins, new(5)),
        (Some(old), Some(old), DoubtAfter::Begins, new(4)),
        (Some(old), Some(old), DoubtAfter::Stays, Some(old)),
        (Some(old), Some(old), DoubtAfter::Over, None),
        (None, None, DoubtAfter::Stays, Some(Doubt { since: now(), oldest_rev: None })),
        // Somebody's late call may have come behind this delivery's own.
        (Some(old), None, DoubtAfter::Over, Some(old)),
        // What this delivery sent without an answer is under way all the same.
        (Some(old), None, DoubtAfter::Begins, new(4)),
        (Some(Doubt { oldest_rev: None, ..old }), None, DoubtAfter::Begins, new(5)),
    ] {
        let (mut item, mut mailbox) = (item(), mailbox());
        item.doubt = stored;
        let result = DeliveryResult { doubt_before: before, doubt, ..result(DeliveryOutcome::settled(Synced)) };
        settle(&mut item, &mut mailbox, &result, now());
        assert_eq!(item.doubt, expected, "{stored:?} {before:?} {doubt:?}");
    }
}

#[test]
fn only_what_the_holder_of_a_dead_lease_had_taken_and_not_settled_is_in_doubt() {
    let died = at("2026-11-22T11:58:00Z");
    for (state, in_doubt) in [(Pending, true), (Waiting, true), (Synced, false), (Removed, false), (Parked, false)] {
        let mut item = item();
        (item.state, item.observed) = (state, Some(json!({"event_id": "AAk="})));
        abandoned(&mut item, died, now());
        assert_eq!(item.doubt, in_doubt.then_some(Doubt { since: died, oldest_rev: Some(0) }), "{state:?}");
    }
}

#[test]
fn a_dead_lease_leaves_a_write_under_way_only_where_there_was_an_event_or_a_doubt() {
    let died = at("2026-11-22T11:58:00Z");
    let doubt = |oldest_rev| Some(Doubt { since: at("2026-11-22T11:57:00Z"), oldest_rev });
    let event = || Some(json!({"event_id": "AAk="}));
    for (observed, before, oldest_rev) in [
        (None, None, None),
        (None, doubt(None), Some(0)),
        (None, doubt(Some(4)), Some(0)),
        (event(), None, Some(0)),
        (event(), doubt(Some(4)), Some(0)),
    ] {
        let mut item = item();
        (item.observed, item.doubt) = (observed.clone(), before);
        abandoned(&mut item, died, now());
        assert_eq!(item.doubt, Some(Doubt { since: died, oldest_rev }), "{observed:?} {before:?}");
    }
}
