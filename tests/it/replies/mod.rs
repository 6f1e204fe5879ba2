//! Automatic replies, end to end: scheduled for the time of approved leave, never over what is the person's own.

mod deaths;
mod own;
mod people;
mod schedule;
mod spans;
mod trouble;

use jiff::{SignedDuration, Timestamp};
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{AMY, BEN, TestApp, leave, until, updated};

const ON: (&str, &str) = ("POLICY__AUTOMATIC_REPLIES__ENABLED", "true");
const ROLES: [&str; 3] = ["Calendars.ReadWrite", "User.Read.All", "MailboxSettings.ReadWrite"];

/// A service that may and shall schedule replies.
async fn stage(further: &[(&str, &str)]) -> TestApp {
    let app = TestApp::with(&[&[ON], further].concat()).await;
    app.microsoft.consent(&ROLES).await;
    // Until a service has looked for the first time, leave that is just coming in may get one look more than it needs.
    file(&app, &updated("LA-0", 0, &json!({"status": "pending", "staff": {"email": BEN}}))).await;
    app
}

/// Takes a webhook through to the end: the event, and whatever becomes of the reply.
async fn file(app: &TestApp, body: &Value) {
    let answer = app.deliver("ess", body).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    settles(app).await;
}

/// Nothing is due and nobody is at work.
async fn settles(app: &TestApp) {
    let open = "SELECT (SELECT count(*) FROM listed_items WHERE next_at <= leavebridge_now() AND NOT is_held_up)
                     + (SELECT count(*) FROM mailboxes WHERE lease_until IS NOT NULL)";
    until("all is settled", async || app.database.number(open).await == 0).await;
}

async fn passes(app: &TestApp, time: SignedDuration) {
    app.advance(time).await;
    settles(app).await;
}

/// Moves time to that moment.
async fn comes(app: &TestApp, at: &str) {
    passes(app, at.parse::<Timestamp>().unwrap().duration_since(app.now())).await;
}

/// What is set in Amy's mailbox.
async fn setting(app: &TestApp) -> Value {
    app.microsoft.control(Method::GET, &format!("users/{AMY}/automatic-replies"), None).await
}

/// What Amy sets herself.
async fn sets(app: &TestApp, change: Value) {
    app.microsoft.control(Method::PATCH, &format!("users/{AMY}/automatic-replies"), Some(&change)).await;
}

/// From when until when the mailbox replies, in UTC; none when it does not.
async fn scheduled(app: &TestApp) -> Option<(String, String)> {
    let setting = setting(app).await;
    let time = |name: &str| setting[name]["dateTime"].as_str().unwrap().trim_end_matches(".0000000").to_owned();
    (setting["status"] == "scheduled").then(|| (time("scheduledStartDateTime"), time("scheduledEndDateTime")))
}

#[track_caller]
fn assert_span(found: Option<(String, String)>, from: &str, until: &str) {
    let Some((first, last)) = found else { panic!("nothing is scheduled") };
    assert_eq!((first.as_str(), last.as_str()), (from, until));
}

/// The requests to mailbox settings so far, as `METHOD status`.
async fn requests(app: &TestApp) -> Vec<String> {
    let mut asked = app.microsoft.journal().await;
    asked.retain(|entry| entry["path"].as_str().unwrap().contains("mailboxSettings"));
    asked.iter().map(|entry| format!("{} {}", entry["method"].as_str().unwrap(), entry["status"])).collect()
}

/// How the reply shows at the mapping of that leave.
async fn shown(app: &TestApp, leave: &str) -> Value {
    let listed = app.mapping(leave).await;
    let id = listed["id"].as_str().unwrap();
    let alone = app.get(&format!("/mappings/{id}"), Some("ops")).await.body;
    assert_eq!(alone["automatic_reply"], listed["automatic_reply"]);
    listed["automatic_reply"].clone()
}

/// A leave of these whole days in Hong Kong.
fn days(id: &str, minutes: i64, first: &str, last: &str) -> Value {
    updated(id, minutes, &json!({"start": first, "end": last}))
}
