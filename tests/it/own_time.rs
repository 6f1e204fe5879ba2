//! Time zone and working hours as the mailbox itself has them: read where that is permitted, once a day, and never waited for.

use jiff::SignedDuration;
use leavebridge_simulator::Simulator;
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{AMY, BEN, TestApp, until, updated};

/// A service whose app has these roles.
async fn with_roles(roles: &[&str]) -> TestApp {
    let app = TestApp::new().await;
    let registered = json!({
        "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID, "roles": roles,
        "secrets": [{"value": Simulator::CLIENT_SECRET}],
    });
    app.microsoft.settings(json!({"apps": [registered]})).await;
    app
}

async fn permitted() -> TestApp {
    with_roles(&["Calendars.ReadWrite", "MailboxSettings.Read"]).await
}

/// Amy's afternoon of that leave; nothing says in which zone.
fn afternoon(id: &str, n: i64) -> Value {
    updated(id, n, &json!({"start_session": "pm", "end_session": "pm", "time_zone": null}))
}

async fn person(app: &TestApp, address: &str, change: &Value) {
    app.microsoft.control(Method::PATCH, &format!("users/{address}"), Some(change)).await;
}

/// When the only event in that calendar is: start, end, zone.
async fn times(app: &TestApp, address: &str) -> (String, String, String) {
    let events = app.microsoft.events(address).await;
    assert_eq!(events.len(), 1, "{events:#?}");
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    let moment = |side: &str| text(&events[0][side]["dateTime"])[..16].to_owned();
    (moment("start"), moment("end"), text(&events[0]["originalStartTimeZone"]))
}

fn expected(start: &str, end: &str, zone: &str) -> (String, String, String) {
    (start.to_owned(), end.to_owned(), zone.to_owned())
}

#[tokio::test]
async fn half_days_lie_at_the_mailboxes_own_hours_and_zone_which_are_read_once_a_day() {
    let app = permitted().await;
    person(&app, AMY, &json!({"working_hours": "07:30-15:30"})).await;
    app.deliver("ess", &afternoon("LA-1", 0)).await;
    assert_eq!(times(&app, AMY).await, expected("2026-12-21T13:00", "2026-12-21T15:30", "China Standard Time"));
    for n in 2..5 {
        app.deliver("ess", &afternoon(&format!("LA-{n}"), 0)).await;
    }
    assert_eq!(app.microsoft.settings_reads().await, ["GET 200"]);
    app.advance(SignedDuration::from_hours(23)).await;
    app.deliver("ess", &afternoon("LA-5", 0)).await;
    assert_eq!(app.microsoft.settings_reads().await.len(), 1, "what was read yesterday still counts");
    app.advance(SignedDuration::from_hours(2)).await;
    app.deliver("ess", &afternoon("LA-6", 0)).await;
    assert_eq!(app.microsoft.settings_reads().await.len(), 2);
}

#[tokio::test]
async fn who_moves_to_another_zone_has_upcoming_leave_moved_along_at_the_next_reading() {
    let app = permitted().await;
    app.deliver("ess", &afternoon("LA-1", 0)).await;
    app.deliver("ess", &updated("LA-0", 0, &json!({"start": "2026-11-20", "end": "2026-11-20", "time_zone": null})))
        .await;
    person(&app, AMY, &json!({"time_zone": "America/New_York"})).await;
    app.advance(SignedDuration::from_hours(25)).await;
    app.deliver("ess", &afternoon("LA-2", 0)).await;
    until("the first one has moved", async || {
        let events = app.microsoft.events(AMY).await;
        events.iter().filter(|event| event["originalStartTimeZone"] == "Eastern Standard Time").count() == 2
    })
    .await;
    let events = app.microsoft.events(AMY).await;
    assert_eq!(events.len(), 3, "{events:#?}");
    let past: Vec<_> = events.iter().filter(|event| event["isAllDay"] == true).collect();
    assert_eq!(past[0]["originalStartTimeZone"], "China Standard Time", "what is over stays as it was");
}

#[tokio::test]
async fn without_the_permission_the_policy_counts_and_it_costs_a_request_an_hour() {
    let app = with_roles(&["Calendars.ReadWrite"]).await;
    app.deliver("ess", &afternoon("LA-1", 0)).await;
    assert_eq!(times(&app, AMY).await, expected("2026-12-21T13:00", "2026-12-21T18:00", "GMT Standard Time"));
    for n in 2..5 {
        app.deliver("ess", &afternoon(&format!("LA-{n}"), 0)).await;
    }
    assert_eq!(app.microsoft.settings_reads().await, ["GET 403"]);
    app.advance(SignedDuration::from_mins(61)).await;
    app.deliver("ess", &afternoon("LA-5", 0)).await;
    assert_eq!(app.microsoft.settings_reads().await, ["GET 403", "GET 403"]);
    // Granted at last: known within the hour.
    let granted = json!({
        "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID,
        "roles": ["Calendars.ReadWrite", "MailboxSettings.Read"], "secrets": [{"value": Simulator::CLIENT_SECRET}],
    });
    app.microsoft.settings(json!({"apps": [granted]})).await;
    app.advance(SignedDuration::from_mins(61)).await;
    app.deliver("ess", &afternoon("LA-6", 0)).await;
    assert_eq!(app.microsoft.settings_reads().await.last().unwrap(), "GET 200");
}

#[tokio::test]
async fn leave_that_says_everything_itself_needs_no_reading() {
    let app = permitted().await;
    app.deliver("ess", &updated("LA-1", 0, &json!({"time_zone": "Asia/Tokyo"}))).await;
    let hours = json!({"start": "2026-12-22T10:00", "end": "2026-12-22T11:00", "time_zone": "Asia/Tokyo"});
    app.deliver("ess", &updated("LA-2", 0, &hours)).await;
    app.deliver(
        "ess",
        &json!({"type": "leave.cancelled", "timestamp": "2026-11-22T01:30:00Z", "data": {"id": "LA-3"}}),
    )
    .await;
    assert!(app.microsoft.settings_reads().await.is_empty());
}

#[tokio::test]
async fn settings_that_cannot_be_read_hold_nothing_up() {
    for error in ["ErrorInternalServerError", "MailboxNotEnabledForRESTAPI", "InvalidAuthenticationToken"] {
        let app = permitted().await;
        let rule = json!([{"method": "GET", "path": "/v1.0/users/*/mailboxSettings", "times": null, "error": error}]);
        app.microsoft.faults(rule).await;
        let answer = app.deliver("ess", &afternoon("LA-1", 0)).await;
        assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{error}: {answer:?}");
        assert_eq!(times(&app, AMY).await.0, "2026-12-21T13:00", "{error}");
    }
}

#[tokio::test]
async fn a_mailbox_that_asks_us_to_stay_away_is_left_alone_by_its_events_as_well() {
    let app = permitted().await;
    let rule = json!([{"method": "GET", "path": format!("/v1.0/users/{AMY}/mailboxSettings"), "times": 1,
        "error": "ApplicationThrottled"}]);
    app.microsoft.faults(rule).await;
    app.post("ess", &afternoon("LA-1", 0)).await;
    assert_eq!(app.mapping_in("LA-1", "waiting").await["reason"], "throttled");
    assert!(app.microsoft.calls().await.is_empty(), "nothing was written");
    // Others are asked and served meanwhile.
    let bens = updated("LB-1", 0, &json!({"staff": {"email": BEN}, "time_zone": null, "start_session": "pm"}));
    app.deliver("ess", &bens).await;
    assert_eq!(app.microsoft.settings_reads().await, ["GET 429", "GET 200"]);
    app.advance(SignedDuration::from_secs(30)).await;
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(times(&app, AMY).await.2, "China Standard Time");
    assert_eq!(app.microsoft.score().await["retry_after_violations"], 0);
}

#[tokio::test]
async fn whoever_comes_while_the_first_one_asks_waits_for_the_answer() {
    let app = permitted().await;
    app.microsoft.settings(json!({"answer_delay_ms": 100})).await;
    for n in 0..6 {
        let address = format!("person{n}@contoso.com");
        app.microsoft.person(json!({"address": address, "name": "P", "time_zone": "Asia/Tokyo"})).await;
        let leave = updated(&format!("LP-{n}"), 0, &json!({"staff": {"email": address}, "time_zone": null}));
        app.post("ess", &leave).await;
    }
    for n in 0..6 {
        app.mapping_in(&format!("LP-{n}"), "synced").await;
        let zone = times(&app, &format!("person{n}@contoso.com")).await.2;
        assert_eq!(zone, "Tokyo Standard Time", "person {n}");
    }
}

#[tokio::test]
async fn once_the_permission_is_there_leave_that_was_written_without_is_written_anew() {
    let app = with_roles(&["Calendars.ReadWrite"]).await;
    app.deliver("ess", &afternoon("LA-1", 0)).await;
    app.deliver("ess", &updated("LA-2", 0, &json!({"start": "2026-12-22", "end": "2026-12-22"}))).await;
    let granted = json!({
        "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID,
        "roles": ["Calendars.ReadWrite", "MailboxSettings.Read"], "secrets": [{"value": Simulator::CLIENT_SECRET}],
    });
    app.microsoft.settings(json!({"apps": [granted]})).await;
    // The token in hand names the old rights for an hour yet.
    app.advance(SignedDuration::from_mins(61)).await;
    let bens = updated("LB-1", 0, &json!({"staff": {"email": BEN}, "time_zone": null, "start_session": "pm"}));
    app.deliver("ess", &bens).await;
    until("Amy's afternoon lies by her own clock", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        app.microsoft
            .events(AMY)
            .await
            .iter()
            .any(|event| event["isAllDay"] == false && event["originalStartTimeZone"] == "China Standard Time")
    })
    .await;
}

#[tokio::test]
async fn a_mailbox_outside_of_what_is_granted_costs_the_others_nothing() {
    let app = permitted().await;
    app.deliver("ess", &afternoon("LA-1", 0)).await;
    let rule = json!([{"method": "GET", "path": format!("/v1.0/users/{BEN}/mailboxSettings"), "times": null,
        "error": "ErrorAccessDenied"}]);
    app.microsoft.faults(rule).await;
    let bens = updated("LB-1", 0, &json!({"staff": {"email": BEN}, "time_zone": null, "start_session": "pm"}));
    app.deliver("ess", &bens).await;
    assert_eq!(app.microsoft.settings_reads().await, ["GET 200", "GET 403"]);
    person(&app, AMY, &json!({"working_hours": "10:00-19:00"})).await;
    app.advance(SignedDuration::from_hours(25)).await;
    app.deliver("ess", &afternoon("LA-2", 0)).await;
    assert_eq!(app.microsoft.settings_reads().await.last().unwrap(), "GET 200", "Amy's is still read");
}

#[tokio::test]
async fn a_short_trouble_leaves_nobody_on_the_wrong_day_though_no_other_leave_comes_by() {
    for trouble in [
        json!({"error": "serviceNotAvailable"}),
        json!({"error": "ErrorInternalServerError"}),
        json!({"drop": true}),
        json!({"status": 404, "error": "MailboxNotEnabledForRESTAPI"}),
    ] {
        let app = permitted().await;
        let mut rule = json!({"method": "GET", "path": "/v1.0/users/*/mailboxSettings", "times": 2});
        rule.as_object_mut().unwrap().extend(trouble.as_object().unwrap().clone());
        app.microsoft.faults(json!([rule])).await;
        app.deliver("ess", &afternoon("LA-1", 0)).await;
        assert_eq!(times(&app, AMY).await.2, "GMT Standard Time", "{trouble}: nothing is held up");
        until("it lies by her own clock", async || {
            app.advance(SignedDuration::from_secs(20)).await;
            times(&app, AMY).await.2 == "China Standard Time"
        })
        .await;
        let reads = app.microsoft.settings_reads().await;
        assert_eq!((reads.len(), reads.last().unwrap().as_str()), (3, "GET 200"), "{trouble}: {reads:?}");
    }
}

#[tokio::test]
async fn somebody_who_cannot_be_asked_puts_nobody_else_on_the_wrong_day() {
    for (address, refused) in [("nobody@contoso.com", None), (BEN, Some("ErrorAccessDenied"))] {
        let app = permitted().await;
        app.microsoft.person(json!({"address": "nobody@contoso.com", "kind": "unlicensed"})).await;
        if let Some(error) = refused {
            let path = format!("/v1.0/users/{address}/mailboxSettings");
            app.microsoft.faults(json!([{"method": "GET", "path": path, "times": null, "error": error}])).await;
        }
        app.microsoft.settings(json!({"answer_delay_ms": 50})).await;
        let first = updated("LN-1", 0, &json!({"staff": {"email": address}, "time_zone": null}));
        app.post("ess", &first).await;
        app.post("ess", &afternoon("LA-1", 0)).await;
        app.mapping_in("LA-1", "synced").await;
        assert_eq!(times(&app, AMY).await.2, "China Standard Time", "{address}");
        let reads = app.microsoft.settings_reads().await;
        assert!(reads.len() <= 3, "{address}: {reads:?}");
    }
}

#[tokio::test]
async fn two_who_are_denied_close_the_door_to_all_for_an_hour_and_no_longer() {
    let app = permitted().await;
    app.microsoft.person(json!({"address": "cleo@contoso.com", "time_zone": "Asia/Tokyo"})).await;
    for address in [BEN, "cleo@contoso.com"] {
        let path = format!("/v1.0/users/{address}/mailboxSettings");
        app.microsoft
            .faults(json!([{"method": "GET", "path": path, "times": null, "error": "ErrorAccessDenied"}]))
            .await;
        app.deliver("ess", &updated(address, 0, &json!({"staff": {"email": address}, "time_zone": null}))).await;
    }
    app.deliver("ess", &afternoon("LA-1", 0)).await;
    assert_eq!(app.microsoft.settings_reads().await, ["GET 403", "GET 403"]);
    assert_eq!(times(&app, AMY).await.2, "GMT Standard Time");
    app.advance(SignedDuration::from_mins(61)).await;
    app.deliver("ess", &updated("LA-2", 0, &json!({"time_zone": null}))).await;
    until("all lie by her own clock", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        let events = app.microsoft.events(AMY).await;
        events.len() == 2 && events.iter().all(|event| event["originalStartTimeZone"] == "China Standard Time")
    })
    .await;
}

#[tokio::test]
async fn an_answer_of_long_ago_counts_only_until_the_mailbox_answers_again() {
    let app = permitted().await;
    app.deliver("ess", &afternoon("LA-1", 0)).await;
    person(&app, AMY, &json!({"time_zone": "Asia/Tokyo"})).await;
    app.advance(SignedDuration::from_hours(30)).await;
    let rule =
        json!([{"method": "GET", "path": "/v1.0/users/*/mailboxSettings", "times": 1, "error": "serviceNotAvailable"}]);
    app.microsoft.faults(rule).await;
    app.deliver("ess", &updated("LA-2", 0, &json!({"start": "2026-12-28", "end": "2026-12-28", "time_zone": null})))
        .await;
    until("all lies by the new clock", async || {
        app.advance(SignedDuration::from_secs(20)).await;
        let events = app.microsoft.events(AMY).await;
        events.len() == 2 && events.iter().all(|event| event["originalStartTimeZone"] == "Tokyo Standard Time")
    })
    .await;
}

#[tokio::test]
async fn leave_that_is_still_to_come_west_of_greenwich_is_put_right_though_its_day_is_over_in_london() {
    let app = permitted().await;
    person(&app, AMY, &json!({"time_zone": "Pacific/Honolulu"})).await;
    let rule =
        json!([{"method": "GET", "path": "/v1.0/users/*/mailboxSettings", "times": 1, "error": "serviceNotAvailable"}]);
    app.microsoft.faults(rule).await;
    // It is 01:30 of the 22nd in London, and 15:30 of the 21st there.
    let today = json!({"start": "2026-11-21T16:00", "end": "2026-11-21T18:00", "time_zone": null});
    app.deliver("ess", &updated("LA-1", 0, &today)).await;
    until("it lies by her own clock", async || {
        app.advance(SignedDuration::from_secs(20)).await;
        times(&app, AMY).await.2 == "Hawaiian Standard Time"
    })
    .await;
}

#[tokio::test]
async fn a_midday_that_the_policy_changes_moves_afternoons_of_mailboxes_that_tell_their_hours() {
    let mut app = TestApp::with_file("").await;
    app.microsoft.consent(&["Calendars.ReadWrite", "MailboxSettings.Read"]).await;
    person(&app, AMY, &json!({"working_hours": "08:00-17:00"})).await;
    app.deliver("ess", &afternoon("LA-1", 0)).await;
    assert_eq!(times(&app, AMY).await.0, "2026-12-21T13:00");
    app.stop().await;
    app.restart_with_file("[policy]\nmidday = \"12:00\"\n").await;
    until("it begins at noon", async || {
        app.advance(SignedDuration::from_secs(1)).await;
        times(&app, AMY).await.0 == "2026-12-21T12:00"
    })
    .await;
}
