//! What is the person's own stays, whenever they set it.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{assert_span, comes, days, file, leave, passes, requests, scheduled, sets, setting, shown, stage};
use crate::support::{TestApp, cancelled};

fn own(from: &str, until: &str) -> Value {
    json!({
        "status": "scheduled", "internalReplyMessage": "Gone fishing",
        "scheduledStartDateTime": {"dateTime": from, "timeZone": "UTC"},
        "scheduledEndDateTime": {"dateTime": until, "timeZone": "UTC"},
    })
}

async fn kept(app: &TestApp, reason: &str) {
    let shown = shown(app, "LA-1").await;
    assert_eq!((&shown["state"], &shown["reason"]), (&json!("kept"), &json!(reason)), "{shown}");
    assert!(shown["detail"].as_str().unwrap().ends_with('.'), "{shown}");
}

fn writes(requests: &[String]) -> usize {
    requests.iter().filter(|request| request.starts_with("PATCH")).count()
}

#[tokio::test]
async fn a_reply_that_is_on_already_stays_and_ours_follows_once_it_is_off() {
    let app = stage(&[]).await;
    sets(&app, json!({"status": "alwaysEnabled", "internalReplyMessage": "Gone fishing"})).await;
    let theirs = setting(&app).await;
    file(&app, &leave("LA-1")).await;
    kept(&app, "own-reply").await;
    passes(&app, SignedDuration::from_hours(24)).await;
    assert_eq!((setting(&app).await, requests(&app).await), (theirs, vec!["GET 200".into(), "GET 200".into()]));
    sets(&app, json!({"status": "disabled"})).await;
    passes(&app, SignedDuration::from_hours(24)).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
    // And it is given back.
    file(&app, &cancelled("LA-1", 1)).await;
    let after = setting(&app).await;
    assert_eq!(after["status"], "disabled");
    assert!(after["internalReplyMessage"].as_str().unwrap().contains("Gone fishing"));
}

#[tokio::test]
async fn a_reply_of_their_own_for_another_time_stays_until_it_is_over() {
    let app = stage(&[]).await;
    sets(&app, own("2026-11-22T08:00:00", "2026-11-22T12:00:00")).await;
    file(&app, &leave("LA-1")).await;
    kept(&app, "own-reply").await;
    comes(&app, "2026-11-22T12:00:00Z").await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
}

#[tokio::test]
async fn whoever_rewrites_ours_has_made_it_their_own() {
    let app = stage(&[]).await;
    file(&app, &days("LA-1", 0, "2026-12-21", "2026-12-22")).await;
    sets(&app, json!({"internalReplyMessage": "Ask Ben instead"})).await;
    let theirs = setting(&app).await;
    file(&app, &days("LA-1", 1, "2026-12-21", "2026-12-24")).await;
    kept(&app, "own-reply").await;
    comes(&app, "2026-12-22T16:00:00Z").await;
    // Theirs is over, but it was about this leave.
    kept(&app, "switched-off").await;
    file(&app, &cancelled("LA-1", 2)).await;
    assert_eq!(setting(&app).await, theirs);
    assert_eq!(writes(&requests(&app).await), 1);
}

#[tokio::test]
async fn whoever_switches_ours_off_is_not_overruled_during_that_leave() {
    let app = stage(&[]).await;
    file(&app, &days("LA-1", 0, "2026-11-21", "2026-11-25")).await;
    passes(&app, SignedDuration::from_hours(5)).await;
    sets(&app, json!({"status": "disabled"})).await;
    file(&app, &days("LA-1", 1, "2026-11-21", "2026-11-26")).await;
    kept(&app, "switched-off").await;
    passes(&app, SignedDuration::from_hours(24)).await;
    assert_eq!(setting(&app).await["status"], "disabled");
    // The next leave is another matter.
    file(&app, &days("LA-2", 0, "2026-12-21", "2026-12-21")).await;
    comes(&app, "2026-11-26T16:00:00Z").await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
}

#[tokio::test]
async fn what_took_the_place_of_ours_for_another_time_is_noticed_a_day_before() {
    let app = stage(&[]).await;
    file(&app, &leave("LA-1")).await;
    sets(&app, own("2026-11-24T08:00:00", "2026-11-24T12:00:00")).await;
    comes(&app, "2026-12-19T16:00:00Z").await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
}

#[tokio::test]
async fn a_setting_that_becomes_theirs_is_not_withdrawn() {
    let app = stage(&[]).await;
    file(&app, &leave("LA-1")).await;
    sets(&app, json!({"status": "alwaysEnabled"})).await;
    let theirs = setting(&app).await;
    file(&app, &cancelled("LA-1", 1)).await;
    assert_eq!(setting(&app).await, theirs);
    assert_eq!(shown(&app, "LA-1").await, json!(null));
}

#[tokio::test]
async fn somebodys_own_words_come_back_although_they_switched_ours_off_themselves() {
    let app = stage(&[]).await;
    sets(&app, json!({"internalReplyMessage": "Old words"})).await;
    file(&app, &days("LA-1", 0, "2026-12-01", "2026-12-02")).await;
    sets(&app, json!({"status": "disabled"})).await;
    comes(&app, "2026-12-02T16:00:00Z").await;
    let left = setting(&app).await;
    assert_eq!(left["status"], "disabled", "{left}");
    assert!(left["internalReplyMessage"].as_str().unwrap().contains("Old words"), "{left}");
    // Nor are ours taken for theirs when the next leave comes first.
    file(&app, &days("LA-2", 0, "2026-12-07", "2026-12-08")).await;
    sets(&app, json!({"status": "disabled"})).await;
    file(&app, &days("LA-3", 0, "2026-12-21", "2026-12-22")).await;
    comes(&app, "2026-12-22T16:00:00Z").await;
    let left = setting(&app).await;
    assert!(left["internalReplyMessage"].as_str().unwrap().contains("Old words"), "{left}");
}
