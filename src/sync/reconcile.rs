//! One mapping: wanted → plan → Graph → what came of it. No SQL, no HTTP.
//!
//! The steps follow from `plan` alone; this file carries them out one after the other until nothing is left to do or
//! something goes wrong. It asks the hold before every call, because a call may only begin while the mailbox's lease is
//! sure to outlast it.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    domain::{
        event::{self, Desired},
        judge::{Failure, History, Reason, Verdict, judge},
        plan::{Observed, Step, plan},
        policy::Policy,
    },
    graph::{Found, Graph, GraphError, Mailbox, Trail, Written},
    store::{
        ledger::{Ending, Holding},
        queue::{Due, Unreadable},
    },
};

use super::hold::{Hold, Leave};

/// A request that got no answer may still be carried out for so long: nothing found before that is no proof.
const LATEST: Duration = Duration::from_mins(1);
/// More steps than any way through needs: look up, create, look up, update, look up, done.
const MOST_STEPS: usize = 8;

/// What came of one delivery.
#[derive(Debug)]
pub(super) enum Delivered {
    /// To be written down.
    Done { holding: Holding, ending: Ending, retry_after: Option<Duration>, story: Value },
    /// The tenant cannot be served. To be written down only if something was found out on the way.
    TenantBlocked { reason: Reason, wait: Duration, detail: String, holding: Option<Holding> },
    /// Interrupted before anything was found out: nothing to write down.
    Interrupted,
    /// The lease is lost: stop at once and write nothing.
    Lost,
}

impl Delivered {
    /// The delivery itself broke down: what it may have done is in doubt, and a person is needed.
    pub(super) fn broken(due: &Due) -> Self {
        let holding = Holding {
            event_id: due.event_id.clone(),
            incarnation: due.incarnation,
            unsure: true,
            doubted: true,
            ..Holding::default()
        };
        let story = json!({"step": "nothing", "reason": Reason::Internal.word()});
        let ending = Ending::Parked(Reason::Internal, Reason::Internal.meaning().to_owned());
        Self::Done { holding, ending, retry_after: None, story }
    }
}

/// Why a way through ended early.
enum Halt {
    Lost,
    Interrupted,
    Failed(GraphError),
    /// The event is gone; a new one is to be made, under a new incarnation that must be stored first.
    Anew,
}

/// The way through one mapping.
pub(super) struct Delivery<'a> {
    pub(super) graph: &'a Graph,
    pub(super) policy: &'a Policy,
    pub(super) due: &'a Due,
    pub(super) jitter: f64,
    /// Says whether a call may begin.
    pub(super) hold: &'a Hold<'a>,
}

/// What is known on the way.
struct Known {
    observed: Observed,
    details: Option<Written>,
    /// The marker was looked for, so a create that follows may meet its own earlier self.
    looked_up: bool,
    /// An event was taken away: the next one is another one.
    removed: bool,
    /// A write's outcome is unknown since just now.
    doubted: bool,
    step: &'static str,
    trail: Option<Trail>,
}

impl Delivery<'_> {
    pub(super) async fn run(self) -> Delivered {
        let due = self.due;
        let mut known = Known {
            observed: Observed { event_id: due.event_id.clone(), applied: due.applied.clone(), unsure: due.unsure },
            details: None,
            looked_up: false,
            removed: false,
            doubted: false,
            step: "nothing",
            trail: None,
        };
        let Ok(desired) = self.desired() else {
            // A newer version wrote it, or somebody by hand. Whatever is in the calendar stays until it can be read.
            let detail = Reason::Internal.meaning().to_owned();
            let story = story(&known, Some((Reason::Internal.word(), "what is stored cannot be read")));
            let ending = Ending::Parked(Reason::Internal, detail);
            return Delivered::Done { holding: holding(known, due.incarnation), ending, retry_after: None, story };
        };
        match self.walk(&desired, &mut known).await {
            Ok(()) => {
                let ending = match desired {
                    Desired::Present(_) => Ending::Synced,
                    Desired::Absent => Ending::Removed,
                    Desired::Hidden => Ending::Hidden,
                };
                // After a deletion the next event is another one.
                let incarnation = due.incarnation + i32::from(known.removed);
                let story = story(&known, None);
                Delivered::Done { holding: holding(known, incarnation), ending, retry_after: None, story }
            }
            Err(Halt::Lost) => Delivered::Lost,
            Err(Halt::Interrupted) if self.has_learnt(&known) => {
                let story = story(&known, Some(("interrupted", "the mailbox is to be left alone")));
                Delivered::Done {
                    holding: holding(known, due.incarnation),
                    ending: Ending::Onward,
                    retry_after: None,
                    story,
                }
            }
            Err(Halt::Interrupted) => Delivered::Interrupted,
            Err(Halt::Anew) => {
                known.observed = Observed { event_id: None, applied: None, unsure: false };
                known.details = None;
                let story =
                    story(&known, Some(("event-gone", "the event had been deleted in Outlook; a new one follows")));
                let holding = holding(known, due.incarnation + 1);
                Delivered::Done { holding, ending: Ending::Onward, retry_after: None, story }
            }
            Err(Halt::Failed(error)) => self.failed(known, &error),
        }
    }

    fn desired(&self) -> Result<Desired, Unreadable> {
        match &self.due.leave {
            Ok((status, Some(leave))) if self.due.wanted => Ok(event::desired(*status, leave, self.policy)),
            Ok(_) => Ok(Desired::Absent),
            Err(unreadable) => Err(*unreadable),
        }
    }

    fn mailbox(&self) -> Mailbox<'_> {
        Mailbox { address: &self.hold.lease.address }
    }

    async fn walk(&self, desired: &Desired, known: &mut Known) -> Result<(), Halt> {
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
                    known.step = "create";
                    self.may_call().await?;
                    let create = self.graph.create(self.mailbox(), &event, self.due.id, self.due.incarnation).await;
                    match create {
                        Ok(written) => {
                            Self::note(known, written, event);
                            // Graph remembers a transaction longer than the event: the answer may be about one that
                            // somebody has deleted since.
                            if known.looked_up {
                                self.verify(known).await?;
                            }
                        }
                        Err(error) if error.failure == Failure::AlreadyCreated => {
                            known.trail = error.trail.map(|trail| *trail);
                            match error.existing_event {
                                Some(id) => {
                                    known.observed = Observed { event_id: Some(id), applied: None, unsure: true };
                                }
                                None if known.looked_up => return Err(Halt::Anew),
                                None => known.observed.unsure = true,
                            }
                        }
                        Err(error) => return Err(Self::in_doubt(known, error)),
                    }
                }
                Step::Update(event_id, changes) => {
                    known.step = "update";
                    self.may_call().await?;
                    match self.graph.update(self.mailbox(), &event_id, &changes).await {
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
                    self.may_call().await?;
                    match self.graph.remove(self.mailbox(), &event_id).await {
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
            trail: known.trail.clone().map(Box::new),
            existing_event: None,
            retry_after: None,
        }))
    }

    /// Whether something was found out that must not be forgotten.
    fn has_learnt(&self, known: &Known) -> bool {
        known.observed.event_id != self.due.event_id
            || known.observed.unsure != self.due.unsure
            || known.observed.applied != self.due.applied
    }

    async fn may_call(&self) -> Result<(), Halt> {
        match self.hold.may_call().await {
            Leave::Granted => Ok(()),
            Leave::Closed => Err(Halt::Interrupted),
            Leave::Lost => Err(Halt::Lost),
        }
    }

    async fn find(&self, known: &mut Known) -> Result<Found, Halt> {
        self.may_call().await?;
        let found = self.graph.find(self.mailbox(), self.due.id, self.due.incarnation).await;
        let found = found.map_err(Halt::Failed)?;
        known.trail = Some(found.trail.clone());
        Ok(found)
    }

    fn note(known: &mut Known, written: Written, event: event::EventSpec) {
        known.trail = Some(written.trail.clone());
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
                    self.may_call().await?;
                    let removed = self.graph.remove(self.mailbox(), &event_id).await;
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

    fn failed(&self, mut known: Known, error: &GraphError) -> Delivered {
        let blocked_for = |reason: Reason| match &self.hold.lease.blocked {
            Some((word, time)) if word == reason.word() => *time,
            _ => Duration::ZERO,
        };
        let mut history = History {
            attempts: u32::try_from(self.due.attempts).unwrap_or(0),
            failing_for: self.due.failing_for.unwrap_or_default(),
            blocked_for: Duration::ZERO,
        };
        let is_throttled = matches!(error.failure, Failure::Throttled { .. });
        if self.due.failing_for.is_none() && !is_throttled {
            // What it suffered with its mailbox is not held against it.
            history.attempts = 0;
        }
        let (reason, _) = judge(error.failure, history, self.jitter);
        history.blocked_for = blocked_for(reason);
        let (reason, verdict) = judge(error.failure, history, self.jitter);
        let detail = format!("{}. {}", error.sentence(), reason.meaning());
        if error.retry_after.is_some() || !matches!(verdict, Verdict::Defer(_) | Verdict::Park) {
            // At once: other deliveries of this mailbox may be between two calls.
            self.hold.close();
        }
        if error.trail.as_ref().is_some_and(|trail| trail.given_up) {
            self.hold.give_up();
        }
        known.trail = error.trail.as_deref().cloned();
        let incarnation = self.due.incarnation;
        let ending = match verdict {
            Verdict::Defer(wait) => Ending::Waiting(reason, detail, wait),
            Verdict::BlockMailbox(wait) => Ending::MailboxBlocked(reason, detail, wait),
            Verdict::Throttle(wait) => Ending::Throttled(reason, detail, wait),
            Verdict::Park => Ending::Parked(reason, detail),
            Verdict::BlockTenant(wait) => {
                let holding = self.has_learnt(&known).then(|| holding(known, incarnation));
                return Delivered::TenantBlocked { reason, wait, detail, holding };
            }
        };
        let story = story(&known, Some((reason.word(), &error.code)));
        Delivered::Done { holding: holding(known, incarnation), ending, retry_after: error.retry_after, story }
    }
}

fn holding(known: Known, incarnation: i32) -> Holding {
    let Observed { event_id, applied, unsure } = known.observed;
    let doubted = known.doubted;
    let details = known.details.filter(|details| Some(&details.event_id) == event_id.as_ref());
    let (ical_uid, change_key, web_link) =
        details.map_or((None, None, None), |details| (details.ical_uid, details.change_key, details.web_link));
    Holding { event_id, applied, ical_uid, change_key, web_link, incarnation, unsure, doubted }
}

fn story(known: &Known, trouble: Option<(&str, &str)>) -> Value {
    let mut story = json!({"step": known.step});
    if let Some((reason, code)) = trouble {
        story["reason"] = reason.into();
        story["code"] = code.into();
    }
    if let Some(trail) = &known.trail {
        story["graph"] = trail.story();
    }
    story
}
