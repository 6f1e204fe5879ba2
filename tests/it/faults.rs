//! What goes wrong between us and Microsoft, and how it comes right again.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::{AMY, BEN, TestApp, cancelled, leave, until, updated};

const CREATE: &str = "/v1.0/users/*/events";
const ONE: &str = "/v1.0/users/*/events/*";
const TOKEN: &str = "*/oauth2/v2.0/token";

fn graph_error(code: &str) -> Value {
    json!({"error": {"code": code, "message": "…"}})
}

#[tokio::test]
async fn every_write_survives_a_lost_answer_without_a_second_event() {
    for fault in [
        json!({"times": 1, "when": "after-commit", "drop": true}),
        json!({"times": 1, "when": "before", "drop": true}),
        json!({"times": 1, "when": "after-commit", "status": 504}),
        json!({"times": 1, "when": "before", "status": 503}),
        json!({"times": 1, "when": "after-commit", "status": 201, "body": "<html>not JSON"}),
        json!({"times": 2, "when": "after-commit", "status": 500, "body": graph_error("ErrorInternalServerError")}),
    ] {
        let app = TestApp::new().await;
        let rule = |method: &str, path: &str| {
            let mut rule = fault.clone();
            rule["method"] = json!(method);
            rule["path"] = json!(path);
            json!([rule])
        };
        let come_right = async |state: &str| {
            until("it was tried and failed", async || app.mapping("LA-1").await["attempts"] != 0).await;
            until(state, async || {
                app.advance(SignedDuration::from_mins(1)).await;
                app.mapping("LA-1").await["state"] == state
            })
            .await;
        };

        app.microsoft.faults(rule("POST", CREATE)).await;
        app.post("ess", &leave("LA-1")).await;
        come_right("synced").await;
        assert_eq!(app.microsoft.events(AMY).await.len(), 1, "{fault}");

        app.microsoft.faults(rule("PATCH", ONE)).await;
        app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
        come_right("synced").await;
        let events = app.microsoft.stored_events(AMY).await;
        assert_eq!(events.len(), 1, "{fault}");
        assert_eq!(events[0]["end"]["dateTime"], "2026-12-23T00:00:00.0000000", "{fault}");

        app.microsoft.faults(rule("DELETE", ONE)).await;
        app.post("ess", &cancelled("LA-1", 2)).await;
        come_right("removed").await;
        assert_eq!(app.microsoft.events(AMY).await.len(), 0, "{fault}");
        assert_eq!(app.microsoft.score().await["duplicates"], 0);
    }
}

#[tokio::test]
async fn a_change_back_while_the_outcome_is_unknown_is_still_written() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    // The change arrives in Outlook, but its answer does not arrive here ...
    app.microsoft
        .faults(json!([{"method": "PATCH", "path": ONE, "times": 1, "when": "after-commit", "drop": true}]))
        .await;
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-24"}))).await;
    app.mapping_in("LA-1", "waiting").await;
    assert_eq!(app.microsoft.events(AMY).await[0]["end"]["dateTime"], "2026-12-25T00:00:00.0000000");
    // ... and then the leave is again as it was last known to be written.
    app.deliver("ess", &updated("LA-1", 2, &json!({}))).await;
    assert_eq!(app.microsoft.events(AMY).await[0]["end"]["dateTime"], "2026-12-22T00:00:00.0000000");
}

#[tokio::test]
async fn a_leave_cancelled_while_its_create_is_in_doubt_leaves_nothing_behind() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"method": "POST", "path": CREATE, "times": 1, "when": "after-commit", "drop": true}]))
        .await;
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
    app.deliver("ess", &cancelled("LA-1", 1)).await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 0);
}

#[tokio::test]
async fn a_changed_leave_after_a_create_in_doubt_ends_as_one_event_whatever_graph_answers() {
    for (status, given) in [(400, true), (409, true), (400, false), (409, false)] {
        let app = TestApp::new().await;
        app.microsoft.settings(json!({"duplicate_transaction_status": status, "existing_event_id_given": given})).await;
        // The marker search fails to answer as well, so that the create itself meets its earlier self.
        app.microsoft
            .faults(json!([
                {"method": "POST", "path": CREATE, "times": 1, "when": "after-commit", "drop": true},
                {"method": "GET", "path": CREATE, "times": 1, "status": 200, "body": {"value": []}},
            ]))
            .await;
        app.post("ess", &leave("LA-1")).await;
        app.mapping_in("LA-1", "waiting").await;
        app.deliver("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
        let events = app.microsoft.events(AMY).await;
        assert!(
            events.iter().any(|event| event["end"]["dateTime"] == "2026-12-23T00:00:00.0000000"),
            "{status} {given}"
        );
        if given {
            assert_eq!(events.len(), 1, "{status} {given}: {events:?}");
        }
    }
}

#[tokio::test]
async fn retry_after_is_a_floor_for_the_whole_mailbox_and_for_nobody_else() {
    for (value, seconds) in [("90", 90), ("89.5", 90), ("Sun, 22 Nov 2026 01:31:30 GMT", 90)] {
        let app = TestApp::new().await;
        let fault = json!([{"method": "POST", "path": format!("/v1.0/users/{AMY}/events"), "times": 1, "status": 429,
                            "headers": {"retry-after": value}, "body": graph_error("ApplicationThrottled")}]);
        app.microsoft.faults(fault).await;
        app.post("ess", &leave("LA-1")).await;
        let mapping = app.mapping_in("LA-1", "waiting").await;
        assert_eq!(mapping["reason"], "throttled");
        app.post("ess", &leave("LA-2")).await;
        app.deliver("ess", &updated("LA-3", 0, &json!({"staff": {"email": BEN}}))).await;
        app.advance(SignedDuration::from_secs(seconds - 1)).await;
        app.deliver("ess", &updated("LA-4", 0, &json!({"staff": {"email": BEN}}))).await;
        assert_eq!(app.microsoft.events(AMY).await.len(), 0, "{value}");
        app.advance(SignedDuration::from_secs(60)).await;
        app.mapping_in("LA-1", "synced").await;
        app.mapping_in("LA-2", "synced").await;
        assert_eq!(app.microsoft.score().await["retry_after_violations"], 0, "{value}");
    }
}

#[tokio::test]
async fn what_graph_refuses_is_parked_at_once_and_a_new_change_is_tried() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"method": "POST", "path": CREATE, "times": 1, "status": 400, "body": graph_error("ErrorInvalidRequest")}]))
        .await;
    app.post("ess", &leave("LA-1")).await;
    let parked = app.mapping_in("LA-1", "parked").await;
    assert_eq!(parked["reason"], "rejected");
    assert_eq!(parked["next_attempt_at"], Value::Null);
    assert_eq!(app.get("/health", None).await.body["status"], "degraded");
    app.deliver("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    assert_eq!(app.mapping("LA-1").await["state"], "synced");
}

#[tokio::test]
async fn refused_access_waits_hourly_and_heals() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"method": "POST", "path": CREATE, "times": 1, "status": 403, "body": graph_error("ErrorAccessDenied")}]))
        .await;
    app.post("ess", &leave("LA-1")).await;
    assert_eq!(app.mapping_in("LA-1", "waiting").await["reason"], "access-denied");
    app.advance(SignedDuration::from_mins(75)).await;
    app.mapping_in("LA-1", "synced").await;
}

#[tokio::test]
async fn a_token_that_graph_refuses_is_replaced_once() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"method": "POST", "path": CREATE, "times": 1, "status": 401, "body": graph_error("InvalidAuthenticationToken")}]))
        .await;
    let answer = app.deliver("ess", &leave("LA-1")).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced");
    assert_eq!(app.microsoft.calls().await, ["POST 401", "POST 201"]);
}

#[tokio::test]
async fn refused_credentials_block_the_tenant_visibly_cost_no_attempt_and_heal_within_a_minute() {
    let app = TestApp::new().await;
    let refusal = json!({"error": "invalid_client", "error_description": "AADSTS7000222: The provided client secret keys are expired.",
                         "error_codes": [7_000_222]});
    app.microsoft
        .faults(json!([{"method": "POST", "path": TOKEN, "times": null, "status": 401, "body": refusal}]))
        .await;
    let accepted = app.post("ess", &leave("LA-1")).await;
    assert_eq!(accepted.status, 202, "webhooks are still taken in");
    let waiting = app.mapping_in("LA-1", "waiting").await;
    assert_eq!((&waiting["reason"], &waiting["attempts"]), (&json!("credentials"), &json!(0)));
    assert!(waiting["detail"].as_str().unwrap().contains("AADSTS7000222"), "{waiting}");
    let health = app.get("/health", Some("ops")).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("degraded")));
    assert_eq!(health.body["checks"]["microsoft"]["tenants"]["default"]["reason"], "credentials");
    app.microsoft.clear_faults().await;
    app.advance(SignedDuration::from_mins(1)).await;
    app.mapping_in("LA-1", "synced").await;
    until("health is good again", async || app.get("/health", None).await.body["status"] == "ok").await;
}

#[tokio::test]
async fn a_token_endpoint_that_is_down_matters_only_when_the_token_has_died() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.microsoft.faults(json!([{"method": "POST", "path": TOKEN, "times": null, "status": 503}])).await;
    // Within its last five minutes the token is to be renewed, which fails, and still serves.
    app.advance(SignedDuration::from_mins(57)).await;
    app.deliver("ess", &leave("LA-2")).await;
    assert_eq!(app.mapping("LA-2").await["state"], "synced");
    app.advance(SignedDuration::from_mins(10)).await;
    app.post("ess", &leave("LA-3")).await;
    assert_eq!(app.mapping_in("LA-3", "waiting").await["reason"], "entra-unavailable");
    app.microsoft.clear_faults().await;
    app.advance(SignedDuration::from_mins(1)).await;
    app.mapping_in("LA-3", "synced").await;
}

#[tokio::test]
async fn many_deliveries_at_once_share_one_token() {
    let app = TestApp::new().await;
    for n in 0..10 {
        let address = format!("person{n}@contoso.com");
        app.microsoft.person(json!({"address": address, "name": "P", "time_zone": "UTC"})).await;
        app.post("ess", &updated(&format!("LA-{n}"), 0, &json!({"staff": {"email": address}}))).await;
    }
    for n in 0..10 {
        app.mapping_in(&format!("LA-{n}"), "synced").await;
    }
    let tokens = app.microsoft.journal().await;
    let tokens = tokens.iter().filter(|entry| entry["path"].as_str().unwrap().ends_with("/token")).count();
    assert_eq!(tokens, 1);
}

#[tokio::test]
async fn one_stuck_leave_holds_up_no_other() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"method": "POST", "path": format!("/v1.0/users/{AMY}/events"), "times": null, "status": 500}]))
        .await;
    app.post("ess", &leave("STUCK")).await;
    app.mapping_in("STUCK", "waiting").await;
    let answer = app.deliver("ess", &updated("LA-1", 0, &json!({"staff": {"email": BEN}}))).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced");
    assert_eq!(app.mapping("STUCK").await["reason"], "graph-error");
    // A day later a person is told.
    until("it is parked", async || {
        app.advance(SignedDuration::from_hours(2)).await;
        app.mapping("STUCK").await["state"] == "parked"
    })
    .await;
}

#[tokio::test]
async fn nothing_is_doubled_even_if_graph_should_not_list_an_event_that_is_there() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.microsoft
        .faults(json!([{"method": "GET", "path": CREATE, "times": 1, "status": 200, "body": {"value": []}}]))
        .await;
    app.deliver("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    let events = app.microsoft.events(AMY).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["end"]["dateTime"], "2026-12-23T00:00:00.0000000");
}

#[tokio::test]
async fn a_retry_after_holds_for_deliveries_that_are_half_way_through() {
    for status in [429, 503] {
        let (app, barrier) = TestApp::with_barrier(&[]).await;
        for n in 0..3 {
            app.deliver("ess", &leave(&format!("LA-{n}"))).await;
        }
        // Three updates at once: one is told to wait while the others are still to look behind their writing.
        app.microsoft
            .faults(json!([{"method": "PATCH", "path": ONE, "times": 1, "status": status,
                            "headers": {"retry-after": "60"}}]))
            .await;
        barrier.close("PATCH", "");
        let before = app.microsoft.calls().await.len();
        app.database.execute("UPDATE mailboxes SET lease_until = leavebridge_now() + interval '1 hour'").await;
        for n in 0..3 {
            app.post("ess", &updated(&format!("LA-{n}"), 1, &json!({"end": "2026-12-22"}))).await;
        }
        app.database.execute("UPDATE mailboxes SET lease_until = NULL; SELECT pg_notify('leavebridge_due', '')").await;
        until("all three are under way", async || barrier.held().len() == 3).await;
        barrier.let_one_through();
        let waits = "SELECT count(*) FROM items WHERE kind = 'event' AND state = 'waiting'";
        until("one is told to wait", async || app.database.number(waits).await == 1).await;
        barrier.open();
        until("the calls under way are over", async || {
            app.microsoft.calls().await.len() >= before + 3
                && app.database.number("SELECT count(*) FROM mailboxes WHERE lease_until IS NOT NULL").await == 0
        })
        .await;
        let calls = app.microsoft.calls().await.split_off(before);
        assert!(calls.iter().all(|call| call.starts_with("PATCH")), "nothing begins after the Retry-After: {calls:?}");

        app.post("ess", &leave("LA-9")).await;
        app.advance(SignedDuration::from_secs(59)).await;
        app.post("ess", &leave("LA-8")).await;
        assert_eq!(app.mapping("LA-8").await["state"], "waiting");
        app.advance(SignedDuration::from_secs(20)).await;
        for id in ["LA-0", "LA-1", "LA-2", "LA-8", "LA-9"] {
            app.mapping_in(id, "synced").await;
        }
        assert_eq!(app.microsoft.score().await["retry_after_violations"], 0, "{status}");
        assert_eq!(app.microsoft.events(AMY).await.len(), 5);
    }
}

#[tokio::test]
async fn a_call_is_not_repeated_with_a_new_token_when_its_mailbox_was_told_to_wait_meanwhile() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    for n in 0..2 {
        app.deliver("ess", &leave(&format!("LA-{n}"))).await;
    }
    let before = app.microsoft.calls().await.len();
    // One call's token is refused, and the new one takes its time; the other call is told to wait.
    app.microsoft
        .faults(json!([
            {"method": "PATCH", "path": ONE, "times": 1, "status": 401, "body": graph_error("InvalidAuthenticationToken")},
            {"method": "PATCH", "path": ONE, "times": 1, "status": 429, "headers": {"retry-after": "60"}},
        ]))
        .await;
    barrier.close("POST", "/oauth2/v2.0/token");
    app.database.execute("UPDATE mailboxes SET lease_until = leavebridge_now() + interval '1 hour'").await;
    for n in 0..2 {
        app.post("ess", &updated(&format!("LA-{n}"), 1, &json!({"end": "2026-12-22"}))).await;
    }
    app.database.execute("UPDATE mailboxes SET lease_until = NULL; SELECT pg_notify('leavebridge_due', '')").await;
    until("a new token is asked for", async || barrier.held().len() == 1).await;
    let waits = "SELECT count(*) FROM items WHERE kind = 'event' AND state = 'waiting'";
    until("the other call is told to wait", async || app.database.number(waits).await == 1).await;
    barrier.open();
    let held = "SELECT count(*) FROM mailboxes WHERE lease_until IS NOT NULL";
    until("both were tried", async || app.database.number(held).await == 0).await;
    let mut calls = app.microsoft.calls().await.split_off(before);
    calls.sort();
    assert_eq!(calls, ["PATCH 401", "PATCH 429"]);
    app.advance(SignedDuration::from_secs(80)).await;
    for n in 0..2 {
        app.mapping_in(&format!("LA-{n}"), "synced").await;
    }
    assert_eq!(app.microsoft.score().await["retry_after_violations"], 0);
}
