//! Several replicas, and replicas that die.

use std::{
    collections::BTreeSet,
    time::{Duration, Instant},
};

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use super::support::{AMY, BEN, TestApp, cancelled, leave, until, updated};

const CREATE: &str = "/events";

/// How many leaves this replica itself has brought into Outlook.
async fn delivered(app: &TestApp) -> u64 {
    let metrics = app.get("/metrics", None).await.body;
    let series = r#"leavebridge_deliveries_total{tenant="default",outcome="synced"} "#;
    metrics.as_str().unwrap().lines().find_map(|line| line.strip_prefix(series)?.parse().ok()).unwrap_or(0)
}

#[tokio::test]
async fn two_replicas_share_the_work_and_double_nothing() {
    // Each may work on four mailboxes at once, and there are eight.
    let (one, barrier) = TestApp::with_barrier(&[("SYNC__MAILBOXES", "4")]).await;
    let two = one.replica().await;
    barrier.close("POST", CREATE);
    for n in 0..40 {
        let app = if n % 2 == 0 { &one } else { &two };
        let address = format!("person{}@contoso.com", n % 8);
        if n < 8 {
            one.microsoft.person(json!({"address": address, "name": "P", "time_zone": "UTC"})).await;
        }
        app.post("ess", &updated(&format!("LA-{n}"), 0, &json!({"staff": {"email": address}}))).await;
    }
    let mailboxes = || barrier.held().into_iter().collect::<BTreeSet<_>>().len();
    until("both work on as many mailboxes as they may", async || mailboxes() == 8).await;
    barrier.open();
    until("everything is in Outlook", async || {
        one.database.number("SELECT count(*) FROM items WHERE kind = 'event' AND state = 'synced'").await == 40
    })
    .await;
    let score = one.microsoft.score().await;
    assert_eq!((&score["duplicates"], &score["limit_violations"]), (&json!(0), &json!(0)), "{score}");
    assert!(score["max_in_flight_per_mailbox"].as_i64().unwrap() <= 3, "{score}");
    assert_eq!(one.microsoft.calls().await.len(), 40, "each was created with one request");
    // A delivery is counted just after it is stored.
    until("all are counted", async || delivered(&one).await + delivered(&two).await == 40).await;
    assert!(delivered(&one).await >= 4 && delivered(&two).await >= 4, "{} and the rest", delivered(&one).await);
}

#[tokio::test]
async fn a_request_that_waits_at_one_replica_is_answered_when_another_has_delivered() {
    // A request that waits looks at its leave by itself every second: what is answered sooner was notified.
    const POLLED: Duration = Duration::from_secs(1);
    // The replica at which the requests wait cannot deliver: its one place is taken by a call that gets no answer.
    let busy = [("SYNC__MAILBOXES", "1"), ("SYNC__CALL_TIMEOUT", "5m"), ("SYNC__LEASE", "6m")];
    let (waiting, barrier) = TestApp::with_barrier(&busy).await;
    barrier.close("POST", CREATE);
    waiting.post("ess", &updated("LA-0", 0, &json!({"staff": {"email": BEN}}))).await;
    until("its one place is taken", async || barrier.held().len() == 1).await;
    let delivering = waiting.replica_with(&[]).await;
    // Longer than the request's first look at its leave takes.
    waiting.microsoft.settings(json!({"answer_delay_ms": 50})).await;
    let mut fastest = Duration::MAX;
    let mut posted = 0;
    // A busy machine may be late, but not every time.
    while fastest >= POLLED && posted < 30 {
        posted += 1;
        let sent = Instant::now();
        let answer = waiting.deliver("ess", &leave(&format!("LA-{posted}"))).await;
        assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced");
        fastest = fastest.min(sent.elapsed());
    }
    assert!(fastest < POLLED, "{fastest:?}");
    until("all are counted", async || delivered(&delivering).await == posted).await;
    assert_eq!((delivered(&waiting).await, barrier.held().len()), (0, 1), "it delivered nothing itself");
    barrier.open();
    waiting.mapping_in("LA-0", "synced").await;
}

#[tokio::test]
async fn a_mailbox_whose_holder_died_is_taken_over_and_what_is_in_doubt_is_looked_up() {
    let app = TestApp::new().await;
    // What a process leaves behind that was killed between Graph's commit and its own: the event, and a lease.
    app.microsoft
        .faults(json!([{"method": "POST", "path": "/v1.0/users/*/events", "times": 1, "when": "after-commit", "drop": true}]))
        .await;
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    app.database
        .execute(
            "UPDATE items SET doubt_since = NULL, attempts = 0, reason = NULL, failing_since = NULL, state = 'pending';
             UPDATE mailboxes SET lease_until = leavebridge_now() + interval '30 seconds', lease_epoch = lease_epoch + 1,
                                  lease_items = (SELECT array_agg(id) FROM items)",
        )
        .await;
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    app.advance(SignedDuration::from_secs(29)).await;
    // The engine has looked since: somebody else's leave is delivered.
    app.deliver("ess", &updated("LB-1", 0, &json!({"staff": {"email": BEN}}))).await;
    assert_eq!(app.mapping("LA-1").await["state"], "pending", "the lease still holds");
    app.advance(SignedDuration::from_secs(2)).await;
    app.mapping_in("LA-1", "synced").await;
    let events = app.microsoft.stored_events(AMY).await;
    assert_eq!(events.len(), 1, "{events:?}");
    assert_eq!(events[0]["end"]["dateTime"], "2026-12-23T00:00:00.0000000");
}

#[tokio::test]
async fn an_event_that_a_dead_holder_may_have_made_is_looked_for_when_its_leave_is_cancelled() {
    let app = TestApp::new().await;
    app.microsoft
        .faults(json!([{"method": "POST", "path": "/v1.0/users/*/events", "times": 1, "when": "after-commit", "drop": true}]))
        .await;
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
    app.database
        .execute(
            "UPDATE items SET doubt_since = NULL, attempts = 0, reason = NULL, failing_since = NULL,
                                 state = 'pending';
             UPDATE mailboxes SET lease_until = leavebridge_now() + interval '30 seconds', lease_epoch = lease_epoch + 1,
                                  lease_items = (SELECT array_agg(id) FROM items)",
        )
        .await;
    app.post("ess", &cancelled("LA-1", 1)).await;
    app.advance(SignedDuration::from_secs(31)).await;
    app.mapping_in("LA-1", "removed").await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 0);
}

#[tokio::test]
async fn a_change_that_a_dead_holder_may_have_written_is_written_over() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.database
        .execute("UPDATE mailboxes SET lease_until = leavebridge_now() + interval '30 seconds', lease_epoch = lease_epoch + 1,
                                  lease_items = (SELECT array_agg(id) FROM items)")
        .await;
    // The holder wrote the longer leave into Outlook, and died before it could say so ...
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-24"}))).await;
    let id = app.mapping("LA-1").await["event_id"].as_str().unwrap().to_owned();
    let longer = json!({"end": {"dateTime": "2026-12-25T00:00:00", "timeZone": "China Standard Time"}});
    app.microsoft.control(Method::PATCH, &format!("users/{AMY}/events/{id}"), Some(&longer)).await;
    // ... and then the leave is again as it was last known to be written.
    app.post("ess", &updated("LA-1", 2, &json!({}))).await;
    app.advance(SignedDuration::from_secs(31)).await;
    until("it is written over", async || {
        app.microsoft.events(AMY).await[0]["end"]["dateTime"] == "2026-12-22T00:00:00.0000000"
    })
    .await;
    // Only once that is written down does the minute begin.
    let held = "SELECT count(*) FROM mailboxes WHERE lease_until IS NOT NULL";
    until("it is written down", async || app.database.number(held).await == 0).await;
    // What the holder sent last may still be carried out: only a minute later is it for good.
    app.advance(SignedDuration::from_secs(61)).await;
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(app.microsoft.calls().await, ["POST 201", "PATCH 200", "GET 200", "PATCH 200", "GET 200"]);
}

#[tokio::test]
async fn a_result_that_comes_after_its_lease_makes_the_event_be_written_again() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    app.deliver("ess", &leave("LA-1")).await;
    barrier.close("PATCH", "");
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    until("the call is under way", async || barrier.held().len() == 1).await;
    // Somebody else takes the mailbox over while the call is under way, and gives it back.
    app.database.execute("UPDATE mailboxes SET lease_epoch = lease_epoch + 1, lease_until = NULL").await;
    barrier.open();
    until("it was written again", async || {
        app.microsoft.calls().await.iter().filter(|call| *call == "PATCH 200").count() >= 2
    })
    .await;
    assert_eq!(app.mapping_in("LA-1", "synced").await["state"], "synced");
    assert_eq!(app.microsoft.events(AMY).await[0]["end"]["dateTime"], "2026-12-23T00:00:00.0000000");
}

#[tokio::test]
async fn stopping_finishes_what_is_under_way_and_gives_every_lease_back() {
    let (mut app, barrier) = TestApp::with_barrier(&[]).await;
    barrier.close("POST", CREATE);
    app.post("ess", &leave("LA-0")).await;
    until("a call is under way", async || barrier.held().len() == 1).await;
    for n in 1..10 {
        app.post("ess", &leave(&format!("LA-{n}"))).await;
    }
    // The nine others are due together once the first is done.
    barrier.let_one_through();
    until("as many calls are under way as may be", async || barrier.held().len() == 3).await;
    tokio::join!(app.stop(), async { barrier.open() });
    assert_eq!(app.database.number("SELECT count(*) FROM mailboxes WHERE lease_until IS NOT NULL").await, 0);
    assert_eq!(app.microsoft.events(AMY).await.len(), 4, "what was under way was finished, and nothing else begun");
    let noted = app.database.number("SELECT count(*) FROM items WHERE kind = 'event' AND state = 'synced'").await;
    assert_eq!(noted, 4, "every call's result was written down");
}
