use serde_json::json;

use super::*;
use crate::reconcile::state::State;

fn at(text: &str) -> Timestamp {
    text.parse().unwrap()
}

fn now() -> Timestamp {
    at("2026-11-22T12:00:00Z")
}

const FRESH_FOR: Duration = Duration::from_hours(24);

fn item(id: u128, kind: Kind, mailbox: i64) -> Item {
    let mut item =
        Item::new(Uuid::from_u128(id), kind, "default", mailbox, "amy@contoso.com", at("2026-11-21T00:00:00Z"));
    (item.state, item.next_at) = (State::Synced, None);
    if kind == Kind::Event {
        item.leave = Some(3);
        item.observed = Some(json!({"event_id": "a"}));
    }
    item
}

#[test]
fn what_the_directory_is_asked_before_the_first_call() {
    let (mut fresh, mut old, mut never) = (item(1, Kind::Event, 5), item(2, Kind::Event, 5), item(3, Kind::Event, 5));
    for item in [&mut fresh, &mut old, &mut never] {
        item.resolve = true;
    }
    never.address = "amy@example.com".into();
    let settled = item(4, Kind::Event, 5);
    let hours = |hours| Some(now() - jiff::SignedDuration::from_hours(hours));
    let ask = |address: &str, identifies| Question { address: address.into(), identifies };
    for (identify, items, expected) in [
        (false, vec![(&fresh, hours(23))], vec![]),
        (false, vec![(&old, hours(24))], vec![ask("amy@contoso.com", false)]),
        (false, vec![(&old, hours(24)), (&old, hours(24))], vec![ask("amy@contoso.com", false)]),
        (false, vec![(&settled, None)], vec![]),
        (true, vec![(&old, hours(24))], vec![ask("amy@contoso.com", true)]),
        (true, vec![(&never, None)], vec![ask("amy@contoso.com", true), ask("amy@example.com", false)]),
    ] {
        assert_eq!(questions("amy@contoso.com", identify, &items, FRESH_FOR, now()), expected, "{identify} {items:?}");
    }
    // The object id of somebody of whom no address is known.
    assert_eq!(questions("5f0c", true, &[], FRESH_FOR, now()), []);
}

#[test]
fn what_the_directorys_answer_means() {
    let [of_mailbox, of_item] =
        [true, false].map(|identifies| Question { address: "amy@contoso.com".into(), identifies });
    let here = |id: &str| Identity::Here(Some(id.into()));
    for (own, question, answer, expected) in [
        (None, &of_mailbox, None, Identity::Here(None)),
        (None, &of_mailbox, Some("amy"), here("amy")),
        (None, &of_item, Some("amy"), here("amy")),
        (Some("amy"), &of_item, Some("amy"), here("amy")),
        // The directory does not know the address any more: it keeps its mailbox.
        (Some("amy"), &of_item, None, here("amy")),
        // Deleted, and made anew.
        (Some("amy"), &of_mailbox, Some("new"), here("new")),
        (Some("amy"), &of_item, Some("new"), Identity::Elsewhere("new".into())),
    ] {
        assert_eq!(identify(own, question, answer), expected, "{own:?} {question:?} {answer:?}");
    }
}

#[test]
fn what_was_written_for_the_former_holder_goes_from_there_and_is_wanted_from_the_new_one() {
    let mut written = item(1, Kind::Event, 5);
    (written.resolve, written.rev) = (true, 4);
    let (left, new) = split(written.clone(), 9, None, now());
    assert_eq!((left.mailbox, left.wanted, left.rev, left.state), (5, false, 5, State::Pending));
    assert_eq!(left.observed, written.observed, "it is removed by its id");
    assert_eq!((new.mailbox, new.wanted, new.leave, new.observed), (9, true, Some(3), None));
    assert!(!left.resolve && !new.resolve && new.id != left.id);

    // The new holder's mailbox had that leave before: its item goes on.
    let mut known = item(2, Kind::Event, 9);
    (known.wanted, known.incarnation, known.rev) = (false, 1, 7);
    let (left, again) = split(written, 9, Some(known), now());
    assert_eq!((left.mailbox, left.wanted), (5, false));
    assert_eq!((again.id, again.wanted, again.incarnation, again.rev), (Uuid::from_u128(2), true, 1, 8));
    assert_eq!(again.state, State::Pending);
}

#[test]
fn the_new_holders_settings_and_automatic_reply_come_along_and_the_former_ones_reply_is_looked_at() {
    let mut former = [item(1, Kind::Reply, 5), item(2, Kind::Settings, 5)];
    let mut present = Vec::new();
    bring_along(&mut former, &mut present, 9, "amy@contoso.com", now());
    assert_eq!((former[0].state, former[1].state), (State::Pending, State::Synced));
    let entered: Vec<(Kind, i64, State)> = present.iter().map(|item| (item.kind, item.mailbox, item.state)).collect();
    assert_eq!(entered, [(Kind::Reply, 9, State::Pending), (Kind::Settings, 9, State::Pending)]);

    let mut present = vec![item(3, Kind::Reply, 9), item(4, Kind::Settings, 9)];
    bring_along(&mut former, &mut present, 9, "amy@contoso.com", now());
    let states: Vec<State> = present.iter().map(|item| item.state).collect();
    assert_eq!(states, [State::Pending, State::Synced]);
}
