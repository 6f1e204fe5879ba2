//! The control plane: the scene, the person's own hand, the journal, the score.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, MARKER, Stage, event, events, hour, leave, leave_with};

fn own(id: &str) -> String {
    format!("/users/{AMY}/events/{}", utf8_percent_encode(id, NON_ALPHANUMERIC))
}

#[tokio::test]
async fn the_page_on_the_simulator_names_every_route_and_setting() {
    let page = include_str!("../../../../docs/simulator.md");
    let routes = include_str!("../../src/control.rs").split(".route(\"").skip(1);
    let routes: Vec<String> = routes.map(|rest| format!("/_sim{}", rest.split('"').next().unwrap())).collect();
    assert!(routes.len() > 10, "{routes:?}");
    let settings = Stage::new().await.control(Method::GET, "/settings", Value::Null).await;
    let settings = settings.as_object().unwrap().keys().map(|key| format!("`{key}`"));
    for name in routes.into_iter().chain(settings).chain(["`identity_header`".to_owned()]) {
        assert!(page.contains(&name), "{name}");
    }
}

#[tokio::test]
async fn what_cannot_be_meant_is_answered_with_a_sentence() {
    let stage = Stage::new().await;
    for (method, path, body, status) in [
        (Method::POST, "/users", json!({"address": "x@y.z", "colour": 1}), 400),
        (Method::POST, "/users", json!({"name": "X"}), 400),
        (Method::POST, "/users", json!({"address": "nonsense"}), 400),
        (Method::POST, "/users", json!({"address": "x@y.z", "time_zone": "Mars"}), 400),
        (Method::POST, "/users", json!({"address": "x@y.z", "kind": "robot"}), 400),
        (Method::POST, "/users", json!({"address": "AMY.CHAN@contoso.com"}), 409),
        (Method::PATCH, "/users/nobody", json!({"name": "X"}), 404),
        (Method::POST, "/settings", json!({"colour": 1}), 400),
        (Method::POST, "/settings", json!({"if_match": "sometimes"}), 400),
        (Method::GET, "/users/nobody/events", Value::Null, 404),
        (Method::GET, "/requests?after=x", Value::Null, 400),
        (Method::GET, "/elsewhere", Value::Null, 404),
        (Method::PUT, "/users", json!({}), 405),
    ] {
        let answer = stage.try_control(method, path, body.clone()).await;
        assert_eq!(answer.status, status, "{path} {body} {}", answer.body);
        assert!(
            answer.body["error"].as_str().is_some_and(|sentence| sentence.ends_with('.')),
            "{path} {}",
            answer.body
        );
    }
}

#[tokio::test]
async fn a_person_is_what_was_said_and_usual_otherwise() {
    let stage = Stage::new().await;
    let ben = stage.person(json!({"address": "Ben@contoso.com"})).await;
    assert_eq!((&ben["name"], &ben["time_zone"], &ben["kind"]), (&json!("Ben"), &json!("UTC"), &json!("normal")));
    assert!(ben["id"].as_str().unwrap().parse::<uuid::Uuid>().is_ok());
    let all = stage.control(Method::GET, "/users", Value::Null).await;
    assert_eq!(all.as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_store_shows_everything_as_it_was_sent() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave_with(json!({"transactionId": "t"}))).await;
    let stored = &stage.stored(AMY).await[0];
    assert_eq!(stored["id"], id.as_str());
    assert_eq!(stored["transactionId"], "t");
    assert_eq!(stored["deleted"], false);
    assert_eq!(stored["singleValueExtendedProperties"], json!([{"id": MARKER, "value": "ess:10042"}]));
    assert_eq!(stored["start"], json!({"dateTime": "2026-12-21T00:00:00.0000000", "timeZone": "Asia/Shanghai"}));
    assert_eq!(stored["startsAt"], "2026-12-20T16:00:00Z");
    assert_eq!(stored["body"], json!({"contentType": "text", "content": "Recorded by leave bridge."}));
}

#[tokio::test]
async fn a_person_may_do_anything_in_their_own_calendar() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    let key = stage.get(&event(AMY, &id)).await.body["changeKey"].clone();
    stage.faults(json!([{"status": 500}])).await;
    stage.control(Method::PATCH, &own(&id), json!({"subject": "Beach"})).await;
    stage.control(Method::DELETE, "/faults", Value::Null).await;
    let seen = stage.get(&event(AMY, &id)).await.body;
    assert_eq!(seen["subject"], "Beach");
    assert_ne!(seen["changeKey"], key);
    assert_eq!(stage.try_control(Method::PATCH, &own(&id), json!({"colour": 1})).await.status, 400);

    stage.control(Method::DELETE, &own(&id), Value::Null).await;
    assert_eq!(stage.get(&event(AMY, &id)).await.status, 404);
    assert_eq!(stage.try_control(Method::DELETE, &own(&id), Value::Null).await.status, 404);
    stage.control(Method::PATCH, &own(&id), json!({"deleted": false})).await;
    assert_eq!(stage.get(&event(AMY, &id)).await.status, 200);

    stage.control(Method::POST, &format!("/users/{AMY}/events"), hour("Dentist", "2026-12-21")).await;
    assert_eq!(stage.get(&events(AMY)).await.body["value"].as_array().unwrap().len(), 2);
}

#[tokio::test]
async fn the_journal_tells_what_was_asked_and_answered() {
    let stage = Stage::new().await;
    stage.get("/users/AMY.chan%40contoso.com/events?$top=3").await;
    stage.get(&events("nobody@contoso.com")).await;
    let journal = stage.journal().await;
    assert_eq!(journal.len(), 3);
    let token = &journal[0];
    assert!(token["path"].as_str().unwrap().ends_with("/oauth2/v2.0/token"));
    assert_eq!((&token["n"], &token["mailbox"], &token["status"]), (&json!(1), &Value::Null, &json!(200)));
    assert_eq!(
        journal[1],
        json!({
            "n": 2, "at": "2026-11-22T03:00:50.7579581Z", "method": "GET", "path": "/v1.0/users/AMY.chan@contoso.com/events",
            "query": "$top=3", "status": 200, "mailbox": AMY, "prefer": "IdType=\"ImmutableId\"", "fault": null,
        })
    );
    assert_eq!((&journal[2]["mailbox"], &journal[2]["status"]), (&json!("nobody@contoso.com"), &json!(404)));
    let later = stage.control(Method::GET, "/requests?after=2", Value::Null).await;
    assert_eq!(later.as_array().unwrap().len(), 1);
}

#[tokio::test]
async fn duplicates_are_counted_in_pairs_while_they_live() {
    let stage = Stage::new().await;
    let mut ids = Vec::new();
    for pairs in [0, 1, 3] {
        ids.push(stage.leave(&leave()).await);
        assert_eq!(stage.score().await["duplicates"], pairs);
    }
    stage.delete(&event(AMY, &ids[0])).await;
    assert_eq!(stage.score().await["duplicates"], 1);
    let other = json!({"singleValueExtendedProperties": [{"id": MARKER, "value": "ess:2"}]});
    stage.patch(&event(AMY, &ids[1]), &other).await;
    assert_eq!(stage.score().await["duplicates"], 0);
    stage.control(Method::PATCH, &own(&ids[0]), json!({"deleted": false})).await;
    assert_eq!(stage.score().await["duplicates"], 1);
}

#[tokio::test]
async fn a_reset_keeps_people_apps_and_switches_only() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    stage.leave(&leave()).await;
    stage.settings(json!({"if_match": "ignored"})).await;
    stage.faults(json!([{"status": 429, "headers": {"Retry-After": "99"}}])).await;
    stage.get(&events(AMY)).await;
    stage.control(Method::POST, "/reset", Value::Null).await;
    assert!(stage.journal().await.is_empty());
    assert_eq!(
        stage.score().await,
        json!({"requests": 0, "max_in_flight_per_mailbox": 0, "limit_violations": 0, "retry_after_violations": 0, "duplicates": 0, "invitations": 0})
    );
    assert_eq!(stage.get(&events(AMY)).await.body["value"], json!([]));
    stage.leave(&leave()).await;
    assert_eq!(stage.get(&event(AMY, &id)).await.status, 404);
    assert_eq!(stage.score().await["retry_after_violations"], 0);
    assert_eq!(stage.control(Method::GET, "/settings", Value::Null).await["if_match"], "ignored");
}

#[tokio::test]
async fn a_rolled_over_key_signs_from_now_on_and_the_one_before_it_stays_published() {
    let mut stage = Stage::new().await;
    let ids = |keys: Value| -> Vec<String> {
        keys["keys"].as_array().unwrap().iter().map(|key| key["kid"].as_str().unwrap().to_owned()).collect()
    };
    let first = ids(stage.control(Method::POST, "/keys", Value::Null).await);
    assert_eq!(stage.get(&events(AMY)).await.status, 200, "the token of the key before");
    let second = ids(stage.control(Method::POST, "/keys", Value::Null).await);
    assert_eq!((first.len(), second.len(), &first[1]), (2, 2, &second[0]));
    stage.renew_token().await;
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
}
