//! Several names of one mailbox are one mailbox: one lease, one limit, one floor, one block, also when that comes out late.

use futures_util::future::join_all;
use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{change, comes_true, delivers, events, id_of, mailboxes, of, synced};
use crate::support::{AMY, BEN, TestApp, barrier::Barrier, fleet::Fleet, leave, until, updated};

const ALIAS: &str = "a.chan@contoso.com";
/// Another of her names, and one that Graph takes without a look into the directory.
const UPN: &str = "u10042@contoso.com";
const MIN: SignedDuration = SignedDuration::from_mins(1);

async fn has_alias(app: &TestApp) {
    change(app, AMY, json!({"aliases": [ALIAS]})).await;
}

async fn assert_clean(app: &TestApp, most_in_flight: i64) {
    let score = app.microsoft.score().await;
    let violations = [&score["duplicates"], &score["limit_violations"], &score["retry_after_violations"]];
    assert_eq!(violations, [&json!(0); 3], "{score}");
    assert!(score["max_in_flight_per_mailbox"].as_i64().unwrap() <= most_in_flight, "{score}");
}

/// The engine has looked since: somebody else's leave is delivered.
async fn bens(app: &TestApp, id: &str) {
    assert_eq!(delivers(app, &of(id, 0, BEN)).await, ["synced"]);
}

#[tokio::test]
async fn two_names_that_are_posted_before_anybody_was_asked_become_one_mailbox_with_one_limit() {
    for replicas in [1, 3] {
        let app = TestApp::with(&[("SYNC__PER_MAILBOX", "2")]).await;
        has_alias(&app).await;
        let mut all = vec![];
        for _ in 1..replicas {
            all.push(app.replica().await);
        }
        app.microsoft.settings(json!({"answer_delay_ms": 20})).await;
        let posts = (0..24).map(|n| {
            let body = of(&format!("LA-{n}"), 0, if n % 2 == 0 { AMY } else { ALIAS });
            let at = n % replicas;
            let to = if at == 0 { &app } else { &all[at - 1] };
            async move { to.post("ess", &body).await.status }
        });
        assert_eq!(join_all(posts).await, [202; 24]);
        comes_true(&app, "all is in Outlook", &synced(24)).await;
        assert_eq!(mailboxes(&app).await, 1, "{replicas}");
        assert_eq!(events(&app, [AMY]).await, [24], "{replicas}");
        assert_eq!(app.microsoft.stored_events(AMY).await.len(), 24, "each was made once");
        assert_clean(&app, 2).await;
        // What people see is the address that the source gave.
        assert_eq!(app.mapping("LA-1").await["mailbox"], ALIAS);
    }
}

#[tokio::test]
async fn what_microsoft_asks_for_under_one_name_holds_up_the_other() {
    let app = TestApp::new().await;
    has_alias(&app).await;
    assert_eq!(delivers(&app, &leave("LA-1")).await, ["synced"]);
    let slow = json!({"method": "POST", "path": "/v1.0/users/*/events", "times": 1, "error": "TooManyRequests",
                      "headers": {"retry-after": "600"}});
    app.microsoft.faults(json!([slow])).await;
    app.post("ess", &leave("LA-2")).await;
    assert_eq!(app.mapping_in("LA-2", "waiting").await["reason"], "throttled");
    // Heard of for the first time.
    app.post("ess", &of("LA-3", 0, ALIAS)).await;
    until("both names are one mailbox", async || mailboxes(&app).await == 1).await;
    assert_eq!(app.mapping_in("LA-3", "waiting").await["reason"], "throttled");
    app.post("ess", &of("LA-4", 0, ALIAS)).await;
    app.advance(MIN * 10 - SignedDuration::from_secs(1)).await;
    bens(&app, "LB-1").await;
    assert_eq!(app.mapping("LA-4").await["reason"], "throttled");
    assert_eq!(events(&app, [AMY]).await, [1]);
    app.advance(MIN * 3).await;
    comes_true(&app, "all is in Outlook", &synced(5)).await;
    assert_eq!(events(&app, [AMY]).await, [4]);
    assert_clean(&app, 3).await;
}

#[tokio::test]
async fn what_blocks_a_mailbox_under_one_name_holds_up_the_other() {
    let app = TestApp::new().await;
    has_alias(&app).await;
    assert_eq!(delivers(&app, &leave("LA-1")).await, ["synced"]);
    assert_eq!(delivers(&app, &of("LA-2", 0, ALIAS)).await, ["synced"]);
    let missing = json!({"path": "/v1.0/users/*/events", "times": 1, "error": "MailboxNotEnabledForRESTAPI"});
    app.microsoft.faults(json!([missing])).await;
    app.post("ess", &leave("LA-3")).await;
    assert_eq!(app.mapping_in("LA-3", "waiting").await["reason"], "mailbox-missing");
    let calls = app.microsoft.calls().await.len();
    app.post("ess", &of("LA-4", 0, ALIAS)).await;
    bens(&app, "LB-1").await;
    assert_eq!(app.mapping_in("LA-4", "waiting").await["reason"], "mailbox-missing");
    assert_eq!(app.microsoft.calls().await.len(), calls + 1, "Ben's alone");
    app.advance(MIN * 70).await;
    comes_true(&app, "all is in Outlook", &synced(5)).await;
    assert_eq!((events(&app, [AMY]).await, mailboxes(&app).await), ([4], 2));
}

#[tokio::test]
async fn a_name_that_comes_out_while_deliveries_are_under_way_doubles_and_loses_nothing() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    has_alias(&app).await;
    barrier.close("POST", String::leak(id_of(&app, AMY).await));
    app.post("ess", &leave("LA-0")).await;
    until("a call is under way", async || barrier.held().len() == 1).await;
    for n in 1..8 {
        app.post("ess", &of(&format!("LA-{n}"), 0, if n % 2 == 0 { AMY } else { ALIAS })).await;
    }
    until("both names are one mailbox", async || mailboxes(&app).await == 1).await;
    // Nothing is begun while the call of before may still be under way.
    bens(&app, "LB-1").await;
    assert_eq!(barrier.held().len(), 1);
    barrier.open();
    comes_true(&app, "all is in Outlook", &synced(9)).await;
    assert_eq!(events(&app, [AMY]).await, [8]);
    assert_eq!(app.microsoft.stored_events(AMY).await.len(), 8, "each was made once");
    assert_clean(&app, 3).await;
}

/// The name that comes out last is the one that is kept: the other one's calls are under way when it does.
#[tokio::test]
async fn what_microsoft_asks_for_under_a_name_that_is_given_up_holds_up_the_one_that_stays() {
    let (app, barrier) = TestApp::with_barrier(&[("SYNC__CALL_TIMEOUT", "2m"), ("SYNC__LEASE", "5m")]).await;
    has_alias(&app).await;
    let away = json!([{"path": format!("/v1.0/users/{AMY}"), "times": 1, "error": "serviceNotAvailable"}]);
    app.microsoft.faults(away).await;
    assert_eq!(delivers(&app, &leave("LA-1")).await, ["synced"]);
    // The directory is asked again after a minute.
    app.advance(MIN + SignedDuration::from_secs(1)).await;
    barrier.close("POST", "/events");
    app.post("ess", &of("LA-2", 0, ALIAS)).await;
    until("a call is under way", async || barrier.held().len() == 1).await;
    app.post("ess", &leave("LA-3")).await;
    until("both names are one mailbox", async || mailboxes(&app).await == 1).await;
    let slow = json!({"method": "POST", "path": "/v1.0/users/*/events", "times": 1, "error": "TooManyRequests",
                      "headers": {"retry-after": "1200"}});
    app.microsoft.faults(json!([slow])).await;
    barrier.open();
    until("Microsoft has asked for time", async || app.microsoft.calls().await.contains(&"POST 429".to_owned())).await;
    until("that counts for the mailbox that is left", async || {
        let sql = "SELECT count(*) FROM mailboxes WHERE merged_into IS NULL AND throttled_until > leavebridge_now()";
        app.database.number(sql).await == 1
    })
    .await;
    // Past the lease under which it was asked for.
    app.advance(MIN * 15).await;
    bens(&app, "LB-1").await;
    assert_eq!(events(&app, [AMY]).await, [1]);
    app.advance(MIN * 10).await;
    comes_true(&app, "all is in Outlook", &synced(4)).await;
    assert_eq!(events(&app, [AMY]).await, [3]);
    assert_eq!(app.microsoft.stored_events(AMY).await.len(), 3);
    assert_clean(&app, 3).await;
}

#[tokio::test]
async fn leave_that_moves_from_one_name_to_the_other_while_it_is_first_written_is_one_event() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    has_alias(&app).await;
    barrier.close("POST", "/events");
    app.post("ess", &leave("LA-1")).await;
    until("its event is being written", async || barrier.held().len() == 1).await;
    app.post("ess", &updated("LA-1", 1, &json!({"staff": {"email": ALIAS}, "end": "2026-12-23"}))).await;
    until("both names are one mailbox", async || mailboxes(&app).await == 1).await;
    barrier.open();
    comes_true(&app, "it is in Outlook", &synced(1)).await;
    let stored = app.microsoft.stored_events(AMY).await;
    assert_eq!((stored.len(), &stored[0]["end"]["dateTime"]), (1, &json!("2026-12-24T00:00:00.0000000")));
    assert_eq!(app.mapping("LA-1").await["mailbox"], ALIAS);
    assert_clean(&app, 3).await;
}

#[tokio::test]
async fn a_first_request_that_arrives_when_its_leave_has_moved_to_the_other_name_makes_no_second_event() {
    let fleet = Fleet::new().await;
    let aliases = json!({"aliases": [ALIAS]});
    fleet.microsoft.control(reqwest::Method::PATCH, &format!("users/{AMY}"), Some(&aliases)).await;
    let barrier = Barrier::before(&fleet.microsoft).await;
    let dies = fleet.start(&barrier.keys(), &[]).await;
    barrier.close("POST", "/events");
    dies.post(&fleet.webhook(0, Some(&json!({})))).await.unwrap();
    until("its event is being written", async || barrier.held().len() == 1).await;
    dies.post(&fleet.webhook(1, Some(&json!({"staff": {"email": ALIAS}, "end": "2026-12-23"})))).await.unwrap();
    let merged = "SELECT count(*) FROM mailboxes WHERE merged_into IS NOT NULL";
    until("both names are one mailbox", async || fleet.database.number(merged).await == 1).await;
    dies.kill().await;
    let _other = fleet.start(&[], &[]).await;
    fleet.advance(SignedDuration::from_secs(31)).await;
    until("it is in Outlook", async || fleet.mappings("wanted AND state = 'synced'").await == 1).await;
    assert_eq!(fleet.microsoft.events(AMY).await.len(), 1);
    barrier.open();
    // Microsoft knows it for the same: a refusal.
    until("it has arrived", async || fleet.microsoft.calls().await.contains(&"POST 400".to_owned())).await;
    let stored = fleet.microsoft.stored_events(AMY).await;
    assert_eq!((stored.len(), &stored[0]["end"]["dateTime"]), (1, &json!("2026-12-24T00:00:00.0000000")));
}

#[tokio::test]
async fn of_one_leave_under_two_names_that_were_taken_for_two_people_one_event_is_left() {
    // Without the directory nobody knows that it is one mailbox.
    let app = TestApp::new().await;
    app.microsoft.consent(&["Calendars.ReadWrite"]).await;
    change(&app, AMY, json!({"user_principal_name": UPN})).await;
    // Its event is made, but nobody hears of it; then the leave is another name's.
    let lost =
        json!({"method": "POST", "path": "/v1.0/users/*/events", "times": 1, "when": "after-commit", "drop": true});
    app.microsoft.faults(json!([lost])).await;
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    assert_eq!(delivers(&app, &of("LA-2", 0, UPN)).await, ["synced"]);
    app.post("ess", &of("LA-1", 1, UPN)).await;
    app.microsoft.consent(&["Calendars.ReadWrite", "User.Read.All"]).await;
    app.advance(MIN * 70).await;
    // The directory is asked now.
    for (id, address) in [("LA-3", AMY), ("LA-4", UPN)] {
        app.post("ess", &of(id, 0, address)).await;
    }
    comes_true(&app, "all is in Outlook", &synced(4)).await;
    assert_eq!((events(&app, [AMY]).await, mailboxes(&app).await), ([4], 1));
    assert_clean(&app, 3).await;
}

#[tokio::test]
async fn a_name_that_comes_out_while_a_replica_dies_doubles_and_loses_nothing() {
    let fleet = Fleet::new().await;
    let aliases = json!({"aliases": [ALIAS]});
    fleet.microsoft.control(reqwest::Method::PATCH, &format!("users/{AMY}"), Some(&aliases)).await;
    let barrier = Barrier::before(&fleet.microsoft).await;
    let dies = fleet.start(&barrier.keys(), &[]).await;
    barrier.close("POST", "/events");
    let body = |n: usize| {
        let address = if n.is_multiple_of(2) { AMY } else { ALIAS };
        fleet.webhook(0, Some(&json!({"id": format!("LA-{n}"), "staff": {"email": address}})))
    };
    for n in 0..6 {
        assert_eq!(dies.post(&body(n)).await.unwrap().status, 202);
    }
    until("it writes", async || !barrier.held().is_empty()).await;
    let others = [fleet.start(&[], &[]).await, fleet.start(&[], &[]).await];
    for n in 6..16 {
        assert_eq!(others[n % 3 % 2].post(&body(n)).await.unwrap().status, 202);
    }
    dies.kill().await;
    // What it has sent arrives.
    barrier.open();
    let mut looks = 0;
    until("all is in Outlook", async || {
        looks += 1;
        if looks % 40 == 0 {
            fleet.advance(SignedDuration::from_secs(20)).await;
        }
        fleet.mappings("state = 'synced'").await == 16
    })
    .await;
    let events = fleet.microsoft.stored_events(AMY).await;
    assert_eq!(events.len(), 16, "each was made once");
    assert_eq!(fleet.database.number("SELECT count(*) FROM mailboxes WHERE merged_into IS NULL").await, 1);
    let score: Value = fleet.microsoft.score().await;
    assert_eq!((&score["duplicates"], &score["limit_violations"]), (&json!(0), &json!(0)), "{score}");
    assert!(score["max_in_flight_per_mailbox"].as_i64().unwrap() <= 3, "{score}");
}
