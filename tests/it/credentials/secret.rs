//! Client secrets: rotation without an interruption, and repair without a restart.

use std::fs;

use jiff::SignedDuration;
use leavebridge_simulator::Simulator;
use serde_json::{Value, json};

use super::{asked, delivered, heals, refused, register, tenant};
use crate::support::{TestApp, scene::Scene, until};

const TOKEN: &str = "/oauth2/v2.0/token";

#[tokio::test]
async fn when_the_first_secret_is_refused_the_next_one_is_used_and_health_says_so() {
    let scene = Scene::new().await;
    let secrets = json!([{"value": "old~secret", "expires": "2026-11-22T02:00:00Z"}, {"value": "new~secret"}]);
    register(&scene.microsoft, &json!({"secrets": secrets})).await;
    let (app, _folder) = scene.start(&[("CLIENT_SECRET", "old~secret"), ("NEXT_CLIENT_SECRET", "new~secret")]).await;
    assert_eq!(tenant(&app, "default").await["credential_in_use"], Value::Null, "nothing was asked for yet");
    delivered(&app, "LA-1").await;
    let before = tenant(&app, "default").await;
    assert_eq!((&before["credential"], &before["credential_in_use"]), (&json!("secret"), &json!("client_secret")));

    // The token dies, and the first secret with it.
    app.advance(SignedDuration::from_mins(65)).await;
    delivered(&app, "LA-2").await;
    let after = tenant(&app, "default").await;
    assert_eq!(
        (&after["status"], &after["credential_in_use"]),
        (&json!("ok"), &json!("next_client_secret")),
        "{after}"
    );
    assert_eq!(asked(&app.microsoft, TOKEN).await, [200, 401, 200]);
    assert_eq!(app.mapping("LA-2").await["attempts"], 0);

    // From now on the one that works comes first.
    app.advance(SignedDuration::from_mins(65)).await;
    delivered(&app, "LA-3").await;
    assert_eq!(asked(&app.microsoft, TOKEN).await, [200, 401, 200, 200]);
    for text in [after.to_string(), app.database.dump().await] {
        assert!(!text.contains("~secret"), "{text}");
    }
}

#[tokio::test]
async fn the_next_secret_gives_way_to_the_first_when_it_is_refused_in_turn() {
    let scene = Scene::new().await;
    register(&scene.microsoft, &json!({"secrets": [{"value": "b"}]})).await;
    let (app, _folder) = scene.start(&[("CLIENT_SECRET", "a"), ("NEXT_CLIENT_SECRET", "b")]).await;
    delivered(&app, "LA-1").await;
    assert_eq!(tenant(&app, "default").await["credential_in_use"], "next_client_secret");
    register(&app.microsoft, &json!({"secrets": [{"value": "a"}]})).await;
    app.advance(SignedDuration::from_mins(65)).await;
    delivered(&app, "LA-2").await;
    assert_eq!(tenant(&app, "default").await["credential_in_use"], "client_secret");
    assert_eq!(asked(&app.microsoft, TOKEN).await, [401, 200, 401, 200]);
}

#[tokio::test]
async fn when_both_are_refused_the_first_is_what_a_person_is_told_about() {
    let scene = Scene::new().await;
    let secrets = json!([{"value": "old~secret", "expires": "2026-11-22T01:00:00Z"}]);
    register(&scene.microsoft, &json!({"secrets": secrets})).await;
    let (app, _folder) = scene.start(&[("CLIENT_SECRET", "old~secret"), ("NEXT_CLIENT_SECRET", "wrong~secret")]).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("AADSTS7000222"), "{detail}");
    assert_eq!(asked(&app.microsoft, TOKEN).await, [401, 401]);
    register(&app.microsoft, &json!({"secrets": [{"value": "wrong~secret"}]})).await;
    heals(&app, "LA-1").await;
    assert_eq!(tenant(&app, "default").await["credential_in_use"], "next_client_secret");
}

#[tokio::test]
async fn a_refusal_ahead_of_time_is_told_while_the_old_token_still_serves() {
    let scene = Scene::new().await;
    scene.microsoft.settings(json!({"token_lifetime_seconds": 86_400})).await;
    let (app, _folder) = scene.start(&[("CLIENT_SECRET", Simulator::CLIENT_SECRET)]).await;
    delivered(&app, "LA-1").await;
    register(&app.microsoft, &json!({"secrets": [{"value": "other"}]})).await;
    // Half of its life is over: a new token is fetched aside.
    app.advance(SignedDuration::from_hours(12)).await;
    delivered(&app, "LA-2").await;
    until("it is told", async || tenant(&app, "default").await["status"] == "degraded").await;
    let ill = tenant(&app, "default").await;
    assert_eq!((&ill["reason"], &ill["credential_in_use"]), (&Value::Null, &Value::Null), "{ill}");
    assert!(ill["credential_problem"].as_str().unwrap().contains("AADSTS7000215"), "{ill}");
    delivered(&app, "LA-3").await;
    register(&app.microsoft, &json!({"secrets": [{"value": Simulator::CLIENT_SECRET}]})).await;
    app.advance(SignedDuration::from_secs(30)).await;
    delivered(&app, "LA-4").await;
    until("it is well", async || tenant(&app, "default").await["status"] == "ok").await;
}

#[tokio::test]
async fn where_the_app_itself_is_unknown_no_other_secret_is_tried() {
    let scene = Scene::new().await;
    scene.microsoft.settings(json!({"apps": [{"directory_id": Simulator::DIRECTORY_ID, "client_id": "other"}]})).await;
    let (app, _folder) = scene.start(&[("CLIENT_SECRET", "a"), ("NEXT_CLIENT_SECRET", "b")]).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("AADSTS700016"), "{detail}");
    assert_eq!(asked(&app.microsoft, TOKEN).await, [400]);
}

#[tokio::test]
async fn a_secret_that_is_put_right_in_its_file_works_within_a_minute_and_without_a_restart() {
    let scene = Scene::new().await;
    let file = scene.file("secret", "WRONG~secret\n");
    let (app, _folder) = scene.start(&[("CLIENT_SECRET_FILE", &file)]).await;
    let detail = refused(&app, "LA-1").await;
    assert!(detail.contains("AADSTS7000215") && !detail.contains("WRONG"), "{detail}");
    fs::write(&file, format!("{}\n", Simulator::CLIENT_SECRET)).unwrap();
    heals(&app, "LA-1").await;
}

#[tokio::test]
async fn a_secret_file_that_is_lost_or_empty_matters_when_the_token_dies_and_heals() {
    for lost in [true, false] {
        let scene = Scene::new().await;
        let file = scene.file("secret", Simulator::CLIENT_SECRET);
        let (app, _folder): (TestApp, _) = scene.start(&[("CLIENT_SECRET_FILE", &file)]).await;
        delivered(&app, "LA-1").await;
        if lost {
            fs::remove_file(&file).unwrap();
        } else {
            fs::write(&file, "").unwrap();
        }
        delivered(&app, "LA-2").await;
        app.advance(SignedDuration::from_mins(65)).await;
        let detail = refused(&app, "LA-3").await;
        let why = if lost {
            "client_secret_file cannot be read: there is no such file"
        } else {
            "client_secret_file is empty"
        };
        assert!(detail.contains(why), "{detail}");
        fs::write(&file, Simulator::CLIENT_SECRET).unwrap();
        heals(&app, "LA-3").await;
    }
}
