//! What can happen in the small world, one thing after the other. Claim, call, save and intake are atomic here as they are in
//! the database and at Graph; everything else may come between them.

use std::{
    collections::HashSet,
    sync::{Mutex, MutexGuard},
};

use crate::{
    graph::carry_out,
    intake::{Intake, Revision},
    production::Production,
    state::{Budget, Mailbox, Place, Request, World},
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
#[expect(clippy::struct_excessive_bools, reason = "each is a safeguard or a rule that one world may go without")]
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
    pub(crate) fn decisions(&self) -> MutexGuard<'_, (Production, Intake)> {
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
}

/// Whether a mailbox has something due and is nobody's.
pub(crate) fn is_claimable(mailbox: &Mailbox) -> bool {
    mailbox.lease.is_none_or(|left| left <= 0) && mailbox.item.is_some_and(|item| item.due == Some(0))
}

/// Whether the holder of the mailbox's lease, over or not, still works.
pub(crate) fn is_held(world: &World, mailbox: u8) -> bool {
    world.replicas.iter().flatten().any(|work| work.mailbox == mailbox && work.is_latest)
}
