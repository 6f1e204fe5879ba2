//! One mapping: wanted → plan → Graph → what came of it. No SQL, no HTTP.
//!
//! `walk` takes the steps; this file says what their end means: for the mapping, its mailbox, its tenant and its history.

use std::time::Duration;

use serde_json::{Value, json};

use crate::{
    domain::{
        event::{Application, Desired, OwnTime},
        judge::{Failure, History, Reason, Verdict, judge},
        plan::Observed,
        policy::Policy,
        team::{self, OWN, Place},
    },
    graph::{Graph, GraphError},
    store::{
        ledger::{Ending, Holding},
        queue::{Due, Unreadable},
    },
};

use super::{
    hold::Hold,
    walk::{Halt, Known, LATEST},
};

/// What came of one delivery.
#[derive(Debug)]
pub(super) enum Delivered {
    /// To be written down.
    Done { holding: Holding, ending: Ending, retry_after: Option<Duration>, story: Value },
    /// The tenant cannot be served. To be written down only if something was found out on the way.
    TenantBlocked { reason: Reason, code: String, wait: Duration, detail: String, holding: Option<Holding> },
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

/// Why it is not known what should be in the calendar.
enum Undesired {
    Unreadable,
    /// Microsoft asks us to stay away from the mailbox.
    Failed(GraphError),
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
        let desired = match self.desired().await {
            Ok(desired) => desired,
            Err(Undesired::Unreadable) => {
                // A newer version wrote it, or somebody by hand. Whatever is in the calendar stays until it can be read.
                let detail = Reason::Internal.meaning().to_owned();
                let story = story(&known, Some((Reason::Internal.word(), "what is stored cannot be read")));
                let ending = Ending::Parked(Reason::Internal, detail);
                return Delivered::Done { holding: holding(known, due.incarnation), ending, retry_after: None, story };
            }
            Err(Undesired::Failed(error)) => return self.failed(known, &error),
        };
        match self.walk(&desired, &mut known).await {
            Ok(()) if let Some(wait) = self.must_write_again(&desired) => {
                // As wanted for now, and to be written once more: what is still under way may overwrite it.
                known.observed.unsure = true;
                let error = GraphError::in_doubt();
                let detail = format!("{}. It is in Outlook, and is written again in a minute.", error.sentence());
                let story = story(&known, Some((Reason::GraphUnavailable.word(), &error.code)));
                let ending = Ending::Waiting(Reason::GraphUnavailable, detail, wait);
                Delivered::Done { holding: holding(known, due.incarnation), ending, retry_after: None, story }
            }
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

    /// For how long a write of an older revision, whose answer was lost, may still be carried out on this event. Not
    /// after a create: Graph carries a transaction out once, and a late removal cannot know the new event.
    fn must_write_again(&self, desired: &Desired) -> Option<Duration> {
        let due = self.due;
        let is_older_under_way = due.doubt_rev.is_some_and(|rev| rev < due.rev) && due.event_id.is_some();
        let left = LATEST.checked_sub(due.doubted_for).filter(|left| !left.is_zero());
        left.filter(|_| due.unsure && is_older_under_way && matches!(desired, Desired::Present(_)))
    }

    async fn desired(&self) -> Result<Desired, Undesired> {
        match &self.due.leave {
            Ok((status, Some(leave))) if self.due.wanted => {
                let application =
                    Application { id: &self.due.leave_id, source: &self.due.source, status: *status, leave };
                let held = self.hold.lease;
                let place = Place { mailbox: &held.address, calendar: &self.due.calendar };
                let plain = OwnTime::default();
                // In a team's calendar the mailbox's own time is the team's, not the person's.
                let person = match place.calendar {
                    OWN if leave.depends_on_own_time() => self.hold.own_time().await.map_err(Undesired::Failed)?,
                    OWN => &plain,
                    _ => &self.due.person,
                };
                let theirs = if place.calendar != OWN && leave.span.is_whole_days() {
                    self.hold.own_time().await.map_err(Undesired::Failed)?
                } else {
                    &plain
                };
                Ok(team::desired(place, &application, self.policy, person, theirs))
            }
            Ok(_) => Ok(Desired::Absent),
            Err(Unreadable) => Err(Undesired::Unreadable),
        }
    }

    /// Whether something was found out that must not be forgotten.
    fn has_learnt(&self, known: &Known) -> bool {
        known.observed.event_id != self.due.event_id
            || known.observed.unsure != self.due.unsure
            || known.observed.applied != self.due.applied
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
        known.trail = error.request_ids.as_deref().cloned();
        let incarnation = self.due.incarnation;
        let ending = match verdict {
            Verdict::Defer(wait) => Ending::Waiting(reason, detail, wait),
            Verdict::BlockMailbox(wait) => Ending::MailboxBlocked(reason, detail, wait),
            Verdict::Throttle(wait) => Ending::Throttled(reason, detail, wait),
            Verdict::Park => Ending::Parked(reason, detail),
            Verdict::BlockTenant(wait) => {
                let holding = self.has_learnt(&known).then(|| holding(known, incarnation));
                return Delivered::TenantBlocked { reason, code: error.code.clone(), wait, detail, holding };
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
        story["graph"] = trail.to_json();
    }
    story
}
