//! What can happen in the small world, one thing after the other. Claim, call, save and intake are atomic here as they are in
//! the database and at Graph; everything else may come between them.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard},
};

use stateright::{Model, Property};

use crate::{
    graph::carry_out,
    intake::{Intake, Revision},
    production::Production,
    properties,
    state::{Budget, Call, Mailbox, Place, Request, Stage, TWO, Work, World},
};

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Fate {
    Answered,
    /// No answer; it stays under way, or never arrived.
    LostBefore,
    /// No answer; it was carried out.
    LostAfter,
    /// The replica dies while it is under way.
    Crash,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Action {
    /// The webhook of that revision arrives.
    Webhook(u8),
    /// A replica claims a mailbox.
    Claim { replica: u8, mailbox: u8 },
    /// It makes its next call.
    Call { replica: u8, fate: Fate },
    /// It is to stop before its next call.
    Stop { replica: u8 },
    /// It saves its result.
    Save { replica: u8 },
    /// It saves its result, does not hear that it was saved, and will save it again.
    SaveUnheard { replica: u8 },
    /// It dies, and another takes its place.
    Crash { replica: u8 },
    /// A request whose answer nobody waits for is carried out.
    Late(u8),
    /// Staff delete an event; `for_good`: from Deleted Items as well.
    Delete { event: u8, for_good: bool },
    /// Half a minute passes.
    Tick,
}

/// A small world and the decisions that run in it.
pub(crate) struct SmallWorld {
    pub(crate) revisions: Vec<Revision>,
    /// Whether revisions may arrive in any order.
    pub(crate) any_order: bool,
    pub(crate) budget: Budget,
    /// Results are fenced by the epoch of their lease.
    pub(crate) fence: bool,
    /// An outcome may be unknown.
    pub(crate) doubt: bool,
    /// Each event of an item has a transaction of its own.
    pub(crate) incarnation: bool,
    /// Whether states count once that differ only in which replica does what. A trace is easier to follow without.
    pub(crate) is_sorted: bool,
    pub(crate) production: Mutex<(Production, Intake)>,
    /// Hashes of states from which everything is known to settle.
    pub(crate) settling: Mutex<HashSet<u64>>,
}

impl SmallWorld {
    fn decisions(&self) -> MutexGuard<'_, (Production, Intake)> {
        self.production.lock().expect("no decision panics")
    }

    /// What should be in a mailbox's calendar by the revision that is stored.
    pub(crate) fn desired(&self, world: &World, mailbox: u8) -> u8 {
        let stored = usize::from(world.stored).checked_sub(1).map(|stored| self.revisions[stored]);
        stored.filter(|stored| stored.mailbox() == mailbox).map_or(0, Revision::desired)
    }

    /// The world behind an action that is possible in it.
    pub(crate) fn after(&self, world: &World, action: Action) -> World {
        let mut world = world.clone();
        match action {
            Action::Webhook(number) => self.webhook(&mut world, number),
            Action::Claim { replica, mailbox } => self.claim(&mut world, replica, mailbox),
            Action::Call { replica, fate } => self.call(&mut world, replica, fate),
            Action::Stop { replica } => self.stop(&mut world, replica),
            Action::Save { replica } => {
                self.save(&mut world, replica);
                world.replicas[usize::from(replica)] = None;
            }
            Action::SaveUnheard { replica } => {
                world.budget.saved_twice -= 1;
                self.save(&mut world, replica);
            }
            Action::Crash { replica } => {
                world.budget.crashes -= 1;
                world.replicas[usize::from(replica)] = None;
            }
            Action::Late(number) => {
                let Request { mailbox, incarnation, call, .. } = world.under_way.remove(usize::from(number));
                carry_out(&mut world, mailbox, incarnation, call);
            }
            Action::Delete { event, for_good } => {
                world.budget.deletions -= 1;
                let event = &mut world.events[usize::from(event)];
                event.place = if for_good { Place::Gone } else { Place::Deleted };
                world.deleted[usize::from(event.mailbox)] = true;
            }
            Action::Tick => world.tick(),
        }
        for item in world.mailboxes.iter_mut().filter_map(|mailbox| mailbox.item.as_mut()) {
            if !self.doubt {
                item.doubt = None;
            }
            if !self.incarnation {
                item.incarnation = 0;
            }
        }
        world.simplify();
        if self.is_sorted {
            world.sort();
        }
        world
    }

    fn webhook(&self, world: &mut World, number: u8) {
        world.delivered |= 1 << (number - 1);
        let items = [0, 1].map(|mailbox: usize| world.mailboxes[mailbox].item);
        if let Some(items) = self.decisions().1.take(&self.revisions, world.stored, number, items) {
            world.stored = number;
            for (mailbox, item) in world.mailboxes.iter_mut().zip(items) {
                mailbox.item = item;
            }
        }
    }

    /// As `store::claim` does it: what the holder of a lease that died had taken is in doubt.
    fn claim(&self, world: &mut World, replica: u8, mailbox: u8) {
        let Mailbox { lease, item: Some(mut item) } = world.mailboxes[usize::from(mailbox)] else { return };
        if let Some(ended) = lease {
            item = Production::abandon(&item, ended.unsigned_abs());
        }
        if is_held(world, mailbox) {
            world.budget.freezes -= 1;
        }
        for work in &mut world.replicas {
            if let Some(other) = work.as_mut().filter(|work| work.mailbox == mailbox) {
                other.is_latest = false;
                // Its next call would not be permitted, and there is nothing that it would save.
                if matches!(other.stage, Stage::Calling { .. }) {
                    *work = None;
                }
            }
        }
        if !self.doubt {
            item.doubt = None;
        }
        world.mailboxes[usize::from(mailbox)] = Mailbox { lease: Some(2), item: Some(item) };
        let desired = if item.wanted { self.desired(world, mailbox) } else { 0 };
        let mut decisions = self.decisions();
        let progress = decisions.0.begin(&item);
        // How it stands in the queue is of no concern to the delivery.
        let claimed = crate::state::Item { due: None, state: leavebridge::reconcile::state::State::Pending, ..item };
        let doubted_for = item.doubt.map_or(0, |doubt| doubt.age);
        let stage = Stage::Calling { item: claimed, doubted_for, desired, progress };
        let work = Work { mailbox, is_latest: true, stage };
        world.replicas[usize::from(replica)] = Some(at_end(&mut decisions.0, work));
    }

    fn call(&self, world: &mut World, replica: u8, fate: Fate) {
        let Some(mut work) = world.replicas[usize::from(replica)] else { return };
        let Stage::Calling { item, desired, progress, .. } = &mut work.stage else { return };
        let mut decisions = self.decisions();
        let Some(call) = decisions.0.next(*progress, *desired) else { return };
        // A call may begin only while the lease is sure to outlast it; else the lease is renewed before, which it can be because
        // nobody has claimed the mailbox since.
        let lease = &mut world.mailboxes[usize::from(work.mailbox)].lease;
        if lease.is_none_or(|left| left < 1) {
            *lease = Some(2);
        }
        if matches!(call, Call::Create(_) | Call::Update { .. }) {
            world.deleted[usize::from(work.mailbox)] = false;
        }
        let (mailbox, incarnation) = (work.mailbox, item.incarnation);
        let answer = match fate {
            Fate::Answered => Some(carry_out(world, mailbox, incarnation, call)),
            Fate::LostAfter => {
                world.budget.lost_after -= 1;
                carry_out(world, mailbox, incarnation, call);
                None
            }
            Fate::LostBefore | Fate::Crash => {
                if call != Call::Find {
                    world.under_way.push(Request { mailbox, incarnation, call, left: TWO });
                }
                None
            }
        };
        match fate {
            Fate::Crash => {
                world.budget.crashes -= 1;
                world.replicas[usize::from(replica)] = None;
                return;
            }
            Fate::LostBefore => world.budget.lost_before -= 1,
            Fate::Answered | Fate::LostAfter => {}
        }
        *progress = decisions.0.take(*progress, *desired, answer.as_ref());
        world.replicas[usize::from(replica)] = Some(at_end(&mut decisions.0, work));
    }

    fn stop(&self, world: &mut World, replica: u8) {
        world.budget.stops -= 1;
        let Some(work) = &mut world.replicas[usize::from(replica)] else { return };
        let Stage::Calling { item, doubted_for, desired, progress } = work.stage else { return };
        if let Some(delivered) = self.decisions().0.end(&item, doubted_for, desired, progress, true) {
            work.stage = Stage::Ended(delivered);
        } else {
            world.mailboxes[usize::from(work.mailbox)].lease = None;
            world.replicas[usize::from(replica)] = None;
        }
    }

    /// As `store::settle` does it: the lease is given back with the result.
    fn save(&self, world: &mut World, replica: u8) {
        let Some(Work { mailbox, is_latest, stage: Stage::Ended(delivered) }) = world.replicas[usize::from(replica)]
        else {
            return;
        };
        let mailbox = &mut world.mailboxes[usize::from(mailbox)];
        let Some(item) = &mut mailbox.item else { return };
        let (settled, is_kept) = self.decisions().0.settle(item, &delivered, is_latest || !self.fence);
        *item = settled;
        if is_kept && is_latest {
            mailbox.lease = None;
        }
    }
}

/// A way that has ended goes on to its result, with nothing in between.
fn at_end(production: &mut Production, work: Work) -> Work {
    let Stage::Calling { item, doubted_for, desired, progress } = work.stage else { return work };
    if production.next(progress, desired).is_some() {
        return work;
    }
    let delivered = production.end(&item, doubted_for, desired, progress, false).expect("an end has a result");
    Work { stage: Stage::Ended(delivered), ..work }
}

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

/// Whether a mailbox has something due and is nobody's.
pub(crate) fn is_claimable(mailbox: &Mailbox) -> bool {
    mailbox.lease.is_none_or(|left| left <= 0) && mailbox.item.is_some_and(|item| item.due == Some(0))
}

/// Whether the holder of the mailbox's lease, over or not, still works.
fn is_held(world: &World, mailbox: u8) -> bool {
    world.replicas.iter().flatten().any(|work| work.mailbox == mailbox && work.is_latest)
}
