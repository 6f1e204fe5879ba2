//! Senders that post more, faster or more fitfully than anybody should: each leave still ends as its last word says, at
//! little cost to Microsoft, and its history tells why it took so long.
//!
//! The same webhook fifty times at once is in `intake::deliveries`; every order of arrival in `intake::ordering`.

use futures_util::{StreamExt as _, stream};
use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{AMY, BEN, TestApp, answer, leave, until, updated};

const CREATE: &str = "/v1.0/users/*/events";
const ONE: &str = "/v1.0/users/*/events/*";

/// Posts that many webhooks, 64 at a time; gives what became of each.
async fn post_all(app: &TestApp, count: usize, webhook: impl Fn(usize) -> Value) -> Vec<Value> {
    let token = app.token("ess");
    let post = |n| answer(app.request(Method::POST, "/leaves").bearer_auth(&token).json(&webhook(n)));
    let posting = (0..count).map(post);
    stream::iter(posting).buffer_unordered(64).map(|mut answer| answer.body["outcome"].take()).collect().await
}

#[tokio::test]
async fn ten_thousand_changes_of_one_leave_cost_a_handful_of_calls() {
    const CHANGES: usize = 10_000;
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let busy = json!([{"method": "PATCH", "path": ONE, "times": 1, "status": 429, "headers": {"retry-after": "600"}}]);
    app.microsoft.faults(busy).await;
    // At the same moment by the source's clock, so that each counts in whatever order they arrive.
    let change = |n: usize| updated("LA-1", 0, &json!({"end": "2026-12-23", "department": format!("D {n}")}));
    let outcomes = post_all(&app, CHANGES, change).await;
    assert!(outcomes.iter().all(|outcome| outcome == "accepted"), "each is taken in");
    let last = app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    assert_eq!((last.status, &last.body["outcome"]), (202, &json!("accepted")));
    assert_eq!(app.mapping("LA-1").await["state"], "waiting");
    app.advance(SignedDuration::from_mins(15)).await;
    app.mapping_in("LA-1", "synced").await;
    // Created; told to wait; written once; looked behind.
    assert_eq!(app.microsoft.calls().await, ["POST 201", "PATCH 429", "PATCH 200", "GET 200"]);
    let events = app.microsoft.stored_events(AMY).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["end"]["dateTime"], "2026-12-23T00:00:00.0000000", "as the last one says");
}

#[tokio::test]
async fn one_stuck_leave_holds_up_none_of_thousands_not_even_in_its_own_mailbox() {
    const LEAVES: usize = 2_000;
    let app = TestApp::new().await;
    app.deliver("ess", &leave("STUCK")).await;
    let id = app.mapping("STUCK").await["event_id"].as_str().unwrap().to_owned();
    let stuck = format!("/v1.0/users/{AMY}/events/{id}");
    app.microsoft.faults(json!([{"method": "PATCH", "path": stuck, "times": null, "status": 500}])).await;
    app.post("ess", &updated("STUCK", 1, &json!({"end": "2026-12-22"}))).await;
    let stuck = app.mapping_in("STUCK", "waiting").await;
    assert_eq!(stuck["reason"], "graph-error");
    for n in 0..20 {
        app.microsoft
            .person(json!({"address": format!("person{n}@contoso.com"), "name": "P", "time_zone": "UTC"}))
            .await;
    }
    let new = |n: usize| {
        let address = if n.is_multiple_of(4) { AMY.to_owned() } else { format!("person{}@contoso.com", n % 20) };
        updated(&format!("LA-{n}"), 0, &json!({"staff": {"email": address}}))
    };
    let outcomes = post_all(&app, LEAVES, new).await;
    assert!(outcomes.iter().all(|outcome| outcome == "accepted"), "each is taken in");
    let open = "SELECT count(*) FROM items WHERE kind = 'event' AND state <> 'synced'";
    until("all but one are in Outlook", async || app.database.number(open).await == 1).await;
    assert_eq!(app.microsoft.events(AMY).await.len(), LEAVES / 4 + 1);
    assert_eq!(app.mapping("STUCK").await, stuck, "it waits as it did before");
    let score = app.microsoft.score().await;
    assert_eq!((&score["duplicates"], &score["limit_violations"]), (&json!(0), &json!(0)), "{score}");
    app.microsoft.clear_faults().await;
    app.advance(SignedDuration::from_mins(1)).await;
    app.mapping_in("STUCK", "synced").await;
}

#[tokio::test]
async fn a_leave_that_moves_away_and_back_while_its_removal_is_in_doubt_is_in_one_calendar() {
    for fault in [json!({"when": "after-commit", "drop": true}), json!({"when": "before", "drop": true})] {
        let app = TestApp::new().await;
        app.deliver("ess", &leave("LA-1")).await;
        let mut lost = json!([fault]);
        lost[0]["method"] = json!("DELETE");
        lost[0]["path"] = json!(ONE);
        lost[0]["times"] = json!(1);
        app.microsoft.faults(lost).await;
        app.post("ess", &updated("LA-1", 1, &json!({"staff": {"email": BEN}}))).await;
        until("it is with Ben", async || app.microsoft.events(BEN).await.len() == 1).await;
        let waits = "SELECT count(*) FROM items WHERE kind = 'event' AND state = 'waiting'";
        until("Amy's is in doubt", async || app.database.number(waits).await == 1).await;
        app.deliver("ess", &updated("LA-1", 2, &json!({}))).await;
        assert_eq!((app.microsoft.events(AMY).await.len(), app.microsoft.events(BEN).await.len()), (1, 0), "{fault}");
    }
}

#[tokio::test]
async fn a_history_says_of_each_attempt_why_it_failed_and_ends_as_the_leave_stands() {
    let app = TestApp::new().await;
    let refusal = json!({"error": {"code": "ErrorInvalidRequest", "message": "…"}});
    app.microsoft
        .faults(json!([
            {"method": "POST", "path": CREATE, "times": 1, "status": 503},
            {"method": "POST", "path": CREATE, "times": 1, "status": 429, "headers": {"retry-after": "30"}},
            {"method": "POST", "path": CREATE, "times": 1, "when": "after-commit", "drop": true},
            {"method": "PATCH", "path": ONE, "times": 1, "status": 400, "body": refusal},
        ]))
        .await;
    app.post("ess", &leave("LA-1")).await;
    for failed in 1..=3 {
        let over = format!(
            "SELECT count(*) FROM mailboxes WHERE lease_until IS NULL
             AND (SELECT count(*) FROM timeline WHERE kind = 'failed') = {failed}"
        );
        until("that attempt is over", async || app.database.number(&over).await == 1).await;
        app.advance(SignedDuration::from_mins(1)).await;
    }
    app.mapping_in("LA-1", "parked").await;
    let path = format!("/mappings/{}", app.mapping("LA-1").await["id"].as_str().unwrap());
    answer(app.request(Method::POST, &format!("{path}/retry")).bearer_auth(app.token("ops"))).await;
    let synced = app.mapping_in("LA-1", "synced").await;
    let page = app.get(&path, Some("ops")).await.body;
    let story: Vec<_> = page["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| {
            ["kind", "step", "reason", "code"].map(|word| {
                let said = if word == "kind" { &entry[word] } else { &entry["detail"][word] };
                said.as_str().unwrap_or_default().to_owned()
            })
        })
        .collect();
    assert_eq!(
        story,
        [
            ["received", "", "", ""],
            ["failed", "create", "graph-unavailable", "serviceNotAvailable"],
            ["failed", "create", "throttled", "TooManyRequests"],
            ["failed", "create", "graph-unavailable", "no-answer"],
            ["parked", "update", "rejected", "ErrorInvalidRequest"],
            ["retried", "", "", ""],
            ["delivered", "update", "", ""],
        ]
    );
    assert_eq!(synced["reason"], Value::Null);
}
