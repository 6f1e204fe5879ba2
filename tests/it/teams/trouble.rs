//! What goes wrong at one calendar and leaves the other alone, and lost answers that lead to no second event.

use std::time::Duration;

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use super::{SALES, TEAMS, away, make_mailboxes, of_sales, shown, stand, teams};
use crate::support::{AMY, TestApp, cancelled, until};

const CALENDARS: &str = "/v1.0/users/*/calendars";
const CREATE: &str = "/v1.0/users/*/calendars/*/events";

async fn comes_to_stand(app: &TestApp, own: &str, team: &str) {
    let expected = [format!("{AMY} default {own}"), format!("{SALES} Who is away {team}")];
    until(&format!("{expected:?}"), async || stand(app, "LA-1").await == expected).await;
}

#[tokio::test]
async fn a_team_mailbox_in_trouble_does_not_hold_up_the_persons_own_event() {
    for trouble in [json!({"kind": "unlicensed"}), json!({"in_scope": false})] {
        let app = teams().await;
        app.microsoft.control(Method::PATCH, &format!("users/{SALES}"), Some(&trouble)).await;
        app.post("ess", &of_sales("LA-1", 0, &json!({}))).await;
        comes_to_stand(&app, "synced", "waiting").await;
        app.post("ess", &of_sales("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
        comes_to_stand(&app, "synced", "waiting").await;
        assert_eq!(app.microsoft.events(AMY).await[0]["end"]["dateTime"], "2026-12-23T00:00:00.0000000");
        let mended = json!({"kind": "shared", "in_scope": true});
        app.microsoft.control(Method::PATCH, &format!("users/{SALES}"), Some(&mended)).await;
        app.advance(SignedDuration::from_hours(2)).await;
        comes_to_stand(&app, "synced", "synced").await;
        assert_eq!(shown(&app, SALES).await, away("Amy Chan"));
    }
}

#[tokio::test]
async fn whoever_waits_for_the_persons_own_event_does_not_wait_for_a_team_mailbox_in_trouble() {
    let app = teams().await;
    app.microsoft.control(Method::DELETE, &format!("users/{SALES}"), None).await;
    let leave = of_sales("LA-1", 0, &json!({}));
    let answer = tokio::time::timeout(Duration::from_secs(20), app.deliver("ess", &leave)).await;
    let body = answer.expect("it is told long before the 30 seconds are over").body;
    let states: Vec<_> = body["leave"]["mappings"].as_array().unwrap().iter().map(|one| one["state"].clone()).collect();
    assert_eq!(states, ["synced", "waiting"], "{body}");
}

#[tokio::test]
async fn a_person_whose_mailbox_is_in_trouble_stands_in_the_teams_calendar_all_the_same() {
    let app = teams().await;
    let trouble = json!({"kind": "on-premises"});
    app.microsoft.control(Method::PATCH, &format!("users/{AMY}"), Some(&trouble)).await;
    app.post("ess", &of_sales("LA-1", 0, &json!({}))).await;
    comes_to_stand(&app, "waiting", "synced").await;
    assert_eq!(shown(&app, SALES).await, away("Amy Chan"));
    app.post("ess", &cancelled("LA-1", 1)).await;
    until("it is gone from the team's", async || shown(&app, SALES).await.is_empty()).await;
}

#[tokio::test]
async fn a_team_mailbox_that_is_throttled_waits_as_asked_and_the_persons_own_does_not() {
    let app = teams().await;
    let slow =
        json!([{"method": "GET", "path": CALENDARS, "times": 1, "status": 429, "headers": {"Retry-After": "90"}}]);
    app.microsoft.faults(slow).await;
    app.post("ess", &of_sales("LA-1", 0, &json!({}))).await;
    comes_to_stand(&app, "synced", "waiting").await;
    app.advance(SignedDuration::from_secs(89)).await;
    comes_to_stand(&app, "synced", "waiting").await;
    app.advance(SignedDuration::from_secs(60)).await;
    comes_to_stand(&app, "synced", "synced").await;
}

#[tokio::test]
async fn every_call_for_a_team_calendar_survives_a_lost_answer_without_a_second_event_or_calendar() {
    for (method, path) in [("GET", CALENDARS), ("POST", CALENDARS), ("POST", CREATE)] {
        for fault in [
            json!({"when": "after-commit", "drop": true}),
            json!({"when": "before", "drop": true}),
            json!({"when": "after-commit", "status": 504}),
            json!({"when": "before", "status": 503}),
            json!({"when": "after-commit", "status": 201, "body": "<html>not JSON"}),
        ] {
            let app = teams().await;
            let mut rule = fault.clone();
            (rule["method"], rule["path"], rule["times"]) = (json!(method), json!(path), json!(1));
            app.microsoft.faults(json!([rule])).await;
            app.post("ess", &of_sales("LA-1", 0, &json!({}))).await;
            comes_to_stand(&app, "synced", "waiting").await;
            let expected = [format!("{AMY} default synced"), format!("{SALES} Who is away synced")];
            until("it comes right", async || {
                app.advance(SignedDuration::from_mins(1)).await;
                stand(&app, "LA-1").await == expected
            })
            .await;
            assert_eq!(app.microsoft.stored_events(SALES).await.len(), 1, "{method} {path} {fault}");
            assert_eq!(shown(&app, SALES).await, away("Amy Chan"), "{method} {path} {fault}");
            assert_eq!(app.microsoft.score().await["duplicates"], 0);
        }
    }
}

#[tokio::test]
async fn a_copy_that_is_on_its_way_when_the_persons_own_hours_become_known_is_written_once_more() {
    let (app, barrier) = TestApp::with_file_and_barrier(TEAMS).await;
    make_mailboxes(&app).await;
    app.microsoft.consent(&["Calendars.ReadWrite", "MailboxSettings.Read"]).await;
    // The team's calendar takes its time, so that Amy's mailbox has told its hours meanwhile.
    barrier.close("POST", "/calendars/");
    let afternoon = json!({"start_session": "pm", "end_session": "pm", "time_zone": null});
    app.post("ess", &of_sales("LA-1", 0, &afternoon)).await;
    until("the copy is on its way", async || barrier.held().len() == 1).await;
    until("Amy's own event is there", async || zones(&app, AMY).await == ["China Standard Time"]).await;
    barrier.open();
    until("both lie by Amy's clock", async || {
        zones(&app, AMY).await == ["China Standard Time"] && zones(&app, SALES).await == ["China Standard Time"]
    })
    .await;
    assert_eq!((app.microsoft.events(AMY).await.len(), app.microsoft.events(SALES).await.len()), (1, 1));
}

#[tokio::test]
async fn a_shared_mailbox_that_moves_to_another_zone_has_its_whole_days_moved_along_at_the_next_reading() {
    let app = teams().await;
    app.microsoft.consent(&["Calendars.ReadWrite", "MailboxSettings.Read"]).await;
    app.deliver("ess", &of_sales("LA-0", 0, &json!({"start": "2026-11-20", "end": "2026-11-20"}))).await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    let moved = json!({"time_zone": "America/New_York"});
    app.microsoft.control(Method::PATCH, &format!("users/{SALES}"), Some(&moved)).await;
    app.advance(SignedDuration::from_hours(25)).await;
    app.deliver("ess", &of_sales("LA-2", 0, &json!({"start": "2026-12-22", "end": "2026-12-22"}))).await;
    until("all but what is over lies by the new clock", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        zones(&app, SALES).await == ["UTC", "Eastern Standard Time", "Eastern Standard Time"]
    })
    .await;
    assert_eq!(app.microsoft.score().await["duplicates"], 0);
}

/// In which zone the events of a mailbox were written, the earliest first.
async fn zones(app: &TestApp, address: &str) -> Vec<String> {
    let mut events = app.microsoft.events(address).await;
    events.sort_by_key(|event| event["start"]["dateTime"].to_string());
    events.iter().map(|event| event["originalStartTimeZone"].as_str().unwrap().to_owned()).collect()
}
