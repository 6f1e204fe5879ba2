//! Several tenants side by side: each has its own credential, token and block, and none waits for another.

use std::{fs, process::Command};

use jiff::SignedDuration;
use leavebridge_simulator::Simulator;
use serde_json::{Value, json};

use super::{app, tenant};
use crate::support::{AMY, Answer, BEN, TestApp, proofs::Certified, scene::Scene, until, updated};

const ACME_DIRECTORY: &str = "acce0000-0000-4000-8000-00000000d1c7";
const ACME_APP: &str = "acce0000-0000-4000-8000-0000000c11e7";

/// Acme's app with that secret.
fn acme(secret: &Value) -> Value {
    let mut acme = app(&json!({"secrets": [secret]}));
    acme["directory_id"] = json!(ACME_DIRECTORY);
    acme["client_id"] = json!(ACME_APP);
    acme
}

async fn post(app: &TestApp, tenant: &str, id: &str, staff: &str) -> Answer {
    app.post("group", &updated(id, 0, &json!({"tenant": tenant, "staff": {"email": staff}}))).await
}

#[tokio::test]
async fn a_dead_secret_of_one_tenant_holds_up_no_other_and_heals_by_itself() {
    let certified = Certified::until(2028, 12, 1);
    let scene = Scene::new().await;
    let default = app(&json!({"certificates": [certified.public]}));
    let expired = acme(&json!({"value": "acme~secret", "expires": "2026-11-22T01:00:00Z"}));
    scene.microsoft.settings(json!({"apps": [default, expired]})).await;
    for n in 0..8 {
        let person = json!({"address": format!("person{n}@acme.com"), "name": "P", "time_zone": "UTC"});
        scene.microsoft.person(person).await;
    }
    let file = scene.file("app.pem", &certified.file());
    let (app, _folder) = scene
        .start(&[
            ("CREDENTIAL", "certificate"),
            ("CERTIFICATE_FILE", &file),
            ("TENANTS__ACME__MICROSOFT__DIRECTORY_ID", ACME_DIRECTORY),
            ("TENANTS__ACME__MICROSOFT__CLIENT_ID", ACME_APP),
            ("TENANTS__ACME__MICROSOFT__CLIENT_SECRET", "acme~secret"),
            ("CLIENTS__OPS__TENANTS", "*"),
        ])
        .await;

    // More of Acme's leave than is worked on at once, and one of ours in between.
    for n in 0..8 {
        let accepted = post(&app, "acme", &format!("ACME-{n}"), &format!("person{n}@acme.com")).await;
        assert_eq!(accepted.status, 202, "{accepted:?}");
    }
    assert_eq!(post(&app, "default", "LA-1", AMY).await.status, 202);
    app.mapping_in("LA-1", "synced").await;
    for n in 0..8 {
        until("Acme's leave waits", async || app.mapping(&format!("ACME-{n}")).await["reason"] == "credentials").await;
    }
    assert_eq!(post(&app, "default", "LA-2", BEN).await.status, 202);
    app.mapping_in("LA-2", "synced").await;

    let (ours, theirs) = (tenant(&app, "default").await, tenant(&app, "acme").await);
    assert_eq!((&ours["status"], &ours["reason"]), (&json!("ok"), &Value::Null), "{ours}");
    assert_eq!((&theirs["status"], &theirs["reason"]), (&json!("degraded"), &json!("credentials")), "{theirs}");
    assert_eq!((&ours["credential"], &theirs["credential"]), (&json!("certificate"), &json!("secret")));
    let Value::String(metrics) = app.get("/metrics", None).await.body else { panic!("no metrics") };
    for series in ["leavebridge_tenant_blocked{tenant=\"acme\"} 1", "leavebridge_tenant_blocked{tenant=\"default\"} 0"]
    {
        assert!(metrics.contains(series), "{series}: {metrics}");
    }

    // While it is blocked it is tried about once a minute, whatever is posted and however much of the others' goes through.
    let probes = async || {
        let journal = app.microsoft.journal().await;
        journal
            .iter()
            .filter(|entry| entry["path"].as_str().unwrap().starts_with(&format!("/{ACME_DIRECTORY}")))
            .count()
    };
    let before = probes().await;
    post(&app, "acme", "ACME-9", AMY).await;
    assert_eq!(post(&app, "default", "LA-3", BEN).await.status, 202);
    app.mapping_in("LA-3", "synced").await;
    assert_eq!(probes().await, before);

    // Somebody makes a new secret with the same name: no restart, no retry by hand.
    let renewed = acme(&json!({"value": "acme~secret"}));
    let default = super::app(&json!({"certificates": [certified.public]}));
    app.microsoft.settings(json!({"apps": [default, renewed]})).await;
    app.advance(SignedDuration::from_mins(1)).await;
    for n in (0..8).chain([9]) {
        let mapping = app.mapping_in(&format!("ACME-{n}"), "synced").await;
        assert_eq!(mapping["attempts"], 0, "{mapping}");
    }
    until("Acme is well", async || tenant(&app, "acme").await["reason"] == Value::Null).await;
    assert_eq!(app.microsoft.score().await["duplicates"], 0);
}

#[tokio::test]
async fn a_token_endpoint_that_hangs_for_one_tenant_does_not_hang_for_another() {
    let scene = Scene::new().await;
    let own = app(&json!({"secrets": [{"value": Simulator::CLIENT_SECRET}]}));
    scene.microsoft.settings(json!({"apps": [own, acme(&json!({"value": "acme~secret"}))]})).await;
    let path = format!("/{ACME_DIRECTORY}/oauth2/v2.0/token");
    scene.microsoft.faults(json!([{"method": "POST", "path": path, "times": null, "delay_ms": 60_000}])).await;
    let (app, _folder) = scene
        .start(&[
            ("CLIENT_SECRET", Simulator::CLIENT_SECRET),
            ("TENANTS__ACME__MICROSOFT__DIRECTORY_ID", ACME_DIRECTORY),
            ("TENANTS__ACME__MICROSOFT__CLIENT_ID", ACME_APP),
            ("TENANTS__ACME__MICROSOFT__CLIENT_SECRET", "acme~secret"),
        ])
        .await;
    assert_eq!(post(&app, "acme", "ACME-1", AMY).await.status, 202);
    assert_eq!(post(&app, "default", "LA-1", BEN).await.status, 202);
    app.mapping_in("LA-1", "synced").await;
}

#[tokio::test]
async fn a_disk_that_hangs_under_one_tenants_secret_holds_up_no_other() {
    let scene = Scene::new().await;
    let file = scene.file("secret", Simulator::CLIENT_SECRET);
    let (app, _folder) = scene.start(&[("CLIENT_SECRET_FILE", &file), ("SYNC__CALL_TIMEOUT", "5s")]).await;
    // Whoever opens it now waits until somebody writes.
    fs::remove_file(&file).unwrap();
    assert!(Command::new("mkfifo").arg(&file).status().unwrap().success());
    assert_eq!(post(&app, "default", "LA-1", AMY).await.status, 202);
    assert_eq!(post(&app, "acme", "ACME-1", BEN).await.status, 202);
    until("Acme's leave is in Outlook", async || app.microsoft.events(BEN).await.len() == 1).await;
    until("ours waits", async || app.mapping("LA-1").await["reason"] == "entra-unavailable").await;
    assert_eq!(tenant(&app, "default").await["reason"], "entra-unavailable");
    // The disk is back.
    fs::write(&file, Simulator::CLIENT_SECRET).unwrap();
    fs::remove_file(&file).unwrap();
    fs::write(&file, Simulator::CLIENT_SECRET).unwrap();
    app.advance(SignedDuration::from_mins(1)).await;
    app.mapping_in("LA-1", "synced").await;
}
