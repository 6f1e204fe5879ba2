//! What must be true of the small world in every state.

use std::hash::{BuildHasher as _, BuildHasherDefault, DefaultHasher};

use stateright::Property;

use crate::{
    state::{Event, Place, Stage, World},
    world::{Action, Fate, SmallWorld, is_claimable},
};

/// More than any way to rest takes.
const LONG: usize = 200;

/// Each calendar has an event that is not ours.
pub(crate) fn strangers() -> Vec<Event> {
    let stranger = |mailbox| Event { mailbox, incarnation: None, made_with: 9, content: 9, place: Place::Calendar };
    [0, 1].map(stranger).to_vec()
}

pub(crate) fn all() -> Vec<Property<SmallWorld>> {
    vec![
        Property::always("a calendar has at most one event of the leave", |_, world: &World| {
            (0..2).all(|mailbox| of(world, mailbox).count() <= 1)
        }),
        Property::always("at rest every calendar is right", is_right_at_rest),
        Property::always("everything settles", settles),
        Property::always("what is not ours is left alone", |_, world: &World| !world.touched_a_stranger),
    ]
}

fn of(world: &World, mailbox: u8) -> impl Iterator<Item = &Event> {
    let is_there =
        move |event: &&Event| event.mailbox == mailbox && event.incarnation.is_some() && event.place == Place::Calendar;
    world.events.iter().filter(is_there)
}

/// The wanted calendar has the latest revision, unless staff deleted it after the last write; the other one has nothing.
fn is_right_at_rest(model: &SmallWorld, world: &World) -> bool {
    let is_right = |mailbox| {
        let desired = model.desired(world, mailbox);
        let events: Vec<u8> = of(world, mailbox).map(|event| event.content).collect();
        match (desired, events.as_slice()) {
            (0, []) => true,
            (_, []) => world.deleted[usize::from(mailbox)],
            (_, events) => events == [desired],
        }
    };
    !world.is_quiet() || (0..2).all(is_right)
}

/// Without further trouble the world comes to rest. From most states the way leads into one that is known to settle.
fn settles(model: &SmallWorld, world: &World) -> bool {
    let mut settling = model.settling.lock().expect("no check panics");
    let (mut last, mut way) = (world.clone(), vec![hash(world)]);
    while !last.is_quiet() && !settling.contains(&way[way.len() - 1]) {
        let Some(action) = onward(&last).filter(|_| way.len() < LONG) else { return false };
        last = model.after(&last, action);
        way.push(hash(&last));
    }
    settling.extend(way);
    true
}

fn hash(world: &World) -> u64 {
    BuildHasherDefault::<DefaultHasher>::default().hash_one(world)
}

/// What a world does in which nothing goes wrong any more.
fn onward(world: &World) -> Option<Action> {
    for (replica, work) in (0..).zip(&world.replicas) {
        match work.map(|work| work.stage) {
            Some(Stage::Calling { .. }) => return Some(Action::Call { replica, fate: Fate::Answered }),
            Some(Stage::Ended(_)) => return Some(Action::Save { replica }),
            None => {}
        }
    }
    let claimable = (0..2).find(|mailbox| is_claimable(&world.mailboxes[usize::from(*mailbox)]));
    if let Some(mailbox) = claimable {
        return Some(Action::Claim { replica: 0, mailbox });
    }
    // What is due is waited for, and so is the end of a lease whose holder died and of what is under way.
    let mut later = world.clone();
    later.tick();
    (later != *world).then_some(Action::Tick)
}
