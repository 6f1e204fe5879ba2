use std::{fmt::Write as _, sync::Mutex, time::Instant};

use stateright::{Checker, HasDiscoveries, Model};

use crate::{intake::Revision, state::Budget, world::SmallWorld};

const NONE: Budget =
    Budget { crashes: 0, lost_before: 0, lost_after: 0, deletions: 0, freezes: 0, stops: 0, saved_twice: 0 };
const CRASH: Budget = Budget { crashes: 1, ..NONE };
const LOST_BEFORE: Budget = Budget { lost_before: 1, ..NONE };
const LOST_AFTER: Budget = Budget { lost_after: 1, ..NONE };
const DELETION: Budget = Budget { deletions: 1, ..NONE };
const FREEZE: Budget = Budget { freezes: 1, ..NONE };
const STOP: Budget = Budget { stops: 1, ..NONE };
const SAVED_TWICE: Budget = Budget { saved_twice: 1, ..NONE };

/// Other days, then another person.
const MOVED: [Revision; 3] = [Revision::There(0, 1), Revision::There(0, 2), Revision::There(1, 2)];
/// Other days, and back.
const CHANGED_BACK: [Revision; 3] = [Revision::There(0, 1), Revision::There(0, 2), Revision::There(0, 1)];
const CANCELLED: [Revision; 3] = [Revision::There(0, 1), Revision::Cancelled(0, 1), Revision::There(0, 2)];
/// Another person, and back with other days.
const MOVED_BACK: [Revision; 3] = [Revision::There(0, 1), Revision::There(1, 1), Revision::There(0, 2)];

fn world(revisions: [Revision; 3], troubles: &[Budget]) -> SmallWorld {
    SmallWorld {
        revisions: revisions.to_vec(),
        any_order: false,
        budget: troubles.iter().fold(NONE, |sum, one| sum.and(*one)),
        fence: true,
        doubt: true,
        incarnation: true,
        is_sorted: true,
        production: Mutex::default(),
        settling: Mutex::default(),
    }
}

/// Looks at every state; the property that does not hold and the way there, if there is one.
fn explore(world: SmallWorld) -> Option<(&'static str, String)> {
    let (from, about) = (Instant::now(), format!("{:?} {:?}", world.revisions, world.budget));
    let checker = world.checker().finish_when(HasDiscoveries::AnyFailures).spawn_bfs().join();
    let (states, steps, seconds) = (checker.unique_state_count(), checker.state_count(), from.elapsed().as_secs_f64());
    println!("{about}: {states} states, {steps} steps, {seconds:.1} s");
    let (property, path) = checker.discoveries().into_iter().next()?;
    let mut trace = String::new();
    for (state, action) in path.into_vec() {
        writeln!(trace, "    {state:?}").unwrap();
        writeln!(trace, "{}", action.map_or(format!("not true: {property}"), |action| format!("{action:?}"))).unwrap();
    }
    Some((property, trace))
}

#[track_caller]
fn holds(world: SmallWorld) {
    if let Some((property, trace)) = explore(world) {
        panic!("{property} does not hold:\n{trace}");
    }
}

/// Every pair of these troubles.
fn pairs(revisions: [Revision; 3], pairs: &[[Budget; 2]]) {
    for pair in pairs {
        holds(world(revisions, pair));
    }
}

#[test]
fn leave_that_moves_survives_a_lost_answer_and_a_crash_or_deletion() {
    pairs(MOVED, &[[CRASH, LOST_BEFORE], [CRASH, LOST_AFTER], [DELETION, LOST_BEFORE], [DELETION, LOST_AFTER]]);
}

#[test]
fn leave_that_moves_survives_a_lease_that_ends_while_its_holder_works() {
    pairs(MOVED, &[[FREEZE, LOST_BEFORE], [FREEZE, DELETION], [FREEZE, SAVED_TWICE]]);
}

#[test]
fn leave_that_moves_survives_a_stop_between_two_calls_and_two_lost_answers() {
    pairs(MOVED, &[[STOP, LOST_BEFORE], [STOP, LOST_AFTER], [LOST_BEFORE, LOST_AFTER], [LOST_BEFORE, SAVED_TWICE]]);
}

#[test]
fn revisions_in_any_order_come_to_the_latest() {
    holds(SmallWorld { any_order: true, ..world(MOVED, &[LOST_BEFORE, DELETION]) });
}

#[test]
fn leave_that_is_changed_back_survives_one_trouble_of_each_kind() {
    holds(world(CHANGED_BACK, &[CRASH, LOST_BEFORE, LOST_AFTER, DELETION]));
    holds(world(CHANGED_BACK, &[FREEZE, LOST_BEFORE, DELETION]));
}

#[test]
fn leave_that_is_cancelled_and_restored_survives_one_trouble_of_each_kind() {
    holds(world(CANCELLED, &[CRASH, LOST_BEFORE, LOST_AFTER, DELETION]));
    holds(world(CANCELLED, &[FREEZE, LOST_BEFORE, DELETION]));
}

#[test]
fn leave_that_moves_and_comes_back_survives_a_deletion_and_a_lost_answer() {
    pairs(MOVED_BACK, &[[DELETION, LOST_BEFORE], [DELETION, LOST_AFTER]]);
}

/// Takes minutes: a part of `.ci/release`.
#[cfg(feature = "large")]
#[test]
fn everything_at_once_holds_in_a_large_world() {
    for revisions in [CHANGED_BACK, CANCELLED, MOVED] {
        holds(world(revisions, &[CRASH, FREEZE, LOST_BEFORE, DELETION]));
        holds(SmallWorld { any_order: true, ..world(revisions, &[CRASH, LOST_BEFORE, LOST_AFTER, DELETION]) });
    }
    pairs(MOVED_BACK, &[[CRASH, LOST_BEFORE], [FREEZE, LOST_BEFORE], [FREEZE, DELETION], [STOP, LOST_BEFORE]]);
}

/// Finds a way on which a property does not hold, and prints it.
#[track_caller]
fn breaks(broken: SmallWorld, expected: &str) {
    let (property, trace) = explore(SmallWorld { is_sorted: false, ..broken }).expect("a way on which it breaks");
    println!("{trace}");
    assert_eq!(property, expected);
}

#[test]
fn without_the_fence_a_late_result_hides_what_is_in_the_calendar() {
    breaks(SmallWorld { fence: false, ..world(CHANGED_BACK, &[FREEZE]) }, "at rest every calendar is right");
}

#[test]
fn without_doubt_a_late_create_stays_where_the_leave_has_gone_from() {
    breaks(SmallWorld { doubt: false, ..world(MOVED, &[LOST_BEFORE]) }, "at rest every calendar is right");
}

#[test]
fn without_incarnations_an_event_that_staff_deleted_is_never_made_again() {
    breaks(SmallWorld { incarnation: false, ..world(MOVED, &[DELETION]) }, "everything settles");
}
