//! What a replica does: claims, calls, stops and saves, around the decisions as the engine and the store do it.

use leavebridge::reconcile::state::State;

use crate::{
    graph::carry_out,
    production::Production,
    state::{Call, Item, Mailbox, Request, Stage, TWO, Work, World},
    world::{Fate, SmallWorld, is_held},
};

impl SmallWorld {
    /// As `store::claim` does it: what the holder of a lease that died had taken is in doubt.
    pub(crate) fn claim(&self, world: &mut World, replica: u8, mailbox: u8) {
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
        let claimed = Item { due: None, state: State::Pending, ..item };
        let doubted_for = item.doubt.map_or(0, |doubt| doubt.age);
        let stage = Stage::Calling { item: claimed, doubted_for, desired, progress };
        let work = Work { mailbox, is_latest: true, stage };
        world.replicas[usize::from(replica)] = Some(at_end(&mut decisions.0, work));
    }

    pub(crate) fn call(&self, world: &mut World, replica: u8, fate: Fate) {
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

    pub(crate) fn stop(&self, world: &mut World, replica: u8) {
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
    pub(crate) fn save(&self, world: &mut World, replica: u8) {
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
