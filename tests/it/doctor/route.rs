//! `POST /doctor`, and `leavebridge doctor`, which say the same.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{
    AMY, Answer, TestApp, answer, assert_refused, configuration, fields, leave,
    program::{configured_without_database, keeps_secrets, run},
    until,
};

async fn post(app: &TestApp, client: &str, body: &Value) -> Answer {
    answer(app.request(Method::POST, "/doctor").bearer_auth(app.token(client)).json(body)).await
}

fn ids(answer: &Answer) -> Vec<(&str, &str)> {
    let findings = answer.body["findings"].as_array().unwrap_or_else(|| panic!("no findings: {answer:?}"));
    findings.iter().map(|found| (found["severity"].as_str().unwrap(), found["id"].as_str().unwrap())).collect()
}

#[tokio::test]
async fn the_running_service_examines_itself() {
    let app = TestApp::new().await;
    let order = json!({"mailbox": AMY, "write_test": true});
    let found = post(&app, "ops", &order).await;
    assert_eq!(found.status, 200, "{found:?}");
    assert!(ids(&found).contains(&("ok", "write-test")), "{found:?}");
    let findings = found.body["findings"].as_array().unwrap();
    for finding in findings {
        let keys: Vec<_> = finding.as_object().unwrap().keys().map(String::as_str).collect();
        assert_eq!(keys, ["id", "meaning", "next", "seen", "severity", "tenant"]);
    }
    // `ops` may speak for the tenant `default` only, so nothing is told of the other.
    assert!(
        findings.iter().all(|found| found["tenant"] == "default" || found["tenant"] == Value::Null),
        "{findings:#?}"
    );
    // Without a body everything that needs no mailbox is looked at.
    let bare = answer(app.request(Method::POST, "/doctor").bearer_auth(app.token("ops"))).await;
    assert!(ids(&bare).contains(&("warning", "mailbox-not-named")), "{bare:?}");
}

#[tokio::test]
async fn what_holds_leave_up_is_told_and_a_green_write_test_lets_it_go_on() {
    let app = TestApp::new().await;
    let refusal = json!([{"method": "POST", "path": "/v1.0/users/*/events", "times": 1, "error": "ErrorAccessDenied"}]);
    app.microsoft.faults(refusal).await;
    app.post("ess", &leave("LA-1")).await;
    app.mapping_in("LA-1", "waiting").await;
    let told = post(&app, "ops", &json!({})).await;
    assert!(ids(&told).contains(&("warning", "deliveries-denied")), "{told:?}");
    assert!(!ids(&told).iter().any(|(_, id)| *id == "tenant-blocked"), "{told:?}");
    let found = post(&app, "ops", &json!({"mailbox": "AMY.chan@contoso.com", "write_test": true})).await;
    assert!(ids(&found).contains(&("ok", "write-test")), "{found:?}");
    app.mapping_in("LA-1", "synced").await;

    app.microsoft.faults(json!([{"path": "/*/oauth2/v2.0/token", "times": 1, "error": "AADSTS7000215"}])).await;
    app.advance(jiff::SignedDuration::from_hours(2)).await;
    app.post("ess", &leave("LA-2")).await;
    until("nobody is served", async || app.mapping("LA-2").await["reason"] == "credentials").await;
    let told = post(&app, "ops", &json!({})).await;
    let blocked =
        told.body["findings"].as_array().unwrap().iter().find(|found| found["id"] == "tenant-blocked").unwrap();
    assert!(blocked["seen"].as_str().unwrap().contains("AADSTS7000215"), "{blocked}");
}

#[tokio::test]
async fn only_who_may_change_things_may_ask_and_only_for_its_own_tenants() {
    let app = TestApp::with(&[("CLIENTS__WATCH__TENANTS", "default"), ("CLIENTS__WATCH__SCOPES", "ops:read")]).await;
    for client in ["ess", "watch"] {
        assert_refused(&post(&app, client, &json!({})).await, 403, "forbidden");
    }
    assert_refused(&post(&app, "ops", &json!({"tenant": "acme"})).await, 403, "forbidden");
    let anonymous = answer(app.request(Method::POST, "/doctor").json(&json!({}))).await;
    assert_refused(&anonymous, 401, "unauthorized");
    assert!(app.microsoft.journal().await.is_empty(), "nothing was asked of Microsoft");
    // Whoever speaks for one tenant hears nothing of the others, not even of their portals.
    let lone = [("CLIENTS__OPS__TENANTS", "default"), ("CLIENTS__GROUP__TENANTS", "default")];
    let app = TestApp::with(&lone).await;
    let told = post(&app, "ops", &json!({})).await;
    assert_eq!(told.status, 200, "{told:?}");
    assert!(!told.body.to_string().contains("acme"), "{told:?}");
}

#[tokio::test]
async fn an_order_that_is_not_clear_is_refused_by_field() {
    let app = TestApp::with(&[("CLIENTS__OPS__TENANTS", "*")]).await;
    for (order, named) in [
        (json!({"mailbox": AMY}), &["tenant"][..]),
        (json!({"write_test": true}), &["mailbox"]),
        (json!({"tenant": "default", "mailbox": "", "outside_mailbox": "a\nb"}), &["mailbox", "outside_mailbox"]),
        (json!({"write_test": "yes"}), &["write_test"]),
        (json!({"mailbx": AMY}), &["mailbx"]),
    ] {
        assert_eq!(fields(&post(&app, "ops", &order).await), named, "{order}");
    }
    let request = app.request(Method::POST, "/doctor").bearer_auth(app.token("ops"));
    assert_refused(&answer(request.header("content-type", "application/json").body("{")).await, 400, "not-json");
    let request = app.request(Method::POST, "/doctor").bearer_auth(app.token("ops"));
    assert_refused(&answer(request.header("content-type", "text/plain").body("{}")).await, 415, "not-json-media-type");
}

#[tokio::test]
async fn one_examination_at_a_time_and_it_ends_whoever_goes_away() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    // The first one is still under way when the second one comes.
    barrier.close("DELETE", "");
    let order = json!({"mailbox": AMY, "write_test": true});
    let first = app.request(Method::POST, "/doctor").bearer_auth(app.token("ops")).json(&order);
    let first = tokio::spawn(first.send());
    until("its event is to be deleted", async || barrier.held().len() == 1).await;
    let second = post(&app, "ops", &order).await;
    assert_refused(&second, 503, "unavailable");
    assert!(second.headers["retry-after"].to_str().unwrap().parse::<u32>().is_ok());
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
    first.abort();
    assert!(first.await.unwrap_err().is_cancelled());
    barrier.open();
    until("the event is deleted", async || app.microsoft.events(AMY).await.is_empty()).await;
    until("the next one may begin", async || post(&app, "ops", &json!({})).await.status == 200).await;
}

#[tokio::test]
async fn the_command_says_the_same_and_ends_with_1_when_something_is_wrong() {
    let app = TestApp::new().await;
    let environment = configuration(&app.database.url, &app.microsoft.url, &[]);
    let arguments = ["doctor", "--tenant", "default", "--mailbox", AMY, "--write-test"];
    let said = run(&[&arguments[..], &["--json"]].concat(), &environment).await;
    assert_eq!((said.code, said.err.as_str()), (1, ""), "the clocks differ: Microsoft's stands still: {said:?}");
    let ids: Vec<_> = said.json()["findings"].as_array().unwrap().iter().map(|found| found["id"].clone()).collect();
    assert!(ids.contains(&json!("clock-wrong")) && ids.contains(&json!("deliveries")), "{ids:?}");
    let said = run(&arguments, &environment).await;
    assert!(
        said.out.contains("ERROR    clock-wrong") && said.out.contains("next:  Set this machine's clock"),
        "{}",
        said.out
    );
    keeps_secrets(&said.out);
}

#[tokio::test]
async fn a_configuration_with_problems_is_told_problem_by_problem_and_the_rest_is_looked_at() {
    let said = run(&["doctor", "--json"], &[]).await;
    assert_eq!(said.code, 1, "{said:?}");
    let findings = said.json();
    let findings = findings["findings"].as_array().unwrap();
    assert!(findings.len() > 2 && findings.iter().all(|found| found["id"] == "configuration"), "{findings:#?}");
    assert!(findings.iter().any(|found| found["seen"].as_str().unwrap().starts_with("tenants is missing")));

    let environment = configured_without_database();
    let said = run(&["doctor", "--tenant", "nobody"], &environment).await;
    assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    assert!(said.err.contains("--tenant is none of the configured ones"), "{}", said.err);
    let said = run(&["doctor", "--mailbox", AMY], &environment).await;
    assert!(said.code == 2 && said.err.contains("--tenant is missing: whose mailbox is it?"), "{said:?}");
    let said = run(&["doctor", "--write-test"], &environment).await;
    assert_eq!(said.code, 2, "{said:?}");
}

#[tokio::test]
async fn what_was_pasted_in_the_place_of_an_id_is_sent_nowhere_and_not_repeated() {
    for key in ["CLIENT_ID", "DIRECTORY_ID"] {
        let key = format!("LEAVEBRIDGE__TENANTS__DEFAULT__MICROSOFT__{key}");
        let mut environment = configured_without_database();
        environment.push((key, "Zq8Q~a-secrets-Value".to_owned()));
        let said = run(&["doctor", "--tenant", "default", "--json"], &environment).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(!said.out.contains("a-secrets-Value") && !said.out.contains("entra-reachable"), "{}", said.out);
    }
}
