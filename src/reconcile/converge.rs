//! The way of one event to what is wanted, call by call, as a machine without I/O: [`Progress::next`] says which call comes
//! next, [`Progress::take`] takes what came of it.
//!
//! It must never make a second event because an earlier create got no answer, nor conclude that an event is absent while a
//! request without an answer may still be carried out.

use std::time::Duration;

use super::{
    failure::Failure,
    item::LATEST,
    plan::{ObservedEvent, Step, plan},
};
use crate::domain::event::{Desired, EventPatch, EventSpec};

/// More calls than any way through needs: look up, create, look up, update, look up, remove.
const MOST_CALLS: usize = 12;

/// A call at Graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Call {
    /// List the events that carry the marker.
    Find,
    /// Make an event.
    Create(EventSpec),
    /// Write these fields into the event of that id.
    Update(String, EventPatch),
    /// Remove the event of that id.
    Remove(String),
}

/// What came of a call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The events that carry the marker; deleted ones are not among them. `ours`: the one that we created, or the oldest.
    Found {
        /// The one that we created, or the oldest.
        ours: Option<String>,
        /// All of them.
        ids: Vec<String>,
    },
    /// The event of that id is as it was sent.
    Written {
        /// Its id.
        id: String,
        /// The event in Outlook on the web.
        web_link: Option<String>,
    },
    /// There is no such event any more.
    Removed,
    /// The call failed.
    Failed(Failure),
    /// A create failed because an earlier attempt made the event: that one, where Graph says which.
    AlreadyCreated(Option<String>),
    /// A create failed because its calendar is gone, and there is another one of its name by now.
    CalendarReplaced,
}

/// What comes next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Next {
    /// This call.
    Call(Call),
    /// Nothing: it is as wanted.
    Done,
    /// The event is gone; a new one is to be made, under a new incarnation that must be stored first.
    Recreate,
    /// It cannot go on.
    Failed(Failure),
    /// The event changes faster than it can be written.
    NoEnd,
}

/// Where the way has led so far.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(clippy::struct_excessive_bools, reason = "each is a fact of its own, and all combinations occur")]
pub struct Progress {
    /// What is in the calendar, as far as is known.
    pub observed: ObservedEvent,
    /// A call's outcome is unknown: `observed` cannot be trusted.
    pub unsure: bool,
    /// An event was taken away: the next one is another one.
    pub removed: bool,
    /// A call's outcome is unknown since just now.
    pub doubted: bool,
    /// The event was made on this way.
    pub created: bool,
    /// The marker was looked for, so a create that follows may meet its own earlier self.
    looked_up: bool,
    /// Nothing was found while a create without an answer may still be carried out: no proof that nothing will be there.
    found_too_early: bool,
    /// An earlier create has made an event: what is not found then is gone.
    is_made: bool,
    /// For how long the doubt has lasted with which it began.
    doubted_for: Duration,
    check: Check,
    end: Option<Next>,
    calls: usize,
}

/// What is to be made sure of before anything else.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Check {
    Nothing,
    /// That the event just written is on a calendar: an event in Deleted Items can be written to like any other.
    Written,
    /// That an event which is on no calendar is removed for good, so that there is one at most.
    Discarded,
}

impl Progress {
    /// The beginning of the way.
    #[must_use]
    pub const fn new(observed: ObservedEvent, unsure: bool, doubted_for: Duration) -> Self {
        Self {
            observed,
            unsure,
            removed: false,
            doubted: false,
            created: false,
            looked_up: false,
            found_too_early: false,
            is_made: false,
            doubted_for,
            check: Check::Nothing,
            end: None,
            calls: 0,
        }
    }

    /// Whether what is in the calendar is still unknown, should the way end here.
    #[must_use]
    pub const fn is_in_doubt(&self) -> bool {
        self.unsure || self.found_too_early
    }

    /// Whether the next look only makes sure of what was just written.
    #[must_use]
    pub fn is_checking(&self) -> bool {
        self.check == Check::Written
    }

    /// The next call towards `desired`.
    #[must_use]
    pub fn next(&self, desired: &Desired) -> Next {
        if let Some(end) = &self.end {
            return end.clone();
        }
        if self.calls >= MOST_CALLS {
            return Next::NoEnd;
        }
        match (self.check, &self.observed.event_id) {
            (Check::Written, _) => return Next::Call(Call::Find),
            (Check::Discarded, Some(id)) => return Next::Call(Call::Remove(id.clone())),
            (Check::Discarded, None) => return Next::Recreate,
            (Check::Nothing, _) => {}
        }
        match plan(desired, &self.observed, self.unsure) {
            Step::Nothing => Next::Done,
            Step::LookUp => Next::Call(Call::Find),
            Step::Create(event) => Next::Call(Call::Create(event)),
            Step::Update(id, changes) => Next::Call(Call::Update(id, changes)),
            Step::Remove(id) => Next::Call(Call::Remove(id)),
        }
    }

    /// Takes what came of the call that [`next`](Self::next) gave.
    pub fn take(&mut self, desired: &Desired, call: &Call, answer: Answer) {
        self.calls += 1;
        match (call, answer) {
            (Call::Find, Answer::Found { ours, ids }) if self.check == Check::Written => self.checked(ours, &ids),
            (Call::Find, Answer::Found { ours, .. }) => self.found(desired, ours),
            (Call::Create(event), Answer::Written { id, web_link }) => {
                self.written(id, web_link, event, self.looked_up);
                self.created = true;
                // Graph remembers a transaction longer than the event: the answer may be about one that somebody has
                // deleted since.
                if self.looked_up {
                    self.check = Check::Written;
                }
            }
            (Call::Create(_), Answer::AlreadyCreated(Some(id))) => self.adopt(id),
            // The marker is looked for before another is made, once more if it was looked for before: a create that got no
            // answer may have been carried out since.
            (Call::Create(_), Answer::AlreadyCreated(None)) => {
                self.unsure = true;
                self.is_made = true;
            }
            (Call::Create(_), Answer::CalendarReplaced) => self.unsure = true,
            (Call::Update(..), Answer::Written { id, web_link }) => {
                if let Desired::Present(event) = desired {
                    self.written(id, web_link, event, true);
                }
                self.check = Check::Written;
            }
            (Call::Update(..), Answer::Failed(Failure::EventGone)) => {
                self.observed.written = None;
                self.unsure = true;
                self.check = Check::Written;
            }
            (Call::Remove(_), Answer::Removed) if self.check == Check::Discarded => self.end = Some(Next::Recreate),
            (Call::Remove(_), Answer::Removed) => {
                self.removed = true;
                self.observed = ObservedEvent::default();
                self.unsure = false;
            }
            (call, Answer::Failed(failure)) => self.failed(call, failure),
            (_, _) => self.end = Some(Next::NoEnd),
        }
    }

    fn found(&mut self, desired: &Desired, ours: Option<String>) {
        self.looked_up = true;
        let left = LATEST.saturating_sub(self.doubted_for);
        if ours.is_none() && !matches!(desired, Desired::Present(_)) && !left.is_zero() {
            // Too early to say that nothing is there.
            self.end = Some(Next::Failed(Failure::InDoubt { left }));
            return;
        }
        if ours.is_none() && self.is_made && matches!(desired, Desired::Present(_)) {
            self.end = Some(Next::Recreate);
            return;
        }
        self.found_too_early = ours.is_none() && !left.is_zero();
        self.unsure = ours.is_some();
        self.observed = ObservedEvent { event_id: ours, ..ObservedEvent::default() };
    }

    fn checked(&mut self, ours: Option<String>, ids: &[String]) {
        self.check = Check::Nothing;
        let is_there = self.observed.event_id.as_ref().is_some_and(|id| ids.contains(id));
        if is_there && self.observed.written.is_some() {
            self.unsure = false;
            return;
        }
        match ours {
            Some(other) if Some(&other) != self.observed.event_id.as_ref() => self.adopt(other),
            _ => self.check = Check::Discarded,
        }
    }

    fn written(&mut self, id: String, web_link: Option<String>, event: &EventSpec, unsure: bool) {
        let known = self.observed.web_link.take().filter(|_| self.observed.event_id.as_ref() == Some(&id));
        let web_link = web_link.or(known);
        self.observed = ObservedEvent { event_id: Some(id), written: Some(event.clone()), web_link };
        self.unsure = unsure;
        self.found_too_early = false;
    }

    fn adopt(&mut self, id: String) {
        self.created = false;
        self.observed = ObservedEvent { event_id: Some(id), ..ObservedEvent::default() };
        self.unsure = true;
        self.found_too_early = false;
    }

    fn failed(&mut self, call: &Call, failure: Failure) {
        match call {
            Call::Find => {}
            // That the calendar is gone says nothing of the event.
            Call::Create(_) if failure == Failure::EventGone => self.unsure = true,
            _ if failure.leaves_outcome_unknown() => {
                self.unsure = true;
                self.doubted = true;
            }
            _ => {}
        }
        self.end = Some(Next::Failed(failure));
    }
}

#[cfg(test)]
mod tests;
