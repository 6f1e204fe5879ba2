//! What goes wrong with a reply stays with the reply.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::{
    ON, ROLES, assert_span, comes, days, file, leave, passes, requests, scheduled, sets, setting, settles, shown, stage,
};
use crate::support::{AMY, TestApp, answer, browser::Browser, cancelled, until, updated};

const MIN: SignedDuration = SignedDuration::from_mins(1);

async fn fault(app: &TestApp, method: &str, further: Value) {
    let mut rule = json!({"method": method, "path": "/v1.0/users/*/mailboxSettings", "times": 1});
    rule.as_object_mut().unwrap().extend(further.as_object().unwrap().clone());
    app.microsoft.faults(json!([rule])).await;
}

async fn told_by_health(app: &TestApp) -> Value {
    app.get("/health", Some("ops")).await.body["checks"]["replies"].take()
}

/// As `/metrics` has it.
async fn counted(app: &TestApp, state: &str) -> i64 {
    let text = app.get("/metrics", None).await.body;
    let series = format!(r#"leavebridge_automatic_replies_held{{tenant="default",state="{state}"}} "#);
    text.as_str().unwrap().lines().find_map(|line| line.strip_prefix(&series)?.parse().ok()).unwrap()
}

/// What the doctor has seen of replies that wait, if any does.
async fn found_by_doctor(app: &TestApp) -> Option<String> {
    let answer = answer(app.request(Method::POST, "/doctor").bearer_auth(app.token("ops"))).await;
    let findings = answer.body["findings"].as_array().unwrap();
    let found = findings.iter().find(|found| found["id"] == "replies-waiting")?;
    Some(found["seen"].as_str().unwrap().to_owned())
}

async fn retried(app: &TestApp, path: &str) -> Value {
    let answer = answer(app.request(Method::POST, path).bearer_auth(app.token("ops"))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    answer.body
}

#[tokio::test]
async fn without_the_permission_events_go_on_and_the_reply_waits_for_it() {
    let app = TestApp::with(&[ON]).await;
    file(&app, &leave("LA-1")).await;
    assert_eq!(app.mapping("LA-1").await["state"], "synced");
    let told = shown(&app, "LA-1").await;
    assert_eq!((&told["state"], &told["reason"]), (&json!("waiting"), &json!("access-denied")));
    assert!(told["detail"].as_str().unwrap().contains("MailboxSettings.ReadWrite"), "{told}");
    // Further leave is delivered at once, and asks nothing in vain.
    file(&app, &days("LA-2", 0, "2027-01-04", "2027-01-05")).await;
    assert_eq!(app.mapping("LA-2").await["state"], "synced");
    assert_eq!(app.database.number("SELECT count(*) FROM mailboxes WHERE blocked_until IS NOT NULL").await, 0);
    assert_eq!(requests(&app).await, ["GET 403"]);
    // Whoever looks after the service hears of it before people ask why nobody was answered.
    let held = json!({"status": "degraded", "waiting": 1, "access_denied": 1, "parked": 0});
    assert_eq!((told_by_health(&app).await, counted(&app, "waiting").await), (held, 1));
    let waits = "Automatic replies: 1 wait to be tried again (1 of them for MailboxSettings.ReadWrite), 0 were refused by Microsoft.";
    assert_eq!(found_by_doctor(&app).await.as_deref(), Some(waits));
    let page = Browser::signed_in(&app, "ops").await.page("/console").await;
    assert!(page.contains("Automatic replies: 1 wait for MailboxSettings.ReadWrite, 0 were refused"), "{page}");
    app.microsoft.consent(&ROLES).await;
    passes(&app, MIN * 90).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
    let well = json!({"status": "ok", "waiting": 0, "access_denied": 0, "parked": 0});
    assert_eq!((told_by_health(&app).await, counted(&app, "waiting").await), (well, 0));
    assert_eq!(found_by_doctor(&app).await, None);
}

#[tokio::test]
async fn a_lost_answer_is_looked_up_and_nothing_is_taken_for_the_persons() {
    for (when, writes) in [("after-commit", 1), ("before", 2)] {
        let app = stage(&[]).await;
        sets(&app, json!({"internalReplyMessage": "Old words"})).await;
        fault(&app, "PATCH", json!({"when": when, "drop": true})).await;
        file(&app, &leave("LA-1")).await;
        let told = shown(&app, "LA-1").await;
        assert_eq!(
            (&told["state"], &told["reason"]),
            (&json!("waiting"), &json!("graph-unavailable")),
            "{when}: {:?}",
            requests(&app).await
        );
        passes(&app, MIN).await;
        passes(&app, MIN).await;
        passes(&app, MIN).await;
        assert_eq!(shown(&app, "LA-1").await["state"], "scheduled", "{when}");
        let done = requests(&app).await;
        assert_eq!(done.iter().filter(|request| request.starts_with("PATCH")).count(), writes, "{when}: {done:?}");
        // It is known for ours, and no doubt is left.
        assert_eq!(
            app.database.number("SELECT count(*) FROM items WHERE kind = 'reply' AND doubt_since IS NOT NULL").await,
            0
        );
        file(&app, &cancelled("LA-1", 1)).await;
        let after = setting(&app).await;
        assert_eq!(after["status"], "disabled", "{when}");
        assert!(after["internalReplyMessage"].as_str().unwrap().contains("Old words"), "{when}");
    }
}

#[tokio::test]
async fn a_request_that_is_carried_out_late_is_written_over() {
    let app = stage(&[]).await;
    fault(&app, "PATCH", json!({"when": "before", "drop": true})).await;
    file(&app, &leave("LA-1")).await;
    // Before it is tried again the leave is longer.
    file(&app, &days("LA-1", 1, "2026-12-21", "2026-12-23")).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-23T16:00:00");
    // The first request comes after all.
    sets(
        &app,
        json!({
            "internalReplyMessage": "I am out of office from 2026-12-21 to 2026-12-21.",
            "scheduledEndDateTime": {"dateTime": "2026-12-21T16:00:00", "timeZone": "UTC"},
        }),
    )
    .await;
    passes(&app, MIN).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-23T16:00:00");
    passes(&app, MIN * 2).await;
    assert_eq!(
        app.database
            .number("SELECT sum(jsonb_array_length(observed -> 'written'))::bigint FROM items WHERE kind = 'reply'")
            .await,
        1
    );
}

#[tokio::test]
async fn a_lost_withdrawal_is_made_sure_of() {
    let app = stage(&[]).await;
    file(&app, &leave("LA-1")).await;
    fault(&app, "PATCH", json!({"when": "before", "drop": true})).await;
    file(&app, &cancelled("LA-1", 1)).await;
    assert_eq!(setting(&app).await["status"], "scheduled");
    assert_eq!(shown(&app, "LA-1").await["state"], "waiting");
    for _ in 0..3 {
        passes(&app, MIN).await;
    }
    assert_eq!(setting(&app).await["status"], "disabled");
    assert_eq!(shown(&app, "LA-1").await, json!(null));
}

#[tokio::test]
async fn retry_after_is_for_the_whole_mailbox() {
    let app = stage(&[]).await;
    fault(&app, "GET", json!({"status": 429, "headers": {"Retry-After": "120"}})).await;
    file(&app, &leave("LA-1")).await;
    assert_eq!(shown(&app, "LA-1").await["reason"], "throttled");
    app.post("ess", &days("LA-2", 0, "2027-01-04", "2027-01-05")).await;
    passes(&app, SignedDuration::from_secs(119)).await;
    assert_eq!(requests(&app).await, ["GET 429"]);
    assert_eq!(app.mapping("LA-2").await["state"], "waiting");
    assert_eq!(found_by_doctor(&app).await, None, "what waits a moment is no finding");
    passes(&app, MIN).await;
    app.mapping_in("LA-2", "synced").await;
    settles(&app).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
    assert_eq!(app.microsoft.score().await["retry_after_violations"], 0);
}

#[tokio::test]
async fn what_graph_refuses_is_parked_until_somebody_tries_again_or_the_leave_changes() {
    let app = stage(&[]).await;
    let error = json!({"error": {"code": "ErrorInvalidRequest", "message": "No."}});
    fault(&app, "PATCH", json!({"status": 400, "body": error})).await;
    file(&app, &leave("LA-1")).await;
    let told = shown(&app, "LA-1").await;
    assert_eq!((&told["state"], &told["reason"]), (&json!("parked"), &json!("rejected")));
    assert_eq!(app.mapping("LA-1").await["state"], "synced");
    passes(&app, SignedDuration::from_hours(48)).await;
    assert_eq!(requests(&app).await, ["GET 200", "PATCH 400"]);
    let held = json!({"status": "degraded", "waiting": 0, "access_denied": 0, "parked": 1});
    assert_eq!((told_by_health(&app).await, counted(&app, "parked").await), (held, 1));
    // Somebody may have mended it: that one, all that match, or with the button.
    let page = format!("/mappings/{}", app.mapping("LA-1").await["id"].as_str().unwrap());
    let mut browser = Browser::signed_in(&app, "ops").await;
    for retry in ["/mappings/retry?state=waiting", "/mappings/retry?leave=LA-2", "/mappings/retry?source=backstage"] {
        assert_eq!(retried(&app, retry).await, json!({"retried": 0, "replies": 0}), "{retry}");
    }
    let error = json!({"error": {"code": "ErrorInvalidRequest", "message": "No."}});
    for retry in [
        &format!("{page}/retry"),
        "/mappings/retry",
        "/mappings/retry?state=parked",
        &format!("/mappings/retry?mailbox={AMY}"),
    ] {
        fault(&app, "PATCH", json!({"status": 400, "body": error})).await;
        assert_eq!(retried(&app, retry).await, json!({"retried": 0, "replies": 1}), "{retry}");
        settles(&app).await;
        assert_eq!(shown(&app, "LA-1").await["state"], "parked", "{retry}");
    }
    let shown_there = browser.page(&format!("/console{page}")).await;
    for said in ["Automatic reply of the mailbox", "rejected", "Try again now"] {
        assert!(shown_there.contains(said), "{said}: {shown_there}");
    }
    let pressed = browser.post(&format!("/console{page}/retry"), &[]).await;
    assert_eq!(pressed.headers["location"].to_str().unwrap(), format!("/console{page}?retried"));
    settles(&app).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
    file(&app, &days("LA-1", 1, "2026-12-21", "2026-12-22")).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-22T16:00:00");
}

#[tokio::test]
async fn a_cancelled_leaves_reply_goes_though_its_event_cannot_be_removed() {
    let app = stage(&[]).await;
    file(&app, &updated("LA-1", 0, &json!({"start": "2026-11-20", "end": "2026-12-23"}))).await;
    assert_eq!(setting(&app).await["status"], "scheduled");
    let refused = json!([{"method": "DELETE", "path": "/v1.0/users/*/events/*", "times": null, "error": "ErrorInternalServerError"}]);
    app.microsoft.faults(refused).await;
    app.post("ess", &cancelled("LA-1", 1)).await;
    app.mapping_in("LA-1", "waiting").await;
    settles(&app).await;
    assert_eq!(setting(&app).await["status"], "disabled");
}

#[tokio::test]
async fn what_was_refused_for_one_leave_is_tried_for_the_next() {
    let app = stage(&[]).await;
    file(&app, &days("LA-2", 0, "2027-02-01", "2027-02-02")).await;
    let error = json!({"error": {"code": "ErrorInvalidRequest", "message": "No."}});
    // As often as it is asked: that the mailbox has told its hours meanwhile is a reason to look once more.
    fault(&app, "PATCH", json!({"status": 400, "body": error, "times": null})).await;
    file(&app, &leave("LA-1")).await;
    assert_eq!(shown(&app, "LA-1").await["state"], "parked");
    app.microsoft.clear_faults().await;
    comes(&app, "2026-12-21T15:59:00Z").await;
    assert_eq!(told_by_health(&app).await["parked"], 1);
    comes(&app, "2026-12-21T16:00:00Z").await;
    assert_span(scheduled(&app).await, "2027-01-31T16:00:00", "2027-02-02T16:00:00");
    assert_eq!(told_by_health(&app).await["status"], "ok");
}

#[tokio::test]
async fn two_replicas_write_each_mailbox_once() {
    // Each may work on six mailboxes at once, and there are twelve.
    let (one, barrier) = TestApp::with_barrier(&[ON, ("SYNC__MAILBOXES", "6")]).await;
    one.microsoft.consent(&ROLES).await;
    let two = one.replica().await;
    barrier.close("PATCH", "/mailboxSettings");
    for n in 0..12 {
        let address = format!("person{n}@contoso.com");
        one.microsoft.person(json!({"address": address, "name": "P", "time_zone": "UTC"})).await;
        let app = if n % 2 == 0 { &one } else { &two };
        app.post("ess", &crate::support::updated(&format!("LA-{n}"), 0, &json!({"staff": {"email": address}}))).await;
    }
    until("both write into as many mailboxes as they may", async || barrier.held().len() == 12).await;
    barrier.open();
    until("all are scheduled", async || {
        one.database.number("SELECT count(*) FROM items WHERE kind = 'reply' AND state = 'synced'").await == 12
    })
    .await;
    settles(&one).await;
    let writes = requests(&one).await.iter().filter(|request| *request == "PATCH 200").count();
    assert_eq!(writes, 12);
    let score = one.microsoft.score().await;
    assert_eq!((&score["duplicates"], &score["limit_violations"]), (&json!(0), &json!(0)), "{score}");
    assert!(score["max_in_flight_per_mailbox"].as_i64().unwrap() <= 3, "{score}");
}

#[tokio::test]
async fn a_cancelled_leaves_reply_goes_though_its_event_is_refused_in_one_way_after_another() {
    let app = stage(&[]).await;
    file(&app, &updated("LA-1", 0, &json!({"start": "2026-11-20", "end": "2026-12-23"}))).await;
    assert_eq!(setting(&app).await["status"], "scheduled");
    let remove = "/v1.0/users/*/events/*";
    let faults = json!([
        {"method": "DELETE", "path": remove, "times": 1, "error": "TooManyRequests", "headers": {"retry-after": "5"}},
        {"method": "DELETE", "path": remove, "times": null, "error": "ErrorInternalServerError"},
    ]);
    app.microsoft.faults(faults).await;
    app.post("ess", &cancelled("LA-1", 1)).await;
    until("it is withdrawn", async || {
        passes(&app, SignedDuration::from_secs(5)).await;
        setting(&app).await["status"] == "disabled"
    })
    .await;
    assert_eq!(app.mapping("LA-1").await["state"], "waiting");
}

#[tokio::test]
async fn somebody_who_has_switched_their_own_off_need_not_wait_a_day_for_ours() {
    let app = stage(&[]).await;
    sets(&app, json!({"status": "alwaysEnabled", "internalReplyMessage": "Gone fishing"})).await;
    file(&app, &leave("LA-1")).await;
    sets(&app, json!({"status": "disabled"})).await;
    let one = format!("/mappings/{}/retry", app.mapping("LA-1").await["id"].as_str().unwrap());
    assert_eq!(retried(&app, "/mappings/retry").await["replies"], 0, "of all only what waits or is parked");
    assert_eq!(retried(&app, &one).await["replies"], 1);
    settles(&app).await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-21T16:00:00");
}
