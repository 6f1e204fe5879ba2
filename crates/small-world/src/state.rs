//! The small world at one moment, in small integers. Time is what is left of it: a tick takes one from whatever runs out and
//! adds one to whatever ages, up to where nothing changes any more, so that the number of states is finite.

use leavebridge::reconcile::state::State;

/// Revisions, and contents of events, are numbered from 1; 0 is none: the event is to be gone.
pub(crate) type Content = u8;
/// Ticks of half a minute.
pub(crate) type Ticks = u8;

/// How long a lease lasts, and how long a request without an answer may still be carried out (`item::LATEST`).
pub(crate) const TWO: Ticks = 2;

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Doubt {
    /// Since when; at most two ticks.
    pub(crate) age: Ticks,
    /// Which of the doubts of that age it is.
    pub(crate) tag: u8,
    pub(crate) oldest_rev: Option<u8>,
}

/// The event as the row knows it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Observed {
    pub(crate) event: Option<u8>,
    pub(crate) written: Option<Content>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Item {
    pub(crate) wanted: bool,
    pub(crate) rev: u8,
    pub(crate) state: State,
    /// In how many ticks it is due.
    pub(crate) due: Option<Ticks>,
    pub(crate) observed: Observed,
    pub(crate) incarnation: u8,
    pub(crate) doubt: Option<Doubt>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Mailbox {
    /// What is left of its lease; for how long it has been over, at most two ticks, when it is not above zero.
    pub(crate) lease: Option<i8>,
    pub(crate) item: Option<Item>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Outcome {
    Settled(State),
    Continue,
    Waiting(Ticks),
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum After {
    Over,
    Stays,
    Begins,
}

/// What came of a delivery, not yet saved.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Delivered {
    pub(crate) rev: u8,
    pub(crate) doubt_before: Option<Doubt>,
    pub(crate) outcome: Outcome,
    pub(crate) observed: Observed,
    pub(crate) incarnation: u8,
    pub(crate) doubt: After,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Stage {
    /// Between two calls.
    Calling {
        /// As it was claimed.
        item: Item,
        /// How old the doubt was then.
        doubted_for: Ticks,
        desired: Content,
        /// The number of its `converge::Progress`.
        progress: u16,
    },
    /// Its way has ended; the result is not saved yet.
    Ended(Delivered),
}

/// A replica's work on a mailbox.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Work {
    pub(crate) mailbox: u8,
    /// Nobody has claimed the mailbox since: the epoch is still its own.
    pub(crate) is_latest: bool,
    pub(crate) stage: Stage,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Place {
    Calendar,
    /// In Deleted Items: it can be written to, and no search lists it.
    Deleted,
    Gone,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Event {
    pub(crate) mailbox: u8,
    /// With the mailbox its transaction; `None` for one that is not ours.
    pub(crate) incarnation: Option<u8>,
    /// With which content it was created.
    pub(crate) made_with: Content,
    pub(crate) content: Content,
    pub(crate) place: Place,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) enum Call {
    Find,
    Create(Content),
    Update { event: u8, content: Content },
    Remove { event: u8 },
}

/// A request whose sender no longer waits for the answer.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Request {
    pub(crate) mailbox: u8,
    pub(crate) incarnation: u8,
    pub(crate) call: Call,
    /// How long it may still be carried out.
    pub(crate) left: Ticks,
}

/// How many of each trouble are left.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub(crate) struct Budget {
    pub(crate) crashes: u8,
    /// Requests that stay under way without an answer.
    pub(crate) lost_before: u8,
    /// Requests that are carried out without an answer.
    pub(crate) lost_after: u8,
    pub(crate) deletions: u8,
    /// Leases that end while their holder still works.
    pub(crate) freezes: u8,
    /// A service that is told to stop between two calls.
    pub(crate) stops: u8,
    /// A result that is saved, and saved again because the confirmation was lost.
    pub(crate) saved_twice: u8,
}

impl Budget {
    /// These troubles and those.
    pub(crate) const fn and(self, other: Self) -> Self {
        Self {
            crashes: self.crashes + other.crashes,
            lost_before: self.lost_before + other.lost_before,
            lost_after: self.lost_after + other.lost_after,
            deletions: self.deletions + other.deletions,
            freezes: self.freezes + other.freezes,
            stops: self.stops + other.stops,
            saved_twice: self.saved_twice + other.saved_twice,
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct World {
    /// Which revisions have been delivered: a bit for each.
    pub(crate) delivered: u8,
    /// The revision that is stored, from 1.
    pub(crate) stored: u8,
    pub(crate) mailboxes: [Mailbox; 2],
    pub(crate) replicas: [Option<Work>; 2],
    pub(crate) events: Vec<Event>,
    pub(crate) under_way: Vec<Request>,
    /// Staff deleted the event of that mailbox after the last write there.
    pub(crate) deleted: [bool; 2],
    pub(crate) budget: Budget,
    /// An event that is not ours was written to.
    pub(crate) touched_a_stranger: bool,
}

impl World {
    /// Nothing is due, nobody works and no request is under way.
    pub(crate) fn is_quiet(&self) -> bool {
        self.replicas.iter().all(Option::is_none)
            && self.under_way.is_empty()
            && self.items().all(|item| item.due.is_none())
    }

    pub(crate) fn items(&self) -> impl Iterator<Item = &Item> {
        self.mailboxes.iter().filter_map(|mailbox| mailbox.item.as_ref())
    }

    /// Half a minute later.
    pub(crate) fn tick(&mut self) {
        let older = |doubt: &mut Option<Doubt>| {
            if let Some(doubt) = doubt {
                doubt.age = TWO.min(doubt.age + 1);
            }
        };
        for mailbox in &mut self.mailboxes {
            mailbox.lease = mailbox.lease.map(|left| (left - 1).max(-2));
            if let Some(item) = &mut mailbox.item {
                item.due = item.due.map(|due| due.saturating_sub(1));
                older(&mut item.doubt);
            }
        }
        for work in self.replicas.iter_mut().flatten() {
            match &mut work.stage {
                Stage::Calling { item, .. } => older(&mut item.doubt),
                Stage::Ended(delivered) => older(&mut delivered.doubt_before),
            }
        }
        for request in &mut self.under_way {
            request.left -= 1;
        }
        self.under_way.retain(|request| request.left > 0);
    }

    /// Gives what is the same the same numbers: only which of two revisions is newer counts, and whether two doubts are one.
    pub(crate) fn simplify(&mut self) {
        self.under_way.sort_unstable();
        for number in 0..self.mailboxes.len() {
            let mut revs = Vec::new();
            self.each_rev(number, |rev| revs.push(*rev));
            revs.push(0);
            revs.sort_unstable();
            revs.dedup();
            self.each_rev(number, |rev| {
                *rev = u8::try_from(revs.partition_point(|known| known < rev)).unwrap_or(u8::MAX);
            });
            let mut doubts: Vec<(Ticks, u8)> = Vec::new();
            self.each_doubt(number, |doubt| {
                let place = doubts.iter().position(|known| *known == (doubt.age, doubt.tag)).unwrap_or_else(|| {
                    doubts.push((doubt.age, doubt.tag));
                    doubts.len() - 1
                });
                doubt.tag = u8::try_from(place).unwrap_or(u8::MAX);
            });
        }
    }

    /// Which of the two replicas does what is of no concern.
    pub(crate) fn sort(&mut self) {
        self.replicas.sort_unstable();
        self.simplify();
    }

    fn each_rev(&mut self, number: usize, mut visit: impl FnMut(&mut u8)) {
        if let Some(item) = &mut self.mailboxes[number].item {
            visit(&mut item.rev);
        }
        for work in self.replicas.iter_mut().flatten().filter(|work| usize::from(work.mailbox) == number) {
            match &mut work.stage {
                Stage::Calling { item, .. } => visit(&mut item.rev),
                Stage::Ended(delivered) => visit(&mut delivered.rev),
            }
        }
        self.each_doubt(number, |doubt| {
            if let Some(rev) = &mut doubt.oldest_rev {
                visit(rev);
            }
        });
    }

    fn each_doubt(&mut self, number: usize, mut visit: impl FnMut(&mut Doubt)) {
        if let Some(doubt) = self.mailboxes[number].item.as_mut().and_then(|item| item.doubt.as_mut()) {
            visit(doubt);
        }
        for work in self.replicas.iter_mut().flatten().filter(|work| usize::from(work.mailbox) == number) {
            let doubt = match &mut work.stage {
                Stage::Calling { item, .. } => &mut item.doubt,
                Stage::Ended(delivered) => &mut delivered.doubt_before,
            };
            if let Some(doubt) = doubt {
                visit(doubt);
            }
        }
    }
}
