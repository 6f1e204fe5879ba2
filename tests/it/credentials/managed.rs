//! Managed identities on a virtual machine, in App Service and on an Azure Arc machine.

use std::fs;

use leavebridge::config::{Credential, ManagedHost, Settings};
use leavebridge_simulator::Simulator;
use serde_json::{Value, json};

use super::{app, asked, delivered, heals, refused, tenant};
use crate::support::{TestApp, fleet::Fleet, microsoft::Microsoft, scene::Scene, until};

const IMDS: &str = "/metadata/identity/oauth2/token";
const APP_SERVICE: &str = "/msi/token";
const KEYS: [(&str, &str); 3] = [("CREDENTIAL", "managed-identity"), ("DIRECTORY_ID", ""), ("CLIENT_ID", "")];
const OWN: &str = "5f1a7e00-0000-4000-8000-000000000a55";
const OTHER: &str = "5f1a7e00-0000-4000-8000-000000000b55";

/// The machine's own identity, and one more that was assigned to it.
async fn assign(microsoft: &Microsoft) {
    let mut own = app(&json!({"client_id": OWN, "managed_identity": "system-assigned"}));
    own["roles"] = json!([]);
    let other = app(&json!({"client_id": OTHER, "managed_identity": "user-assigned"}));
    microsoft.settings(json!({"apps": [own, other]})).await;
}

/// Gives only the machine's own identity the permission.
async fn assign_own(microsoft: &Microsoft) {
    let own = app(&json!({"client_id": OWN, "managed_identity": "system-assigned"}));
    microsoft.settings(json!({"apps": [own]})).await;
}

async fn machine(scene: Scene, further: &[(&str, &str)]) -> TestApp {
    let url = scene.microsoft.url.clone();
    let keys = [&KEYS[..], further].concat();
    scene.start_in(&keys, &[("IMDS_ENDPOINT", &url)], |_| ()).await.0
}

/// An Arc machine: its agent's folder is a temporary one, which nobody could configure.
async fn arc(scene: Scene, further: &[(&str, &str)]) -> (TestApp, tempfile::TempDir) {
    let url = scene.microsoft.url.clone();
    let folder = scene.folder().to_owned();
    scene.microsoft.settings(json!({"arc_key_folder": folder})).await;
    let environment = [("IDENTITY_ENDPOINT", format!("{url}{IMDS}")), ("IMDS_ENDPOINT", url)];
    let environment = environment.each_ref().map(|(name, value)| (*name, value.as_str()));
    let change = |settings: &mut Settings| {
        let microsoft = &mut settings.tenants.get_mut("default").unwrap().microsoft;
        let Credential::ManagedIdentity { host: ManagedHost::Arc { keys, .. }, .. } = &mut microsoft.credential else {
            panic!("no Arc machine: {microsoft:?}")
        };
        *keys = folder;
    };
    scene.start_in(&[&KEYS[..], further].concat(), &environment, change).await
}

#[tokio::test]
async fn a_virtual_machines_own_identity_needs_no_secret_at_all() {
    let scene = Scene::new().await;
    assign_own(&scene.microsoft).await;
    let app = machine(scene, &[]).await;
    delivered(&app, "LA-1").await;
    let standing = tenant(&app, "default").await;
    assert_eq!(
        (&standing["status"], &standing["credential"], &standing["credential_in_use"]),
        (&json!("ok"), &json!("managed-identity"), &json!("managed_identity"))
    );
    assert_eq!(asked(&app.microsoft, IMDS).await, [200]);
    assert_eq!(asked(&app.microsoft, "/oauth2/v2.0/token").await, [] as [u64; 0]);
}

#[tokio::test]
async fn of_several_identities_the_configured_one_is_asked_for() {
    let scene = Scene::new().await;
    assign(&scene.microsoft).await;
    let app = machine(scene, &[("MANAGED_IDENTITY_CLIENT_ID", OTHER)]).await;
    delivered(&app, "LA-1").await;
    // The machine's own has no permission here: that of the other one did it.
    assert_eq!(app.microsoft.calls().await, ["POST 201"]);
}

#[tokio::test]
async fn a_machine_without_an_identity_says_so_and_heals_when_it_gets_one() {
    let scene = Scene::new().await;
    let app = machine(scene, &[]).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("Identity not found"), "{detail}");
    assign_own(&app.microsoft).await;
    heals(&app, "LA-1").await;
}

#[tokio::test]
async fn a_metadata_service_that_is_being_updated_is_asked_again() {
    let scene = Scene::new().await;
    assign_own(&scene.microsoft).await;
    scene.microsoft.faults(json!([{"method": "GET", "path": IMDS, "times": 2, "status": 410}])).await;
    let app = machine(scene, &[]).await;
    delivered(&app, "LA-1").await;
    assert_eq!(asked(&app.microsoft, IMDS).await, [410, 410, 200]);
    assert_eq!(tenant(&app, "default").await["reason"], Value::Null);
}

#[tokio::test]
async fn app_service_is_shown_the_header_that_only_its_own_programs_know() {
    for (header, right) in [(Simulator::IDENTITY_HEADER, true), ("WRONG~header", false)] {
        let scene = Scene::new().await;
        assign_own(&scene.microsoft).await;
        let endpoint = format!("{}{APP_SERVICE}/", scene.microsoft.url);
        let environment = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", header)];
        let (app, _folder) = scene.start_in(&KEYS, &environment, |_| ()).await;
        if right {
            delivered(&app, "LA-1").await;
            assert_eq!(asked(&app.microsoft, APP_SERVICE).await, [200]);
        } else {
            let detail = refused(&app, "LA-1").await;
            assert!(detail.contains("HTTP 401") && !detail.contains("WRONG"), "{detail}");
        }
    }
}

#[tokio::test]
async fn arcs_agent_is_read_its_key_back() {
    let scene = Scene::new().await;
    assign_own(&scene.microsoft).await;
    let (app, folder) = arc(scene, &[]).await;
    delivered(&app, "LA-1").await;
    assert_eq!(asked(&app.microsoft, IMDS).await, [401, 200]);
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0, "a key serves once");
}

#[tokio::test]
async fn whoever_plays_arcs_agent_gets_at_no_other_file() {
    let scene = Scene::new().await;
    assign_own(&scene.microsoft).await;
    let foreign = tempfile::tempdir().unwrap();
    let path = foreign.path().join("other.key");
    fs::write(&path, "hush").unwrap();
    let challenge = format!("Basic realm={}", path.display());
    scene
        .microsoft
        .faults(json!([{"method": "GET", "path": IMDS, "times": null, "status": 401,
                        "headers": {"www-authenticate": challenge}}]))
        .await;
    let (app, _folder) = arc(scene, &[]).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("none of its keys"), "{detail}");
    assert_eq!(asked(&app.microsoft, IMDS).await, [401], "nothing was read to it");
    app.microsoft.clear_faults().await;
    heals(&app, "LA-1").await;
}

#[tokio::test]
async fn the_token_of_another_identity_than_was_asked_for_is_not_used() {
    let scene = Scene::new().await;
    assign(&scene.microsoft).await;
    scene.microsoft.settings(json!({"arc_ignores_selector": true})).await;
    let (app, _folder) = arc(scene, &[("MANAGED_IDENTITY_CLIENT_ID", OTHER)]).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("another identity"), "{detail}");
    assert_eq!(app.microsoft.calls().await, [] as [String; 0]);
    app.microsoft.settings(json!({"arc_ignores_selector": false})).await;
    heals(&app, "LA-1").await;
}

#[tokio::test]
async fn a_managed_identitys_host_is_asked_past_the_proxy_that_everything_else_goes_through() {
    let fleet = Fleet::new().await;
    assign_own(&fleet.microsoft).await;
    // Nobody listens at the proxy; only Graph, under its other name, is excepted from it by configuration.
    let graph = fleet.microsoft.url.replace("127.0.0.1", "localhost");
    let further = [
        ("TENANTS__DEFAULT__MICROSOFT__CREDENTIAL", "managed-identity"),
        ("TENANTS__DEFAULT__MICROSOFT__CLIENT_ID", ""),
        ("TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET", ""),
        ("TENANTS__DEFAULT__MICROSOFT__GRAPH", graph.as_str()),
    ];
    let environment = [
        ("HTTP_PROXY", "http://127.0.0.1:1"),
        ("http_proxy", "http://127.0.0.1:1"),
        ("NO_PROXY", "localhost"),
        ("IMDS_ENDPOINT", fleet.microsoft.url.as_str()),
    ];
    let replica = fleet.start(&further, &environment).await;
    let accepted = replica.post(&fleet.webhook(0, Some(&json!({})))).await.unwrap();
    assert_eq!(accepted.status, 202, "{accepted:?}");
    until("it is in Outlook", async || fleet.mappings("state = 'synced'").await == 1).await;
    assert_eq!(asked(&fleet.microsoft, IMDS).await, [200]);
    replica.kill().await;
}

#[tokio::test]
async fn the_doctor_sends_nobody_to_an_app_registration_that_a_managed_identity_has_not() {
    let scene = Scene::new().await;
    let mut own = app(&json!({"client_id": OWN, "managed_identity": "system-assigned"}));
    own["roles"] = json!([]);
    scene.microsoft.settings(json!({"apps": [own]})).await;
    let app = machine(scene, &[]).await;
    let order = json!({"mailbox": crate::support::AMY});
    let told = crate::support::answer(
        app.request(reqwest::Method::POST, "/doctor").bearer_auth(app.token("ops")).json(&order),
    )
    .await;
    let found =
        told.body["findings"].as_array().unwrap().iter().find(|found| found["id"] == "consent-missing").unwrap();
    let next = found["next"].as_str().unwrap();
    assert!(next.contains("-ManagedIdentityId") && !next.contains("App registrations"), "{next}");
}
