//! The steps of one delivery: asks `plan` what is next and carries it out, until nothing is left to do or something goes
//! wrong. Every call goes through the hold, because it may only begin while the mailbox's lease is sure to outlast it.

use std::time::Duration;

use super::reconcile::Delivery;
use crate::{
    domain::{
        event::{Desired, EventSpec},
        judge::Failure,
        plan::{Observed, Step, plan},
    },
    graph::{Found, GraphError, Mailbox, RequestIds, Written},
};

/// A request that got no answer may still be carried out for so long: nothing found before that is no proof.
pub(super) const LATEST: Duration = Duration::from_mins(1);
/// More steps than any way through needs: create, look up, create, look up, update, look up, done.
const MOST_STEPS: usize = 8;

/// Why a way through ended early.
pub(super) enum Halt {
    Lost,
    Interrupted,
    Failed(GraphError),
    /// The event is gone; a new one is to be made, under a new incarnation that must be stored first.
    Anew,
}

/// What is known on the way.
pub(super) struct Known {
    pub(super) observed: Observed,
    pub(super) details: Option<Written>,
    /// The marker was looked for, so a create that follows may meet its own earlier self.
    pub(super) looked_up: bool,
    /// An event was taken away: the next one is another one.
    pub(super) removed: bool,
    /// A write's outcome is unknown since just now.
    pub(super) doubted: bool,
    pub(super) step: &'static str,
    pub(super) trail: Option<RequestIds>,
}

impl Delivery<'_> {
    pub(super) async fn walk(&self, desired: &Desired, known: &mut Known) -> Result<(), Halt> {
        for _ in 0..MOST_STEPS {
            match plan(desired, &known.observed) {
                Step::Nothing => return Ok(()),
                Step::LookUp => {
                    known.step = "look-up";
                    let found = self.find(known).await?;
                    known.looked_up = true;
                    if found.ours.is_none() && !matches!(desired, Desired::Present(_)) && self.due.doubted_for < LATEST
                    {
                        return Err(Halt::Failed(GraphError::in_doubt()));
                    }
                    known.observed = Observed {
                        unsure: found.ours.is_some(),
                        applied: None,
                        event_id: found.ours.map(|event| event.event_id),
                    };
                }
                Step::Create(event) => {
                    let calendar = self.calendar(known).await?;
                    known.step = "create";
                    let (id, incarnation) = (self.due.id, self.due.incarnation);
                    let create = |mailbox| self.graph.create(mailbox, calendar.as_deref(), &event, id, incarnation);
                    match self.call("create", create).await? {
                        Ok(written) => {
                            Self::note(known, written, event);
                            // Graph remembers a transaction longer than the event: the answer may be about one that
                            // somebody has deleted since.
                            if known.looked_up {
                                self.verify(known).await?;
                            }
                        }
                        Err(error) if error.failure == Failure::AlreadyCreated => {
                            known.trail = error.request_ids.map(|trail| *trail);
                            match error.existing_event {
                                Some(id) => {
                                    known.observed =
                                        Observed { event_id: Some(id.into()), applied: None, unsure: true };
                                }
                                None if known.looked_up => return Err(Halt::Anew),
                                None => known.observed.unsure = true,
                            }
                        }
                        Err(error) if error.failure == Failure::EventGone && calendar.is_some() => {
                            // Somebody has deleted the calendar. That says nothing of the event: it is looked for before
                            // another is made, now or later.
                            known.observed.unsure = true;
                            if !self.is_another_than(calendar.as_deref().unwrap_or_default(), known).await? {
                                return Err(Halt::Failed(error));
                            }
                        }
                        Err(error) => return Err(Self::in_doubt(known, error)),
                    }
                }
                Step::Update(event_id, changes) => {
                    known.step = "update";
                    let update = |mailbox| self.graph.update(mailbox, &event_id, &changes);
                    match self.call("update", update).await? {
                        Ok(written) => {
                            let Desired::Present(event) = desired else { return Ok(()) };
                            Self::note(known, written, event.clone());
                            // An event in Deleted Items can be written to like any other.
                            self.verify(known).await?;
                        }
                        Err(error) if error.failure == Failure::EventGone => {
                            known.observed.applied = None;
                            known.observed.unsure = true;
                            self.verify(known).await?;
                        }
                        Err(error) => return Err(Self::in_doubt(known, error)),
                    }
                }
                Step::Remove(event_id) => {
                    known.step = "remove";
                    match self.call("remove", |mailbox| self.graph.remove(mailbox, &event_id)).await? {
                        Ok(trail) => {
                            known.trail = Some(trail);
                            known.removed = true;
                            known.observed = Observed { event_id: None, applied: None, unsure: false };
                        }
                        Err(error) => return Err(Self::in_doubt(known, error)),
                    }
                }
            }
        }
        Err(Halt::Failed(GraphError {
            failure: Failure::Conflict,
            code: "no-end".into(),
            message: "the event changes faster than it can be written".into(),
            request_ids: known.trail.clone().map(Box::new),
            entra: None,
            existing_event: None,
            retry_after: None,
        }))
    }

    pub(super) async fn call<'a, T, F>(
        &'a self,
        name: &'static str,
        call: impl Fn(Mailbox<'a>) -> F,
    ) -> Result<Result<T, GraphError>, Halt>
    where
        F: Future<Output = Result<T, GraphError>>,
    {
        self.hold.call(self.graph, name, call).await
    }

    async fn find(&self, known: &mut Known) -> Result<Found, Halt> {
        let find = |mailbox| self.graph.find(mailbox, self.due.id, self.due.incarnation);
        let found = self.call("find", find).await?.map_err(Halt::Failed)?;
        known.trail = Some(found.request_ids.clone());
        Ok(found)
    }

    fn note(known: &mut Known, written: Written, event: EventSpec) {
        known.trail = Some(written.request_ids.clone());
        known.observed = Observed {
            event_id: Some(written.event_id.clone()),
            applied: Some(event),
            unsure: known.looked_up || known.step == "update",
        };
        known.details = Some(written);
    }

    /// Makes sure that the event just written is on a calendar: Graph's list of marked events shows no deleted ones.
    async fn verify(&self, known: &mut Known) -> Result<(), Halt> {
        let trail = known.trail.clone();
        let found = self.find(known).await?;
        if known.observed.event_id.as_ref().is_some_and(|id| found.ids.contains(id)) && known.observed.applied.is_some()
        {
            known.observed.unsure = false;
            // The writing is what is worth remembering, not the look behind it.
            known.trail = trail;
            return Ok(());
        }
        match found.ours {
            Some(other) if Some(&other.event_id) != known.observed.event_id.as_ref() => {
                known.observed = Observed { event_id: Some(other.event_id), applied: None, unsure: true };
                Ok(())
            }
            _ => {
                // In Deleted Items, so it would be written to in vain. It goes for good, so that there is one event at
                // most even if Graph's list should have been wrong.
                if let Some(event_id) = known.observed.event_id.clone() {
                    let removed = self.call("remove", |mailbox| self.graph.remove(mailbox, &event_id)).await?;
                    known.trail = Some(removed.map_err(Halt::Failed)?);
                }
                Err(Halt::Anew)
            }
        }
    }

    /// A write failed; where its outcome is unknown, so is the event.
    fn in_doubt(known: &mut Known, error: GraphError) -> Halt {
        if error.failure.leaves_outcome_unknown() {
            known.observed.unsure = true;
            known.doubted = true;
        }
        Halt::Failed(error)
    }
}
