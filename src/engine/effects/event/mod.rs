//! The event of one leave in one calendar: wanted → plan → Graph → what came of it. No SQL, no HTTP.
//!
//! `converge` (in `reconcile`) says which call comes next; this file says what the end of the way means: for the mapping, its
//! mailbox, its tenant and its history.

mod calendar;
mod drive;

use std::time::Duration;

use drive::{Drive, End};
use serde_json::Value;

use super::{Delivered, decide, outcome, result, timeline_detail};
use crate::{
    domain::{
        event::{Application, Desired},
        marker::Marker,
        team,
        team_calendar::{OWN, Place},
    },
    engine::lease::LeaseGuard,
    graph::GraphError,
    reconcile::{
        converge::{LATEST, Progress},
        mailbox::since,
        plan::ObservedEvent,
        retry_policy::RetryDecision,
        settle::{DeliveryOutcome, DeliveryResult, DoubtAfter},
        state::{Reason, State},
    },
    store::leases::{Due, DueLeave},
};

/// Delivers the event of an item.
pub(super) async fn deliver(guard: &LeaseGuard<'_>, due: &Due) -> Delivered {
    let Some(leave) = &due.leave else { return Delivered::Interrupted };
    Delivery { guard, due, leave }.run().await
}

/// The way of one event.
struct Delivery<'a> {
    guard: &'a LeaseGuard<'a>,
    due: &'a Due,
    leave: &'a DueLeave,
}

impl Delivery<'_> {
    async fn run(self) -> Delivered {
        let item = &self.due.item;
        let observed: ObservedEvent =
            item.observed.as_ref().and_then(|noted| serde_json::from_value(noted.clone()).ok()).unwrap_or_default();
        let Some(desired) = self.desired() else {
            // A newer version wrote it, or somebody by hand. Whatever is in the calendar stays until it can be read.
            let detail = Reason::Internal.meaning().to_owned();
            let outcome = DeliveryOutcome::Parked { reason: Reason::Internal, detail, again_at: None };
            let trouble = Some((Reason::Internal, "what is stored cannot be read"));
            let told = timeline_detail("nothing", trouble, None);
            return Delivered::Done(Box::new(self.tell(result(self.guard, item, outcome), told)));
        };
        if item.resolve && matches!(desired, Desired::Present(_)) && self.guard.user().await.is_none() {
            // Also where nothing would have to be written: it may be somebody else's by now.
            return Delivered::Interrupted;
        }
        // Known before the first claim.
        let generation = self.guard.engine.generation.get().copied().unwrap_or_default();
        let marker = Marker::new(
            &self.guard.engine.installation,
            &item.tenant,
            &self.leave.source,
            &self.leave.id,
            &item.calendar,
        );
        let mut drive = Drive {
            guard: self.guard,
            calendar: &item.calendar,
            marker,
            transaction: marker.transaction(generation, item.created_in, item.incarnation),
            is_surplus: item.surplus,
            progress: Progress::new(observed.clone(), item.doubt.is_some(), self.doubted_for()),
            step: "nothing",
            request_ids: None,
        };
        let end = drive.run(&desired).await;
        self.ended(&drive, end, &desired, &observed)
    }

    /// What the end of the way means.
    fn ended(&self, drive: &Drive<'_>, end: End, desired: &Desired, before: &ObservedEvent) -> Delivered {
        let item = &self.due.item;
        let told = |trouble| timeline_detail(drive.step, trouble, drive.request_ids.as_ref());
        let result = |outcome| self.result(drive, outcome, item.incarnation);
        match end {
            End::Done => {
                if let Some(wait) = self.must_write_again(drive, desired) {
                    // As wanted for now, and to be written once more: what is still under way may overwrite it.
                    let error = GraphError::in_doubt(wait);
                    let detail = format!("{}. It is in Outlook, and is written again in a minute.", error.sentence());
                    let outcome = DeliveryOutcome::Waiting(Reason::GraphUnavailable, detail, wait);
                    let mut result = result(outcome);
                    result.doubt = DoubtAfter::Stays;
                    let told = told(Some((Reason::GraphUnavailable, &error.code)));
                    return Delivered::Done(Box::new(self.tell(result, told)));
                }
                let state = match desired {
                    Desired::Present(_) => State::Synced,
                    Desired::Absent => State::Removed,
                    Desired::Hidden => State::Hidden,
                };
                // After a deletion the next event is another one.
                let incarnation = item.incarnation + i32::from(drive.progress.removed);
                let result = self.result(drive, DeliveryOutcome::settled(state), incarnation);
                Delivered::Done(Box::new(self.tell(result, told(None))))
            }
            End::LeaseLost => Delivered::LeaseLost,
            End::Interrupted if self.has_learnt(drive, before) => {
                let mut told = told(None);
                told["reason"] = "interrupted".into();
                told["code"] = "the mailbox is to be left alone".into();
                Delivered::Done(Box::new(self.tell(result(DeliveryOutcome::Continue), told)))
            }
            End::Interrupted => Delivered::Interrupted,
            End::Recreate => {
                let code = "the event had been deleted in Outlook; a new one follows";
                let mut result = self.result(drive, DeliveryOutcome::Continue, item.incarnation + 1);
                (result.observed, result.doubt) = (None, DoubtAfter::Over);
                Delivered::Done(Box::new(self.tell(result, told(Some((Reason::EventGone, code))))))
            }
            End::Failed(error) => self.failed(drive, &error, before),
        }
    }

    fn failed(&self, drive: &Drive<'_>, error: &GraphError, before: &ObservedEvent) -> Delivered {
        let item = &self.due.item;
        let (reason, decision) = decide(self.guard, item, error);
        if error.retry_after.is_some() || !matches!(decision, RetryDecision::Defer(_) | RetryDecision::Park) {
            // At once: other deliveries of this mailbox may be between two calls.
            self.guard.pause();
        }
        let request_ids = error.request_ids.as_deref().or(drive.request_ids.as_ref());
        let told = timeline_detail(drive.step, Some((reason, &error.code)), request_ids);
        match outcome(reason, decision, error) {
            Ok(outcome) => {
                let mut result = self.result(drive, outcome, item.incarnation);
                result.retry_after = error.retry_after;
                Delivered::Done(Box::new(self.tell(result, told)))
            }
            Err(refusal) => {
                let learnt = self.has_learnt(drive, before).then(|| {
                    let told = timeline_detail("nothing", Some((reason, &error.code)), None);
                    Box::new(self.tell(self.result(drive, DeliveryOutcome::Continue, item.incarnation), told))
                });
                Delivered::TenantBlocked { refusal, result: learnt }
            }
        }
    }

    /// The result of the way as far as it has led.
    fn result(&self, drive: &Drive<'_>, outcome: DeliveryOutcome, incarnation: i32) -> DeliveryResult {
        let progress = &drive.progress;
        let is_empty = progress.observed == ObservedEvent::default();
        DeliveryResult {
            observed: if is_empty { None } else { serde_json::to_value(&progress.observed).ok() },
            incarnation,
            doubt: match (progress.doubted, progress.unsure) {
                (true, _) => DoubtAfter::Begins,
                (false, true) => DoubtAfter::Stays,
                (false, false) => DoubtAfter::Over,
            },
            contacted: drive.request_ids.is_some(),
            ..result(self.guard, &self.due.item, outcome)
        }
    }

    fn tell(&self, mut result: DeliveryResult, told: Value) -> DeliveryResult {
        result.told = self.due.item.leave.map(|leave| (leave, told));
        result
    }

    fn doubted_for(&self) -> Duration {
        self.due.item.doubt.map(|doubt| since(doubt.since, self.guard.lease.now)).unwrap_or_default()
    }

    /// For how long a write of an older revision, whose answer was lost, may still be carried out on this event. Not
    /// after a create: Graph carries a transaction out once, and a late removal cannot know the new event.
    fn must_write_again(&self, _drive: &Drive<'_>, desired: &Desired) -> Option<Duration> {
        let item = &self.due.item;
        let is_older_under_way = item.doubt.and_then(|doubt| doubt.oldest_rev).is_some_and(|rev| rev < item.rev);
        let had_event = item.observed.as_ref().is_some_and(|noted| noted.get("event_id").is_some());
        let left = LATEST.checked_sub(self.doubted_for()).filter(|left| !left.is_zero());
        left.filter(|_| is_older_under_way && had_event && matches!(desired, Desired::Present(_)))
    }

    /// What should be in the calendar; `None` when what is stored cannot be read.
    fn desired(&self) -> Option<Desired> {
        let item = &self.due.item;
        let (status, leave) = self.leave.content.as_ref().ok()?;
        let Some(leave) = leave.as_ref().filter(|_| item.wanted) else { return Some(Desired::Absent) };
        let application = Application { id: &self.leave.id, source: &self.leave.source, status: *status, leave };
        let place = Place { mailbox: &item.address, calendar: &item.calendar };
        // In a team's calendar the mailbox's own time is the team's, not the person's.
        let theirs = self.guard.settings();
        let person = if item.calendar == OWN { theirs } else { &self.leave.person };
        Some(team::desired(place, &application, &self.guard.tenant.policy, person, theirs))
    }

    /// Whether something was found out that must not be forgotten.
    fn has_learnt(&self, drive: &Drive<'_>, before: &ObservedEvent) -> bool {
        let progress = &drive.progress;
        progress.observed.event_id != before.event_id
            || progress.unsure != self.due.item.doubt.is_some()
            || progress.observed.written != before.written
    }
}
