//! Interleavings that lose, double or hold up a leave in lesser programs.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use super::support::{AMY, BEN, TestApp, answer, at, cancelled, leave, until, updated};

const CREATE: &str = "/v1.0/users/*/events";
const ONE: &str = "/v1.0/users/*/events/*";
/// How long a call may take where one is to take too long: far longer than all others take on a busy machine.
const SHORT_TIMEOUT: (&str, &str) = ("SYNC__CALL_TIMEOUT", "2s");

#[tokio::test]
async fn a_leave_restored_after_a_create_in_doubt_and_a_cancellation_is_a_new_event() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"method": "POST", "path": CREATE, "times": 1, "when": "after-commit", "drop": true}]))
        .await;
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    app.deliver("ess", &cancelled("LA-1", 1)).await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 0);
    // The same content again: under the old transaction Graph would answer with the deleted event.
    app.deliver("ess", &updated("LA-1", 2, &json!({}))).await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
}

#[tokio::test]
async fn a_wrong_not_found_never_ends_as_synced_without_having_written() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.microsoft
        .faults(json!([{"method": "PATCH", "path": "/v1.0/users/*/events/*", "times": 1, "status": 404,
                        "body": {"error": {"code": "ErrorItemNotFound", "message": "…"}}}]))
        .await;
    app.deliver("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    let events = app.microsoft.events(AMY).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["end"]["dateTime"], "2026-12-23T00:00:00.0000000");
}

#[tokio::test]
async fn one_tenants_backlog_does_not_hold_up_another_tenant() {
    let app = TestApp::with(&[("SYNC__MAILBOXES", "2")]).await;
    // Hold everything back until the backlog is there.
    app.database.execute("INSERT INTO tenants (tenant, blocked_until) SELECT t, leavebridge_now() + interval '1 day' FROM unnest(ARRAY['default', 'acme']) t ON CONFLICT (tenant) DO UPDATE SET blocked_until = excluded.blocked_until").await;
    for n in 0..40 {
        let address = format!("person{n}@contoso.com");
        app.microsoft.person(json!({"address": address, "name": "P", "time_zone": "UTC"})).await;
        app.post("ess", &updated(&format!("LA-{n}"), 0, &json!({"staff": {"email": address}}))).await;
    }
    app.post("group", &updated("ACME-1", 0, &json!({"tenant": "acme"}))).await;
    app.database.execute("UPDATE tenants SET blocked_until = NULL; SELECT pg_notify('leavebridge_due', '')").await;
    until("all are in Outlook", async || app.microsoft.calls().await.len() == 41).await;
    let mut created = app.microsoft.journal().await;
    created.retain(|entry| entry["method"] == "POST" && entry["path"].as_str().unwrap().ends_with("/events"));
    let before = created.iter().position(|entry| entry["mailbox"] == AMY).unwrap();
    assert!(before < 20, "it came after {before} of the backlog's forty");
}

#[tokio::test]
async fn what_microsoft_says_may_hold_anything_and_is_still_written_down() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([
            {"method": "POST", "path": CREATE, "times": 1, "status": 400,
             "body": {"error": {"code": "Bad\u{0}Code", "message": "a\u{0}b\u{7}c"}}},
            {"method": "POST", "path": CREATE, "times": 1, "status": 429, "headers": {"retry-after": "99999999999999"}},
        ]))
        .await;
    app.post("ess", &leave("LA-1")).await;
    assert_eq!(app.mapping_in("LA-1", "parked").await["reason"], "rejected");
    app.post("ess", &leave("LA-2")).await;
    assert_eq!(app.mapping_in("LA-2", "waiting").await["reason"], "throttled");
}

#[tokio::test]
async fn a_leave_that_cannot_be_read_is_parked_and_its_neighbours_are_delivered() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.database
        .execute(
            "UPDATE leaves SET content = '{\"written\": \"by a newer version\"}';
             UPDATE items SET rev = rev + 1, state = 'pending', next_at = leavebridge_now()",
        )
        .await;
    app.deliver("ess", &leave("LA-2")).await;
    assert_eq!(app.mapping("LA-2").await["state"], "synced");
    assert_eq!(app.mapping_in("LA-1", "parked").await["reason"], "internal");
    assert_eq!(app.microsoft.events(AMY).await.len(), 2, "what is in the calendar stays");
}

#[tokio::test]
async fn a_retry_lifts_a_mailboxs_block_for_all_its_leaves() {
    let app = TestApp::new().await;
    let joiner = "new.joiner@contoso.com";
    for id in ["LA-1", "LA-2", "LA-3"] {
        app.post("ess", &updated(id, 0, &json!({"staff": {"email": joiner}}))).await;
        app.mapping_in(id, "waiting").await;
    }
    app.microsoft.person(json!({"address": joiner, "name": "New Joiner", "time_zone": "UTC"})).await;
    let path = format!("/mappings/{}/retry", app.mapping("LA-2").await["id"].as_str().unwrap());
    let retried = answer(app.request(Method::POST, &path).bearer_auth(app.token("ops"))).await;
    assert_eq!(retried.body["retried"], 1);
    for id in ["LA-1", "LA-2", "LA-3"] {
        app.mapping_in(id, "synced").await;
    }
}

#[tokio::test]
async fn a_mailbox_that_is_served_after_all_keeps_nobody_waiting() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    app.deliver("ess", &leave("LA-0")).await;
    // Two creates at once: one says that there is no such mailbox, the other is done a little later.
    let missing = json!({"error": {"code": "ErrorInvalidUser", "message": "…"}});
    app.microsoft.faults(json!([{"method": "POST", "path": CREATE, "times": 1, "status": 404, "body": missing}])).await;
    barrier.close("POST", "/events");
    app.database.execute("UPDATE mailboxes SET lease_until = leavebridge_now() + interval '1 hour'").await;
    for id in ["LA-1", "LA-2"] {
        app.post("ess", &leave(id)).await;
    }
    app.database.execute("UPDATE mailboxes SET lease_until = NULL; SELECT pg_notify('leavebridge_due', '')").await;
    let blocked = "SELECT count(*) FROM mailboxes WHERE blocked_until > leavebridge_now()";
    until("both are under way", async || barrier.held().len() == 2).await;
    barrier.let_one_through();
    until("the mailbox is blocked", async || app.database.number(blocked).await == 1).await;
    app.post("ess", &leave("LA-3")).await;
    assert_eq!(app.mapping("LA-3").await["reason"], "mailbox-missing", "it waits with the mailbox");
    barrier.open();
    // With the block its reason is gone, so that it has nothing to wait for.
    app.mapping_in("LA-3", "synced").await;
    assert_eq!(app.database.number(blocked).await, 0);
}

#[tokio::test]
async fn a_retry_does_not_shorten_a_retry_after() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(
            json!([{"method": "POST", "path": CREATE, "times": 1, "status": 503, "headers": {"retry-after": "120"}}]),
        )
        .await;
    app.post("ess", &leave("LA-1")).await;
    assert_eq!(app.mapping_in("LA-1", "waiting").await["reason"], "graph-unavailable");
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    let retried = answer(app.request(Method::POST, "/mappings/retry").bearer_auth(app.token("ops"))).await;
    assert_eq!(retried.body["retried"], 1);
    app.advance(SignedDuration::from_secs(119)).await;
    app.deliver("ess", &updated("LA-9", 0, &json!({"staff": {"email": BEN}}))).await;
    assert_eq!(app.mapping("LA-1").await["reason"], "throttled");
    app.advance(SignedDuration::from_secs(2)).await;
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(app.microsoft.score().await["retry_after_violations"], 0);
}

#[tokio::test]
async fn trouble_with_the_mailbox_is_not_held_against_its_leaves() {
    let app = TestApp::new().await;
    let joiner = "new.joiner@contoso.com";
    app.post("ess", &updated("LA-1", 0, &json!({"staff": {"email": joiner}}))).await;
    for attempts in 1..=4 {
        until("it was tried", async || app.mapping("LA-1").await["attempts"] == attempts).await;
        if attempts < 4 {
            app.advance(SignedDuration::from_hours(25)).await;
        }
    }
    app.microsoft.person(json!({"address": joiner, "name": "New Joiner", "time_zone": "UTC"})).await;
    app.microsoft.faults(json!([{"method": "POST", "path": CREATE, "times": 1, "status": 500}])).await;
    app.advance(SignedDuration::from_hours(25)).await;
    until("the mailbox is there, and stumbles", async || app.mapping("LA-1").await["reason"] == "graph-error").await;
    let mapping = app.mapping("LA-1").await;
    assert_eq!((&mapping["state"], &mapping["attempts"]), (&json!("waiting"), &json!(1)), "{mapping}");
    app.advance(SignedDuration::from_secs(3)).await;
    app.mapping_in("LA-1", "synced").await;
}

#[tokio::test]
async fn health_says_so_when_access_is_refused_or_graph_fails_for_long() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"path": "/v1.0/*amy*", "times": null, "status": 403, "body": {"error": {"code": "ErrorAccessDenied"}}},
                       {"path": "/v1.0/*ben*", "times": null, "status": 502, "method": "POST"}]))
        .await;
    app.post("ess", &updated("LA-2", 0, &json!({"staff": {"email": BEN}}))).await;
    app.mapping_in("LA-2", "waiting").await;
    assert_eq!(app.get("/health", None).await.body["status"], "ok", "a passing trouble is none");
    for _ in 0..10 {
        app.advance(SignedDuration::from_mins(2)).await;
    }
    until("failing for long shows", async || app.get("/health", None).await.body["status"] == "degraded").await;
    app.post("ess", &cancelled("LA-2", 1)).await;
    until("nothing is in doubt any more", async || {
        app.advance(SignedDuration::from_secs(61)).await;
        app.mapping("LA-2").await["state"] == "removed"
    })
    .await;
    until("all is well again", async || app.get("/health", None).await.body["status"] == "ok").await;
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    assert_eq!(app.get("/health", None).await.body["status"], "degraded");
}

#[tokio::test]
async fn a_late_webhook_of_long_ago_is_refused_instead_of_breaking_something() {
    let app = TestApp::new().await;
    let mut body = leave("LA-1");
    body["timestamp"] = json!("-009000-01-01T00:00:00Z");
    assert_eq!(app.post("ess", &body).await.status, 422);
    body["timestamp"] = json!(at(0));
    assert_eq!(app.post("ess", &body).await.status, 202);
}

#[tokio::test]
async fn an_event_that_graph_makes_after_we_have_given_up_waiting_is_taken_away_when_the_leave_is_cancelled() {
    let (app, barrier) = TestApp::with_barrier(&[SHORT_TIMEOUT]).await;
    barrier.close("POST", "/events");
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    app.post("ess", &cancelled("LA-1", 1)).await;
    app.advance(SignedDuration::from_secs(5)).await;
    until("it was looked for in vain", async || {
        app.mapping("LA-1").await["detail"].as_str().is_some_and(|detail| detail.starts_with("in-doubt"))
    })
    .await;
    barrier.open();
    until("Graph has made the event after all", async || app.microsoft.events(AMY).await.len() == 1).await;
    app.advance(SignedDuration::from_secs(61)).await;
    app.mapping_in("LA-1", "removed").await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 0);
}

#[tokio::test]
async fn a_change_that_graph_carries_out_after_a_newer_one_does_not_last() {
    let (app, barrier) = TestApp::with_barrier(&[SHORT_TIMEOUT]).await;
    app.deliver("ess", &leave("LA-1")).await;
    barrier.close("PATCH", "");
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    app.mapping_in("LA-1", "waiting").await;
    app.post("ess", &updated("LA-1", 2, &json!({"end": "2026-12-24"}))).await;
    barrier.hold_no_more();
    app.advance(SignedDuration::from_secs(6)).await;
    let end = async || app.microsoft.events(AMY).await[0]["end"]["dateTime"].clone();
    until("the newer change is in Outlook at once", async || end().await == "2026-12-25T00:00:00.0000000").await;
    let detail = async || app.mapping_in("LA-1", "waiting").await["detail"].clone();
    until("it is to be written again", async || detail().await.as_str().unwrap().starts_with("in-doubt")).await;
    barrier.open();
    until("the older change arrives after all", async || end().await == "2026-12-23T00:00:00.0000000").await;
    app.advance(SignedDuration::from_secs(61)).await;
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(end().await, "2026-12-25T00:00:00.0000000");
}

#[tokio::test]
async fn a_removal_that_graph_carries_out_after_the_leave_was_restored_does_not_last() {
    let (app, barrier) = TestApp::with_barrier(&[SHORT_TIMEOUT]).await;
    app.deliver("ess", &leave("LA-1")).await;
    barrier.close("DELETE", "");
    app.post("ess", &cancelled("LA-1", 1)).await;
    app.mapping_in("LA-1", "waiting").await;
    app.post("ess", &updated("LA-1", 2, &json!({}))).await;
    app.advance(SignedDuration::from_secs(6)).await;
    let detail = async || app.mapping("LA-1").await["detail"].clone();
    until("it is to be written again", async || {
        detail().await.as_str().is_some_and(|detail| detail.starts_with("in-doubt"))
    })
    .await;
    barrier.open();
    until("the removal arrives after all", async || app.microsoft.events(AMY).await.is_empty()).await;
    app.advance(SignedDuration::from_secs(61)).await;
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
}

#[tokio::test]
async fn a_lost_answer_to_the_very_change_that_is_wanted_needs_no_second_look() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.microsoft
        .faults(json!([{"method": "PATCH", "path": ONE, "times": 1, "when": "after-commit", "drop": true}]))
        .await;
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    app.mapping_in("LA-1", "waiting").await;
    app.advance(SignedDuration::from_secs(3)).await;
    app.mapping_in("LA-1", "synced").await;
}

#[tokio::test]
async fn a_mailbox_that_gave_no_answer_in_time_is_left_alone_for_twice_as_long() {
    let (app, barrier) = TestApp::with_barrier(&[SHORT_TIMEOUT]).await;
    barrier.close("POST", "/events");
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    barrier.hold_no_more();
    let twice = SignedDuration::from_secs(4);
    // What ran out of time here may still be under way there, and counts towards Graph's limit.
    app.post("ess", &leave("LA-2")).await;
    let waiting = app.mapping("LA-2").await;
    let floor = json!(app.now() + twice);
    assert_eq!((&waiting["state"], &waiting["next_attempt_at"]), (&json!("waiting"), &floor), "{waiting}");
    app.advance(twice - SignedDuration::from_millis(1)).await;
    // The engine has looked since: somebody else's leave is delivered.
    app.deliver("ess", &updated("LB-1", 0, &json!({"staff": {"email": BEN}}))).await;
    assert_eq!(app.mapping("LA-2").await["state"], "waiting");
    app.advance(SignedDuration::from_millis(1)).await;
    app.mapping_in("LA-2", "synced").await;
}

#[tokio::test]
async fn a_change_that_came_while_its_own_earlier_call_was_under_way_does_not_wait_for_a_block_that_this_call_ends() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    app.deliver("ess", &leave("LA-0")).await;
    let missing = json!({"error": {"code": "ErrorInvalidUser", "message": "…"}});
    app.microsoft.faults(json!([{"method": "POST", "path": CREATE, "times": 1, "status": 404, "body": missing}])).await;
    barrier.close("POST", "/events");
    app.database.execute("UPDATE mailboxes SET lease_until = leavebridge_now() + interval '1 hour'").await;
    for id in ["LA-1", "LA-2"] {
        app.post("ess", &leave(id)).await;
    }
    app.database.execute("UPDATE mailboxes SET lease_until = NULL; SELECT pg_notify('leavebridge_due', '')").await;
    let blocked = "SELECT count(*) FROM mailboxes WHERE blocked_until > leavebridge_now()";
    until("both are under way", async || barrier.held().len() == 2).await;
    barrier.let_one_through();
    until("the mailbox is blocked", async || app.database.number(blocked).await == 1).await;
    // One of them is refused, the other under way; a change of either comes too late for it.
    for id in ["LA-1", "LA-2"] {
        app.post("ess", &updated(id, 1, &json!({"end": "2026-12-22"}))).await;
    }
    barrier.open();
    for id in ["LA-1", "LA-2"] {
        app.mapping_in(id, "synced").await;
    }
    assert_eq!(app.microsoft.events(AMY).await.len(), 3);
}
