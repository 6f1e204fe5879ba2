//! One mailbox under several addresses has one reply.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::json;

use super::{
    ON, ROLES, assert_span, comes, days, file, passes, requests, scheduled, sets, setting, settles, shown, stage,
};
use crate::support::{AMY, BEN, TestApp, cancelled, until, updated};

/// By which another source knows Amy.
const UPN: &str = "u10042@contoso.com";

fn under(address: &str, id: &str, minutes: i64, first: &str, last: &str) -> serde_json::Value {
    updated(id, minutes, &json!({"start": first, "end": last, "staff": {"email": address}}))
}

async fn of_two_names(app: &TestApp) {
    let change = json!({"user_principal_name": UPN});
    app.microsoft.control(Method::PATCH, &format!("users/{AMY}"), Some(&change)).await;
}

#[tokio::test]
async fn one_mailbox_under_two_addresses_has_one_reply_for_all_of_its_leave() {
    let app = stage(&[]).await;
    of_two_names(&app).await;
    sets(&app, json!({"internalReplyMessage": "Old words"})).await;
    file(&app, &days("LA-1", 0, "2026-12-01", "2026-12-02")).await;
    file(&app, &under(UPN, "LA-2", 0, "2026-12-02", "2026-12-04")).await;
    // Overlapping leave is one reply, whoever tells of it.
    assert_span(scheduled(&app).await, "2026-11-30T16:00:00", "2026-12-04T16:00:00");
    for leave in ["LA-1", "LA-2"] {
        assert_eq!(shown(&app, leave).await["until"], "2026-12-04T16:00:00Z", "{leave}");
    }
    file(&app, &under(UPN, "LA-3", 0, "2026-12-21", "2026-12-22")).await;
    assert_span(scheduled(&app).await, "2026-11-30T16:00:00", "2026-12-04T16:00:00");
    comes(&app, "2026-12-04T16:00:00Z").await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-22T16:00:00");
    app.post("ess", &cancelled("LA-3", 1)).await;
    settles(&app).await;
    let left = setting(&app).await;
    assert_eq!(left["status"], "disabled");
    assert!(left["internalReplyMessage"].as_str().unwrap().contains("Old words"), "{left}");
    assert_eq!(
        app.database.number("SELECT count(*) FROM items WHERE kind = 'reply' AND observed -> 'written' <> '[]'").await,
        0
    );
}

#[tokio::test]
async fn a_reply_that_was_written_before_both_addresses_were_known_for_one_person_is_taken_for_ours() {
    // Without the directory nobody knows that it is one mailbox.
    let app = TestApp::with(&[ON]).await;
    app.microsoft.consent(&["Calendars.ReadWrite", "MailboxSettings.ReadWrite"]).await;
    file(&app, &updated("LA-0", 0, &json!({"status": "pending", "staff": {"email": BEN}}))).await;
    of_two_names(&app).await;
    sets(&app, json!({"internalReplyMessage": "Old words"})).await;
    file(&app, &days("LA-1", 0, "2026-12-21", "2026-12-22")).await;
    file(&app, &under(UPN, "LA-2", 0, "2026-12-01", "2026-12-02")).await;
    assert_eq!(shown(&app, "LA-2").await["reason"], "own-reply", "{}", shown(&app, "LA-2").await);
    app.microsoft.consent(&ROLES).await;
    // The token in hand names the old rights for an hour yet.
    passes(&app, SignedDuration::from_mins(90)).await;
    file(&app, &days("LA-1", 1, "2026-12-21", "2026-12-23")).await;
    file(&app, &under(UPN, "LA-2", 1, "2026-12-01", "2026-12-03")).await;
    assert_span(scheduled(&app).await, "2026-11-30T16:00:00", "2026-12-03T16:00:00");
    comes(&app, "2026-12-03T16:00:00Z").await;
    assert_span(scheduled(&app).await, "2026-12-20T16:00:00", "2026-12-23T16:00:00");
    comes(&app, "2026-12-23T16:00:00Z").await;
    assert_eq!(setting(&app).await["status"], "disabled");
    let asked = requests(&app).await.len();
    passes(&app, SignedDuration::from_hours(48)).await;
    assert_eq!(requests(&app).await.len(), asked, "nothing is left to do");
}

#[tokio::test]
async fn replies_that_are_switched_on_later_are_one_for_both_addresses() {
    let mut app = TestApp::with_file("").await;
    app.microsoft.consent(&ROLES).await;
    of_two_names(&app).await;
    app.deliver("ess", &days("LA-1", 0, "2026-12-01", "2026-12-02")).await;
    app.deliver("ess", &under(UPN, "LA-2", 0, "2026-12-02", "2026-12-04")).await;
    app.stop().await;
    app.restart_with_file("[policy.automatic_replies]\nenabled = true\n").await;
    until("the mailbox is looked after", async || {
        app.database.number("SELECT count(*) FROM items WHERE kind = 'reply'").await == 1
    })
    .await;
    settles(&app).await;
    assert_span(scheduled(&app).await, "2026-11-30T16:00:00", "2026-12-04T16:00:00");
    assert_eq!(app.database.number("SELECT count(*) FROM items WHERE kind = 'reply' AND state = 'synced'").await, 1);
    assert_eq!(requests(&app).await.iter().filter(|request| *request == "PATCH 200").count(), 1);
}

#[tokio::test]
async fn that_two_addresses_are_one_mailbox_may_come_out_at_any_time_and_nothing_is_forgotten() {
    let app = stage(&[]).await;
    of_two_names(&app).await;
    sets(&app, json!({"internalReplyMessage": "Old words"})).await;
    file(&app, &days("LA-1", 0, "2026-12-21", "2026-12-22")).await;
    // The directory is away when the other address is first heard of.
    let away = json!([{"path": format!("/v1.0/users/{UPN}"), "times": 1, "error": "serviceNotAvailable"}]);
    app.microsoft.faults(away).await;
    file(&app, &under(UPN, "LA-2", 0, "2026-12-01", "2026-12-02")).await;
    assert_eq!(shown(&app, "LA-2").await["reason"], "own-reply");
    passes(&app, SignedDuration::from_hours(25)).await;
    assert_span(scheduled(&app).await, "2026-11-30T16:00:00", "2026-12-02T16:00:00");
    for leave in ["LA-2", "LA-1"] {
        app.post("ess", &cancelled(leave, 1)).await;
        settles(&app).await;
    }
    let left = setting(&app).await;
    assert_eq!(left["status"], "disabled", "{left}");
    assert!(left["internalReplyMessage"].as_str().unwrap().contains("Old words"), "{left}");
}
