//! Scripted trouble.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Stage, events, finish, leave, leave_with};

#[tokio::test]
async fn a_rule_before_the_work_leaves_nothing_behind() {
    let stage = Stage::new().await;
    stage.faults(json!([{"method": "post", "path": "/v1.0/users/*/events", "times": 1, "status": 503, "headers": {"Retry-After": "5"}}])).await;
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
    let refused = stage.post(&events(AMY), &leave()).await;
    assert_eq!((refused.refusal(), refused.header("retry-after")), ((503, "serviceNotAvailable"), "5"));
    assert!(stage.stored(AMY).await.is_empty());
    assert_eq!(stage.post(&events(AMY), &leave()).await.status, 201);
    let faults: Vec<Value> =
        stage.journal().await.iter().map(|entry| entry["fault"].clone()).filter(|fault| !fault.is_null()).collect();
    assert_eq!(faults, ["status 503 before"]);
}

#[tokio::test]
async fn a_rule_after_the_commit_loses_only_the_answer() {
    let stage = Stage::new().await;
    stage
        .faults(json!([{"method": "POST", "path": "/v1.0/*", "times": 1, "status": 504, "when": "after-commit"}]))
        .await;
    let body = leave_with(json!({"transactionId": "t"}));
    assert_eq!(stage.post(&events(AMY), &body).await.status, 504);
    assert_eq!(stage.stored(AMY).await.len(), 1);
    assert_eq!(stage.post(&events(AMY), &body).await.status, 201);
    assert_eq!(stage.stored(AMY).await.len(), 1);
}

#[tokio::test]
async fn a_drop_closes_the_connection_without_an_answer() {
    let stage = Stage::new().await;
    for (when, events_after) in [("before", 0), ("after-commit", 1)] {
        stage.faults(json!([{"method": "POST", "path": "*/events", "times": 1, "drop": true, "when": when}])).await;
        let error = stage.request(Method::POST, &events(AMY)).json(&leave()).send().await.unwrap_err();
        assert!(error.is_request() && error.status().is_none() && !error.is_timeout(), "{error:?}");
        assert_eq!(stage.stored(AMY).await.len(), events_after, "{when}");
        let last = stage.journal().await.pop().unwrap();
        assert_eq!((&last["status"], &last["fault"]), (&json!(0), &json!(format!("drop {when}"))));
    }
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
}

#[tokio::test]
async fn the_token_endpoint_has_trouble_too() {
    let stage = Stage::new().await;
    stage
        .faults(json!([
            {"path": "*/token", "times": 1, "status": 200, "body": "<html>proxy</html>"},
            {"path": "*/token", "times": 1, "status": 503},
            {"path": "*/token", "times": 1, "status": 400, "body": {"error": "odd"}},
        ]))
        .await;
    let garbage = stage.ask_token(&[]).await;
    assert_eq!((garbage.status, garbage.body), (200, json!("<html>proxy</html>")));
    assert_eq!(stage.ask_token(&[]).await.body["error"], "temporarily_unavailable");
    assert_eq!(stage.ask_token(&[]).await.body, json!({"error": "odd"}));
    assert_eq!(stage.ask_token(&[]).await.status, 200);
}

#[tokio::test]
async fn paths_are_matched_decoded_and_rules_last_until_cleared() {
    let stage = Stage::new().await;
    stage.faults(json!([{"path": "/v1.0/users/amy.chan@contoso.com/events", "status": 500, "times": null}])).await;
    for _ in 0..3 {
        assert_eq!(stage.get("/users/amy.chan%40contoso.com/events?$top=1").await.status, 500);
    }
    let rules = stage.control(Method::GET, "/faults", Value::Null).await;
    assert_eq!((&rules[0]["status"], &rules[0]["times"]), (&json!(500), &Value::Null));
    stage.control(Method::DELETE, "/faults", Value::Null).await;
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
}

#[tokio::test]
async fn a_rule_may_only_delay() {
    let stage = Stage::new().await;
    stage.faults(json!([{"delay_ms": 30, "times": 1}])).await;
    let answer = finish(stage.request(Method::GET, &events(AMY))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(stage.journal().await.pop().unwrap()["fault"], "delay 30 ms before");
}

#[tokio::test]
async fn rules_that_cannot_be_meant_are_refused() {
    let stage = Stage::new().await;
    for rules in [
        json!([{}]),
        json!([{"status": 429, "colour": 1}]),
        json!({"status": 1}),
        json!([{"status": 700}]),
        json!([{"when": "later", "drop": true}]),
    ] {
        let answer = stage.try_control(Method::POST, "/faults", rules.clone()).await;
        assert_eq!(answer.status, 400, "{rules}");
        assert!(answer.body["error"].as_str().unwrap().ends_with('.'), "{}", answer.body);
    }
}
