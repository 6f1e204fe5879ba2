//! A portal with an identity of its own in the customer's Entra: it asks there for a token for our API, and posts with it.

use jiff::SignedDuration;
use leavebridge_simulator::Simulator;
use reqwest::Method;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::support::{AMY, TestApp, answer, leave, microsoft::Microsoft, scene::Scene};

const API: &str = "api://leavebridge";
const API_ID: &str = "5f1a7e00-0000-4000-8000-00000000a91d";
const PORTAL: &str = "5f1a7e00-0000-4000-8000-0000000b0a7a";
const STRANGER: &str = "5f1a7e00-0000-4000-8000-0000005712a6";

/// The directory with our API, its portal that is assigned a role there, and an app that is not.
async fn register(microsoft: &Microsoft, version: &str) -> Value {
    let app = |id: &str, secret: &str, roles: &[&str]| {
        json!({
            "directory_id": Simulator::DIRECTORY_ID, "client_id": id, "secrets": [{"value": secret}], "roles": roles,
        })
    };
    let own = app(Simulator::CLIENT_ID, Simulator::CLIENT_SECRET, &["Calendars.ReadWrite"]);
    let api = json!({
        "directory_id": Simulator::DIRECTORY_ID, "client_id": API_ID, "identifier_uri": API, "token_version": version,
        "assignments": {PORTAL: ["leaves:write", "leaves:read"]},
    });
    let apps = [own, app(PORTAL, "portal", &[]), app(STRANGER, "stranger", &["Calendars.ReadWrite"])];
    microsoft.settings(json!({"apps": apps, "apis": [api]})).await;
    microsoft.control(Method::GET, "settings", None).await
}

/// The object id of an app's service principal, as the portal shows it under "Enterprise applications".
fn principal(settings: &Value, app: &str) -> String {
    let apps = settings["apps"].as_array().unwrap();
    apps.iter().find(|known| known["client_id"] == app).unwrap()["principal_id"].as_str().unwrap().to_owned()
}

async fn service(version: &str) -> (TestApp, TempDir) {
    let scene = Scene::new().await;
    let settings = register(&scene.microsoft, version).await;
    let base = format!("{}/{}", scene.microsoft.url, Simulator::DIRECTORY_ID);
    let (issuer, audience, keys) = match version {
        "2.0" => (format!("{base}/v2.0"), API_ID, String::new()),
        _ => (
            format!("https://sts.windows.net/{}/", Simulator::DIRECTORY_ID),
            API,
            format!("{base}/discovery/v2.0/keys"),
        ),
    };
    let keys = [
        ("CLIENT_SECRET", Simulator::CLIENT_SECRET),
        ("AUTH__ISSUERS__ENTRA__ISSUER", &issuer),
        ("AUTH__ISSUERS__ENTRA__AUDIENCE", audience),
        ("AUTH__ISSUERS__ENTRA__JWKS_URL", &keys),
        ("CLIENTS__ESS__ISSUER", "entra"),
        ("CLIENTS__ESS__SUBJECT", &principal(&settings, PORTAL)),
    ];
    scene.start(&keys).await
}

/// An app-only token as the portal gets it.
async fn token(app: &TestApp, id: &str, secret: &str, scope: &str) -> String {
    let form = [("grant_type", "client_credentials"), ("client_id", id), ("client_secret", secret), ("scope", scope)];
    let url = format!("{}/{}/oauth2/v2.0/token", app.microsoft.url, Simulator::DIRECTORY_ID);
    let answer = answer(app.client.post(url).form(&form)).await;
    answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{answer:?}")).to_owned()
}

async fn post(app: &TestApp, token: &str, leave: &Value) -> u16 {
    let request = app.request(Method::POST, "/leaves").bearer_auth(token).header("prefer", "wait=30");
    answer(request.json(leave)).await.status
}

#[tokio::test]
async fn a_portal_posts_leave_with_the_token_that_entra_gave_it_for_our_api() {
    for version in ["1.0", "2.0"] {
        let (app, _folder) = service(version).await;
        let scope = format!("{API}/.default");
        let given = token(&app, PORTAL, "portal", &scope).await;
        assert_eq!(post(&app, &given, &leave("LA-1")).await, 202, "{version}");
        assert_eq!(app.microsoft.events(AMY).await.len(), 1, "{version}");
        assert_eq!(app.mapping("LA-1").await["source"], "ess");

        let unassigned = token(&app, STRANGER, "stranger", &scope).await;
        assert_eq!(post(&app, &unassigned, &leave("LA-2")).await, 401, "any app of the directory can have a token");
        let for_graph = token(&app, PORTAL, "portal", "https://graph.microsoft.com/.default").await;
        assert_eq!(post(&app, &for_graph, &leave("LA-2")).await, 401, "a token for Graph is not for us");
        app.advance(SignedDuration::from_secs(3599)).await;
        assert_eq!(post(&app, &given, &leave("LA-2")).await, 401, "it has ended");
    }
}

#[tokio::test]
async fn a_portal_whose_role_was_taken_away_can_do_nothing() {
    let (app, _folder) = service("2.0").await;
    let mut settings = app.microsoft.control(Method::GET, "settings", None).await;
    settings["apis"][0]["assignments"] = json!({});
    app.microsoft.settings(json!({"apis": settings["apis"]})).await;
    let given = token(&app, PORTAL, "portal", &format!("{API}/.default")).await;
    assert_eq!(post(&app, &given, &leave("LA-1")).await, 403);
}

#[tokio::test]
async fn tokens_stay_good_while_entra_rolls_its_keys_over() {
    let (app, _folder) = service("2.0").await;
    let scope = format!("{API}/.default");
    let before = token(&app, PORTAL, "portal", &scope).await;
    assert_eq!(post(&app, &before, &leave("LA-1")).await, 202);
    app.advance(SignedDuration::from_secs(60)).await;
    app.microsoft.control(Method::POST, "keys", None).await;
    let after = token(&app, PORTAL, "portal", &scope).await;
    assert_eq!(post(&app, &after, &leave("LA-2")).await, 202, "by the new key");
    assert_eq!(post(&app, &before, &leave("LA-3")).await, 202, "by the old key, which is still published");
    app.advance(SignedDuration::from_secs(60)).await;
    app.microsoft.control(Method::POST, "keys", None).await;
    let newest = token(&app, PORTAL, "portal", &scope).await;
    assert_eq!(post(&app, &newest, &leave("LA-4")).await, 202);
    assert_eq!(post(&app, &before, &leave("LA-5")).await, 401, "its key was withdrawn");
}
