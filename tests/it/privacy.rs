//! What is private stays where it belongs: the reason nowhere, the rest in the database.

use reqwest::Method;
use serde_json::{Value, json};

use super::{
    support::{AMY, Answer, TestApp, answer, browser::Browser, cancelled, encoded, leave, logs::Logs, updated},
    teams::SALES,
};

/// Each private field with a mark that occurs nowhere else. All begin with `MARK`.
const REASON: &str = "MARK-reason";
const STORED: [&str; 4] = ["MARK-type", "MARK-name", "MARK-employee", "MARK-department"];

/// A leave full of marks, with these fields of `data` changed.
fn marked(id: &str, minutes: i64, changes: &Value) -> Value {
    let [leave_type, name, employee, department] = STORED;
    let mut body = updated(id, minutes, changes);
    body["data"]["reason"] = json!(REASON);
    body["data"]["comments"] = json!("MARK-comments");
    body["data"]["leave_type"] = json!(leave_type);
    body["data"]["department"] = json!(department);
    body["data"]["staff"] = json!({"email": AMY, "name": name, "employee_id": employee});
    body
}

/// Everything that this answer says, headers included.
fn said(answer: &Answer) -> String {
    format!("{} {:?} {}", answer.status, answer.headers, answer.body)
}

/// Reads everything that people can read about the leaves.
async fn everything_that_can_be_read(app: &TestApp) -> Vec<String> {
    let mut texts = Vec::new();
    for path in ["/metrics", "/health", "/mappings", "/openapi.json"] {
        texts.push(said(&app.get(path, (path != "/openapi.json").then_some("ops")).await));
    }
    let browser = Browser::signed_in(app, "ops").await;
    for path in ["/console", "/console/mappings"] {
        texts.push(said(&browser.get(path).await));
    }
    for mapping in app.mappings().await {
        let id = mapping["id"].as_str().unwrap();
        texts.push(said(&app.get(&format!("/mappings/{id}"), Some("ops")).await));
        texts.push(said(&browser.get(&format!("/console/mappings/{id}")).await));
        let leave = encoded(mapping["leave_id"].as_str().unwrap());
        texts.push(said(&app.get(&format!("/leaves/{leave}"), Some("ess")).await));
    }
    texts
}

#[track_caller]
fn assert_unmarked(texts: &[String]) {
    for text in texts {
        assert!(!text.contains("MARK"), "{text}");
    }
}

#[tokio::test]
async fn private_marks_reach_neither_outlook_nor_any_answer_nor_any_figure_nor_the_log() {
    let logs = Logs::capture();
    let app = TestApp::new().await;
    let mut answers = vec![
        app.deliver("ess", &marked("LA-whole", 0, &json!({}))).await,
        app.deliver("ess", &marked("LA-whole", 0, &json!({}))).await,
        app.deliver("ess", &marked("LA-whole", 5, &json!({"end": "2026-12-23"}))).await,
        app.deliver("ess", &marked("LA-whole", 1, &json!({"end": "2026-12-24"}))).await,
        app.deliver("ess", &marked("LA-half", 0, &json!({"end_session": "am"}))).await,
        app.deliver("ess", &marked("LA-pending", 0, &json!({"status": "pending"}))).await,
        app.deliver("ess", &marked("LA-gone", 0, &json!({}))).await,
    ];
    let mut gone = cancelled("LA-gone", 5);
    gone["data"]["reason"] = json!(REASON);
    answers.push(app.deliver("ess", &gone).await);
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [202, 200, 202, 200, 202, 202, 202, 202]);

    let mut texts: Vec<String> = answers.iter().map(said).collect();
    texts.extend(everything_that_can_be_read(&app).await);
    let events = app.microsoft.stored_events(AMY).await;
    assert_eq!(events.len(), 4);
    texts.push(Value::from(events).to_string());
    texts.push(Value::from(app.microsoft.journal().await).to_string());
    assert_unmarked(&texts);

    let heard = logs.heard();
    assert!(heard.iter().any(|line| line.contains("Graph answered")), "the log is heard: {heard:#?}");
    assert_unmarked(&heard);

    let dump = app.database.dump().await;
    assert!(!dump.contains(REASON) && !dump.contains("MARK-comments"), "{dump}");
    for mark in STORED {
        assert!(dump.contains(mark), "{mark} is kept in the database: the test would see it elsewhere");
    }
    for table in ["timeline", "deliveries", "items", "mailboxes"] {
        let marks = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%MARK%'");
        assert_eq!(app.database.number(&marks).await, 0, "{table}");
    }
}

#[tokio::test]
async fn a_team_is_told_the_name_and_nothing_else_that_is_private() {
    let team = r#"
        [[tenants.default.team_calendars]]
        mailbox = "sales-team@contoso.com"
        calendar = "Who is away"
        departments = ["mark-department"]
        types = ["mark-type"]
    "#;
    let app = TestApp::with_file(team).await;
    app.microsoft.person(json!({"address": SALES, "name": "Team", "kind": "shared"})).await;
    let answers = vec![
        app.deliver("ess", &marked("LA-1", 0, &json!({}))).await,
        app.deliver("ess", &marked("LA-1", 5, &json!({"end": "2026-12-23"}))).await,
        app.deliver("ess", &marked("LA-2", 0, &json!({"status": "pending", "end_session": "am"}))).await,
    ];
    assert!(answers.iter().all(|answer| answer.status == 202), "{answers:?}");

    let events = Value::from(app.microsoft.stored_events(SALES).await).to_string();
    assert_eq!(events.matches("MARK").count(), 2, "two events, each with the name: {events}");
    let mut texts: Vec<String> = answers.iter().map(said).collect();
    texts.push(events.replace("MARK-name – away", ""));
    texts.extend(everything_that_can_be_read(&app).await);
    texts.push(Value::from(app.microsoft.stored_events(AMY).await).to_string());
    texts.push(Value::from(app.microsoft.journal().await).to_string());
    assert_unmarked(&texts);
    // What was written into the team's calendar is kept, to be compared with; beside the leave itself that is all.
    for table in ["timeline", "deliveries", "mailboxes", "calendars"] {
        let marks = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%MARK%'");
        assert_eq!(app.database.number(&marks).await, 0, "{table}");
    }
}

#[tokio::test]
async fn private_marks_are_in_no_refusal_whatever_is_wrong_and_in_no_log_of_it() {
    let logs = Logs::capture();
    let app = TestApp::new().await;
    let mut answers = Vec::new();
    let mut post = async |body: String| {
        let request = app.request(Method::POST, "/leaves").bearer_auth(app.token("ess"));
        let request = request.header("content-type", "application/json").header("webhook-id", "D-1");
        answers.push(answer(request.body(body)).await);
    };
    for (field, value) in [
        ("id", "MARK\u{0}"),
        ("id", " MARK"),
        ("tenant", "MARK-tenant"),
        ("status", "MARK-status"),
        ("start", "MARK-start"),
        ("end_session", "MARK-session"),
        ("time_zone", "MARK/Zone"),
        ("staff", "MARK-staff"),
    ] {
        let mut body = marked("LA-1", 0, &json!({}));
        body["data"][field] = json!(value);
        post(body.to_string()).await;
    }
    let whole = marked("LA-1", 0, &json!({})).to_string();
    post(whole[..whole.len() - 1].to_owned()).await;
    post(whole.replace("\"reason\"", "reason")).await;
    post(format!("{whole}{}", " ".repeat(64 << 10))).await;
    post(whole.clone()).await;
    post(format!("{whole} ")).await;
    let statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
    assert_eq!(statuses, [422, 422, 403, 422, 422, 422, 422, 422, 400, 400, 413, 202, 409]);
    assert_unmarked(&answers.iter().map(said).collect::<Vec<_>>());
    let heard = logs.heard();
    assert!(heard.iter().any(|line| line.contains("422")), "the log is heard: {heard:#?}");
    assert_unmarked(&heard);
}

#[tokio::test]
async fn what_microsoft_says_in_an_error_is_for_those_who_may_see_the_mapping_and_for_nobody_else() {
    let logs = Logs::capture();
    let app = TestApp::new().await;
    let error = json!({"error": {"code": "ErrorInvalidRequest", "message": "MARK-echo is not allowed."}});
    app.microsoft.faults(json!([{"method": "POST", "path": "/v1.0/*", "status": 400, "body": error}])).await;
    app.deliver("ess", &leave("LA-1")).await;
    assert!(app.mapping_in("LA-1", "parked").await["detail"].as_str().unwrap().contains("MARK-echo"));
    let wrong_secret = [("TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET", "MARK~secret")];
    let blind = TestApp::with(&wrong_secret).await;
    blind.post("ess", &leave("LA-1")).await;
    blind.mapping_in("LA-1", "waiting").await;

    assert_unmarked(&everything_that_can_be_read(&blind).await);
    assert_unmarked(&[blind.database.dump().await]);
    for path in ["/metrics", "/health"] {
        assert_unmarked(&[said(&app.get(path, None).await), said(&app.get(path, Some("ops")).await)]);
    }
    assert_eq!(app.database.number("SELECT count(*) FROM timeline t WHERE t::text LIKE '%MARK%'").await, 0);
    let heard = logs.heard();
    assert!(heard.iter().any(|line| line.contains("parked")), "the log is heard: {heard:#?}");
    assert_unmarked(&heard);
}

#[tokio::test]
async fn what_a_policy_maps_reaches_outlook_and_only_of_the_kinds_that_it_names() {
    let logs = Logs::capture();
    let app = TestApp::with_file("[policy.types.MARK-type]\ntitle = \"{leave_type}, {department}\"").await;
    app.deliver("ess", &marked("LA-mapped", 0, &json!({}))).await;
    let mut other = marked("LA-other", 0, &json!({"start": "2026-12-22", "end": "2026-12-22"}));
    other["data"]["leave_type"] = json!("MARK-other");
    app.deliver("ess", &other).await;

    let events = app.microsoft.events(AMY).await;
    let subjects: Vec<_> = events.iter().map(|event| event["subject"].as_str().unwrap()).collect();
    assert_eq!(subjects, ["MARK-type, MARK-department", "Out of office"]);
    let beyond: Vec<String> =
        events.iter().map(|event| event.to_string().replace("MARK-type, MARK-department", "")).collect();
    assert_unmarked(&beyond);
    // Whoever sees mappings, health, figures or the log learns no more than before.
    assert_unmarked(&everything_that_can_be_read(&app).await);
    assert_unmarked(&logs.heard());
    for table in ["timeline", "deliveries", "mailboxes"] {
        let marks = format!("SELECT count(*) FROM {table} t WHERE t::text LIKE '%MARK%'");
        assert_eq!(app.database.number(&marks).await, 0, "{table}");
    }
}
