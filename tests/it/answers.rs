//! Every kind of answer that Graph may give instead of doing what it was asked: what is made of it, and when it heals.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::{AMY, TestApp, cancelled, leave, until, updated};

const CREATE: &str = "/v1.0/users/*/events";
const ONE: &str = "/v1.0/users/*/events/*";
const SOON: i64 = 4;
const HOURLY: i64 = 3_600 + 300;

fn graph_error(code: &str) -> Value {
    json!({"error": {"code": code, "message": "…"}})
}

#[tokio::test]
async fn each_answer_has_its_reason_and_heals_in_its_time() {
    let retry_after = |value: &str| json!({"retry-after": value});
    let none = || json!({});
    for (status, headers, body, reason, heals_after) in [
        (429, none(), graph_error("ApplicationThrottled"), "throttled", 13),
        (429, retry_after("soon"), Value::Null, "throttled", 13),
        (429, retry_after("300"), graph_error("ErrorExceededConnectionCount"), "throttled", 380),
        (500, none(), graph_error("ErrorInternalServerError"), "graph-error", SOON),
        (500, none(), Value::Null, "graph-error", SOON),
        (502, none(), json!("<html>Bad Gateway</html>"), "graph-unavailable", SOON),
        (503, none(), graph_error("serviceNotAvailable"), "graph-unavailable", SOON),
        (503, retry_after("120"), graph_error("ErrorServerBusy"), "graph-unavailable", 152),
        (504, none(), Value::Null, "graph-unavailable", SOON),
        (509, none(), json!({"error": {"code": "ErrorMailboxStoreUnavailable"}}), "graph-unavailable", SOON),
        (408, none(), Value::Null, "graph-unavailable", SOON),
        (302, json!({"location": "about:blank"}), Value::Null, "graph-unavailable", SOON),
        (409, none(), graph_error("ErrorIrresolvableConflict"), "conflict", SOON),
        (412, none(), graph_error("ErrorIrresolvableConflict"), "conflict", SOON),
        (412, none(), Value::Null, "conflict", SOON),
        (403, none(), graph_error("ErrorAccessDenied"), "access-denied", HOURLY),
        (403, none(), json!("<html>a proxy</html>"), "access-denied", HOURLY),
        (404, none(), graph_error("ErrorInvalidUser"), "mailbox-missing", HOURLY),
        (404, none(), graph_error("MailboxNotEnabledForRESTAPI"), "mailbox-missing", HOURLY),
        (404, none(), graph_error("MailboxNotHostedInExchangeOnline"), "mailbox-missing", HOURLY),
        (404, none(), graph_error("ErrorNonExistentMailbox"), "mailbox-missing", HOURLY),
        (404, none(), graph_error("ResourceNotFound"), "mailbox-missing", HOURLY),
        (404, none(), graph_error("Request_ResourceNotFound"), "mailbox-missing", HOURLY),
        (404, none(), json!("<html>a proxy</html>"), "mailbox-missing", HOURLY),
        (507, none(), graph_error("ErrorQuotaExceeded"), "mailbox-full", HOURLY),
    ] {
        let what = format!("{status} {headers} {body}");
        let app = TestApp::new().await;
        let rule =
            json!([{"method": "POST", "path": CREATE, "times": 1, "status": status, "headers": headers, "body": body}]);
        app.microsoft.faults(rule).await;
        app.post("ess", &leave("LA-1")).await;
        let waiting = app.mapping_in("LA-1", "waiting").await;
        assert_eq!(waiting["reason"], reason, "{what}: {waiting}");
        assert!(waiting["detail"].as_str().is_some_and(|detail| detail.ends_with('.')), "{what}: {waiting}");
        let history = app.get(&format!("/mappings/{}", waiting["id"].as_str().unwrap()), Some("ops")).await;
        let last = history.body["timeline"].as_array().unwrap().last().unwrap().clone();
        assert_eq!((&last["kind"], &last["detail"]["reason"]), (&json!("failed"), &json!(reason)), "{what}: {last}");
        app.advance(SignedDuration::from_secs(heals_after)).await;
        until(&format!("it heals of {what}"), async || app.mapping("LA-1").await["state"] == "synced").await;
        assert_eq!(app.microsoft.events(AMY).await.len(), 1, "{what}");
        assert_eq!(app.microsoft.score().await["retry_after_violations"], 0, "{what}");
    }
}

#[tokio::test]
async fn an_answer_that_breaks_off_or_never_ends_leaves_one_event() {
    for fault in [
        json!({"when": "after-commit", "status": 201, "body": "{\"id\": \"AAMk", "drop": true}),
        json!({"when": "after-commit", "status": 201, "body": "{\"id\": \"AAMk"}),
        json!({"when": "after-commit", "status": 201, "body": "[]"}),
        json!({"when": "after-commit", "status": 200, "body": ""}),
        json!({"when": "after-commit", "delay_ms": 60_000}),
    ] {
        let app = TestApp::with(&[("SYNC__CALL_TIMEOUT", "2s")]).await;
        let strike = async |method: &str, path: &str| {
            let mut rule = fault.clone();
            rule["method"] = json!(method);
            rule["path"] = json!(path);
            rule["times"] = json!(1);
            app.microsoft.faults(json!([rule])).await;
        };
        let came_right = async |end: &str| {
            until("it is tried again", async || {
                app.advance(SignedDuration::from_secs(SOON)).await;
                app.mapping("LA-1").await["state"] == "synced"
            })
            .await;
            let events = app.microsoft.events(AMY).await;
            assert_eq!(events.len(), 1, "{fault}: {events:?}");
            assert_eq!(events[0]["end"]["dateTime"], end, "{fault}");
        };
        let waits = async |step: &str| {
            until(&format!("{step} waits after {fault}"), async || app.mapping("LA-1").await["state"] == "waiting")
                .await;
        };
        strike("POST", CREATE).await;
        app.post("ess", &leave("LA-1")).await;
        waits("a create").await;
        came_right("2026-12-22T00:00:00.0000000").await;
        strike("PATCH", ONE).await;
        app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
        waits("an update").await;
        came_right("2026-12-23T00:00:00.0000000").await;
    }
}

#[tokio::test]
async fn a_claims_challenge_is_met_with_a_new_token() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let challenge = r#"Bearer realm="", error="insufficient_claims", claims="eyJhY2Nlc3NfdG9rZW4iOnt9fQ==""#;
    app.microsoft
        .faults(json!([{"method": "PATCH", "path": ONE, "times": 1, "status": 401,
                        "headers": {"www-authenticate": challenge}, "body": graph_error("InvalidAuthenticationToken")}]))
        .await;
    app.deliver("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    assert_eq!(app.mapping("LA-1").await["state"], "synced");
    let journal = app.microsoft.journal().await;
    let tokens = journal.iter().filter(|entry| entry["path"].as_str().unwrap().ends_with("/token")).count();
    assert_eq!(tokens, 2);
}

#[tokio::test]
async fn a_graph_that_refuses_every_token_blocks_the_tenant_until_it_takes_one() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"path": "/v1.0/*", "times": null, "status": 401, "body": graph_error("InvalidAuthenticationToken")}]))
        .await;
    for n in 0..5 {
        app.post("ess", &leave(&format!("LA-{n}"))).await;
    }
    let waiting = app.mapping_in("LA-0", "waiting").await;
    assert_eq!((&waiting["reason"], &waiting["attempts"]), (&json!("credentials"), &json!(0)), "{waiting}");
    for _ in 0..3 {
        let probes = app.microsoft.calls().await.len();
        until("it is probed", async || {
            app.advance(SignedDuration::from_secs(61)).await;
            app.microsoft.calls().await.len() > probes
        })
        .await;
    }
    app.microsoft.clear_faults().await;
    until("all is in Outlook", async || {
        app.advance(SignedDuration::from_secs(61)).await;
        app.microsoft.events(AMY).await.len() == 5
    })
    .await;
    for n in 0..5 {
        assert_eq!(app.mapping_in(&format!("LA-{n}"), "synced").await["attempts"], 0);
    }
    assert_eq!(app.microsoft.events(AMY).await.len(), 5);
}

#[tokio::test]
async fn an_event_that_staff_moved_is_where_the_leave_is_after_the_leaves_next_change_of_days() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let id = app.mapping("LA-1").await["event_id"].as_str().unwrap().to_owned();
    let zone = "China Standard Time";
    let moved = json!({"start": {"dateTime": "2026-12-28T00:00:00", "timeZone": zone},
                       "end": {"dateTime": "2026-12-29T00:00:00", "timeZone": zone}});
    app.microsoft.control(reqwest::Method::PATCH, &format!("users/{AMY}/events/{id}"), Some(&moved)).await;
    app.deliver("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    let events = app.microsoft.events(AMY).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["start"]["dateTime"], "2026-12-21T00:00:00.0000000");
    assert_eq!(event["end"]["dateTime"], "2026-12-23T00:00:00.0000000");
}

#[tokio::test]
async fn a_removal_survives_every_answer_that_may_hide_that_it_was_carried_out() {
    for fault in [
        json!({"when": "after-commit", "drop": true}),
        json!({"when": "after-commit", "status": 504}),
        json!({"when": "before", "status": 503, "headers": {"retry-after": "2"}}),
        json!({"when": "before", "status": 409, "body": graph_error("ErrorIrresolvableConflict")}),
        json!({"when": "after-commit", "status": 404, "body": graph_error("ErrorItemNotFound")}),
    ] {
        let app = TestApp::new().await;
        app.deliver("ess", &leave("LA-1")).await;
        let mut rule = fault.clone();
        rule["method"] = json!("DELETE");
        rule["path"] = json!(ONE);
        rule["times"] = json!(1);
        app.microsoft.faults(json!([rule])).await;
        app.post("ess", &cancelled("LA-1", 1)).await;
        until("it is removed", async || {
            app.advance(SignedDuration::from_secs(SOON)).await;
            app.mapping("LA-1").await["state"] == "removed"
        })
        .await;
        assert_eq!(app.microsoft.events(AMY).await.len(), 0, "{fault}");
    }
}
