//! The automatic reply of a mailbox: read first, compared, and written only where `domain::reply::plan` says so.
//!
//! It must never cost an event anything: whatever goes wrong here is the reply's alone, except what Microsoft says about
//! the whole mailbox (slow down) or tenant (credentials).

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::{Delivered, TenantRefusal, halted, result};
use crate::{
    domain::reply::{self, Kept, Memory, ReplyStep, Setting, WantedReply},
    engine::lease::{Halt, LeaseGuard},
    failpoint,
    graph::RequestIds,
    reconcile::{
        item::{Doubt, LATEST},
        mailbox::since,
        retry_policy::{History, RetryDecision, retry_policy},
        settle::{DeliveryOutcome, DeliveryResult, DoubtAfter},
        state::{Reason, State},
        whole::SETTINGS_FRESH_FOR,
    },
    store::leases::Due,
};

/// Looks at the mailbox's automatic reply.
pub(super) async fn deliver(guard: &LeaseGuard<'_>, due: &Due) -> Delivered {
    let lease = guard.lease;
    let item = &due.item;
    let memory = Memory::read(item.observed.as_ref(), item.doubt.is_some());
    let leaves = match guard.engine.store.leave_of(lease.mailbox).await {
        Ok(leaves) => leaves,
        Err(error) => {
            tracing::warn!(%error, cause = error.cause(), "a mailbox's leave could not be read for its automatic reply");
            return Delivered::Interrupted;
        }
    };
    let now = lease.now;
    let wanted = reply::wanted(now, &leaves, &guard.tenant.policy, guard.settings());
    if wanted.is_some() && leaves.len() > 1 && needs_settings(guard).await {
        // Whether work lies between two leaves is for the mailbox to say: asked first, and looked at again then.
        return Delivered::Done(Box::new(result(guard, item, DeliveryOutcome::Continue)));
    }
    if (wanted.is_some() || !memory.written.is_empty()) && guard.user().await.is_none() {
        // Whose mailbox it is decides which leave counts and what is ours there: it must not be found out half-way.
        return Delivered::Interrupted;
    }
    let look = Look { guard, due, memory, wanted, now };
    match look.run().await {
        Ok(result) => Delivered::Done(Box::new(result)),
        Err(delivered) => delivered,
    }
}

/// Whether the mailbox is asked for its owner's time before its reply is planned.
async fn needs_settings(guard: &LeaseGuard<'_>) -> bool {
    let lease = guard.lease;
    if lease.settings_at.is_some_and(|at| since(at, lease.now) < SETTINGS_FRESH_FOR) || guard.has_settings() {
        return false;
    }
    let wanted = guard.engine.store.want_settings(lease, guard.engine.random.uuid()).await;
    wanted.unwrap_or_else(|error| {
        tracing::warn!(%error, cause = error.cause(), "a mailbox could not be asked for its own time; its reply goes by the policy");
        false
    })
}

/// One look at a mailbox.
struct Look<'a> {
    guard: &'a LeaseGuard<'a>,
    due: &'a Due,
    memory: Memory,
    wanted: Option<WantedReply>,
    now: Timestamp,
}

impl Look<'_> {
    async fn run(&self) -> Result<DeliveryResult, Delivered> {
        let remembered = &self.memory;
        if self.wanted.is_none() && remembered.written.is_empty() {
            return Ok(self.result(DeliveryOutcome::settled(State::Removed), &Memory::default()));
        }
        let read = self.guard.call("read-reply", |graph, mailbox| graph.automatic_reply(mailbox)).await;
        let (current, request_ids) = match read.and_then(|answer| answer.map_err(Halt::Failed)) {
            Ok(read) => read,
            Err(halt) => return self.halted(halt, remembered, None),
        };
        match reply::plan(self.now, self.wanted.as_ref(), &current, remembered) {
            ReplyStep::Nothing => Ok(self.is_as_wanted(current)),
            ReplyStep::LeaveAlone(kept) => {
                let reason = match kept {
                    Kept::OwnReply => Reason::OwnReply,
                    Kept::SwitchedOff => Reason::SwitchedOff,
                };
                let again_at = self.wanted.as_ref().map(|wanted| reply::look_at_kept(self.now, wanted, &current));
                let why = Some((reason, reason.meaning().to_owned()));
                let outcome = DeliveryOutcome::Settled { state: State::Hidden, reason: why, again_at };
                let memory = Memory { in_doubt: self.is_doubtful(), ..self.planned(remembered) };
                let mut result = self.result(outcome, &memory);
                if self.is_news(State::Hidden, reason) {
                    self.tell(&mut result, "leave-reply", None, &request_ids);
                }
                Ok(result)
            }
            ReplyStep::Schedule(wanted, before) => {
                let mut written = self.still_possible(&current);
                written.push(wanted.setting());
                let intended = Memory { written, before, in_doubt: true, ..self.planned(remembered) };
                self.write(intended, Sent::Schedule(wanted)).await
            }
            ReplyStep::Withdraw(back) => {
                let written = self.still_possible(&current);
                let intended = Memory { written, in_doubt: true, ..self.planned(remembered) };
                self.write(intended, Sent::Withdraw(back)).await
            }
        }
    }
    /// Notes what is to be sent, sends it, and says what came of it.
    async fn write(&self, intended: Memory, sent: Sent) -> Result<DeliveryResult, Delivered> {
        let guard = self.guard;
        let noted = match guard.engine.store.note_intended(guard.lease, &self.due.item, &intended).await {
            Ok(Some(doubt)) => doubt,
            Ok(None) => return Err(Delivered::LeaseLost),
            Err(error) => {
                tracing::warn!(%error, cause = error.cause(), "an automatic reply could not be noted; it is not sent");
                return Err(Delivered::LeaseLost);
            }
        };
        failpoint::hit("after", "reply-intended");
        let (step, answer) = match &sent {
            Sent::Schedule(wanted) => {
                let step = "schedule-reply";
                (step, guard.call(step, |graph, mailbox| graph.schedule_reply(mailbox, wanted)).await)
            }
            Sent::Withdraw(back) => {
                let step = "withdraw-reply";
                (step, guard.call(step, |graph, mailbox| graph.withdraw_reply(mailbox, back)).await)
            }
        };
        let (answered, request_ids) = match answer.and_then(|answer| answer.map_err(Halt::Failed)) {
            Ok(sent) => sent,
            Err(halt) => return self.halted(halt, &intended, Some(noted)),
        };
        // An earlier request that got no answer may still come after this one: then both may be what is found.
        let memory = match &sent {
            _ if self.memory.in_doubt => intended,
            Sent::Schedule(wanted) => {
                let sent = wanted.setting();
                let dressed = answered.filter(|answered| !answered.is_same(&sent));
                let written = std::iter::once(sent).chain(dressed).collect();
                Memory { written, in_doubt: false, ..intended }
            }
            Sent::Withdraw(_) => Memory::default(),
        };
        let mut result = match &sent {
            Sent::Schedule(wanted) => {
                let again_at = Some(reply::look_again(self.now, wanted));
                let memory = Memory { window: Some((wanted.from, wanted.until)), ..memory };
                self.result(DeliveryOutcome::Settled { state: State::Synced, reason: None, again_at }, &memory)
            }
            Sent::Withdraw(_) => self.result(DeliveryOutcome::settled(State::Removed), &memory),
        };
        result.doubt_before = Some(noted);
        self.tell(&mut result, step, None, &request_ids);
        Ok(result)
    }

    fn is_as_wanted(&self, current: Setting) -> DeliveryResult {
        let memory = Memory { in_doubt: self.is_doubtful(), ..self.planned(&self.memory) };
        let Some(wanted) = &self.wanted else {
            let memory = if memory.in_doubt { memory } else { Memory::default() };
            return self.result(DeliveryOutcome::settled(State::Removed), &memory);
        };
        let memory = Memory { window: current.window, ..memory };
        let memory = if memory.in_doubt { memory } else { Memory { written: vec![current], ..memory } };
        let again_at = Some(reply::look_again(self.now, wanted));
        self.result(DeliveryOutcome::Settled { state: State::Synced, reason: None, again_at }, &memory)
    }

    /// Something went wrong; `memory` is what has been noted so far, `noted` the doubt that this began with.
    fn halted(&self, halt: Halt, memory: &Memory, noted: Option<Doubt>) -> Result<DeliveryResult, Delivered> {
        let error = match halt {
            Halt::Failed(error) => error,
            halt => return Err(halted(&halt).unwrap_or(Delivered::Interrupted)),
        };
        let item = &self.due.item;
        let failing_for = item.failing_since.map(|then| since(then, self.now)).unwrap_or_default();
        let attempts = u32::try_from(item.attempts).unwrap_or(0);
        let history = History { attempts, failing_for, blocked_for: failing_for };
        let (reason, decision) = retry_policy(error.failure, history, self.guard.engine.random.fraction());
        let detail = format!("{}. {}", error.sentence(), meaning(reason));
        let outcome = match decision {
            RetryDecision::Park => {
                // When what cannot be set is no longer wanted, there may be other leave, for which it can.
                let again_at = self.wanted.as_ref().map(|wanted| wanted.until);
                DeliveryOutcome::Parked { reason, detail, again_at }
            }
            // A mailbox whose reply cannot be set may well take events.
            RetryDecision::Defer(wait) | RetryDecision::BlockMailbox(wait) => {
                DeliveryOutcome::Waiting(reason, detail, wait)
            }
            RetryDecision::Throttle(wait) => DeliveryOutcome::Throttled(reason, detail, wait),
            RetryDecision::BlockTenant(wait) => {
                let refusal = TenantRefusal { reason, code: error.code.clone(), wait, detail };
                return Err(Delivered::TenantBlocked { refusal, result: None });
            }
        };
        if error.retry_after.is_some() || matches!(decision, RetryDecision::Throttle(_)) {
            self.guard.pause();
        }
        // A refusal is an answer: then nothing was written.
        let was_refused = !error.failure.leaves_outcome_unknown();
        let kept = if was_refused && !self.memory.in_doubt { self.memory.clone() } else { memory.clone() };
        let is_news = self.is_news(outcome.state(), reason);
        let mut result = self.result(outcome, &self.planned(&kept));
        result.doubt_before = noted.or(result.doubt_before);
        result.retry_after = error.retry_after;
        result.contacted = false;
        if is_news {
            tracing::info!(reason = reason.word(), code = error.code, "an automatic reply waits");
            if let Some(request_ids) = error.request_ids.as_deref() {
                self.tell(&mut result, "reply", Some(&error.code), request_ids);
            }
        }
        Ok(result)
    }

    /// The same memory, of what is wanted now.
    fn planned(&self, memory: &Memory) -> Memory {
        let window = self.wanted.as_ref().map(|wanted| (wanted.from, wanted.until));
        let leave = self.wanted.as_ref().map(|wanted| wanted.leave).or(memory.leave);
        Memory { window, leave, ..memory.clone() }
    }

    fn result(&self, outcome: DeliveryOutcome, memory: &Memory) -> DeliveryResult {
        let outcome = self.sure(outcome, memory.in_doubt);
        let mut result = result(self.guard, &self.due.item, outcome);
        let is_empty = *memory == Memory::default();
        result.observed = if is_empty { None } else { Some(memory.to_value()) };
        result.doubt = if memory.in_doubt { DoubtAfter::Stays } else { DoubtAfter::Over };
        result.contacted = true;
        result
    }

    /// What is still under way may change things: looked at again once it cannot any more.
    fn sure(&self, outcome: DeliveryOutcome, in_doubt: bool) -> DeliveryOutcome {
        let doubted_for = if in_doubt && self.is_doubtful() { self.doubted_for() } else { Duration::ZERO };
        let left = SignedDuration::try_from(LATEST.saturating_sub(doubted_for)).unwrap_or_default();
        let sure = self.now.checked_add(left).ok().filter(|_| in_doubt);
        let soonest = |again_at: Option<Timestamp>| [again_at, sure].into_iter().flatten().min();
        match outcome {
            DeliveryOutcome::Settled { state, reason, again_at } => {
                DeliveryOutcome::Settled { state, reason, again_at: soonest(again_at) }
            }
            DeliveryOutcome::Parked { reason, detail, again_at } => {
                DeliveryOutcome::Parked { reason, detail, again_at: soonest(again_at) }
            }
            other => other,
        }
    }

    fn tell(&self, result: &mut DeliveryResult, step: &str, code: Option<&str>, request_ids: &RequestIds) {
        let leave = self.wanted.as_ref().map(|wanted| wanted.leave).or(self.memory.leave);
        let mut detail = json!({"step": step, "graph": request_ids.to_json()});
        let reason = result.outcome.reason().map(|(reason, _)| reason.word());
        for (name, value) in [("reason", reason), ("code", code)] {
            if let Some(value) = value {
                detail[name] = value.into();
            }
        }
        result.told = leave.map(|leave| (leave, detail));
    }

    fn is_news(&self, state: State, reason: Reason) -> bool {
        (self.due.item.state, self.due.item.reason) != (state, Some(reason))
    }

    fn doubted_for(&self) -> Duration {
        self.due.item.doubt.map(|doubt| since(doubt.since, self.now)).unwrap_or_default()
    }

    /// Whether a request of earlier may still be carried out.
    fn is_doubtful(&self) -> bool {
        self.memory.in_doubt && self.doubted_for() < LATEST
    }

    /// What of ours may be found in the mailbox besides what is written next.
    fn still_possible(&self, current: &Setting) -> Vec<Setting> {
        let written = self.memory.written.iter();
        written.filter(|written| self.memory.in_doubt || written.is_same(current)).cloned().collect()
    }
}

/// What is sent to the mailbox.
enum Sent {
    Schedule(WantedReply),
    /// Switches it off, with these texts for another time.
    Withdraw(Setting),
}

const fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::AccessDenied => {
            "The app may not change this mailbox's settings: grant MailboxSettings.ReadWrite, or switch automatic replies off. Events are not affected. It is tried again by itself: hourly for a day, then daily for 30 days."
        }
        Reason::Rejected => {
            "Microsoft Graph refuses this automatic reply as it stands. Report the request-id to those who run leavebridge; the next change of the leave tries again."
        }
        reason => reason.meaning(),
    }
}
