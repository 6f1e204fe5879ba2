//! The calendars as their owners see and change them.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    history::{Called, Content, Edit},
    reference::{Entry, Found, Times},
};
use crate::support::{AMY, BEN, encoded, microsoft::Microsoft};

/// The people, by number.
pub(super) const PEOPLE: [&str; super::history::PEOPLE] = [AMY, BEN, "chloe.martin@contoso.com"];
/// Further addresses of theirs, and the reception's, which is at first a further one of the first person's.
const ALIASES: [&str; super::history::PEOPLE] = ["amy@contoso.com", "ben@contoso.com", "chloe@contoso.com"];
const RECEPTION: &str = "reception@contoso.com";
/// Theirs, and the team's.
pub(super) const MAILBOXES: [&str; super::history::MAILBOXES] = [PEOPLE[0], PEOPLE[1], PEOPLE[2], "team@contoso.com"];
/// What everybody had as their automatic reply, switched off or over.
pub(super) const OLD_WORDS: &str = "I am at the beach";
const MARKER: &str = "LeavebridgeMapping";

/// What the portals call somebody.
pub(super) fn name(person: usize) -> String {
    format!("Number {person}")
}

/// How the portal names the person in `staff`; `ids`: the people's object ids.
pub(super) fn staff(content: &Content, ids: &[String]) -> Value {
    let name = name(content.person);
    match content.called {
        Called::Address => json!({"email": PEOPLE[content.person], "name": name}),
        Called::Alias => json!({"email": ALIASES[content.person], "name": name}),
        Called::Id => json!({"entra_id": ids[content.person], "name": name}),
        Called::Reception => json!({"email": RECEPTION, "name": name}),
    }
}

/// Whose mailbox a mapping shows by name: an address or an object id. `reception`: who has its address.
pub(super) fn named(mailbox: &str, ids: &[String], reception: usize) -> usize {
    let all = [&MAILBOXES[..], &ALIASES].map(|names| names.iter().position(|name| *name == mailbox));
    let by_id = ids.iter().position(|id| id == mailbox);
    all.into_iter().flatten().next().or(by_id).unwrap_or_else(|| {
        assert_eq!(mailbox, RECEPTION, "the mailbox is one of ours");
        reception
    })
}

/// Gives the people their further addresses.
pub(super) async fn give_aliases(microsoft: &Microsoft, ids: &[String]) {
    for (id, alias) in ids.iter().zip(ALIASES) {
        microsoft.give_alias(alias, id).await;
    }
    pass_on(microsoft, &ids[0]).await;
}

/// Gives somebody another address, the `n`th in all.
pub(super) async fn rename(microsoft: &Microsoft, id: &str, n: usize) {
    let change = json!({"kind": "renamed", "address": format!("renamed-{n}@contoso.com")});
    microsoft.control(Method::PATCH, &format!("users/{id}"), Some(&change)).await;
}

/// The reception's address is this person's from now on.
pub(super) async fn pass_on(microsoft: &Microsoft, to: &str) {
    microsoft.give_alias(RECEPTION, to).await;
}

/// Adds who is missing, and to each calendar an event that is none of ours.
pub(super) async fn furnish(microsoft: &Microsoft) -> Vec<Value> {
    microsoft.person(json!({"address": PEOPLE[2], "name": "Chloe Martin", "time_zone": "Europe/Paris"})).await;
    microsoft.person(json!({"address": MAILBOXES[3], "name": "Team", "kind": "shared"})).await;
    let moment = |time: &str| json!({"dateTime": format!("2026-12-01T{time}:00"), "timeZone": "UTC"});
    let dentist = json!({"subject": "Dentist", "start": moment("09:00"), "end": moment("10:00")});
    let mut theirs = Vec::new();
    for person in PEOPLE {
        // As the policy has it; where it can be read, the mailbox's own hours count.
        microsoft
            .control(Method::PATCH, &format!("users/{person}"), Some(&json!({"working_hours": "09:00-18:00"})))
            .await;
        let mut words = json!({"internalReplyMessage": OLD_WORDS});
        if person == BEN {
            // Not switched off, but over.
            let day = |day: &str| json!({"dateTime": format!("2026-11-{day}T00:00:00"), "timeZone": "UTC"});
            words["status"] = json!("scheduled");
            (words["scheduledStartDateTime"], words["scheduledEndDateTime"]) = (day("01"), day("02"));
        }
        microsoft.control(Method::PATCH, &format!("users/{person}/automatic-replies"), Some(&words)).await;
    }
    for mailbox in MAILBOXES {
        theirs.push(microsoft.control(Method::POST, &format!("users/{mailbox}/events"), Some(&dentist)).await);
    }
    theirs
}

/// The living events that carry our marker, each with the mailbox's number and the mapping's id.
pub(super) async fn ours(microsoft: &Microsoft, ids: &[String]) -> Vec<(usize, String, Found)> {
    let mut ours = Vec::new();
    for (mailbox, owner) in ids.iter().enumerate() {
        let events = microsoft.events(owner).await;
        ours.extend(events.iter().filter_map(|event| Some((mailbox, marker(event)?, found(event)))));
    }
    ours
}

/// Changes an event and gives it as it is then. `n` makes what they write one of a kind.
pub(super) async fn edit(microsoft: &Microsoft, owner: &str, id: &str, edit: Edit, n: usize) -> Found {
    let moment =
        |hour: usize| json!({"dateTime": format!("2027-01-{:02}T{hour:02}:00:00", 1 + n % 28), "timeZone": "UTC"});
    let change = match edit {
        Edit::Move => json!({"isAllDay": false, "start": moment(9), "end": moment(10 + n / 28)}),
        Edit::Note => json!({"body": {"contentType": "text", "content": format!("note {n}")}}),
        Edit::Tag | Edit::Delete => json!({"categories": [format!("category {n}")]}),
    };
    found(&microsoft.control(Method::PATCH, &path(owner, id), Some(&change)).await)
}

/// Deletes an event and gives what it held, unless somebody else was faster.
pub(super) async fn delete(microsoft: &Microsoft, owner: &str, id: &str) -> Option<Found> {
    if !microsoft.delete(&path(owner, id)).await {
        return None;
    }
    let stored = microsoft.stored_events(owner).await;
    stored.iter().find(|event| event["id"] == id).map(found)
}

/// The automatic reply that is set in a mailbox, times in UTC.
pub(super) async fn reply(microsoft: &Microsoft, owner: &str) -> Value {
    microsoft.control(Method::GET, &format!("users/{owner}/automatic-replies"), None).await
}

fn path(owner: &str, id: &str) -> String {
    format!("users/{owner}/events/{}", encoded(id))
}

fn marker(event: &Value) -> Option<String> {
    let properties = event["singleValueExtendedProperties"].as_array()?;
    let ours = properties.iter().find(|property| property["id"].as_str().is_some_and(|id| id.ends_with(MARKER)))?;
    ours["value"].as_str().map(str::to_owned)
}

fn found(event: &Value) -> Found {
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let times = Times {
        all_day: event["isAllDay"].as_bool().unwrap(),
        start: text(&event["start"]["dateTime"]),
        end: text(&event["end"]["dateTime"]),
    };
    let entry = Entry {
        times,
        show_as: text(&event["showAs"]),
        subject: text(&event["subject"]),
        body: text(&event["body"]["content"]),
        sensitivity: text(&event["sensitivity"]),
    };
    let categories = event["categories"].as_array().unwrap().iter().map(text).collect();
    Found { id: text(&event["id"]), entry, categories }
}
