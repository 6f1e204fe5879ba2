use super::*;
use crate::domain::{
    appearance::{Sensitivity, ShowAs},
    event::Times,
};

fn event(last: &str) -> EventSpec {
    let times = Times {
        all_day: true,
        start: "2026-12-21T00:00".parse().unwrap(),
        end: format!("{last}T00:00").parse().unwrap(),
        zone: "GMT Standard Time".into(),
    };
    EventSpec {
        subject: "Out of office".into(),
        body: String::new(),
        times,
        show_as: ShowAs::Oof,
        sensitivity: Sensitivity::Private,
        category: None,
        reminder: None,
    }
}

fn present() -> Desired {
    Desired::Present(event("2026-12-23"))
}

fn found(ids: &[&str]) -> Answer {
    let ids: Vec<String> = ids.iter().map(|id| (*id).to_owned()).collect();
    Answer::Found { ours: ids.first().cloned(), ids }
}

fn written() -> Answer {
    Answer::Written { id: "e".into(), web_link: None }
}

fn doubtful(doubted_for: Duration) -> Progress {
    Progress::new(ObservedEvent::default(), true, doubted_for)
}

/// Answers the calls that come, one after the other; gives what they were, and what comes next.
fn lead(way: &mut Progress, desired: &Desired, answers: Vec<Answer>) -> (Vec<&'static str>, Next) {
    let mut calls = Vec::new();
    for answer in answers {
        let Next::Call(call) = way.next(desired) else { panic!("{:?} behind {calls:?}", way.next(desired)) };
        calls.push(match &call {
            Call::Find => "find",
            Call::Create(_) => "create",
            Call::Update(..) => "update",
            Call::Remove(_) => "remove",
        });
        way.take(desired, &call, answer);
    }
    (calls, way.next(desired))
}

#[test]
fn a_create_that_is_carried_out_between_search_and_create_is_found_and_not_made_again() {
    let mut way = doubtful(Duration::ZERO);
    let answers = vec![found(&[]), Answer::AlreadyCreated(None), found(&["e"]), written(), found(&["e"])];
    let (calls, end) = lead(&mut way, &present(), answers);
    assert_eq!((calls, end), (vec!["find", "create", "find", "update", "find"], Next::Done));
    assert!(!way.created, "it was there before");
}

#[test]
fn an_event_that_an_earlier_create_made_and_that_is_not_found_is_made_anew() {
    for doubted_for in [Duration::ZERO, LATEST] {
        let mut way = doubtful(doubted_for);
        let answers = vec![found(&[]), Answer::AlreadyCreated(None), found(&[])];
        let (calls, end) = lead(&mut way, &present(), answers);
        assert_eq!((calls, end), (vec!["find", "create", "find"], Next::Recreate));
    }
}

#[test]
fn finding_nothing_ends_the_doubt_only_when_nothing_can_come_any_more() {
    for (doubted_for, is_in_doubt) in [(Duration::ZERO, true), (LATEST / 2, true), (LATEST, false)] {
        let mut way = doubtful(doubted_for);
        let (_, next) = lead(&mut way, &present(), vec![found(&[])]);
        assert!(matches!(next, Next::Call(Call::Create(_))), "{next:?}");
        assert_eq!(way.is_in_doubt(), is_in_doubt, "interrupted after {doubted_for:?}");
        let throttled = Answer::Failed(Failure::Throttled { retry_after: None });
        lead(&mut way, &present(), vec![throttled]);
        assert_eq!(way.is_in_doubt(), is_in_doubt, "throttled after {doubted_for:?}");
    }
}

#[test]
fn an_event_that_is_made_and_seen_is_no_doubt() {
    let mut way = doubtful(Duration::ZERO);
    let (calls, end) = lead(&mut way, &present(), vec![found(&[]), written(), found(&["e"])]);
    assert_eq!((calls, end), (vec!["find", "create", "find"], Next::Done));
    assert!(way.created && !way.is_in_doubt());
}
