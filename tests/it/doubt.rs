//! Doubt is narrow and short: only what a dead replica had taken is looked up, and what is waited for ends with its minute.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::support::{
    AMY, BEN, TestApp, barrier::Barrier, cancelled, database::Database, fleet::Fleet, leave, until, updated,
};

const SHARED: &str = "reception@contoso.com";
/// What a replica takes of one mailbox at a time.
const BATCH: usize = 30;

#[tokio::test]
async fn of_a_shared_mailbox_whose_holder_died_only_what_it_had_taken_is_looked_up() {
    let fleet = Fleet::new().await;
    fleet.microsoft.person(json!({"address": SHARED, "name": "Reception", "kind": "shared"})).await;
    let barrier = Barrier::before(&fleet.microsoft).await;
    let dies = fleet.start(&barrier.keys(), &[]).await;
    let body = |n: usize| fleet.webhook(0, Some(&json!({"id": format!("LA-{n}"), "staff": {"email": SHARED}})));
    barrier.close("POST", "/events");
    dies.post(&body(0)).await.unwrap();
    until("it writes the first", async || barrier.held().len() == 1).await;
    for n in 1..=60 {
        assert_eq!(dies.post(&body(n)).await.unwrap().status, 202);
    }
    // The others are due together once the first is done.
    barrier.let_one_through();
    until("three calls are under way", async || barrier.held().len() == 3).await;
    dies.kill().await;
    barrier.open();
    until("what was sent has arrived", async || fleet.microsoft.stored_events(SHARED).await.len() == 4).await;
    let _other = fleet.start(&[], &[]).await;
    // Past the lease, and no further: nothing waits for anything else.
    fleet.advance(SignedDuration::from_secs(31)).await;
    until("all is in Outlook", async || fleet.mappings("state = 'synced'").await == 61).await;

    let calls = fleet.microsoft.calls().await;
    let count = |call: &str| calls.iter().filter(|made| *made == call).count();
    // Each that was in doubt: a look, and one more behind what was written then.
    assert_eq!(count("GET 200"), 2 * BATCH, "{calls:?}");
    // The three that had arrived are written over, the others made.
    assert_eq!((count("PATCH 200"), count("POST 201"), calls.len()), (3, 61, 2 * BATCH + 64), "{calls:?}");
    assert_eq!(fleet.microsoft.stored_events(SHARED).await.len(), 61);
    assert_eq!(fleet.microsoft.score().await["duplicates"], 0);
}

#[tokio::test]
async fn a_doubt_that_is_waited_for_ends_with_its_minute_however_often_it_had_failed_before() {
    let app = TestApp::new().await;
    app.microsoft.faults(json!([{"method": "POST", "path": "/v1.0/users/*/events", "times": 6, "drop": true}])).await;
    app.post("ess", &leave("LA-1")).await;
    for attempts in 1..=6 {
        until("it was tried", async || app.mapping("LA-1").await["attempts"] == attempts).await;
        if attempts < 6 {
            // As long as the longest pause so far: 2 s, 4 s … 32 s, and a quarter.
            app.advance(SignedDuration::from_secs(41)).await;
        }
    }
    let since =
        app.database.number("SELECT extract(epoch FROM doubt_since)::bigint FROM items WHERE kind = 'event'").await;
    let over = Timestamp::from_second(since).unwrap() + SignedDuration::from_mins(1);
    app.advance(SignedDuration::from_secs(25)).await;
    app.post("ess", &cancelled("LA-1", 1)).await;
    let waits = |mapping: &Value| mapping["next_attempt_at"].as_str().map(|at| at.parse::<Timestamp>().unwrap());
    until("it was looked for", async || app.microsoft.calls().await.contains(&"GET 200".to_owned())).await;
    let mapping = app.mapping_in("LA-1", "waiting").await;
    assert_eq!(waits(&mapping), Some(over), "{mapping}");

    app.advance(over.duration_since(app.now()) - SignedDuration::from_secs(1)).await;
    // The engine has looked since: somebody else's leave is delivered.
    app.deliver("ess", &updated("LB-1", 0, &json!({"staff": {"email": BEN}}))).await;
    assert_eq!(app.mapping("LA-1").await["state"], "waiting");
    app.advance(SignedDuration::from_secs(1)).await;
    app.mapping_in("LA-1", "removed").await;
    assert_eq!(app.microsoft.stored_events(AMY).await.len(), 0);
}

#[tokio::test]
async fn after_the_database_is_lost_leave_of_before_is_looked_for_and_later_leave_is_not() {
    let mut app = TestApp::with(&[("INSTALLATION", "contoso")]).await;
    app.deliver("ess", &leave("LA-1")).await;
    app.stop().await;
    app.database = Database::new(app.now()).await;
    app.settings.database.url = app.database.url.clone().into();
    app.settings.sync.look_first_before = Some("2026-11-22T01:10:00Z".parse().unwrap());
    app.restart().await;

    let calls = async |app: &TestApp, body: &Value| {
        let before = app.microsoft.calls().await.len();
        let answer = app.deliver("ess", body).await;
        assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
        app.microsoft.calls().await.split_off(before)
    };
    // A look, and one more behind what was written then.
    assert_eq!(calls(&app, &leave("LA-1")).await, ["GET 200", "PATCH 200", "GET 200"], "what is there is written over");
    assert_eq!(calls(&app, &updated("LA-2", 9, &json!({}))).await, ["GET 200", "POST 201", "GET 200"], "at once");
    assert_eq!(calls(&app, &updated("LA-3", 10, &json!({}))).await, ["POST 201"]);
    assert_eq!(app.microsoft.stored_events(AMY).await.len(), 3);
    assert_eq!(app.microsoft.score().await["duplicates"], 0);
}
