//! The small world as the model checker sees it: what can happen in a state, and what has to be true.

use stateright::{Model, Property};

use crate::{
    properties,
    state::{Call, Mailbox, Place, Stage, Work, World},
    world::{Action, Fate, SmallWorld, is_claimable, is_held},
};

impl Model for SmallWorld {
    type State = World;
    type Action = Action;

    fn init_states(&self) -> Vec<World> {
        vec![World {
            delivered: 0,
            stored: 0,
            mailboxes: [Mailbox::default(); 2],
            replicas: [None; 2],
            events: properties::strangers(),
            under_way: Vec::new(),
            deleted: [false; 2],
            budget: self.budget,
            touched_a_stranger: false,
        }]
    }

    fn actions(&self, world: &World, actions: &mut Vec<Action>) {
        for number in 1..=u8::try_from(self.revisions.len()).expect("a few") {
            let is_next = self.any_order || world.delivered == (1 << (number - 1)) - 1;
            if world.delivered & (1 << (number - 1)) == 0 && is_next {
                actions.push(Action::Webhook(number));
            }
        }
        for (replica, work) in (0..).zip(&world.replicas) {
            match work {
                None => {
                    let free = (0..2).filter(|mailbox| {
                        let is_left = world.budget.freezes > 0 || !is_held(world, *mailbox);
                        is_left && is_claimable(&world.mailboxes[usize::from(*mailbox)])
                    });
                    actions.extend(free.map(|mailbox| Action::Claim { replica, mailbox }));
                    // Two that do nothing are as good as one.
                    if world.replicas.iter().all(Option::is_none) {
                        break;
                    }
                }
                Some(Work { stage, .. }) => self.of_work(world, replica, stage, actions),
            }
        }
        let late = 0..u8::try_from(world.under_way.len()).expect("a few");
        actions.extend(late.map(Action::Late));
        if world.budget.deletions > 0 {
            for (event, at) in (0..).zip(&world.events) {
                if at.incarnation.is_some() && at.place == Place::Calendar {
                    actions.extend([true, false].map(|for_good| Action::Delete { event, for_good }));
                }
            }
        }
        actions.push(Action::Tick);
    }

    fn next_state(&self, world: &World, action: Action) -> Option<World> {
        let next = self.after(world, action);
        (next != *world).then_some(next)
    }

    fn properties(&self) -> Vec<Property<Self>> {
        properties::all()
    }
}

impl SmallWorld {
    fn of_work(&self, world: &World, replica: u8, stage: &Stage, actions: &mut Vec<Action>) {
        let budget = &world.budget;
        if budget.crashes > 0 {
            actions.push(Action::Crash { replica });
        }
        let Stage::Calling { desired, progress, .. } = stage else {
            actions.push(Action::Save { replica });
            if budget.saved_twice > 0 {
                actions.push(Action::SaveUnheard { replica });
            }
            return;
        };
        actions.push(Action::Call { replica, fate: Fate::Answered });
        let writes = self.decisions().0.next(*progress, *desired).is_some_and(|call| call != Call::Find);
        let fates = [
            (Fate::LostBefore, budget.lost_before > 0),
            (Fate::LostAfter, budget.lost_after > 0 && writes),
            (Fate::Crash, budget.crashes > 0 && writes),
        ];
        for (fate, _) in fates.into_iter().filter(|(_, is_left)| *is_left) {
            actions.push(Action::Call { replica, fate });
        }
        if budget.stops > 0 {
            actions.push(Action::Stop { replica });
        }
    }
}
