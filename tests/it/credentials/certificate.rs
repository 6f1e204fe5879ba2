//! Certificates: signed assertions that Entra verifies, renewal without a restart, clocks that differ.

use std::fs;

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{asked, delivered, heals, refused, register, tenant};
use crate::support::{barrier::Barrier, leave, proofs::Certified, scene::Scene, until};

const TOKEN: &str = "/oauth2/v2.0/token";
const KIND: (&str, &str) = ("CREDENTIAL", "certificate");

#[tokio::test]
async fn a_certificate_signs_in_and_its_own_date_is_counted_down() {
    let certified = Certified::until(2026, 12, 12);
    let scene = Scene::new().await;
    register(&scene.microsoft, &json!({"certificates": [certified.public]})).await;
    let (cert, key) = (scene.file("cert.pem", &certified.public), scene.file("key.pem", &certified.private()));
    let (app, _folder) = scene.start(&[KIND, ("CERTIFICATE_FILE", &cert), ("CERTIFICATE_KEY_FILE", &key)]).await;
    delivered(&app, "LA-1").await;
    let tenant = tenant(&app, "default").await;
    assert_eq!(
        (&tenant["credential"], &tenant["credential_in_use"]),
        (&json!("certificate"), &json!("certificate_file"))
    );
    assert_eq!((&tenant["secret_expires"], &tenant["secret_expires_in_days"]), (&json!("2026-12-12"), &json!(20)));
    assert_eq!(tenant["status"], "degraded", "{tenant}");
    let Value::String(metrics) = app.get("/metrics", None).await.body else { panic!("no metrics") };
    let seconds = 20 * 86_400 - 5_400;
    let series = format!("leavebridge_credential_expires_seconds{{tenant=\"default\"}} {seconds}\n");
    assert!(metrics.contains(&series) && !metrics.contains("expires_seconds{tenant=\"acme\"}"), "{metrics}");
    assert_eq!(asked(&app.microsoft, TOKEN).await, [200]);
}

#[tokio::test]
async fn a_renewed_certificate_is_taken_up_without_a_restart_and_its_date_is_known_at_once() {
    let (old, new) = (Certified::until(2026, 12, 1), Certified::until(2028, 12, 1));
    let scene = Scene::new().await;
    register(&scene.microsoft, &json!({"certificates": [old.public, new.public]})).await;
    let file = scene.file("app.pem", &old.file());
    let (app, _folder) = scene.start(&[KIND, ("CERTIFICATE_FILE", &file)]).await;
    delivered(&app, "LA-1").await;
    fs::write(&file, new.file()).unwrap();
    app.advance(SignedDuration::from_mins(1)).await;
    // No token is fetched for that.
    until("the new date is known", async || tenant(&app, "default").await["secret_expires"] == "2028-12-01").await;
    assert_eq!(asked(&app.microsoft, TOKEN).await, [200]);
    register(&app.microsoft, &json!({"certificates": [new.public]})).await;
    app.advance(SignedDuration::from_mins(65)).await;
    delivered(&app, "LA-2").await;
    assert_eq!(asked(&app.microsoft, TOKEN).await, [200, 200]);
}

#[tokio::test]
async fn a_certificate_that_the_app_does_not_know_blocks_visibly_and_works_once_it_is_uploaded() {
    let certified = Certified::until(2028, 12, 1);
    let scene = Scene::new().await;
    let file = scene.file("app.pem", &certified.file());
    let (app, _folder) = scene.start(&[KIND, ("CERTIFICATE_FILE", &file)]).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("AADSTS700027") && detail.contains("The key was not found"), "{detail}");
    assert_eq!(asked(&app.microsoft, TOKEN).await, [401], "the same certificate is not sent twice");
    register(&app.microsoft, &json!({"certificates": [certified.public]})).await;
    heals(&app, "LA-1").await;
}

#[tokio::test]
async fn a_file_that_becomes_unusable_is_named_and_heals() {
    let certified = Certified::until(2028, 12, 1);
    let scene = Scene::new().await;
    register(&scene.microsoft, &json!({"certificates": [certified.public]})).await;
    let file = scene.file("app.pem", &certified.file());
    let (app, _folder) = scene.start(&[KIND, ("CERTIFICATE_FILE", &file)]).await;
    // Half of it is written: the certificate without its key.
    fs::write(&file, &certified.public).unwrap();
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("certificate_file holds no private key"), "{detail}");
    fs::write(&file, certified.file()).unwrap();
    heals(&app, "LA-1").await;
}

#[tokio::test]
async fn a_file_that_is_replaced_while_the_old_certificate_is_being_refused_is_read_again_at_once() {
    let (old, new) = (Certified::until(2028, 12, 1), Certified::until(2028, 12, 2));
    let scene = Scene::new().await;
    register(&scene.microsoft, &json!({"certificates": [new.public]})).await;
    let file = scene.file("app.pem", &old.file());
    let barrier = Barrier::before(&scene.microsoft).await;
    barrier.close("POST", TOKEN);
    let keys = [&[KIND, ("CERTIFICATE_FILE", &file)], &barrier.keys()[..]].concat();
    let (app, _folder) = scene.start(&keys).await;
    app.post("ess", &leave("LA-1")).await;
    until("the request is under way", async || barrier.held().len() == 1).await;
    fs::write(&file, new.file()).unwrap();
    barrier.open();
    let mapping = app.mapping_in("LA-1", "synced").await;
    assert_eq!(mapping["attempts"], 0);
    assert_eq!(asked(&app.microsoft, TOKEN).await, [401, 200]);
}

#[tokio::test]
async fn a_broken_renewal_is_told_long_before_the_token_dies() {
    let certified = Certified::until(2028, 12, 1);
    let scene = Scene::new().await;
    register(&scene.microsoft, &json!({"certificates": [certified.public]})).await;
    let file = scene.file("app.pem", &certified.file());
    let (app, _folder) = scene.start(&[KIND, ("CERTIFICATE_FILE", &file)]).await;
    delivered(&app, "LA-1").await;
    fs::write(&file, "nonsense").unwrap();
    app.advance(SignedDuration::from_mins(1)).await;
    until("it is told", async || tenant(&app, "default").await["status"] == "degraded").await;
    let ill = tenant(&app, "default").await;
    assert!(ill["credential_problem"].as_str().unwrap().contains("certificate_file must be PEM"), "{ill}");
    assert_eq!(ill["reason"], Value::Null);
    delivered(&app, "LA-2").await;
    fs::write(&file, certified.file()).unwrap();
    app.advance(SignedDuration::from_mins(1)).await;
    until("it is well", async || tenant(&app, "default").await["status"] == "ok").await;
}

#[tokio::test]
async fn an_expired_certificate_keeps_nobody_from_posting() {
    let certified = Certified::until(2026, 11, 20);
    let scene = Scene::new().await;
    register(&scene.microsoft, &json!({"certificates": [certified.public]})).await;
    let file = scene.file("app.pem", &certified.file());
    let (app, _folder) = scene.start(&[KIND, ("CERTIFICATE_FILE", &file)]).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("AADSTS700027") && detail.contains("expired"), "{detail}");
    assert_eq!(tenant(&app, "default").await["secret_expires_in_days"], -2);
}

#[tokio::test]
async fn a_clock_that_is_far_off_is_told_and_does_not_keep_a_certificate_from_working() {
    for minutes in [20, -20] {
        let certified = Certified::until(2028, 12, 1);
        let scene = Scene::off_by(SignedDuration::from_mins(minutes)).await;
        register(&scene.microsoft, &json!({"certificates": [certified.public]})).await;
        let file = scene.file("app.pem", &certified.file());
        let (app, _folder) = scene.start(&[KIND, ("CERTIFICATE_FILE", &file)]).await;
        delivered(&app, "LA-1").await;
        assert_eq!(asked(&app.microsoft, TOKEN).await, [401, 200], "{minutes}");
    }
}
