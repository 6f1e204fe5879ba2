//! Workload identity: another issuer's token from a file that is replaced all the time.

use std::fs;

use jiff::SignedDuration;
use leavebridge_simulator::Simulator;
use serde_json::json;

use super::{asked, delivered, heals, refused, register, tenant};
use crate::support::{TestApp, barrier::Barrier, leave, proofs::Issuer, scene::Scene, until};

const TOKEN: &str = "/oauth2/v2.0/token";

/// A service whose environment is that of a Kubernetes pod; the configuration says only where its simulator is.
async fn pod(scene: Scene, file: &str) -> (TestApp, tempfile::TempDir) {
    let url = scene.microsoft.url.clone();
    pod_that_asks(scene, &url, file).await
}

/// The same with a simulator at that address.
async fn pod_that_asks(scene: Scene, url: &str, file: &str) -> (TestApp, tempfile::TempDir) {
    let bare = [("CREDENTIAL", "workload-identity"), ("DIRECTORY_ID", ""), ("CLIENT_ID", ""), ("AUTHORITY", "")];
    let keys = [&bare[..], &[("GRAPH", url)]].concat();
    let authority = format!("{url}/");
    let environment = [
        ("AZURE_TENANT_ID", Simulator::DIRECTORY_ID),
        ("AZURE_CLIENT_ID", Simulator::CLIENT_ID),
        ("AZURE_FEDERATED_TOKEN_FILE", file),
        ("AZURE_AUTHORITY_HOST", authority.as_str()),
    ];
    scene.start_in(&keys, &environment, |_| ()).await
}

#[tokio::test]
async fn the_token_file_is_read_again_for_every_token() {
    let (issuer, scene) = (Issuer::new(), Scene::new().await);
    register(&scene.microsoft, &json!({"federated_credentials": [issuer.record()]})).await;
    let file = scene.file("token", &issuer.token("2026-11-22T01:00:00Z".parse().unwrap()));
    let (app, _folder) = pod(scene, &file).await;
    delivered(&app, "LA-1").await;
    let standing = tenant(&app, "default").await;
    assert_eq!(
        (&standing["credential"], &standing["credential_in_use"], &standing["secret_expires"]),
        (&json!("workload-identity"), &json!("federated_token_file"), &json!(null))
    );
    // The kubelet has written a fresh one meanwhile.
    app.advance(SignedDuration::from_mins(120)).await;
    fs::write(&file, issuer.token(app.now())).unwrap();
    delivered(&app, "LA-2").await;
    assert_eq!(asked(&app.microsoft, TOKEN).await, [200, 200]);

    // Now it has not.
    app.advance(SignedDuration::from_mins(120)).await;
    let detail = refused(&app, "LA-3").await;
    assert!(detail.contains("AADSTS700024"), "{detail}");
    fs::write(&file, issuer.token(app.now())).unwrap();
    heals(&app, "LA-3").await;
}

#[tokio::test]
async fn a_token_that_is_replaced_while_the_old_one_is_being_refused_is_read_again_at_once() {
    let (issuer, scene) = (Issuer::new(), Scene::new().await);
    register(&scene.microsoft, &json!({"federated_credentials": [issuer.record()]})).await;
    let file = scene.file("token", &issuer.token("2026-11-21T01:00:00Z".parse().unwrap()));
    let barrier = Barrier::before(&scene.microsoft).await;
    barrier.close("POST", TOKEN);
    let (app, _folder) = pod_that_asks(scene, &barrier.url, &file).await;
    app.post("ess", &leave("LA-1")).await;
    until("the request is under way", async || barrier.held().len() == 1).await;
    fs::write(&file, issuer.token(app.now())).unwrap();
    barrier.open();
    assert_eq!(app.mapping_in("LA-1", "synced").await["attempts"], 0);
    assert_eq!(asked(&app.microsoft, TOKEN).await, [401, 200]);
}

#[tokio::test]
async fn a_token_of_another_service_account_blocks_visibly_until_the_record_is_right() {
    let (issuer, scene) = (Issuer::new(), Scene::new().await);
    let mut record = issuer.record();
    record["subject"] = json!("system:serviceaccount:other:app");
    register(&scene.microsoft, &json!({"federated_credentials": [record]})).await;
    let token = issuer.token("2026-11-22T01:00:00Z".parse().unwrap());
    let file = scene.file("token", &token);
    let (app, _folder) = pod(scene, &file).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("AADSTS700213") && !detail.contains("eyJ"), "{detail}");
    register(&app.microsoft, &json!({"federated_credentials": [issuer.record()]})).await;
    heals(&app, "LA-1").await;
}
