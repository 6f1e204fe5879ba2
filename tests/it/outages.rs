//! PostgreSQL is stopped, cut off, slow or full: intake says so and recovers by itself, and nothing acknowledged is lost.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::support::{AMY, Answer, TestApp, assert_refused, leave, until, updated};

/// Insists on 503 with the time after which to try again.
#[track_caller]
fn assert_away(answer: &Answer) {
    assert_refused(answer, 503, "unavailable");
    let seconds: u64 = answer.headers["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((1..=60).contains(&seconds), "{seconds}");
}

/// Posts as a portal does, again and again until it is taken in.
async fn insist(app: &TestApp, body: &Value) {
    until("it is taken in", async || {
        let answer = app.post("ess", body).await;
        assert!([200, 202, 503].contains(&answer.status), "{answer:?}");
        answer.status != 503
    })
    .await;
}

#[tokio::test]
async fn a_database_that_is_restarted_loses_nothing_that_was_acknowledged_and_nothing_under_way() {
    let (app, mut postgres, barrier) = TestApp::on_its_own_server().await;
    app.deliver("ess", &leave("LA-1")).await;
    barrier.close("POST", "/events");
    assert_eq!(app.post("ess", &leave("LA-2")).await.status, 202);
    until("the call is under way", async || barrier.held().len() == 1).await;
    postgres.stop().await.unwrap();
    assert_away(&app.post("ess", &leave("LA-3")).await);
    assert_eq!(app.get("/health/ready", None).await.status, 503);
    barrier.open();
    until("Graph has answered, and the result cannot be written", async || app.microsoft.events(AMY).await.len() == 2)
        .await;
    postgres.start_again().await.unwrap();

    insist(&app, &leave("LA-3")).await;
    let listening = "SELECT count(*) FROM pg_stat_activity WHERE query ILIKE 'LISTEN%'";
    until("it listens again", async || app.database.number(listening).await >= 1).await;
    until("all is in Outlook", async || {
        app.advance(SignedDuration::from_secs(31)).await;
        app.database.number("SELECT count(*) FROM items WHERE kind = 'event' AND state = 'synced'").await == 3
    })
    .await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 3);
    assert_eq!(app.get("/health", None).await.body["status"], "ok");
}

#[tokio::test]
async fn connections_that_are_cut_again_and_again_lose_and_double_nothing() {
    let app = TestApp::new().await;
    let cut = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
               WHERE datname = current_database() AND pid <> pg_backend_pid()";
    for n in 0..30 {
        if n % 5 == 0 {
            app.database.execute(cut).await;
        }
        insist(&app, &leave(&format!("LA-{n}"))).await;
    }
    app.database.execute(cut).await;
    until("all is in Outlook", async || {
        app.advance(SignedDuration::from_secs(31)).await;
        app.database.number("SELECT count(*) FROM items WHERE kind = 'event' AND state = 'synced'").await == 30
    })
    .await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 30);
}

#[tokio::test]
async fn a_slow_database_makes_intake_say_so_in_time() {
    let app = TestApp::with(&[("HTTP__REQUEST_TIMEOUT", "2s")]).await;
    let mut lock = app.database.lock("LOCK TABLE leaves IN ACCESS EXCLUSIVE MODE").await;
    assert_away(&app.post("ess", &leave("LA-1")).await);
    lock.give_back().await;
    insist(&app, &leave("LA-1")).await;
    app.mapping_in("LA-1", "synced").await;
}

#[tokio::test]
async fn a_full_disk_refuses_webhooks_and_loses_no_event_that_was_just_written() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    app.deliver("ess", &leave("LA-1")).await;
    app.database
        .execute(
            "CREATE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS
             $$ BEGIN RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;
             CREATE TRIGGER full_disk BEFORE INSERT ON timeline EXECUTE FUNCTION full_disk();
             ALTER TABLE timeline DISABLE TRIGGER full_disk",
        )
        .await;
    // It fills up between the intake and the writing down of what was delivered.
    barrier.close("POST", "/events");
    app.post("ess", &leave("LA-2")).await;
    until("the call is under way", async || barrier.held().len() == 1).await;
    app.database.execute("ALTER TABLE timeline ENABLE TRIGGER full_disk").await;
    assert_away(&app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await);
    barrier.open();
    until("the event is there", async || app.microsoft.events(AMY).await.len() == 2).await;
    assert_eq!(app.mapping("LA-2").await["state"], "pending");

    app.database.execute("DROP TRIGGER full_disk ON timeline").await;
    insist(&app, &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    until("all is in Outlook", async || {
        app.advance(SignedDuration::from_secs(31)).await;
        app.database.number("SELECT count(*) FROM items WHERE kind = 'event' AND state = 'synced'").await == 2
    })
    .await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 2);
}
