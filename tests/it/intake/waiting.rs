//! `Prefer: wait=N`: the portal learns at once whether the leave is in Outlook.

use std::time::{Duration, Instant};

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, TestApp, answer, assert_refused, leave};

async fn post_preferring(app: &TestApp, prefer: &[&str], body: &Value) -> Answer {
    let mut request = app.request(Method::POST, "/leaves").bearer_auth(app.token("ess"));
    for prefer in prefer {
        request = request.header("prefer", *prefer);
    }
    answer(request.json(body)).await
}

#[tokio::test]
async fn the_answer_says_for_how_long_at_most_it_has_waited() {
    let app = TestApp::new().await;
    for (n, (prefer, applied)) in [
        (vec!["wait=30"], Some("wait=30")),
        (vec!["wait=31"], Some("wait=30")),
        (vec!["wait=100000000000"], Some("wait=30")),
        (vec!["Wait = 7"], Some("wait=7")),
        (vec!["respond-async, wait=7"], Some("wait=7")),
        (vec!["return=minimal", "wait=7"], Some("wait=7")),
        (vec!["wait=0"], Some("wait=0")),
        (vec!["wait=soon"], None),
        (vec!["wait=-1"], None),
        (vec!["wait"], None),
        (vec!["await=7"], None),
        (vec![], None),
    ]
    .into_iter()
    .enumerate()
    {
        let answer = post_preferring(&app, &prefer, &leave(&format!("LA-{n}"))).await;
        assert_eq!(answer.status, 202, "{prefer:?}");
        let said = answer.headers.get("preference-applied").map(|value| value.to_str().unwrap());
        assert_eq!(said, applied, "{prefer:?}");
        if !matches!(applied, None | Some("wait=0")) {
            assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{prefer:?}");
        }
    }
}

#[tokio::test]
async fn who_waits_for_what_does_not_come_is_answered_in_time_with_how_it_stands() {
    let app = TestApp::new().await;
    app.microsoft.faults(json!([{"method": "POST", "path": "/v1.0/*", "status": 503}])).await;
    assert_eq!(app.post("ess", &leave("LA-1")).await.status, 202);
    app.mapping_in("LA-1", "waiting").await;

    let begun = Instant::now();
    let answer = post_preferring(&app, &["wait=1"], &leave("LA-1")).await;
    let took = begun.elapsed();
    assert_eq!((answer.status, &answer.body["outcome"]), (200, &json!("unchanged")));
    assert_eq!(answer.headers["preference-applied"], "wait=1");
    let mapping = &answer.body["leave"]["mappings"][0];
    assert_eq!((&mapping["state"], &mapping["reason"]), (&json!("waiting"), &json!("graph-unavailable")));
    assert!(mapping["next_attempt_at"].is_string() && mapping["event_id"].is_null(), "{mapping}");
    assert!(took >= Duration::from_secs(1) && took < Duration::from_secs(25), "{took:?}");
}

#[tokio::test]
async fn who_waits_is_answered_as_soon_as_a_person_is_needed() {
    let app = TestApp::new().await;
    app.microsoft.faults(json!([{"method": "POST", "path": "/v1.0/*", "status": 400}])).await;
    let begun = Instant::now();
    let answer = app.deliver("ess", &leave("LA-1")).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "parked", "{answer:?}");
    assert!(begun.elapsed() < Duration::from_secs(25));
}

#[tokio::test]
async fn a_refusal_waits_for_nothing() {
    let app = TestApp::new().await;
    let answer = post_preferring(&app, &["wait=30"], &json!({})).await;
    assert_refused(&answer, 422, "invalid");
    assert!(!answer.headers.contains_key("preference-applied"));
}
