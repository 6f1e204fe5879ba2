//! The calendar itself: found by name, made once, made again when somebody deletes it, left alone when nobody wants it.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::{SALES, TEAMS, away, of_sales, shown, stand, teams};
use crate::support::{AMY, TestApp, until};

const CALENDARS: &str = "/v1.0/users/*/calendars";

/// How often a calendar was asked for in that way.
async fn asked(app: &TestApp, method: &str) -> usize {
    let journal = app.microsoft.journal().await;
    let is_it = |entry: &&Value| {
        entry["method"] == method && entry["path"].as_str().unwrap().trim_end_matches('/').ends_with("/calendars")
    };
    journal.iter().filter(is_it).count()
}

/// How the team's events were called for, in order.
async fn events_calls(app: &TestApp) -> Vec<String> {
    let journal = app.microsoft.journal().await;
    let is_it = |entry: &&Value| entry["mailbox"] == SALES && entry["path"].as_str().unwrap().contains("/events");
    journal.iter().filter(is_it).map(|entry| entry["method"].as_str().unwrap().to_owned()).collect()
}

async fn all_synced(app: &TestApp, mappings: i64) {
    until("everything is in Outlook", async || {
        app.database.number("SELECT count(*) FROM items WHERE kind = 'event' AND state = 'synced'").await == mappings
    })
    .await;
}

/// Somebody of the team deletes the calendar, with everything in it.
async fn deleted(app: &TestApp) {
    app.microsoft.control(Method::DELETE, &format!("users/{SALES}/calendars/Who%20is%20away"), None).await;
}

#[tokio::test]
async fn the_calendar_is_made_once_however_many_leaves_arrive_at_how_many_replicas() {
    let one = teams().await;
    let two = one.replica().await;
    one.microsoft.settings(json!({"answer_delay_ms": 5})).await;
    for n in 0..6 {
        let address = format!("person{n}@contoso.com");
        one.microsoft.person(json!({"address": address, "name": "P", "time_zone": "UTC"})).await;
    }
    // All at the same moment, among others that are no team's.
    let post = async |n: usize| {
        let app = if n.is_multiple_of(2) { &one } else { &two };
        let staff = json!({"email": format!("person{}@contoso.com", n % 6), "name": format!("Person {n}")});
        let department = if n < 24 { "Sales" } else { "Research" };
        let leave = of_sales(&format!("LA-{n}"), 0, &json!({"staff": staff, "department": department}));
        let answer = app.post("ess", &leave).await;
        assert_eq!((answer.status, answer.body["mappings"].as_array().unwrap().len()), (202, 1 + usize::from(n < 24)));
    };
    futures_util::future::join_all((0..36).map(post)).await;
    all_synced(&one, 60).await;
    assert_eq!((asked(&one, "GET").await, asked(&one, "POST").await), (1, 1));
    let mut subjects: Vec<_> = shown(&one, SALES).await;
    subjects.sort_unstable();
    subjects.dedup();
    assert_eq!(subjects.len(), 24);
    assert!(subjects.iter().all(|(_, calendar)| calendar == "Who is away"), "{subjects:?}");
    let score = one.microsoft.score().await;
    assert_eq!((&score["duplicates"], &score["limit_violations"]), (&json!(0), &json!(0)), "{score}");
}

#[tokio::test]
async fn a_calendar_that_is_there_is_used_however_its_name_is_spelt_and_however_far_back_it_is_listed() {
    let app = teams().await;
    let mut names: Vec<String> = (0..102).map(|n| format!("Calendar {n}")).collect();
    names.push("WHO IS AWAY".into());
    for name in &names {
        app.microsoft.control(Method::POST, &format!("users/{SALES}/calendars"), Some(&json!({"name": name}))).await;
    }
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    assert_eq!(shown(&app, SALES).await, [("Amy Chan – away".to_owned(), "WHO IS AWAY".to_owned())]);
    assert_eq!((asked(&app, "GET").await, asked(&app, "POST").await), (2, 0), "one page holds a hundred");
}

#[tokio::test]
async fn a_calendar_that_somebody_else_makes_at_the_same_moment_is_used() {
    let app = teams().await;
    // The list is from just before, so that the calendar seems to be missing.
    let none = json!({"value": []});
    app.microsoft.faults(json!([{"method": "GET", "path": CALENDARS, "times": 1, "status": 200, "body": none}])).await;
    app.microsoft
        .control(Method::POST, &format!("users/{SALES}/calendars"), Some(&json!({"name": "Who is away"})))
        .await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    assert_eq!(shown(&app, SALES).await, away("Amy Chan"));
    assert_eq!((asked(&app, "GET").await, asked(&app, "POST").await), (2, 1));
}

#[tokio::test]
async fn a_calendar_that_somebody_deleted_is_made_again_for_what_comes_and_what_changes() {
    let app = teams().await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    app.deliver("ess", &of_sales("LA-2", 0, &json!({"start": "2026-12-28", "end": "2026-12-28"}))).await;
    deleted(&app).await;
    assert_eq!(shown(&app, SALES).await, []);

    app.deliver("ess", &of_sales("LA-3", 0, &json!({}))).await;
    assert_eq!(shown(&app, SALES).await, away("Amy Chan"));
    app.deliver("ess", &of_sales("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    assert_eq!(stand(&app, "LA-1").await, [format!("{AMY} default synced"), format!("{SALES} Who is away synced")]);
    let ends: Vec<_> = app.microsoft.events(SALES).await.iter().map(|event| event["end"]["dateTime"].clone()).collect();
    assert_eq!(ends, ["2026-12-22T00:00:00.0000000", "2026-12-23T00:00:00.0000000"]);
    assert_eq!(asked(&app, "POST").await, 2, "made at first, and once again");
    assert_eq!(app.microsoft.score().await["duplicates"], 0);
}

#[tokio::test]
async fn a_wrong_word_that_the_calendar_is_gone_leads_to_no_second_event() {
    let gone =
        |code: &str| json!({"error": {"code": code, "message": "The specified object was not found in the store."}});
    for (when, status, code, calls) in [
        ("before", 404, "ErrorItemNotFound", &["POST", "GET", "POST", "GET"][..]),
        ("after-commit", 404, "ErrorItemNotFound", &["POST", "GET", "PATCH", "GET"]),
        ("after-commit", 404, "ErrorFolderNotFound", &["POST", "GET", "PATCH", "GET"]),
        ("after-commit", 400, "ErrorInvalidMailboxItemId", &["POST", "GET", "PATCH", "GET"]),
    ] {
        let app = teams().await;
        let create = format!("{CALENDARS}/*/events");
        app.microsoft
            .faults(json!([{"method": "POST", "path": create, "times": 1, "when": when, "status": status, "body": gone(code)}]))
            .await;
        app.post("ess", &of_sales("LA-1", 0, &json!({}))).await;
        let stands = async |state: &str| {
            let expected = [format!("{AMY} default synced"), format!("{SALES} Who is away {state}")];
            until(state, async || stand(&app, "LA-1").await == expected).await;
        };
        // The calendar is there after all, so that it is better to look again later.
        stands("waiting").await;
        app.advance(SignedDuration::from_secs(10)).await;
        stands("synced").await;
        assert_eq!(app.microsoft.stored_events(SALES).await.len(), 1, "{when} {code}");
        assert_eq!(asked(&app, "POST").await, 1, "{when} {code}");
        // The event is looked for before another is made.
        assert_eq!(events_calls(&app).await, calls, "{when} {code}");
    }
}

#[tokio::test]
async fn a_team_calendar_that_is_no_longer_configured_loses_its_leave_after_the_next_start() {
    let mut app = teams().await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    app.restart_with_file(TEAMS.split("[[").next().unwrap()).await;
    let expected = [format!("{AMY} default synced"), format!("{SALES} Who is away removed")];
    until("it is taken away", async || {
        app.advance(SignedDuration::from_millis(100)).await;
        stand(&app, "LA-1").await == expected
    })
    .await;
    assert_eq!((shown(&app, AMY).await.len(), shown(&app, SALES).await.len()), (1, 0));
}

#[tokio::test]
async fn one_mailbox_may_hold_several_calendars_and_a_leave_may_stand_in_all_of_them() {
    let more = r#"
        [[tenants.default.team_calendars]]
        mailbox = "sales-team@contoso.com"
        calendar = "All of us"
        title = "{first_name}"
    "#;
    let app = TestApp::with_file(&format!("{TEAMS}{more}")).await;
    app.microsoft.person(json!({"address": SALES, "name": "Team"})).await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    let mut seen = shown(&app, SALES).await;
    seen.sort_unstable();
    let expected = [("Amy", "All of us"), ("Amy Chan – away", "Who is away")];
    assert_eq!(seen, expected.map(|(subject, calendar)| (subject.to_owned(), calendar.to_owned())));
    assert_eq!((asked(&app, "GET").await, asked(&app, "POST").await), (2, 2));
}
