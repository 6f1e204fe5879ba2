//! A policy that has changed: upcoming leave is written anew, slowly and visibly; what is over stays.

use jiff::SignedDuration;
use leavebridge::config;
use serde_json::{Value, json};

use crate::{
    support::{AMY, TestApp, configuration, until, updated},
    teams::{SALES, SERVICE, TEAMS, away, of_sales, shown},
};

/// A leave of that day.
fn day(id: &str, date: &str) -> Value {
    updated(id, 0, &json!({"start": date, "end": date}))
}

/// Starts the service anew with these keys.
async fn restart_with(app: &mut TestApp, further: &[(&str, &str)]) {
    app.stop().await;
    app.settings = config::load(None, &configuration(&app.database.url, &app.microsoft.url, further)).unwrap();
    app.restart().await;
}

async fn titles(app: &TestApp) -> Vec<String> {
    let mut events = app.microsoft.events(AMY).await;
    events.sort_by_key(|event| event["start"]["dateTime"].to_string());
    events.iter().map(|event| event["subject"].as_str().unwrap().to_owned()).collect()
}

#[tokio::test]
async fn upcoming_leave_is_written_by_the_new_policy_and_what_is_over_stays() {
    let mut app = TestApp::new().await;
    for (id, date) in [("LA-1", "2026-11-20"), ("LA-2", "2026-11-22"), ("LA-3", "2026-12-21"), ("LA-4", "2027-03-01")] {
        app.deliver("ess", &day(id, date)).await;
    }
    let before = app.microsoft.calls().await.len();
    restart_with(&mut app, &[("POLICY__TITLE", "Away")]).await;
    // One after the other: the first at once, each of the others a little later.
    until("they are in the queue", async || app.mapping("LA-4").await["state"] == "pending").await;
    app.advance(SignedDuration::from_secs(1)).await;
    for id in ["LA-2", "LA-3", "LA-4"] {
        app.mapping_in(id, "synced").await;
    }
    assert_eq!(titles(&app).await, ["Out of office", "Away", "Away", "Away"]);
    let mapping = app.mapping("LA-4").await;
    let page = app.get(&format!("/mappings/{}", mapping["id"].as_str().unwrap()), Some("ops")).await;
    let kinds: Vec<_> = page.body["timeline"].as_array().unwrap().iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(kinds, ["received", "delivered", "resynced", "delivered"], "{page:?}");
    assert_eq!(page.body["timeline"][2]["detail"]["why"], "the policy has changed");
    // Only the title was sent: what the person added to the event survives.
    let sent = app.microsoft.calls().await.split_off(before);
    assert_eq!(sent.iter().filter(|call| call.starts_with("PATCH")).count(), 3, "{sent:?}");
}

#[tokio::test]
async fn the_same_policy_touches_nothing() {
    let mut app = TestApp::new().await;
    app.deliver("ess", &day("LA-1", "2026-12-21")).await;
    let before = app.microsoft.calls().await;
    restart_with(&mut app, &[]).await;
    app.deliver("ess", &day("LA-2", "2026-12-22")).await;
    assert_eq!(app.microsoft.calls().await.len(), before.len() + 1, "the new leave's create, and nothing else");
}

#[tokio::test]
async fn a_changed_policy_is_not_taken_for_done_while_a_replica_of_the_former_one_may_still_run() {
    let mut app = TestApp::new().await;
    app.deliver("ess", &day("LA-1", "2026-12-21")).await;
    // Nothing that is known by now would look otherwise.
    restart_with(&mut app, &[("POLICY__TYPES__SICK__TITLE", "Away")]).await;
    let looked = "SELECT count(*) FROM tenants WHERE tenant = 'default' AND policy = 'being written anew'";
    until("it has looked", async || app.database.number(looked).await == 1).await;
    app.deliver("ess", &day("LA-2", "2026-12-22")).await;
    app.stop().await;
    assert_eq!(app.database.number(looked).await, 1, "whoever starts next looks again");
}

#[tokio::test]
async fn what_a_replica_of_the_former_policy_has_written_meanwhile_is_written_anew_ten_minutes_later() {
    let mut app = TestApp::new().await;
    app.deliver("ess", &day("LA-1", "2026-12-21")).await;
    restart_with(&mut app, &[("POLICY__TYPES__SICK__TITLE", "Away")]).await;
    let stands = async |policy: &str| {
        let rows = format!("SELECT count(*) FROM tenants WHERE tenant = 'default' AND policy {policy}");
        app.database.number(&rows).await == 1
    };
    until("it has looked", async || stands("= 'being written anew'").await).await;
    app.deliver("ess", &updated("LA-2", 0, &json!({"leave_type": "SICK"}))).await;
    assert_eq!(titles(&app).await, ["Out of office", "Away"]);
    // As that replica would have had it.
    let former = r#"UPDATE items SET observed = jsonb_set(observed, '{written,subject}', '"Out of office"')"#;
    app.database.execute(former).await;

    app.advance(SignedDuration::from_mins(10)).await;
    // In the queue, and due a moment later than the clock shows, which stands still.
    until("it has looked again", async || app.mapping("LA-2").await["state"] == "pending").await;
    assert!(stands("= 'being written anew'").await);
    app.advance(SignedDuration::from_secs(1)).await;
    app.mapping_in("LA-2", "synced").await;
    assert_eq!(app.microsoft.calls().await, ["POST 201", "POST 201", "PATCH 200", "GET 200"], "of LA-2 alone");

    // A look that finds nothing any more is the last.
    app.advance(SignedDuration::from_mins(11)).await;
    until("the policy is noted", async || stands("<> 'being written anew'").await).await;
}

#[tokio::test]
async fn a_kind_of_leave_that_is_hidden_from_now_on_goes_and_one_that_shows_comes() {
    let hidden = [("POLICY__TYPES__ANNUAL__PUBLISH", "never")];
    let mut app = TestApp::with(&hidden).await;
    app.deliver("ess", &updated("LA-1", 0, &json!({"leave_type": "ANNUAL"}))).await;
    app.deliver("ess", &updated("LA-2", 0, &json!({"leave_type": "SICK", "start": "2026-12-22", "end": "2026-12-22"})))
        .await;
    app.mapping_in("LA-1", "hidden").await;
    restart_with(&mut app, &[("POLICY__TYPES__SICK__PUBLISH", "never")]).await;
    until("both are settled anew", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        app.mapping("LA-1").await["state"] == "synced" && app.mapping("LA-2").await["state"] == "hidden"
    })
    .await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
}

#[tokio::test]
async fn new_leave_does_not_wait_behind_it() {
    let mut app = TestApp::new().await;
    for n in 0..40 {
        app.post("ess", &day(&format!("LA-{n}"), "2026-12-21")).await;
    }
    for n in 0..40 {
        app.mapping_in(&format!("LA-{n}"), "synced").await;
    }
    restart_with(&mut app, &[("POLICY__TITLE", "Away")]).await;
    until("they are in the queue", async || {
        let pending = app.get("/mappings?state=pending&limit=100", Some("ops")).await;
        pending.body["mappings"].as_array().unwrap().len() >= 39
    })
    .await;
    // The clock stands still, so nothing of it but the first can be due: a new leave is.
    let answer = app.deliver("ess", &day("LB-1", "2026-12-23")).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
    let waiting = app.get("/mappings?state=pending&limit=100", Some("ops")).await;
    assert!(waiting.body["mappings"].as_array().unwrap().len() >= 38, "{waiting:?}");
    app.advance(SignedDuration::from_secs(3)).await;
    for n in 0..40 {
        app.mapping_in(&format!("LA-{n}"), "synced").await;
    }
    assert!(titles(&app).await.iter().all(|title| title == "Away"));
}

#[tokio::test]
async fn who_is_killed_on_the_way_goes_on_at_the_next_start() {
    let mut app = TestApp::apart("", &[]).await;
    for n in 0..10 {
        app.deliver("ess", &day(&format!("LA-{n}"), "2026-12-21")).await;
    }
    app.stop().await;
    app.settings =
        config::load(None, &configuration(&app.database.url, &app.microsoft.url, &[("POLICY__TITLE", "Away")]))
            .unwrap();
    app.restart().await;
    app.crash().await;
    app.restart().await;
    until("all are written anew", async || {
        // The dead process's leases have to end as well.
        app.advance(SignedDuration::from_secs(10)).await;
        titles(&app).await.iter().filter(|title| *title == "Away").count() == 10
    })
    .await;
    assert_eq!(app.microsoft.score().await["duplicates"], 0);
}

#[tokio::test]
async fn a_team_calendar_that_is_new_is_filled_and_one_that_is_taken_out_is_emptied() {
    let mut app = TestApp::new().await;
    for address in [SALES, SERVICE] {
        app.microsoft.person(json!({"address": address, "name": "Team", "kind": "shared"})).await;
    }
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    app.deliver("ess", &of_sales("LA-2", 0, &json!({"start": "2026-11-20", "end": "2026-11-20"}))).await;
    app.deliver("ess", &of_sales("LA-3", 0, &json!({"department": "Kitchen"}))).await;
    app.deliver("ess", &of_sales("LA-4", 0, &json!({"status": "rejected"}))).await;

    app.restart_with_file(TEAMS).await;
    until("the team sees who is away", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        shown(&app, SALES).await == away("Amy Chan")
    })
    .await;
    assert!(shown(&app, SERVICE).await.is_empty());
    let mappings = app.get("/leaves/LA-1", Some("ess")).await;
    assert_eq!(mappings.body["mappings"].as_array().unwrap().len(), 2, "{mappings:?}");
    assert_eq!(app.get("/leaves/LA-4", Some("ess")).await.body["mappings"].as_array().unwrap().len(), 1);

    // The other way round: the team's list names another department from now on.
    app.restart_with_file(&TEAMS.replace("\"Sales\"", "\"Kitchen\"")).await;
    until("the team sees the other one", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        let mapping = app.get("/mappings?leave=LA-3", Some("ops")).await;
        mapping.body["mappings"].as_array().unwrap().iter().filter(|one| one["state"] == "synced").count() == 2
            && app.microsoft.events(SALES).await.len() == 1
    })
    .await;
    app.restart_with_file("").await;
    until("nobody is shown any more", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        app.microsoft.events(SALES).await.is_empty()
    })
    .await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 3, "people's own calendars are as they were");
    assert_eq!(app.microsoft.score().await["duplicates"], 0);
}

#[tokio::test]
async fn a_cancellation_that_comes_while_a_new_team_calendar_is_being_filled_leaves_no_copy() {
    let mut app = TestApp::new().await;
    app.microsoft.person(json!({"address": SALES, "name": "Team", "kind": "shared"})).await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    // What an intake of it writes, not committed yet.
    let mut cancellation = app
        .database
        .lock(
            // As an intake does it.
            "UPDATE leaves SET status = 'cancelled', source_at = '2026-11-22T02:00:00Z', rev = rev + 1;
             UPDATE items SET rev = rev + 1, state = 'pending', next_at = leavebridge_now() WHERE kind = 'event'",
        )
        .await;
    app.restart_with_file(TEAMS).await;
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    until("the calendar's filling waits for it, or has overtaken it", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        app.database.number(waits).await > 0 || shown(&app, SALES).await == away("Amy Chan")
    })
    .await;
    cancellation.give_back().await;
    // At once, not only when the policy is looked at once more.
    for mailbox in [AMY, SALES] {
        until("the event is gone", async || {
            app.advance(SignedDuration::from_millis(10)).await;
            let mappings = app.mappings().await;
            mappings.iter().any(|mapping| mapping["mailbox"] == mailbox && mapping["state"] == "removed")
        })
        .await;
    }
    assert_eq!((shown(&app, AMY).await, shown(&app, SALES).await), (vec![], vec![]));
}

#[tokio::test]
async fn a_leave_that_left_a_teams_calendar_once_comes_back_with_it() {
    let mut app = TestApp::with_file(TEAMS).await;
    app.microsoft.person(json!({"address": SALES, "name": "Team", "kind": "shared"})).await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    until("the team sees it", async || shown(&app, SALES).await == away("Amy Chan")).await;
    app.restart_with_file("").await;
    until("it is taken out", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        app.microsoft.events(SALES).await.is_empty()
    })
    .await;
    // A change that comes while there is no such calendar: the leave is not wanted there any more.
    app.deliver("ess", &of_sales("LA-1", 5, &json!({"end": "2026-12-22"}))).await;
    assert_eq!(app.database.number("SELECT count(*) FROM items WHERE kind = 'event' AND NOT wanted").await, 1);
    app.restart_with_file(TEAMS).await;
    until("it is back", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        shown(&app, SALES).await == away("Amy Chan")
    })
    .await;
    assert_eq!(app.microsoft.score().await["duplicates"], 0);
}
