//! One mapping: wanted → plan → Graph → what came of it. No SQL, no HTTP.
//!
//! The steps follow from `plan` alone; this file carries them out one after the other until nothing is left to do or
//! something goes wrong. It asks the hold before every call, because a call may only begin while the mailbox's lease is
//! sure to outlast it.

use serde_json::{Value, json};

use crate::{
    domain::{
        event::{self, Desired},
        judge::{Failure, History, Reason, Verdict, judge},
        leave::Status,
        plan::{Observed, Step, plan},
        policy::Policy,
    },
    graph::{Found, Graph, GraphError, Mailbox, Trail, Written},
    store::{
        ledger::{Ending, Holding},
        queue::Due,
    },
};

use super::hold::Hold;

/// More steps than any way through needs: look up, create, look up, update, look up, done.
const MOST_STEPS: usize = 8;

/// What came of one delivery.
#[derive(Debug)]
pub(super) enum Delivered {
    /// To be written down.
    Done { holding: Holding, ending: Ending, story: Value },
    /// The tenant cannot be served. To be written down only if something was found out on the way.
    TenantBlocked { reason: Reason, wait: std::time::Duration, detail: String, holding: Option<Holding> },
    /// The lease is lost: stop at once and write nothing.
    Lost,
}

/// Why a way through ended early.
enum Halt {
    Lost,
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
    step: &'static str,
    trail: Option<Trail>,
}

impl Delivery<'_> {
    pub(super) async fn run(self) -> Delivered {
        let due = self.due;
        let desired = self.desired();
        let mut known = Known {
            observed: Observed {
                event_id: due.event_id.clone(),
                applied: due.applied.clone().map(|applied| applied.0),
                unsure: due.unsure,
            },
            details: None,
            looked_up: false,
            step: "nothing",
            trail: None,
        };
        match self.walk(&desired, &mut known).await {
            Ok(()) => {
                let ending = match desired {
                    Desired::Present(_) => Ending::Synced,
                    Desired::Absent => Ending::Removed,
                    Desired::Hidden => Ending::Hidden,
                };
                // After a deletion the next event is another one.
                let removed = due.event_id.is_some() && known.observed.event_id.is_none();
                let story = story(&known, None);
                Delivered::Done { holding: holding(known, due.incarnation + i32::from(removed)), ending, story }
            }
            Err(Halt::Lost) => Delivered::Lost,
            Err(Halt::Anew) => {
                known.observed = Observed { event_id: None, applied: None, unsure: false };
                known.details = None;
                let story =
                    story(&known, Some(("event-gone", "the event had been deleted in Outlook; a new one follows")));
                Delivered::Done { holding: holding(known, due.incarnation + 1), ending: Ending::Onward, story }
            }
            Err(Halt::Failed(error)) => self.failed(known, &error),
        }
    }

    fn desired(&self) -> Desired {
        match (&self.due.leave, Status::of(&self.due.status)) {
            (Some(leave), Some(status)) if self.due.wanted => event::desired(status, &leave.0, self.policy),
            _ => Desired::Absent,
        }
    }

    fn mailbox(&self) -> Mailbox<'_> {
        Mailbox { address: &self.hold.lease.address, entra_id: self.hold.lease.entra_id.as_deref() }
    }

    async fn walk(&self, desired: &Desired, known: &mut Known) -> Result<(), Halt> {
        for _ in 0..MOST_STEPS {
            match plan(desired, &known.observed) {
                Step::Nothing => return Ok(()),
                Step::LookUp => {
                    known.step = "look-up";
                    let found = self.find(known).await?;
                    known.looked_up = true;
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
                            self.note(known, written, event);
                            // Graph remembers a transaction longer than the event: the answer may be about one that
                            // somebody has deleted since.
                            if known.looked_up {
                                self.verify(known).await?;
                            }
                        }
                        Err(error) if error.failure == Failure::AlreadyCreated => {
                            known.trail.clone_from(&error.trail);
                            match error.existing_event {
                                Some(id) => {
                                    known.observed = Observed { event_id: Some(id), applied: None, unsure: true };
                                }
                                None if known.looked_up => return Err(Halt::Anew),
                                None => known.observed.unsure = true,
                            }
                        }
                        Err(error) => return Err(self.in_doubt(known, error)),
                    }
                }
                Step::Update(event_id, changes) => {
                    known.step = "update";
                    self.may_call().await?;
                    match self.graph.update(self.mailbox(), &event_id, &changes).await {
                        Ok(written) => {
                            let Desired::Present(event) = desired else { return Ok(()) };
                            self.note(known, written, event.clone());
                            // An event in Deleted Items can be written to like any other.
                            self.verify(known).await?;
                        }
                        Err(error) if error.failure == Failure::EventGone => self.verify(known).await?,
                        Err(error) => return Err(self.in_doubt(known, error)),
                    }
                }
                Step::Remove(event_id) => {
                    known.step = "remove";
                    self.may_call().await?;
                    match self.graph.remove(self.mailbox(), &event_id).await {
                        Ok(trail) => {
                            known.trail = Some(trail);
                            known.observed = Observed { event_id: None, applied: None, unsure: false };
                        }
                        Err(error) => return Err(self.in_doubt(known, error)),
                    }
                }
            }
        }
        Err(Halt::Failed(GraphError {
            failure: Failure::Conflict,
            code: "no-end".into(),
            message: "the event changes faster than it can be written".into(),
            trail: known.trail.clone(),
            existing_event: None,
        }))
    }

    async fn may_call(&self) -> Result<(), Halt> {
        if self.hold.outlasts_a_call().await { Ok(()) } else { Err(Halt::Lost) }
    }

    async fn find(&self, known: &mut Known) -> Result<Found, Halt> {
        self.may_call().await?;
        let found = self.graph.find(self.mailbox(), self.due.id, self.due.incarnation).await;
        let found = found.map_err(Halt::Failed)?;
        known.trail = Some(found.trail.clone());
        Ok(found)
    }

    fn note(&self, known: &mut Known, written: Written, event: event::EventSpec) {
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
            _ => Err(Halt::Anew),
        }
    }

    /// A write failed; where its outcome is unknown, so is the event.
    fn in_doubt(&self, known: &mut Known, error: GraphError) -> Halt {
        if error.failure.leaves_outcome_unknown() {
            known.observed.unsure = true;
        }
        Halt::Failed(error)
    }

    fn failed(&self, mut known: Known, error: &GraphError) -> Delivered {
        let blocked_for = |reason: Reason| match &self.hold.lease.blocked {
            Some((word, time)) if word == reason.word() => *time,
            _ => std::time::Duration::ZERO,
        };
        let mut history = History {
            attempts: u32::try_from(self.due.attempts).unwrap_or(0),
            failing_for: std::time::Duration::from_secs(u64::try_from(self.due.failing_for_seconds).unwrap_or(0)),
            blocked_for: std::time::Duration::ZERO,
        };
        let (reason, _) = judge(error.failure, history, self.jitter);
        history.blocked_for = blocked_for(reason);
        let (reason, verdict) = judge(error.failure, history, self.jitter);
        let detail = format!("{}. {}", error.sentence(), reason.meaning());
        known.trail.clone_from(&error.trail);
        let incarnation = self.due.incarnation;
        let ending = match verdict {
            Verdict::Defer(wait) => Ending::Waiting(reason, detail, wait),
            Verdict::BlockMailbox(wait) => Ending::MailboxBlocked(reason, detail, wait),
            Verdict::Park => Ending::Parked(reason, detail),
            Verdict::BlockTenant(wait) => {
                let learnt = known.observed.event_id != self.due.event_id || known.observed.unsure != self.due.unsure;
                let holding = learnt.then(|| holding(known, incarnation));
                return Delivered::TenantBlocked { reason, wait, detail, holding };
            }
        };
        let story = story(&known, Some((reason.word(), &error.code)));
        Delivered::Done { holding: holding(known, incarnation), ending, story }
    }
}

fn holding(known: Known, incarnation: i32) -> Holding {
    let Observed { event_id, applied, unsure } = known.observed;
    let details = known.details.filter(|details| Some(&details.event_id) == event_id.as_ref());
    let (ical_uid, change_key, web_link) =
        details.map_or((None, None, None), |details| (details.ical_uid, details.change_key, details.web_link));
    Holding { event_id, applied, ical_uid, change_key, web_link, incarnation, unsure }
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
