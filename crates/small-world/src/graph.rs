//! Graph as it behaves towards one mailbox: a transaction is remembered after its event is gone, an event in Deleted Items can
//! be written to, and a search does not list it.

use crate::state::{Call, Content, Event, Place, World};

/// What Graph answers.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) enum Answer {
    Found {
        ours: Option<u8>,
        ids: Vec<u8>,
    },
    Written(u8),
    Removed,
    /// The transaction made an event with other content.
    AlreadyCreated,
    /// There is no event of that id.
    EventGone,
}

/// Carries a call out.
pub(crate) fn carry_out(world: &mut World, mailbox: u8, incarnation: u8, call: Call) -> Answer {
    match call {
        Call::Find => find(world, mailbox, incarnation),
        Call::Create(content) => create(world, mailbox, incarnation, content),
        Call::Update { event, content } => {
            let event_at = &mut world.events[usize::from(event)];
            world.touched_a_stranger |= event_at.incarnation.is_none() || event_at.mailbox != mailbox;
            if event_at.place == Place::Gone {
                return Answer::EventGone;
            }
            event_at.content = content;
            Answer::Written(event)
        }
        Call::Remove { event } => {
            let event = &mut world.events[usize::from(event)];
            world.touched_a_stranger |= event.incarnation.is_none() || event.mailbox != mailbox;
            event.place = match event.place {
                Place::Calendar => Place::Deleted,
                Place::Deleted | Place::Gone => Place::Gone,
            };
            Answer::Removed
        }
    }
}

fn find(world: &World, mailbox: u8, incarnation: u8) -> Answer {
    let is_listed = |(_, event): &(u8, &Event)| {
        event.mailbox == mailbox && event.incarnation.is_some() && event.place == Place::Calendar
    };
    let listed: Vec<(u8, &Event)> = (0..).zip(&world.events).filter(is_listed).collect();
    let ours = listed.iter().min_by_key(|(id, event)| (event.incarnation != Some(incarnation), *id)).map(|(id, _)| *id);
    Answer::Found { ours, ids: listed.iter().map(|(id, _)| *id).collect() }
}

fn create(world: &mut World, mailbox: u8, incarnation: u8, content: Content) -> Answer {
    let is_known = |event: &Event| event.mailbox == mailbox && event.incarnation == Some(incarnation);
    if let Some((id, event)) = (0..).zip(&world.events).find(|(_, event)| is_known(event)) {
        return if event.made_with == content { Answer::Written(id) } else { Answer::AlreadyCreated };
    }
    let id = u8::try_from(world.events.len()).expect("a handful of events");
    let incarnation = Some(incarnation);
    world.events.push(Event { mailbox, incarnation, made_with: content, content, place: Place::Calendar });
    Answer::Written(id)
}
