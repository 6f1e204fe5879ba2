//! Automatic replies: one leased mailbox, read first, compared, and written only where `plan` says so.
//!
//! It must never cost an event anything: whatever goes wrong here is the reply's alone, except what Microsoft says about
//! the whole mailbox (slow down) or tenant (credentials).

use std::{panic::AssertUnwindSafe, time::Duration};

use futures_util::FutureExt as _;
use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};
use tokio::time::Instant;
use tokio_util::sync::CancellationToken;

use super::{
    Engine, Tenant,
    hold::Hold,
    walk::{Halt, LATEST},
};
use crate::{
    domain::{
        judge::{History, Reason, Verdict, judge},
        reply::{self, Away, Memory, Setting, Step, Wanted},
    },
    failpoint,
    graph::{GraphError, Mailbox, RequestIds},
    store::{
        queue::Lease,
        replies::{DueReply, ReplyRecord},
    },
};

/// The mailbox's leave has changed. Said before the change is written down as delivered, so that a death in between only
/// says it twice. `false` when it could not be said.
pub(super) async fn ask(engine: &Engine, lease: &Lease) -> bool {
    let asked = engine.store.ask_for_reply(lease.mailbox).await;
    failpoint::hit("after", "reply-asked");
    if let Err(error) = &asked {
        tracing::warn!(%error, cause = error.cause(), "a mailbox's automatic reply could not be asked for");
    }
    asked.is_ok()
}

/// Why a look ended without a result.
enum End {
    /// Nothing to write down; the lease is given back.
    Leave,
    /// The lease is somebody else's or cannot be counted on: it must expire by itself.
    Abandon,
}

/// What is known of the mailbox's reply, and its leave; nothing is done about what cannot be read.
async fn read(engine: &Engine, lease: &Lease) -> Option<(DueReply, Vec<Away>)> {
    engine.store.reply(lease.mailbox).await.unwrap_or_else(|error| {
        tracing::warn!(%error, cause = error.cause(), "a mailbox's automatic reply could not be read");
        None
    })
}

/// Looks at one mailbox; whether its lease may be given back.
pub(super) async fn work(engine: &Engine, lease: &Lease, claimed: Instant, stop: &CancellationToken) -> bool {
    let Some(tenant) = engine.tenants.get(&lease.tenant) else { return true };
    let Some((mut due, mut leaves)) = read(engine, lease).await else { return true };
    let hold = Hold::new(engine, lease, claimed, stop);
    let is_idle = |due: &DueReply, leaves: &[Away]| {
        due.memory.written.is_empty() && reply::wanted(due.now, leaves, &tenant.policy, &lease.own).is_none()
    };
    if !lease.is_known() && !is_idle(&due, &leaves) {
        // Whose mailbox it is decides which leave counts and what is ours there: it must not be found out half-way.
        hold.user().await;
        let Some(anew) = read(engine, lease).await else { return true };
        (due, leaves) = anew;
    }
    if due.owner != lease.mailbox {
        if let Err(error) = engine.store.pass_on_reply(lease).await {
            tracing::warn!(%error, cause = error.cause(), "a mailbox's automatic reply could not be passed on");
        }
        return true;
    }
    // Whether work lies between two leaves: what the mailbox may have to be asked only for its reply.
    let asks = leaves.len() > 1 || due.is_shared;
    let by = |own| reply::wanted(due.now, &leaves, &tenant.policy, own);
    let known = by(&lease.own);
    let asked = if known.is_some() && asks { hold.own_time().await.map(by) } else { Ok(known.clone()) };
    let (wanted, refused) = asked.map_or_else(|error| (known, Some(error)), |wanted| (wanted, None));
    let look = Look { engine, tenant, due: &due, wanted: wanted.as_ref(), hold: &hold };
    let looking = async {
        match refused {
            Some(error) => look.halted(Halt::Failed(error), due.memory.clone()).await,
            None => look.run().await,
        }
    };
    // A panic is a bug in what this one mailbox leads to: it must not come back for ever.
    let looked = AssertUnwindSafe(looking).catch_unwind().await.unwrap_or_else(|_panic| {
        tracing::error!("a look at an automatic reply broke down; it is parked");
        let reason = Some((Reason::Internal.word(), Reason::Internal.meaning().to_owned()));
        Ok(look.record("parked", reason, due.memory.clone(), look.when_it_is_over()))
    });
    let record = match looked {
        Ok(record) => record,
        Err(End::Leave) => return true,
        Err(End::Abandon) => return false,
    };
    failpoint::hit("before", "reply-record");
    match engine.store.record_reply(lease, &due, &record).await {
        Ok(true) => {
            failpoint::hit("after", "reply-record");
            engine.metrics.reply(&lease.tenant, record.state);
            true
        }
        Ok(false) => false,
        Err(error) => {
            tracing::warn!(%error, cause = error.cause(), "a look at an automatic reply could not be written down");
            false
        }
    }
}

/// One look at a mailbox.
struct Look<'a> {
    engine: &'a Engine,
    tenant: &'a Tenant,
    due: &'a DueReply,
    wanted: Option<&'a Wanted>,
    hold: &'a Hold<'a>,
}

impl Look<'_> {
    async fn run(&self) -> Result<ReplyRecord, End> {
        let remembered = &self.due.memory;
        if self.wanted.is_none() && remembered.written.is_empty() {
            return Ok(self.record("none", None, Memory::default(), None));
        }
        let graph = &self.tenant.graph;
        let read = self.hold.call(graph, "read-reply", |mailbox| graph.automatic_reply(mailbox)).await;
        let (current, trail) = match read.and_then(|answer| answer.map_err(Halt::Failed)) {
            Ok(read) => read,
            Err(halt) => return self.halted(halt, remembered.clone()).await,
        };
        match reply::plan(self.due.now, self.wanted, &current, remembered) {
            Step::Nothing => Ok(self.is_as_wanted(current)),
            Step::LeaveAlone(kept) => {
                let reason = Some((kept.word(), kept.meaning().to_owned()));
                let again = self.wanted.map(|wanted| reply::look_at_kept(self.due.now, wanted, &current));
                let memory = Memory { in_doubt: self.is_doubtful(), ..remembered.clone() };
                let record = self.record("kept", reason, memory, again);
                Ok(self.told(record, "leave-reply", None, &trail))
            }
            Step::Schedule(wanted, before) => {
                let mut written = self.still_possible(&current);
                written.push(wanted.setting());
                let intended = Memory { written, before, in_doubt: true };
                let schedule = |mailbox| graph.schedule_reply(mailbox, &wanted);
                self.write(intended, "schedule-reply", schedule, Some(&wanted)).await
            }
            Step::Withdraw(back) => {
                let intended = Memory {
                    written: self.still_possible(&current),
                    before: remembered.before.clone(),
                    in_doubt: true,
                };
                let withdraw = |mailbox| graph.withdraw_reply(mailbox, &back);
                self.write(intended, "withdraw-reply", withdraw, None).await
            }
        }
    }

    /// Notes what is to be sent, sends it, and says what came of it.
    async fn write<'b, F>(
        &'b self,
        intended: Memory,
        step: &'static str,
        call: impl Fn(Mailbox<'b>) -> F,
        wanted: Option<&Wanted>,
    ) -> Result<ReplyRecord, End>
    where
        F: Future<Output = Result<(Option<Setting>, RequestIds), GraphError>>,
    {
        match self.engine.store.intend_reply(self.hold.lease, &intended).await {
            Ok(true) => {}
            Ok(false) => return Err(End::Abandon),
            Err(error) => {
                tracing::warn!(%error, cause = error.cause(), "an automatic reply could not be noted; it is not sent");
                return Err(End::Abandon);
            }
        }
        failpoint::hit("after", "reply-intended");
        let sent = self.hold.call(&self.tenant.graph, step, call).await;
        let (answered, trail) = match sent.and_then(|answer| answer.map_err(Halt::Failed)) {
            Ok(sent) => sent,
            Err(halt) => return self.halted(halt, intended).await,
        };
        // An earlier request that got no answer may still come after this one: then both may be what is found.
        let memory = match wanted {
            _ if self.due.memory.in_doubt => intended,
            Some(wanted) => {
                let sent = wanted.setting();
                let dressed = answered.filter(|answered| !answered.is_same(&sent));
                let written = std::iter::once(sent).chain(dressed).collect();
                Memory { written, before: intended.before, in_doubt: false }
            }
            None => Memory::default(),
        };
        let record = match wanted {
            Some(wanted) => {
                let again = reply::look_again(self.due.now, wanted);
                let mut record = self.record("scheduled", None, memory, Some(again));
                record.window = Some((wanted.from, wanted.until));
                record
            }
            None => self.record("none", None, memory, None),
        };
        Ok(self.told(record, step, None, &trail))
    }

    fn is_as_wanted(&self, current: Setting) -> ReplyRecord {
        let memory = Memory { in_doubt: self.is_doubtful(), ..self.due.memory.clone() };
        let Some(wanted) = self.wanted else {
            let memory = if memory.in_doubt { memory } else { Memory::default() };
            return self.record("none", None, memory, None);
        };
        let window = current.window;
        let memory = if memory.in_doubt { memory } else { Memory { written: vec![current], ..memory } };
        let mut record = self.record("scheduled", None, memory, Some(reply::look_again(self.due.now, wanted)));
        record.window = window;
        record
    }

    /// When what cannot be set is no longer wanted: then there may be other leave, for which it can.
    fn when_it_is_over(&self) -> Option<Timestamp> {
        self.wanted.map(|wanted| wanted.until)
    }

    /// Something went wrong; `memory` is what has been noted so far.
    async fn halted(&self, halt: Halt, memory: Memory) -> Result<ReplyRecord, End> {
        let error = match halt {
            Halt::Failed(error) => error,
            Halt::Interrupted | Halt::Anew => return Err(End::Leave),
            Halt::Lost => return Err(End::Abandon),
        };
        let due = self.due;
        let history = History { attempts: due.attempts, failing_for: due.failing_for, blocked_for: due.failing_for };
        let (reason, verdict) = judge(error.failure, history, self.engine.random.fraction());
        let (state, wait) = match verdict {
            Verdict::Park => ("parked", None),
            Verdict::Defer(wait) | Verdict::BlockMailbox(wait) | Verdict::Throttle(wait) => ("waiting", Some(wait)),
            Verdict::BlockTenant(wait) => {
                let (name, detail) = (&self.hold.lease.tenant, format!("{}. {}", error.sentence(), reason.meaning()));
                if self.tenant.blocked() {
                    tracing::error!(
                        tenant = name,
                        reason = reason.word(),
                        code = error.code,
                        "Microsoft does not serve this tenant; `leavebridge doctor` says what to do"
                    );
                }
                if let Err(error) = self.engine.store.block_tenant(name, reason, &detail, wait).await {
                    tracing::error!(%error, "a tenant's block could not be written");
                    // Without the block the claim would come straight back.
                    tokio::time::sleep(Duration::from_secs(1)).await;
                }
                return Err(End::Leave);
            }
        };
        // A refusal is an answer: then nothing was written.
        let was_refused = !error.failure.leaves_outcome_unknown();
        let memory = if was_refused && !due.memory.in_doubt { due.memory.clone() } else { memory };
        let told = Some((reason.word(), format!("{}. {}", error.sentence(), meaning(reason))));
        let next = match wait {
            Some(wait) => SignedDuration::try_from(wait).ok().and_then(|wait| due.now.checked_add(wait).ok()),
            None => self.when_it_is_over(),
        };
        let mut record = self.record(state, told, memory, next);
        let throttle = if let Verdict::Throttle(wait) = verdict { Some(wait) } else { None };
        // What is parked has failed for good: the next leave begins anew.
        record.failed = throttle.is_none() && state != "parked";
        record.floor = throttle.max(error.retry_after);
        let is_news = due.state != (state.to_owned(), Some(reason.word().to_owned()));
        if is_news {
            tracing::info!(reason = reason.word(), code = error.code, "an automatic reply waits");
        }
        let trail = error.request_ids.as_deref().cloned();
        Ok(match trail {
            Some(trail) if is_news => self.told(record, "reply", Some(&error.code), &trail),
            _ => record,
        })
    }

    fn record(
        &self,
        state: &'static str,
        reason: Option<(&'static str, String)>,
        memory: Memory,
        next: Option<Timestamp>,
    ) -> ReplyRecord {
        let window = self.wanted.map(|wanted| (wanted.from, wanted.until));
        let leave = self.wanted.map(|wanted| wanted.leave).or(self.due.leave);
        // What is still under way may change things: looked at again once it cannot any more.
        let left = LATEST.saturating_sub(if memory.in_doubt && self.is_doubtful() {
            self.due.doubted_for
        } else {
            Duration::ZERO
        });
        let sure = SignedDuration::try_from(left).ok().and_then(|left| self.due.now.checked_add(left).ok());
        let next = match sure.filter(|_| memory.in_doubt && state != "waiting") {
            Some(sure) => Some(next.map_or(sure, |next| next.min(sure))),
            None => next,
        };
        ReplyRecord { state, reason, window, leave, memory, next, failed: false, floor: None, story: None }
    }

    /// The record with its line in the timeline, where it says something new.
    fn told(&self, mut record: ReplyRecord, step: &str, code: Option<&str>, trail: &RequestIds) -> ReplyRecord {
        let reason = record.reason.as_ref().map(|(word, _)| *word);
        let is_known = step == "leave-reply" && self.due.state == (record.state.into(), reason.map(str::to_owned));
        if !is_known {
            let kind = match record.state {
                "waiting" => "failed",
                "parked" => "parked",
                _ => "delivered",
            };
            let mut story: Value = json!({"step": step, "graph": trail.to_json()});
            for (name, value) in [("reason", reason), ("code", code)] {
                if let Some(value) = value {
                    story[name] = value.into();
                }
            }
            record.story = Some((kind, story));
        }
        record
    }

    /// Whether a request of earlier may still be carried out.
    fn is_doubtful(&self) -> bool {
        self.due.memory.in_doubt && self.due.doubted_for < LATEST
    }

    /// What of ours may be found in the mailbox besides what is written next.
    fn still_possible(&self, current: &Setting) -> Vec<Setting> {
        let written = self.due.memory.written.iter();
        written.filter(|written| self.due.memory.in_doubt || written.is_same(current)).cloned().collect()
    }
}

const fn meaning(reason: Reason) -> &'static str {
    match reason {
        Reason::AccessDenied => {
            "The app may not change this mailbox's settings: grant MailboxSettings.ReadWrite, or switch automatic replies off. Events are not affected. It is tried again by itself: hourly for a day, then daily for 30 days."
        }
        Reason::Rejected => {
            "Microsoft Graph refuses this automatic reply as it stands. Report the request-id to whoever runs leavebridge; the next change of the leave tries again."
        }
        reason => reason.meaning(),
    }
}
