//! Refusals that are not the tenant's: one mailbox's own, and a clock's.

use jiff::SignedDuration;
use leavebridge::clock::ManualClock;
use serde_json::{Value, json};

use super::tenant;
use crate::support::{AMY, BEN, TestApp, leave, microsoft::Microsoft, until, updated};

fn of_ben(id: &str) -> Value {
    updated(id, 0, &json!({"staff": {"email": BEN}}))
}

/// A mailbox on an Exchange server of the customer's own takes no token, however new.
async fn with_amy_on_premises() -> TestApp {
    let app = TestApp::new().await;
    for error in ["InvalidAuthenticationToken", "AuthenticationError"] {
        let status = if error == "AuthenticationError" { 400 } else { 401 };
        let body = json!({"error": {"code": error, "message": "Error authenticating with resource"}});
        let rule = json!([{"path": format!("/v1.0/users/{AMY}/*"), "times": null, "status": status, "body": body}]);
        app.microsoft.faults(rule).await;
    }
    app
}

#[tokio::test]
async fn a_mailbox_that_takes_no_token_holds_up_itself_and_nobody_else() {
    let app = with_amy_on_premises().await;
    app.deliver("ess", &of_ben("LB-1")).await;
    app.post("ess", &leave("LA-1")).await;
    assert_eq!(app.mapping_in("LA-1", "waiting").await["reason"], "mailbox-missing");
    assert_eq!(tenant(&app, "default").await["reason"], Value::Null);
    let answer = app.deliver("ess", &of_ben("LB-2")).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
    // An hour later as well, though nobody else's leave has come by for long.
    let refused = app.mapping("LA-1").await["attempts"].clone();
    until("it is tried again", async || {
        app.advance(SignedDuration::from_mins(20)).await;
        app.mapping("LA-1").await["attempts"] != refused
    })
    .await;
    assert_eq!(app.mapping("LA-1").await["reason"], "mailbox-missing");
    assert_eq!(tenant(&app, "default").await["reason"], Value::Null);
}

#[tokio::test]
async fn a_mailbox_that_comes_first_and_takes_no_token_holds_up_the_others_for_a_minute_at_most() {
    let app = with_amy_on_premises().await;
    app.post("ess", &leave("LA-1")).await;
    until("nobody is served", async || tenant(&app, "default").await["reason"] == "credentials").await;
    app.post("ess", &of_ben("LB-1")).await;
    app.advance(SignedDuration::from_secs(61)).await;
    app.mapping_in("LB-1", "synced").await;
    until("it is the mailbox's own trouble", async || {
        app.advance(SignedDuration::from_secs(61)).await;
        app.mapping("LA-1").await["reason"] == "mailbox-missing"
    })
    .await;
    let answer = app.deliver("ess", &of_ben("LB-2")).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
    assert_eq!(tenant(&app, "default").await["reason"], Value::Null);
}

#[tokio::test]
async fn a_tenant_for_which_nothing_is_left_to_do_is_not_said_to_be_refused() {
    let app = TestApp::new().await;
    let rule = json!([{"path": "/*/oauth2/v2.0/token", "times": null, "error": "AADSTS7000215"}]);
    app.microsoft.faults(rule).await;
    app.post("ess", &leave("LA-1")).await;
    until("nobody is served", async || tenant(&app, "default").await["reason"] == "credentials").await;
    app.microsoft.clear_faults().await;
    app.post("ess", &crate::support::cancelled("LA-1", 1)).await;
    until("nothing is said against it", async || {
        app.advance(SignedDuration::from_secs(61)).await;
        let told = tenant(&app, "default").await;
        told["reason"] == Value::Null && told["credential_problem"] == Value::Null
    })
    .await;
    app.mapping_in("LA-1", "removed").await;
}

#[tokio::test]
async fn a_refusal_by_mailboxs_name_ends_a_block_as_well_as_a_success_does() {
    let app = TestApp::new().await;
    let rule = json!([{"path": "/*/oauth2/v2.0/token", "times": 1, "error": "AADSTS7000215"}]);
    app.microsoft.faults(rule).await;
    let unknown = updated("LA-1", 0, &json!({"staff": {"email": "nobody@contoso.com"}}));
    app.post("ess", &unknown).await;
    until("nobody is served", async || tenant(&app, "default").await["reason"] == "credentials").await;
    app.advance(SignedDuration::from_secs(59)).await;
    until("only the mailbox is missing", async || {
        app.advance(SignedDuration::from_secs(1)).await;
        app.mapping("LA-1").await["reason"] == "mailbox-missing"
    })
    .await;
    assert_eq!(tenant(&app, "default").await["reason"], Value::Null);
}

#[tokio::test]
async fn whoever_sends_us_on_to_another_host_gets_neither_a_proof_nor_an_event_sent_there() {
    let app = TestApp::new().await;
    let elsewhere = Microsoft::new(&ManualClock::at(app.now())).await;
    for (method, path, steps) in [("POST", "/*/oauth2/v2.0/token", 1), ("POST", "/v1.0/users/*/events", 2)] {
        let sent_on = |status: u16| {
            json!({"method": method, "path": path, "times": 1, "status": status,
                   "headers": {"location": format!("{}{}", elsewhere.url, path.replace('*', "anybody"))}})
        };
        app.microsoft.faults(json!([sent_on(307), sent_on(308)])).await;
        let id = format!("LA-{steps}");
        app.post("ess", &leave(&id)).await;
        until("it arrives where it belongs", async || {
            app.advance(SignedDuration::from_mins(2)).await;
            app.mapping(&id).await["state"] == "synced"
        })
        .await;
    }
    assert_eq!(elsewhere.journal().await, [Value::Null; 0]);
    assert_eq!(app.microsoft.events(AMY).await.len(), 2);
}

#[tokio::test]
async fn who_answers_in_entras_place_may_ask_for_no_pause_and_entra_for_ten_minutes_at_most() {
    let stranger = json!({"status": 503, "body": "<html>Company portal</html>", "headers": {"retry-after": "86400"}});
    let entra =
        json!({"status": 503, "body": {"error": "temporarily_unavailable"}, "headers": {"retry-after": "86400"}});
    for (rule, minutes) in [(stranger, 1), (entra, 13)] {
        let app = TestApp::new().await;
        let mut rule = rule.clone();
        rule.as_object_mut()
            .unwrap()
            .extend([("path".into(), json!("/*/oauth2/v2.0/token")), ("times".into(), json!(1))]);
        app.microsoft.faults(json!([rule])).await;
        app.post("ess", &leave("LA-1")).await;
        until("nobody is served", async || tenant(&app, "default").await["reason"] == "entra-unavailable").await;
        app.advance(SignedDuration::from_mins(minutes)).await;
        app.mapping_in("LA-1", "synced").await;
    }
}

#[tokio::test]
async fn a_start_tries_a_credential_at_once_that_was_refused_before() {
    let mut app = TestApp::new().await;
    app.microsoft.faults(json!([{"path": "/*/oauth2/v2.0/token", "times": 1, "error": "AADSTS7000215"}])).await;
    app.post("ess", &leave("LA-1")).await;
    until("nobody is served", async || tenant(&app, "default").await["reason"] == "credentials").await;
    app.stop().await;
    app.restart().await;
    app.mapping_in("LA-1", "synced").await;
}
