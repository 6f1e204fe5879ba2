//! The story that the demonstration tells, and the check that it came true in the calendars and in `/mappings`.

use std::time::Duration;

use anyhow::{Context as _, ensure};
use reqwest::Client;
use serde_json::{Value, json};

use super::{
    acts::{Act, Source, acts},
    portal::Portal,
    scene::{PEOPLE, Scene, TEAM, print},
};
use crate::config::Settings;

/// Longer than a service takes to start.
const READY_WITHIN: u32 = 300;

/// What should be in one person's calendar: first moment, end, whole days, how it shows.
type Event = (String, String, bool, &'static str);

/// Tells the story. `true` when everything came true.
pub(super) async fn tell(scene: &Scene, http: &Client, settings: &Settings) -> anyhow::Result<bool> {
    for (address, name, time_zone) in PEOPLE {
        let person = json!({"address": address, "name": name, "time_zone": time_zone});
        let answer = http.post(format!("{}/_sim/users", scene.microsoft)).json(&person).send().await?;
        ensure!(answer.status().is_success(), "the simulator does not take {name}: {}", answer.text().await?);
    }
    let team = json!({"address": TEAM, "name": "Sales team", "kind": "shared", "time_zone": "Europe/London"});
    let answer = http.post(format!("{}/_sim/users", scene.microsoft)).json(&team).send().await?;
    ensure!(answer.status().is_success(), "the simulator does not take the team: {}", answer.text().await?);
    ready(scene, http).await?;
    print(&format!(
        "leavebridge runs at {}, the simulated Microsoft at {}.\nIt is the week of {}.\n",
        scene.api, scene.microsoft, scene.monday
    ));
    let ess = Portal { http, api: &scene.api, secret: &scene.ess_secret, name: "ess" };
    let backstage = Portal { http, api: &scene.api, secret: &scene.backstage_secret, name: "backstage" };
    for Act { what, by, kind, at, data } in acts(scene) {
        let portal = if by == Source::Ess { &ess } else { &backstage };
        let answer = portal.post(kind, at, data).await.context(what)?;
        print(&format!("{what}\n    → {}", fate(&answer)));
    }
    let right = calendars(scene, http).await?
        & team_calendar(scene, http).await?
        & mappings(scene, http, settings).await?
        & score(scene, http).await?;
    print(if right { "\nEvery event is right." } else { "\nSomething is not as it should be." });
    Ok(right)
}

async fn ready(scene: &Scene, http: &Client) -> anyhow::Result<()> {
    for _ in 0..READY_WITHIN {
        let answer = http.get(format!("{}/health/ready", scene.api)).send().await;
        if answer.is_ok_and(|answer| answer.status().is_success()) {
            return Ok(());
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    anyhow::bail!("the service does not become ready; DATABASE_URL, if set, must lead to a database that answers")
}

/// How a leave stands, in a line.
fn fate(answer: &Value) -> String {
    let states = answer["leave"]["mappings"].as_array().into_iter().flatten().map(|mapping| {
        let state = match mapping["state"].as_str().unwrap_or_default() {
            "synced" => "in Outlook ✓".to_owned(),
            "removed" => "no event in Outlook ✓".to_owned(),
            state => format!("{state} ({})", mapping["reason"].as_str().unwrap_or("under way")),
        };
        format!("{}: {state}", mapping["mailbox"].as_str().unwrap_or_default())
    });
    let states: Vec<_> = states.collect();
    format!("{}, {}", answer["outcome"].as_str().unwrap_or_default(), states.join(", "))
}

/// Compares what is in the calendars with what the story says should be there.
async fn calendars(scene: &Scene, http: &Client) -> anyhow::Result<bool> {
    let day = |n: i32| format!("{}T00:00:00", scene.day(n));
    let at = |n: i32, time: &str| format!("{}T{time}:00", scene.day(n));
    let expected: [(&str, Vec<Event>); 4] = [
        (PEOPLE[0].0, vec![(day(0), day(4), true, "oof")]),
        (
            PEOPLE[1].0,
            vec![
                (day(1), day(2), true, "oof"),
                (at(2, "14:00"), at(2, "15:30"), false, "oof"),
                (at(3, "22:00"), at(4, "06:00"), false, "oof"),
            ],
        ),
        (PEOPLE[2].0, vec![(day(3), day(5), true, "tentative")]),
        (PEOPLE[3].0, vec![(at(4, "13:00"), at(4, "18:00"), false, "oof")]),
    ];
    let mut all_right = true;
    print("\nIn the calendars:");
    for (address, wanted) in expected {
        let url = format!("{}/_sim/users/{address}/events", scene.microsoft);
        let events: Vec<Value> = http.get(url).send().await?.json().await?;
        let live: Vec<&Value> = events.iter().filter(|event| event["deleted"] != true).collect();
        let right = live.len() == wanted.len() && live.iter().zip(&wanted).all(|(event, wanted)| is(event, wanted));
        all_right &= right;
        for event in live {
            print(&format!("    {} {address}: {}", mark(right), describe(event)));
        }
        if !right {
            print(&format!("    ✗ {address} should have {wanted:?}"));
        }
    }
    Ok(all_right)
}

/// Looks whether the team sees who is away, and nothing more.
async fn team_calendar(scene: &Scene, http: &Client) -> anyhow::Result<bool> {
    let url = format!("{}/_sim/users/{TEAM}/events", scene.microsoft);
    let events: Vec<Value> = http.get(url).send().await?.json().await?;
    let live: Vec<&Value> = events.iter().filter(|event| event["deleted"] != true).collect();
    let mut right = live.len() == 2;
    for (event, (_, name, _)) in live.iter().zip(PEOPLE) {
        let is_right = event["subject"] == format!("{name} – away")
            && event["showAs"] == "free"
            && event["calendar"] == "Who is away"
            && !event.to_string().contains("SICK");
        right &= is_right;
        print(&format!("    {} {TEAM}, calendar \u{201c}Who is away\u{201d}: {}", mark(is_right), describe(event)));
    }
    Ok(right)
}

fn is(event: &Value, (start, end, all_day, show_as): &Event) -> bool {
    let begins = |field: &str, with: &str| event[field]["dateTime"].as_str().is_some_and(|at| at.starts_with(with));
    begins("start", start)
        && begins("end", end)
        && event["isAllDay"] == *all_day
        && event["showAs"] == *show_as
        && event["sensitivity"] == "private"
        && event["subject"] == "Out of office"
        && !event.to_string().contains("nobody's business")
        && !event.to_string().contains("SICK")
}

fn describe(event: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let at = |field: &str| text(&event[field]["dateTime"]).chars().take(16).collect::<String>();
    let (all_day, zone) = (event["isAllDay"] == true, text(&event["start"]["timeZone"]));
    let when = if all_day {
        format!("whole days from {} until before {}", &at("start")[..10], &at("end")[..10])
    } else {
        format!("{} – {}", at("start").replace('T', " "), at("end").replace('T', " "))
    };
    format!("{}, {when} ({zone}), {}, {}", text(&event["subject"]), text(&event["showAs"]), text(&event["sensitivity"]))
}

/// Compares what `/mappings` says with what the story says.
async fn mappings(scene: &Scene, http: &Client, settings: &Settings) -> anyhow::Result<bool> {
    let url = format!("{}/mappings", scene.api);
    let answer: Value = http.get(url).bearer_auth(scene.token(settings, "ops")?).send().await?.json().await?;
    let mut all_right = true;
    print("\nWhat /mappings says:");
    for (leave, state, reason) in [
        ("LA-1001", "synced", None),
        ("BS-77", "synced", None),
        ("LA-1002", "synced", None),
        ("LA-1003", "synced", None),
        ("LA-1005", "synced", None),
        ("LA-1006", "synced", None),
        ("BS-78", "removed", None),
        ("LA-1004", "waiting", Some("mailbox-missing")),
    ] {
        let found: Vec<&Value> = answer["mappings"]
            .as_array()
            .into_iter()
            .flatten()
            .filter(|mapping| mapping["leave_id"] == scene.id(leave) && mapping["mailbox"] != TEAM)
            .collect();
        let right = matches!(found.as_slice(), [one] if one["state"] == state && one["reason"].as_str() == reason);
        all_right &= right;
        for mapping in found {
            let reason = mapping["reason"].as_str().map_or_else(String::new, |reason| format!(", {reason}"));
            let (mailbox, state) = (&mapping["mailbox"], &mapping["state"]);
            let [mailbox, state] = [mailbox, state].map(|value| value.as_str().unwrap_or_default());
            print(&format!("    {} {leave} for {mailbox}: {state}{reason}", mark(right)));
            if let Some(detail) = mapping["detail"].as_str() {
                print(&format!("      {detail}"));
            }
        }
    }
    Ok(all_right)
}

/// What the simulated Microsoft noticed about our manners.
async fn score(scene: &Scene, http: &Client) -> anyhow::Result<bool> {
    let score: Value = http.get(format!("{}/_sim/score", scene.microsoft)).send().await?.json().await?;
    let right = ["limit_violations", "retry_after_violations", "duplicates"].iter().all(|figure| score[figure] == 0);
    print(&format!(
        "\n    {} {} requests to Microsoft, at most {} at once per mailbox; no limit overrun, no duplicate",
        mark(right),
        score["requests"],
        score["max_in_flight_per_mailbox"]
    ));
    Ok(right)
}

const fn mark(right: bool) -> &'static str {
    if right { "✓" } else { "✗" }
}
