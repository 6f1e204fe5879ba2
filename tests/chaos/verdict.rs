//! The comparison: every calendar as it is, against what the acknowledged webhooks say.
//!
//! It must never judge by what the service says of itself; its own words are only added for the person who debugs.

use std::collections::HashMap;

use reqwest::Method;
use serde_json::Value;
use sqlx::{Connection as _, PgConnection};

use super::{
    leave::{Event, Leave},
    operator::{self, Mapping},
    stage::{PER_MAILBOX, Stage, TEAM},
};

/// What is wrong with one leave, or with the run.
#[derive(Debug)]
pub(crate) struct Offence {
    /// A row of the table.
    pub(crate) kind: &'static str,
    /// What was seen.
    pub(crate) what: String,
    /// The markers of the leave and its mappings, for the person who debugs.
    markers: Vec<String>,
    mappings: Vec<Mapping>,
}

/// The rows of the table, in its order.
pub(crate) const KINDS: [&str; 9] = [
    "lost",
    "doubled",
    "wrong",
    "out of order",
    "limit violations",
    "Retry-After violations",
    "never acknowledged",
    "timelines without an end",
    "answers and ends that must not be",
];

/// One living event of ours.
#[derive(Debug)]
struct Found {
    address: String,
    event: Event,
}

/// Everything that is not as it should be.
pub(crate) async fn find(stage: &Stage, unsettled: &[Mapping]) -> anyhow::Result<Vec<Offence>> {
    let mut offences = Vec::new();
    let mut by_leave: HashMap<String, Vec<Mapping>> = HashMap::new();
    for mapping in operator::mappings(stage, "").await? {
        by_leave.entry(mapping.leave_id.clone()).or_default().push(mapping);
    }
    let mut leaves = stage.book.leaves().clone();
    let leave_of: HashMap<String, String> =
        leaves.iter().flat_map(|leave| leave.markers().map(|marker| (marker, leave.id.clone()))).collect();
    let mut events: HashMap<String, Vec<Found>> = HashMap::new();
    for address in stage.people.iter().map(String::as_str).chain([TEAM]) {
        for (marker, event) in stage.microsoft.events(stage.owner(address)).await? {
            let found = Found { address: address.to_owned(), event: shown(&event) };
            match leave_of.get(&marker) {
                Some(leave) => events.entry(leave.clone()).or_default().push(found),
                None => offences.push(Offence::new(
                    "wrong",
                    format!("an event of nobody's: {found:?}"),
                    Vec::new(),
                    Vec::new(),
                )),
            }
        }
    }
    for leave in &mut leaves {
        let found = events.remove(&leave.id).unwrap_or_default();
        if leave.of_reception {
            // In the mailbox of anybody who has been there, and in no other.
            let is_in = |person: &usize| found.iter().any(|found| found.address == stage.people[*person]);
            let person = stage.names.reception().into_iter().find(is_in).unwrap_or_default();
            leave.revisions.iter_mut().for_each(|revision| revision.person = person);
        }
        let mappings = by_leave.remove(&leave.id).unwrap_or_default();
        for (kind, what) in judge(stage, leave, &found, unsettled) {
            let what = format!("{}: {what}\n      told: {}", leave.id, leave.story());
            offences.push(Offence::new(kind, what, leave.markers().to_vec(), mappings.clone()));
        }
    }
    limits(stage, &mut offences).await?;
    timelines(stage, &mut offences).await?;
    offences
        .extend(stage.tally.oddities().into_iter().map(|what| Offence::new(KINDS[8], what, Vec::new(), Vec::new())));
    Ok(offences)
}

impl Offence {
    fn new(kind: &'static str, what: String, markers: Vec<String>, mappings: Vec<Mapping>) -> Self {
        Self { kind, what, markers, mappings }
    }
}

/// What is wrong with one leave's events.
fn judge(stage: &Stage, leave: &Leave, found: &[Found], unsettled: &[Mapping]) -> Vec<(&'static str, String)> {
    let mut wrongs = Vec::new();
    if leave.revisions.iter().any(|revision| !revision.acknowledged) {
        wrongs.push(("never acknowledged", "the portals were not heard".to_owned()));
    }
    let Some(valid) = leave.valid() else { return wrongs };
    let stuck = unsettled.iter().filter(|mapping| mapping.leave_id == leave.id && mapping.source == leave.source);
    wrongs.extend(stuck.map(|mapping| ("lost", format!("not settled in {}: {}", mapping.mailbox, mapping.stand()))));
    let wanted = leave.events(valid, &stage.people);
    for (address, wanted) in &wanted {
        let here: Vec<_> = found.iter().filter(|found| found.address == *address).collect();
        match here[..] {
            [] => wrongs.push(("lost", format!("{wanted:?} is not in the calendar of {address}"))),
            [_] => {}
            [..] => wrongs.push(("doubled", format!("{here:?}"))),
        }
    }
    for one in found {
        match wanted.iter().find(|(address, _)| *address == one.address) {
            None => wrongs.push(("wrong", format!("{one:?} should be gone"))),
            Some((_, wanted)) if *wanted == one.event => {}
            Some((address, wanted)) => match leave.shown(address, &one.event, &stage.people) {
                Some(old) => wrongs.push(("out of order", format!("{one:?} is r{}, wanted is {wanted:?}", old + 1))),
                None => wrongs.push(("wrong", format!("{one:?}, wanted is {wanted:?}"))),
            },
        }
    }
    wrongs
}

/// An event as the simulator stores it, in the model's words.
fn shown(event: &Value) -> Event {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let time = |side: &str| text(&event[side]["dateTime"]).chars().take(19).collect();
    Event {
        all_day: event["isAllDay"] == true,
        start: time("start"),
        end: time("end"),
        zone: text(&event["start"]["timeZone"]),
        show_as: text(&event["showAs"]),
        subject: text(&event["subject"]),
    }
}

async fn limits(stage: &Stage, offences: &mut Vec<Offence>) -> anyhow::Result<()> {
    let score = stage.microsoft.score().await?;
    let count = |name: &str| score[name].as_u64().unwrap_or(u64::MAX);
    let most = count("max_in_flight_per_mailbox");
    if most > PER_MAILBOX {
        let what = format!("{most} requests were in flight for one mailbox, {PER_MAILBOX} are allowed");
        offences.push(Offence::new("limit violations", what, Vec::new(), Vec::new()));
    }
    for (at, told, what) in stage.microsoft.too_early().await? {
        // Nobody hears while they sleep; what such a replica had begun to send goes out when it wakes.
        if stage.tally.slept_through(told, at) {
            stage.tally.count("done Retry-After slept through by a frozen replica");
        } else {
            offences.push(Offence::new("Retry-After violations", what, Vec::new(), Vec::new()));
        }
    }
    for (kind, name) in [("limit violations", "limit_violations"), ("doubled", "duplicates")] {
        let said = format!("the simulator counted it ({name})");
        offences.extend((0..count(name)).map(|_| Offence::new(kind, said.clone(), Vec::new(), Vec::new())));
    }
    Ok(())
}

/// Every settled mapping says in its history how it came to be so.
async fn timelines(stage: &Stage, offences: &mut Vec<Offence>) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(&stage.database_url).await?;
    let unexplained: Vec<(String, String)> = sqlx::query_as(
        "SELECT m.id::text, coalesce(last.kind, 'nothing') FROM items m
         LEFT JOIN LATERAL (SELECT kind FROM timeline t WHERE t.item = m.id ORDER BY t.id DESC LIMIT 1) last ON true
         WHERE m.kind = 'event' AND m.state IN ('synced', 'removed', 'hidden') AND coalesce(last.kind, '') NOT IN ('delivered', 'merged')",
    )
    .fetch_all(&mut connection)
    .await?;
    connection.close().await?;
    let wrong = unexplained.into_iter().map(|(id, kind)| format!("mapping {id} is settled, its last line is {kind}"));
    offences.extend(wrong.map(|what| Offence::new("timelines without an end", what, Vec::new(), Vec::new())));
    Ok(())
}

impl Offence {
    /// All there is to know about it, for the person who debugs.
    pub(crate) async fn evidence(&self, stage: &Stage) -> anyhow::Result<Vec<String>> {
        let mut lines = vec![self.what.clone()];
        let mut connection = PgConnection::connect(&stage.database_url).await?;
        for mapping in &self.mappings {
            let row: Option<String> =
                sqlx::query_scalar("SELECT row_to_json(m)::text FROM items m WHERE id::text = $1")
                    .bind(&mapping.id)
                    .fetch_optional(&mut connection)
                    .await?;
            lines.push(format!("{} {}: {}", mapping.mailbox, mapping.stand(), row.unwrap_or_default()));
        }
        for address in stage.people.iter().map(String::as_str).chain([TEAM]) {
            let events = stage.microsoft.history(stage.owner(address), &self.markers).await?;
            let ids: Vec<String> = events.iter().filter_map(|event| event["id"].as_str()).map(str::to_owned).collect();
            lines.extend(events.iter().map(|event| format!("event of {address} {event}")));
            if !ids.is_empty() {
                let requests = stage.microsoft.requests_about(&ids).await?;
                lines.extend(requests.iter().map(|request| format!("request {request}")));
            }
        }
        if let Some(mapping) = self.mappings.first() {
            let whole = operator::call(stage, Method::GET, &format!("/mappings/{}", mapping.id)).await?;
            let timeline = whole["timeline"].as_array().cloned().unwrap_or_default();
            lines.extend(timeline.iter().map(|line| format!("timeline {line}")));
        }
        Ok(lines)
    }
}
