//! Compares what there is with what the model says, and reads the timelines.

use std::collections::BTreeMap;

use jiff::{SignedDuration, Timestamp, civil::DateTime, tz::TimeZone};
use leavebridge::domain::marker::Marker;
use serde_json::{Value, json};

use super::{
    history::LEAVES,
    outlook::{self, MAILBOXES, PEOPLE},
    portal::identity,
    reference::{Found, Reply},
    stage::{Beside, Stage},
};
use crate::support::encoded;

const STATES: [&str; 6] = ["pending", "waiting", "synced", "removed", "hidden", "parked"];
const LEASED: &str = "SELECT count(*) FROM mailboxes WHERE lease_until > leavebridge_now()";

/// Which leave a mapping is about.
pub(super) fn leave_of(mapping: &Value) -> usize {
    let is = |leave: &usize| {
        let (source, id) = identity(*leave);
        mapping["source"] == source && mapping["leave_id"] == id.as_str()
    };
    (0..LEAVES).find(is).expect("the leave is one of ours")
}

/// The marker of a mapping's event.
pub(super) fn marker_of(mapping: &Value) -> String {
    let part = |name: &str| mapping[name].as_str().unwrap();
    let marker = Marker::new("default", part("tenant"), part("source"), part("leave_id"), part("calendar"));
    marker.event.to_string()
}

/// Whose mailbox a mapping is in, as [`mappings`] has found out.
fn mailbox_of(mapping: &Value) -> usize {
    usize::try_from(mapping["person"].as_u64().unwrap()).unwrap()
}

/// All mappings, each with the number of the mailbox's owner as `person`.
pub(super) async fn mappings(stage: &mut Stage) -> Vec<Value> {
    let mut mappings = stage.app().mappings().await;
    for mapping in &mut mappings {
        let known = stage.owner_of(mapping["id"].as_str().unwrap()).await;
        let named = || outlook::named(mapping["mailbox"].as_str().unwrap(), &stage.ids, stage.model.reception);
        mapping["person"] = json!(known.unwrap_or_else(named));
    }
    mappings
}

/// Looks in whose mailboxes leave is that may be in several people's.
pub(super) async fn find(stage: &mut Stage) {
    let live = outlook::ours(&stage.microsoft, &stage.ids).await;
    let mappings = mappings(stage).await;
    for leave in 0..LEAVES {
        let is_its = |mapping: &&Value| leave_of(mapping) == leave;
        let markers: Vec<String> = mappings.iter().filter(is_its).map(marker_of).collect();
        stage.model.found(leave, |holder| live.iter().any(|(at, marker, _)| *at == holder && markers.contains(marker)));
    }
}

fn ensure(holds: bool, what: impl FnOnce() -> String) -> Result<(), String> {
    if holds { Ok(()) } else { Err(what()) }
}

/// While nothing is left to do for now: every leave is in a named state, with a reason where it is not as wanted.
pub(super) async fn interim(stage: &mut Stage) -> Result<(), String> {
    let somebody_died = stage.number(LEASED).await > 0;
    for page in pages(stage).await {
        let stands = page["state"].as_str().unwrap_or_default();
        ensure(STATES.contains(&stands), || format!("no such state: {page}"))?;
        ensure(stands != "pending" || somebody_died, || format!("due, and nobody does anything: {page}"))?;
        let needs_reason = ["waiting", "parked"].contains(&stands);
        let explained = ["reason", "detail"].map(|word| page[word].as_str().is_some_and(|text| !text.is_empty()));
        // A throttled mailbox says all there is to say with its reason.
        let explained = explained[0] && (explained[1] || page["reason"] == "throttled");
        ensure(!needs_reason || explained, || format!("why? {page}"))?;
        ensure(stands != "waiting" || page["next_attempt_at"].is_string(), || format!("until when? {page}"))?;
        timeline(stage, &page)?;
    }
    Ok(())
}

/// When everything is settled.
pub(super) async fn last(stage: &mut Stage) -> Result<(), String> {
    find(stage).await;
    let pages = pages(stage).await;
    let live = outlook::ours(&stage.microsoft, &stage.ids).await;
    let tell = || format!("\nmappings {pages:#?}\nlive {live:#?}");
    let mut mapped: BTreeMap<(usize, usize), &Value> = BTreeMap::new();
    for page in &pages {
        let place = (leave_of(page), mailbox_of(page));
        let is_gone = |page: &Value| page["state"] == "removed" && stage.beside == Beside::Names;
        match mapped.get(&place) {
            // Of two names of one mailbox the leave may have come to each.
            Some(_) if is_gone(page) => {}
            Some(other) => {
                ensure(is_gone(other), || format!("two mappings of one place{}", tell()))?;
                mapped.insert(place, page);
            }
            None => drop(mapped.insert(place, page)),
        }
    }
    for leave in 0..LEAVES {
        for (mailbox, address) in MAILBOXES.into_iter().enumerate() {
            let mapping = mapped.get(&(leave, mailbox));
            let id = mapping.map(|mapping| marker_of(mapping));
            let here = |(at, marker, event): &(usize, String, Found)| {
                (*at == mailbox && Some(marker) == id.as_ref()).then(|| event.clone())
            };
            let here: Vec<Found> = live.iter().filter_map(here).collect();
            let known = mapping.and_then(|mapping| mapping["event_id"].as_str());
            let failed =
                |entry: &Value| !is_of_reply(entry) && (entry["kind"] == "failed" || entry["kind"] == "parked");
            let timeline = mapping.and_then(|mapping| mapping["timeline"].as_array());
            let smooth = timeline.is_some_and(|timeline| !timeline.iter().any(failed));
            if let Some(complaint) = stage.model.complaint((leave, mailbox), &here, known, smooth) {
                return Err(format!("leave {leave} of {address}: {complaint}{}", tell()));
            }
            let wanted = stage.model.wanted(leave, mailbox).is_some();
            let now = mapping.map(|mapping| &mapping["state"]);
            let fine = match now {
                Some(now) => now == if wanted { "synced" } else { "removed" },
                None => !wanted,
            };
            ensure(fine, || format!("leave {leave} of {address} is {now:?}{}", tell()))?;
        }
        stands(stage, leave).await?;
    }
    for (mailbox, marker, event) in &live {
        let known = pages.iter().any(|page| marker_of(page) == *marker && mailbox_of(page) == *mailbox);
        ensure(known, || format!("left over: {event:?}{}", tell()))?;
    }
    for page in &pages {
        timeline(stage, page)?;
    }
    for (owner, theirs) in stage.ids.iter().zip(&stage.theirs) {
        // Whose it is shows by the owner's present address.
        let but_for_organizer = |event: &Value| {
            let mut event = event.clone();
            event["organizer"] = Value::Null;
            event
        };
        let events: Vec<Value> = stage.microsoft.stored_events(owner).await.iter().map(but_for_organizer).collect();
        ensure(events.contains(&but_for_organizer(theirs)), || format!("what is not ours was touched: {events:?}"))?;
    }
    if stage.beside == Beside::Replies {
        for person in 0..PEOPLE.len() {
            replies(stage, person).await?;
        }
    }
    let score = stage.microsoft.score().await;
    ensure(score["duplicates"] == 0, || format!("{score}"))
}

/// The mailbox answers for the time of the leave, and else has what its owner had put there.
async fn replies(stage: &Stage, person: usize) -> Result<(), String> {
    let now = stage.app().now();
    let by_the_clock = |at: Timestamp| at.to_zoned(TimeZone::fixed(jiff::tz::offset(8))).datetime();
    let found = outlook::reply(&stage.microsoft, &stage.ids[person]).await;
    let at = |name: &str| -> Option<DateTime> {
        let at = format!("{}Z", found[name]["dateTime"].as_str()?.trim_end_matches('Z')).parse::<Timestamp>().ok()?;
        Some(by_the_clock(at))
    };
    // Outlook dresses what it is given.
    let says = |text: &str| found["internalReplyMessage"].as_str().is_some_and(|told| told.contains(text));
    // What ends or begins within minutes is either way right: Outlook takes only times ahead.
    let soon = now + SignedDuration::from_mins(5);
    let fits = |wanted: &Option<Reply>| {
        let Some(wanted) = wanted else {
            let is_over = found["status"] == "scheduled" && at("scheduledEndDateTime") <= Some(by_the_clock(now));
            return (found["status"] == "disabled" || is_over) && says(outlook::OLD_WORDS);
        };
        let (from, until) = (at("scheduledStartDateTime"), at("scheduledEndDateTime"));
        let begins_well = from == Some(wanted.from) || from.max(Some(wanted.from)) <= Some(by_the_clock(soon));
        let text = format!("I am out of office from 2026-12-{:02} to 2026-12-{:02}.", wanted.first, wanted.last);
        found["status"] == "scheduled" && until == Some(wanted.until) && begins_well && says(&text)
    };
    let wanted = [now, soon].map(|at| stage.model.reply(person, by_the_clock(at)));
    ensure(wanted.iter().any(fits), || format!("{} replies {found:#}, and should {wanted:?}", PEOPLE[person]))
}

/// Whether an entry of a timeline is about the automatic reply.
fn is_of_reply(entry: &Value) -> bool {
    entry["detail"]["step"].as_str().is_some_and(|step| step.ends_with("reply"))
}

/// What the source is told when it asks how its leave stands.
async fn stands(stage: &Stage, leave: usize) -> Result<(), String> {
    let (client, id) = identity(leave);
    let stands = stage.app().get(&format!("/leaves/{}", encoded(&id)), Some(client)).await;
    let told = (stands.status == 200).then(|| &stands.body["status"]);
    let expected = stage.model.status(leave).map(|status| json!(status));
    ensure(told == expected.as_ref(), || format!("leave {leave} stands at {stands:?}, not {expected:?}"))
}

/// A timeline explains what happened: each change that was accepted and each that came too late is in it, each failure
/// has a reason, and what it says last of a mapping is how the mapping is.
fn timeline(stage: &Stage, page: &Value) -> Result<(), String> {
    let leave = leave_of(page);
    let entries = page["timeline"].as_array().ok_or("no timeline")?;
    let because = |what: &str| format!("the timeline of leave {leave}: {what}: {page:#}");
    let came = |outcome: &str| entries.iter().filter(|entry| entry["detail"]["outcome"] == outcome).count();
    for (outcome, count) in [("accepted", &stage.model.accepted), ("stale", &stage.model.stale)] {
        let expected = count.get(&leave).copied().unwrap_or_default();
        ensure(came(outcome) == expected, || because(&format!("{expected} {outcome} are not in it")))?;
    }
    let times: Vec<_> = entries.iter().map(|entry| entry["at"].as_str().unwrap_or_default()).collect();
    ensure(times.iter().all(|time| !time.is_empty()), || because("something without a time"))?;
    for entry in entries {
        let detail = &entry["detail"];
        let said = |word: &str| detail[word].as_str().is_some_and(|text| !text.is_empty());
        let fine = match entry["kind"].as_str() {
            Some("received" | "changed") => said("outcome") && said("status") && said("client") && said("source_at"),
            Some("delivered") => said("step") && !said("reason"),
            Some("failed" | "parked") => said("step") && said("reason"),
            Some("retried") => said("client"),
            Some("merged") => said("why"),
            _ => false,
        };
        ensure(fine, || because(&format!("{entry} explains nothing")))?;
    }
    let own = |entry: &&Value| entry["mapping"] == page["id"] && !is_of_reply(entry);
    let last = entries.iter().rfind(own);
    let kind = last.map_or("", |entry| entry["kind"].as_str().unwrap_or_default());
    let now = page["state"].as_str().unwrap_or_default();
    let agrees = match now {
        "synced" | "removed" | "hidden" => kind == "delivered" || kind == "merged",
        "parked" => kind == "parked" && last.is_some_and(|entry| entry["detail"]["reason"] == page["reason"]),
        _ => true,
    };
    ensure(agrees, || because(&format!("{now} does not follow from {last:?}")))?;
    // Of the mailbox where the leave belongs: nothing that was accepted came after the last delivery.
    let settled = ["synced", "hidden"].contains(&now);
    let at = |found: Option<usize>| found.unwrap_or_default();
    let delivered = at(entries.iter().rposition(|entry| own(&entry)));
    let changed = at(entries.iter().rposition(|entry| entry["detail"]["outcome"] == "accepted"));
    ensure(!settled || changed < delivered, || because("a change came after the last delivery"))
}

/// All mappings with their timelines.
async fn pages(stage: &mut Stage) -> Vec<Value> {
    let mut pages = Vec::new();
    for mapping in mappings(stage).await {
        let path = format!("/mappings/{}", mapping["id"].as_str().unwrap());
        let mut page = stage.app().get(&path, Some("ops")).await.body;
        page["person"] = mapping["person"].clone();
        pages.push(page);
    }
    pages
}
