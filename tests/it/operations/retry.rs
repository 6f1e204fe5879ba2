//! "Try again now": for one mapping, for many, and out of `parked`.

use jiff::SignedDuration;
use leavebridge::{config::Scope, http};
use reqwest::Method;
use serde_json::{Value, json};

use super::{only_mapping, post, refuse_events};
use crate::support::{AMY, BEN, TestApp, answer, assert_refused, leave, updated};

#[tokio::test]
async fn a_retry_takes_a_mapping_out_of_parked_once_the_cause_is_gone() {
    let app = TestApp::new().await;
    refuse_events(&app, 400).await;
    let path = only_mapping(&app.deliver("ess", &leave("LA-1")).await);
    let parked = app.mapping_in("LA-1", "parked").await;
    assert_eq!((&parked["reason"], &parked["next_attempt_at"]), (&json!("rejected"), &json!(null)));
    assert!(parked["detail"].as_str().is_some_and(|detail| detail.contains("retry")), "{parked}");

    app.microsoft.clear_faults().await;
    app.advance(SignedDuration::from_hours(24 * 7)).await;
    assert_eq!(app.mapping("LA-1").await, parked, "time alone mends nothing");
    let retried = post(&app, &format!("{path}/retry"), "ops").await;
    assert_eq!((retried.status, &retried.body), (202, &json!({"retried": 1, "replies": 0})));
    let synced = app.mapping_in("LA-1", "synced").await;
    assert_eq!((&synced["reason"], &synced["detail"], &synced["attempts"]), (&json!(null), &json!(null), &json!(0)));
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);

    let page = app.get(&path, Some("ops")).await.body;
    let kinds: Vec<_> =
        page["timeline"].as_array().unwrap().iter().map(|entry| entry["kind"].as_str().unwrap()).collect();
    assert_eq!(kinds, ["received", "parked", "retried", "delivered"]);
    assert_eq!(page["timeline"][2]["detail"], json!({"client": "ops"}));
}

#[tokio::test]
async fn a_retry_that_fails_again_is_parked_again() {
    let app = TestApp::new().await;
    refuse_events(&app, 400).await;
    let path = only_mapping(&app.deliver("ess", &leave("LA-1")).await);
    post(&app, &format!("{path}/retry"), "ops").await;
    crate::support::until("it was tried twice", async || app.microsoft.calls().await.len() == 2).await;
    app.mapping_in("LA-1", "parked").await;
}

#[tokio::test]
async fn a_retry_makes_what_waits_due_at_once() {
    let app = TestApp::new().await;
    refuse_events(&app, 503).await;
    let path = only_mapping(&app.post("ess", &leave("LA-1")).await);
    let waiting = app.mapping_in("LA-1", "waiting").await;
    let next: jiff::Timestamp = waiting["next_attempt_at"].as_str().unwrap().parse().unwrap();
    assert!(next > app.now(), "{waiting}");
    app.microsoft.clear_faults().await;
    assert_eq!(post(&app, &format!("{path}/retry"), "ops").await.body, json!({"retried": 1, "replies": 0}));
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
}

#[tokio::test]
async fn a_retry_of_what_is_as_wanted_does_nothing() {
    let app = TestApp::new().await;
    let path = only_mapping(&app.deliver("ess", &leave("LA-1")).await);
    let before = app.mapping("LA-1").await;
    for path in [format!("{path}/retry"), "/mappings/retry".into(), "/mappings/retry?state=synced".into()] {
        let retried = post(&app, &path, "ops").await;
        assert_eq!((retried.status, &retried.body), (202, &json!({"retried": 0, "replies": 0})), "{path}");
    }
    assert_eq!(app.mapping("LA-1").await, before);
    assert_eq!(app.microsoft.calls().await, ["POST 201"]);
}

#[tokio::test]
async fn many_are_retried_by_the_filters_of_the_list_and_no_others() {
    let app = TestApp::with(&[("CLIENTS__OPS__TENANTS", "default")]).await;
    refuse_events(&app, 400).await;
    app.deliver("ess", &leave("A")).await;
    app.deliver("ess", &updated("B", 0, &json!({"staff": {"email": BEN}}))).await;
    app.deliver("backstage", &leave("C")).await;
    let mut acme = leave("Z");
    acme["data"]["tenant"] = json!("acme");
    app.deliver("group", &acme).await;
    app.microsoft.clear_faults().await;
    let parked = async || {
        let list = app.get("/mappings?state=parked", Some("ops")).await.body;
        let mut ids: Vec<_> =
            list["mappings"].as_array().unwrap().iter().map(|m| m["leave_id"].as_str().unwrap().to_owned()).collect();
        ids.sort_unstable();
        ids.concat()
    };
    for (query, retried, left) in [
        ("?state=synced", 0, "ABC"),
        ("?leave=Z", 0, "ABC"),
        ("?state=waiting", 0, "ABC"),
        ("?source=backstage&state=parked", 1, "AB"),
        ("?mailbox=ben.okafor@contoso.com", 1, "A"),
        ("", 1, ""),
        ("", 0, ""),
    ] {
        let answer = post(&app, &format!("/mappings/retry{query}"), "ops").await;
        assert_eq!((answer.status, &answer.body), (202, &json!({"retried": retried, "replies": 0})), "{query}");
        let what = format!("{left:?} are still parked, and the others are in Outlook");
        crate::support::until(&what, async || {
            let synced = app.get("/mappings?state=synced", Some("ops")).await.body;
            parked().await == left && synced["mappings"].as_array().unwrap().len() == 3 - left.len()
        })
        .await;
    }
    let others = "SELECT count(*) FROM items WHERE kind = 'event' AND tenant = 'acme' AND state = 'parked'";
    assert_eq!(app.database.number(others).await, 1, "another tenant's mapping is not ours to retry");
}

#[tokio::test]
async fn a_retry_lifts_the_block_of_a_mailbox_but_not_microsofts_wish_for_less() {
    let app = TestApp::new().await;
    let to = |id: &str, email: &str| updated(id, 0, &json!({"staff": {"email": email}}));
    app.post("ess", &to("LA-missing", "new@contoso.com")).await;
    let missing = app.mapping_in("LA-missing", "waiting").await;
    assert_eq!(missing["reason"], "mailbox-missing");
    app.microsoft
        .faults(json!([
            {"method": "POST", "path": "*amy.chan*", "status": 429, "headers": {"Retry-After": "600"}, "times": 1}
        ]))
        .await;
    app.post("ess", &to("LA-throttled", AMY)).await;
    let throttled = app.mapping_in("LA-throttled", "waiting").await;
    assert_eq!(throttled["reason"], "throttled");

    app.microsoft.person(json!({"address": "new@contoso.com", "name": "New", "time_zone": "UTC"})).await;
    let calls = app.microsoft.calls().await.len();
    assert_eq!(post(&app, "/mappings/retry", "ops").await.body, json!({"retried": 2, "replies": 0}));
    app.mapping_in("LA-missing", "synced").await;
    assert_eq!(app.mapping("LA-throttled").await["reason"], "throttled");
    assert_eq!(app.microsoft.calls().await.len(), calls + 1, "the throttled mailbox was left in peace");
    app.advance(SignedDuration::from_mins(13)).await;
    app.mapping_in("LA-throttled", "synced").await;
    assert_eq!(app.microsoft.score().await["retry_after_violations"], json!(0));
}

#[tokio::test]
async fn a_retry_needs_its_scope_and_a_mapping() {
    let app = TestApp::new().await;
    refuse_events(&app, 400).await;
    let path = only_mapping(&app.deliver("ess", &leave("LA-1")).await);
    let before = app.mapping("LA-1").await;
    let life = SignedDuration::from_hours(1);
    let reader = http::mint(&app.settings.auth, "ops", &[Scope::OpsRead], app.now(), life).unwrap();
    for path in [format!("{path}/retry"), "/mappings/retry".to_owned()] {
        assert_refused(&post(&app, &path, "ess").await, 403, "forbidden");
        assert_refused(&answer(app.request(Method::POST, &path).bearer_auth(&reader)).await, 403, "forbidden");
        assert_refused(&answer(app.request(Method::POST, &path)).await, 401, "unauthorized");
        assert_refused(&answer(app.request(Method::GET, &path).bearer_auth(&reader)).await, 405, "method-not-allowed");
    }
    for id in ["00000000-0000-0000-0000-000000000001", "LA-1", "%ff", "%00"] {
        assert_refused(&post(&app, &format!("/mappings/{id}/retry"), "ops").await, 404, "not-found");
    }
    assert_eq!(app.mapping("LA-1").await, before);
    assert_eq!(before["state"], Value::from("parked"));
}

#[tokio::test]
async fn a_retry_takes_no_limit_that_it_would_not_keep() {
    let app = TestApp::new().await;
    for parameter in ["limit=1", "cursor=x"] {
        let path = format!("/mappings/retry?{parameter}");
        let refused = answer(app.request(Method::POST, &path).bearer_auth(app.token("ops"))).await;
        assert_eq!(refused.status, 422, "{refused:?}");
    }
}
