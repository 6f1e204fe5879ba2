//! Throttling: what is refused, and what the score says about the caller.

use std::time::Duration;

use reqwest::Method;
use serde_json::json;

use super::stage::{AMY, Stage, events, leave};

#[tokio::test]
async fn the_fifth_request_in_flight_is_refused() {
    let stage = Stage::new().await;
    stage.person(json!({"address": "ben@contoso.com"})).await;
    stage.settings(json!({"answer_delay_ms": 1000})).await;
    let path = events(AMY);
    let other = events("ben@contoso.com");
    let same = || stage.get(&path);
    let (first, second, third, fourth, fifth, elsewhere) =
        tokio::join!(same(), same(), same(), same(), same(), stage.get(&other));
    let answers = [first, second, third, fourth, fifth];
    let refused: Vec<_> = answers.iter().filter(|answer| answer.status == 429).collect();
    assert_eq!(refused.len(), 1);
    assert_eq!(refused[0].code(), "ApplicationThrottled");
    assert_eq!(refused[0].message(), "Application is over its MailboxConcurrency limit.");
    assert_eq!(refused[0].header("retry-after"), "10");
    assert_eq!(elsewhere.status, 200);
    let score = stage.score().await;
    assert_eq!((&score["limit_violations"], &score["max_in_flight_per_mailbox"]), (&json!(1), &json!(5)));
    assert_eq!(score["requests"], 7);
}

#[tokio::test]
async fn too_many_in_ten_minutes_are_refused_until_the_oldest_are_over() {
    let stage = Stage::new().await;
    stage.settings(json!({"requests_per_ten_minutes": 3})).await;
    for _ in 0..3 {
        assert_eq!(stage.get(&events(AMY)).await.status, 200);
        stage.advance(60);
    }
    let refused = stage.get(&events(AMY)).await;
    assert_eq!(refused.refusal(), (429, "ApplicationThrottled"));
    let wait: i64 = refused.header("retry-after").parse().unwrap();
    // The refused request counts as well, so the window is full of the newest three.
    assert!((420..=600).contains(&wait), "{wait}");
    stage.advance(wait);
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
    assert_eq!(stage.score().await["retry_after_violations"], 0);
}

#[tokio::test]
async fn coming_back_before_retry_after_is_held_against_the_caller() {
    let stage = Stage::new().await;
    stage.person(json!({"address": "ben@contoso.com"})).await;
    let rule = |status: u16, wait: &str| json!([{"status": status, "times": 1, "path": "/v1.0/users/amy*", "headers": {"Retry-After": wait}}]);
    stage.faults(rule(429, "30")).await;
    assert_eq!(stage.get(&events(AMY)).await.status, 429);
    stage.get(&events("ben@contoso.com")).await;
    assert_eq!(stage.score().await["retry_after_violations"], 0);
    stage.advance(29);
    stage.get(&events(AMY)).await;
    assert_eq!(stage.score().await["retry_after_violations"], 1);
    stage.advance(1);
    stage.get(&events(AMY)).await;
    assert_eq!(stage.score().await["retry_after_violations"], 1);
    stage.faults(rule(503, "Sun, 22 Nov 2026 03:05:00 GMT")).await;
    assert_eq!(stage.get(&events(AMY)).await.status, 503);
    // What arrives at the same moment had been sent off before the answer could be read.
    stage.get(&events(AMY)).await;
    assert_eq!(stage.score().await["retry_after_violations"], 1);
    stage.advance(1);
    stage.get(&events(AMY)).await;
    assert_eq!(stage.score().await["retry_after_violations"], 2);
}

#[tokio::test]
async fn work_goes_on_when_the_caller_hangs_up() {
    let stage = Stage::new().await;
    stage.settings(json!({"answer_delay_ms": 200})).await;
    let sending = tokio::spawn(stage.request(Method::POST, &events(AMY)).json(&leave()).send());
    let story = async {
        // One request was for the token.
        while stage.score().await["requests"] != 2 {}
        sending.abort();
        while stage.stored(AMY).await.is_empty() {}
    };
    tokio::time::timeout(Duration::from_secs(30), story).await.unwrap();
}
