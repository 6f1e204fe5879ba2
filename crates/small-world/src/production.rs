//! The decisions of production, called with what the small world's integers stand for. What was asked before is remembered:
//! the same question comes up in very many states.

use std::collections::HashMap;

use leavebridge::{
    domain::event::Desired,
    reconcile::{
        converge::{Next, Progress},
        delivery::{self, Findings},
        failure::Failure,
        item,
        retry_policy::{History, RetryDecision, retry_policy},
        settle::{self, DeliveryOutcome, Fenced},
        state::{Reason, State},
    },
};

use crate::{
    graph::Answer,
    rows::{
        DIED, ago, from_call, from_result, from_row, mailbox, now, result, to_answer, to_desired, to_result, to_row,
    },
    state::{Call, Content, Delivered, Doubt, Item, Ticks},
};

/// What was asked before.
#[derive(Default)]
pub(crate) struct Production {
    progresses: Vec<Progress>,
    numbers: HashMap<String, u16>,
    steps: HashMap<(u16, Content), Option<Call>>,
    taken: HashMap<(u16, Content, Option<Answer>), u16>,
    ends: HashMap<(Item, Ticks, Content, u16, bool), Option<Delivered>>,
    settled: HashMap<(Item, Delivered, bool), (Item, bool)>,
}

impl Production {
    fn number(&mut self, progress: Progress) -> u16 {
        let progresses = &mut self.progresses;
        *self.numbers.entry(format!("{progress:?}")).or_insert_with(|| {
            progresses.push(progress);
            u16::try_from(progresses.len() - 1).expect("few ways")
        })
    }

    /// The beginning of the way of an item that has just been claimed.
    pub(crate) fn begin(&mut self, item: &Item) -> u16 {
        self.number(delivery::begin(&to_row(&as_claimed(item, age(item))), now()))
    }

    /// The next call; `None` at the end of the way.
    pub(crate) fn next(&mut self, progress: u16, desired: Content) -> Option<Call> {
        let known = &self.progresses[usize::from(progress)];
        *self.steps.entry((progress, desired)).or_insert_with(|| match known.next(&to_desired(desired)) {
            Next::Call(call) => Some(from_call(&call)),
            _ => None,
        })
    }

    /// Where an answer leads; `None`: there was no answer.
    pub(crate) fn take(&mut self, progress: u16, desired: Content, answer: Option<&Answer>) -> u16 {
        if let Some(known) = self.taken.get(&(progress, desired, answer.cloned())) {
            return *known;
        }
        let mut next = self.progresses[usize::from(progress)].clone();
        let wanted = to_desired(desired);
        let Next::Call(call) = next.next(&wanted) else { unreachable!("an answer without a call") };
        next.take(&wanted, &call, to_answer(answer));
        let next = self.number(next);
        self.taken.insert((progress, desired, answer.cloned()), next);
        next
    }

    /// What came of a way, as `engine::effects::event` puts it together. `is_stopped`: the service is to stop; `None` when
    /// nothing was found out.
    pub(crate) fn end(
        &mut self,
        item: &Item,
        doubted_for: Ticks,
        desired: Content,
        progress: u16,
        is_stopped: bool,
    ) -> Option<Delivered> {
        let way = &self.progresses[usize::from(progress)];
        let key = (*item, doubted_for, desired, progress, is_stopped);
        *self.ends.entry(key).or_insert_with(|| {
            let row = to_row(&as_claimed(item, doubted_for));
            let (outcome, findings) = end(&row, way, &to_desired(desired), is_stopped)?;
            let result = findings.into_result(result(&row, outcome));
            Some(Delivered { doubt_before: item.doubt, ..from_result(&result) })
        })
    }

    /// The item behind a result, and whether its lease still held.
    pub(crate) fn settle(&mut self, item: &Item, delivered: &Delivered, is_latest: bool) -> (Item, bool) {
        *self.settled.entry((*item, *delivered, is_latest)).or_insert_with(|| {
            let mut row = to_row(item);
            let mut mailbox = mailbox();
            let result = to_result(&row, delivered, is_latest);
            let kept = settle::settle(&mut row, &mut mailbox, &result, now());
            (from_row(&row), kept == Fenced::Kept)
        })
    }

    /// The item that the holder of a lease had taken which ended so long ago.
    pub(crate) fn abandon(item: &Item, ended: Ticks) -> Item {
        let mut row = to_row(item);
        settle::abandoned(&mut row, ago(ended, DIED + 1), now());
        from_row(&row)
    }
}

fn age(item: &Item) -> Ticks {
    item.doubt.map_or(0, |doubt| doubt.age)
}

/// With the doubt as old as it was at the claim, which is when a delivery reads the clock.
fn as_claimed(item: &Item, doubted_for: Ticks) -> Item {
    Item { doubt: item.doubt.map(|doubt| Doubt { age: doubted_for, tag: 0, ..doubt }), ..*item }
}

fn end(row: &item::Item, way: &Progress, desired: &Desired, is_stopped: bool) -> Option<(DeliveryOutcome, Findings)> {
    let so_far = Findings::so_far(row, way);
    if is_stopped {
        return delivery::has_learnt(row, way).then_some((DeliveryOutcome::Continue, so_far));
    }
    let failure = match way.next(desired) {
        Next::Done => {
            let findings = Findings::at_end(row, way, desired, now());
            let outcome = if let Some(wait) = delivery::must_write_again(row, way, desired, now()) {
                DeliveryOutcome::Waiting(Reason::GraphUnavailable, String::new(), wait)
            } else {
                let is_there = matches!(desired, Desired::Present(_));
                DeliveryOutcome::settled(if is_there { State::Synced } else { State::Removed })
            };
            return Some((outcome, findings));
        }
        Next::Recreate => return Some((DeliveryOutcome::Continue, Findings::to_recreate(row))),
        Next::Failed(failure) => failure,
        // As `GraphError::no_end` has it.
        Next::NoEnd => Failure::Conflict,
        Next::Call(call) => unreachable!("the way goes on with {call:?}"),
    };
    let (reason, RetryDecision::Defer(wait)) = retry_policy(failure, History::default(), 0.0) else {
        unreachable!("no other trouble in this world: {failure:?}")
    };
    Some((DeliveryOutcome::Waiting(reason, String::new(), wait), so_far))
}
