//! The small world's integers as the rows, calls and answers that production works with, and back. The present is always the
//! same moment: what is past is so long ago.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use leavebridge::{
    domain::{
        appearance::{Sensitivity, ShowAs},
        event::{Desired, EventSpec, MailboxSettings, Times},
    },
    reconcile::{
        converge,
        failure::Failure,
        item,
        mailbox::Mailbox,
        plan::ObservedEvent,
        settle::{DeliveryOutcome, DeliveryResult, DoubtAfter},
        state::{Kind, Reason},
    },
};
use uuid::Uuid;

use crate::{
    graph::Answer,
    state::{After, Call, Content, Delivered, Doubt, Item, Observed, Outcome, Ticks},
};

const TICK: Duration = Duration::from_secs(30);
/// Tags of doubts that begin with a decision: now, and when a lease ended.
const NEW: u8 = 200;
pub(crate) const DIED: u8 = 201;

pub(crate) fn now() -> Timestamp {
    Timestamp::UNIX_EPOCH + SignedDuration::from_hours(400_000)
}

pub(crate) fn ago(ticks: Ticks, tag: u8) -> Timestamp {
    // Two doubts of one tick began at different moments of it.
    now() - SignedDuration::try_from(TICK * ticks.into()).unwrap() - SignedDuration::from_micros(i64::from(tag))
}

pub(crate) fn to_row(item: &Item) -> item::Item {
    let mut row = item::Item::new(Uuid::nil(), Kind::Event, "t", 1, "a", now());
    row.wanted = item.wanted;
    row.rev = item.rev.into();
    row.state = item.state;
    row.next_at = item.due.map(|due| now() + SignedDuration::try_from(TICK * due.into()).unwrap());
    row.observed = to_observed(item.observed);
    row.incarnation = item.incarnation.into();
    row.doubt = item.doubt.map(to_doubt);
    row
}

pub(crate) fn from_row(row: &item::Item) -> Item {
    Item {
        wanted: row.wanted,
        rev: small(row.rev),
        state: row.state,
        due: row.next_at.map(|at| ticks(at.duration_since(now()))),
        observed: from_observed(row.observed.as_ref()),
        incarnation: small(row.incarnation.into()),
        doubt: row.doubt.map(|doubt| {
            let past = now().duration_since(doubt.since);
            let of_a_tick = past.as_micros() % 30_000_000;
            Doubt {
                age: small((past.as_secs() / 30).min(2)),
                tag: if past.is_zero() { NEW } else { u8::try_from(of_a_tick - 1).expect("a tag") },
                oldest_rev: doubt.oldest_rev.map(small),
            }
        }),
    }
}

fn to_doubt(doubt: Doubt) -> item::Doubt {
    item::Doubt { since: ago(doubt.age, doubt.tag + 1), oldest_rev: doubt.oldest_rev.map(i64::from) }
}

/// A few seconds are no tick: the queue may be as slow as it likes, but not too fast.
fn ticks(wait: SignedDuration) -> Ticks {
    small(((wait.as_secs() + 15) / 30).max(0))
}

fn small(number: i64) -> u8 {
    u8::try_from(number).expect("a small number")
}

fn to_event(observed: Observed) -> ObservedEvent {
    ObservedEvent {
        event_id: observed.event.map(|id| id.to_string()),
        written: observed.written.map(spec),
        web_link: None,
    }
}

fn to_observed(observed: Observed) -> Option<serde_json::Value> {
    let event = to_event(observed);
    (event != ObservedEvent::default()).then(|| serde_json::to_value(event).unwrap())
}

fn from_observed(noted: Option<&serde_json::Value>) -> Observed {
    let Some(noted) = noted else { return Observed::default() };
    let event: ObservedEvent = serde_json::from_value(noted.clone()).unwrap();
    Observed {
        event: event.event_id.map(|id| id.parse().unwrap()),
        written: event.written.map(|written| content(&written.times)),
    }
}

/// The event of a content: each takes another number of days.
fn spec(content: Content) -> EventSpec {
    let start: jiff::civil::DateTime = "2026-12-01T00:00".parse().unwrap();
    let end = start.checked_add(SignedDuration::from_hours(24 * i64::from(content))).unwrap();
    EventSpec {
        subject: String::new(),
        body: String::new(),
        times: Times { all_day: true, start, end, zone: String::new() },
        show_as: ShowAs::Oof,
        sensitivity: Sensitivity::Normal,
        category: None,
        reminder: None,
    }
}

fn content(times: &Times) -> Content {
    small((times.end.duration_since(times.start)).as_hours() / 24)
}

pub(crate) fn to_desired(content: Content) -> Desired {
    if content == 0 { Desired::Absent } else { Desired::Present(spec(content)) }
}

pub(crate) fn from_call(call: &converge::Call) -> Call {
    let id = |id: &str| id.parse().unwrap();
    match call {
        converge::Call::Find => Call::Find,
        converge::Call::Create(event) => Call::Create(content(&event.times)),
        converge::Call::Update(event, changes) => {
            let times = changes.times.as_ref().expect("contents differ in their times");
            Call::Update { event: id(event), content: content(times) }
        }
        converge::Call::Remove(event) => Call::Remove { event: id(event) },
    }
}

/// `None`: no answer came.
pub(crate) fn to_answer(answer: Option<&Answer>) -> converge::Answer {
    match answer {
        None => converge::Answer::Failed(Failure::Unavailable { retry_after: None }),
        Some(Answer::Found { ours, ids }) => converge::Answer::Found {
            ours: ours.map(|id| id.to_string()),
            ids: ids.iter().map(ToString::to_string).collect(),
        },
        Some(Answer::Written(id)) => converge::Answer::Written { id: id.to_string(), web_link: None },
        Some(Answer::Removed) => converge::Answer::Removed,
        Some(Answer::AlreadyCreated) => converge::Answer::AlreadyCreated(None),
        Some(Answer::EventGone) => converge::Answer::Failed(Failure::EventGone),
    }
}

pub(crate) fn mailbox() -> Mailbox {
    Mailbox {
        id: 1,
        epoch: 1,
        entra_id: None,
        id_from_source: false,
        mailbox_seen: false,
        identify: false,
        throttled_until: None,
        block: None,
        settings: MailboxSettings::default(),
        settings_at: None,
    }
}

/// A result that leaves what is known as it is.
pub(crate) fn result(row: &item::Item, outcome: DeliveryOutcome) -> DeliveryResult {
    DeliveryResult {
        item: row.id,
        mailbox: 1,
        epoch: mailbox().epoch,
        rev: row.rev,
        doubt_before: row.doubt,
        outcome,
        observed: row.observed.clone(),
        incarnation: row.incarnation,
        doubt: if row.doubt.is_some() { DoubtAfter::Stays } else { DoubtAfter::Over },
        retry_after: None,
        contacted: false,
        resolved: false,
        settings: None,
        told: None,
    }
}

pub(crate) fn from_result(result: &DeliveryResult) -> Delivered {
    Delivered {
        rev: small(result.rev),
        doubt_before: None,
        outcome: match &result.outcome {
            DeliveryOutcome::Settled { state, .. } => Outcome::Settled(*state),
            DeliveryOutcome::Continue => Outcome::Continue,
            DeliveryOutcome::Waiting(_, _, wait) => Outcome::Waiting(ticks(SignedDuration::try_from(*wait).unwrap())),
            other => unreachable!("no such outcome in this world: {other:?}"),
        },
        observed: from_observed(result.observed.as_ref()),
        incarnation: small(result.incarnation.into()),
        doubt: match result.doubt {
            DoubtAfter::Over => After::Over,
            DoubtAfter::Stays => After::Stays,
            DoubtAfter::Begins => After::Begins,
        },
    }
}

/// `is_latest`: nobody has claimed the mailbox since.
pub(crate) fn to_result(row: &item::Item, delivered: &Delivered, is_latest: bool) -> DeliveryResult {
    DeliveryResult {
        rev: delivered.rev.into(),
        epoch: mailbox().epoch - i64::from(!is_latest),
        doubt_before: delivered.doubt_before.map(to_doubt),
        observed: to_observed(delivered.observed),
        incarnation: delivered.incarnation.into(),
        doubt: match delivered.doubt {
            After::Over => DoubtAfter::Over,
            After::Stays => DoubtAfter::Stays,
            After::Begins => DoubtAfter::Begins,
        },
        ..result(
            row,
            match delivered.outcome {
                Outcome::Settled(state) => DeliveryOutcome::settled(state),
                Outcome::Continue => DeliveryOutcome::Continue,
                Outcome::Waiting(ticks) => {
                    DeliveryOutcome::Waiting(Reason::GraphUnavailable, String::new(), TICK * ticks.into())
                }
            },
        )
    }
}
