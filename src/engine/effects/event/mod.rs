//! The event of one leave in one calendar: wanted → plan → Graph → what came of it. No SQL, no HTTP.
//!
//! `converge` (in `reconcile`) says which call comes next; this file says what the end of the way means: for the mapping, its
//! mailbox, its tenant and its history.

mod calendar;
mod drive;

use drive::{Drive, End};
use serde_json::Value;

use super::{Delivered, decide, outcome, result, timeline_detail};
use crate::{
    domain::{
        event::{Application, Desired},
        marker::Marker,
        team,
        team_calendar::{CalendarTarget, PRIMARY},
    },
    engine::lease::LeaseGuard,
    graph::GraphError,
    reconcile::{
        delivery::{self, Findings},
        retry_policy::RetryDecision,
        settle::{DeliveryOutcome, DeliveryResult},
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
            progress: delivery::begin(item, self.guard.lease.now),
            step: "nothing",
            request_ids: None,
        };
        let end = drive.run(&desired).await;
        self.ended(&drive, end, &desired)
    }

    /// What the end of the way means.
    fn ended(&self, drive: &Drive<'_>, end: End, desired: &Desired) -> Delivered {
        let item = &self.due.item;
        let told = |trouble| timeline_detail(drive.step, trouble, drive.request_ids.as_ref());
        let result = |findings, outcome| self.result(drive, findings, outcome);
        match end {
            End::Done => {
                let findings = Findings::at_end(item, &drive.progress, desired, self.guard.lease.now);
                if let Some(wait) = delivery::must_write_again(item, &drive.progress, desired, self.guard.lease.now) {
                    // As wanted for now, and to be written once more: what is still under way may overwrite it.
                    let error = GraphError::in_doubt(wait);
                    let detail = format!("{}. It is in Outlook, and is written again in a minute.", error.sentence());
                    let outcome = DeliveryOutcome::Waiting(Reason::GraphUnavailable, detail, wait);
                    let result = result(findings, outcome);
                    let told = told(Some((Reason::GraphUnavailable, &error.code)));
                    return Delivered::Done(Box::new(self.tell(result, told)));
                }
                let state = match desired {
                    Desired::Present(_) => State::Synced,
                    Desired::Absent => State::Removed,
                    Desired::Hidden => State::Hidden,
                };
                let result = result(findings, DeliveryOutcome::settled(state));
                Delivered::Done(Box::new(self.tell(result, told(None))))
            }
            End::LeaseLost => Delivered::LeaseLost,
            End::Interrupted if delivery::has_learnt(item, &drive.progress) => {
                let mut told = told(None);
                told["reason"] = "interrupted".into();
                told["code"] = "the mailbox is to be left alone".into();
                let result = result(Findings::so_far(item, &drive.progress), DeliveryOutcome::Continue);
                Delivered::Done(Box::new(self.tell(result, told)))
            }
            End::Interrupted => Delivered::Interrupted,
            End::Recreate => {
                let code = "the event had been deleted in Outlook; a new one follows";
                let result = result(Findings::to_recreate(item), DeliveryOutcome::Continue);
                Delivered::Done(Box::new(self.tell(result, told(Some((Reason::EventGone, code))))))
            }
            End::Failed(error) => self.failed(drive, &error),
        }
    }

    fn failed(&self, drive: &Drive<'_>, error: &GraphError) -> Delivered {
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
                let mut result = self.result(drive, Findings::so_far(item, &drive.progress), outcome);
                result.retry_after = error.retry_after;
                Delivered::Done(Box::new(self.tell(result, told)))
            }
            Err(refusal) => {
                let learnt = delivery::has_learnt(item, &drive.progress).then(|| {
                    let told = timeline_detail("nothing", Some((reason, &error.code)), None);
                    let findings = Findings::so_far(item, &drive.progress);
                    Box::new(self.tell(self.result(drive, findings, DeliveryOutcome::Continue), told))
                });
                Delivered::TenantBlocked { refusal, result: learnt }
            }
        }
    }

    fn result(&self, drive: &Drive<'_>, findings: Findings, outcome: DeliveryOutcome) -> DeliveryResult {
        let contacted = drive.request_ids.is_some();
        findings.into_result(DeliveryResult { contacted, ..result(self.guard, &self.due.item, outcome) })
    }

    fn tell(&self, mut result: DeliveryResult, told: Value) -> DeliveryResult {
        result.told = self.due.item.leave.map(|leave| (leave, told));
        result
    }

    /// What should be in the calendar; `None` when what is stored cannot be read.
    fn desired(&self) -> Option<Desired> {
        let item = &self.due.item;
        let (status, leave) = self.leave.content.as_ref().ok()?;
        let Some(leave) = leave.as_ref().filter(|_| item.wanted) else { return Some(Desired::Absent) };
        let application = Application { id: &self.leave.id, source: &self.leave.source, status: *status, leave };
        let place = CalendarTarget { mailbox: &item.address, calendar: &item.calendar };
        // In a team's calendar the mailbox's own time is the team's, not the person's.
        let theirs = self.guard.settings();
        let person = if item.calendar == PRIMARY { theirs } else { &self.leave.person };
        Some(team::desired(place, &application, &self.guard.tenant.policy, person, theirs))
    }
}
