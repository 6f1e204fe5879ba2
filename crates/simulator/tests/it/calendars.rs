//! Calendars of a mailbox.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Stage, encoded, leave};

#[tokio::test]
async fn a_mailbox_has_a_default_calendar_and_takes_more_under_other_names() {
    let stage = Stage::new().await;
    let path = format!("/users/{AMY}/calendars");
    let team = stage.post(&path, &json!({"name": "Team leave"})).await;
    assert_eq!((team.status, &team.body["isDefaultCalendar"]), (201, &json!(false)));
    assert_eq!(stage.post(&path, &json!({"name": "team LEAVE"})).await.refusal(), (409, "ErrorFolderExists"));
    assert_eq!(stage.post(&path, &json!({"name": ""})).await.status, 400);
    assert_eq!(stage.post(&path, &json!({})).await.status, 400);
    let names: Vec<_> =
        stage.get(&path).await.body["value"].as_array().unwrap().iter().map(|c| c["name"].clone()).collect();
    assert_eq!(names, ["Calendar", "Team leave"]);
    assert_eq!(stage.get(&format!("/users/{AMY}/calendar")).await.body["isDefaultCalendar"], true);
    assert_eq!(
        stage.post(&format!("{path}/nonsense/events"), &leave()).await.refusal(),
        (400, "ErrorInvalidIdMalformed")
    );
}

#[tokio::test]
async fn a_calendar_that_its_owner_deletes_is_gone_with_its_events_and_its_name_is_free() {
    let stage = Stage::new().await;
    let path = format!("/users/{AMY}/calendars");
    stage.control(Method::POST, &path, json!({"name": "Team leave"})).await;
    assert_eq!(stage.try_control(Method::POST, &path, json!({"name": "TEAM leave"})).await.status, 409);
    let listed = stage.get(&path).await.body["value"].as_array().unwrap().clone();
    let id = |calendar: &Value| encoded(calendar["id"].as_str().unwrap());
    let events = format!("{path}/{}/events", id(&listed[1]));
    assert_eq!(stage.post(&events, &leave()).await.status, 201);

    stage.control(Method::DELETE, &format!("{path}/team%20leave"), Value::Null).await;
    for name in ["team%20leave", "Calendar"] {
        assert_eq!(
            stage.try_control(Method::DELETE, &format!("{path}/{name}"), Value::Null).await.status,
            404,
            "{name}"
        );
    }
    assert_eq!(stage.get(&path).await.body["value"].as_array().unwrap().len(), 1);
    assert_eq!(stage.post(&events, &leave()).await.refusal(), (404, "ErrorItemNotFound"));
    assert_eq!(stage.get(&format!("/users/{AMY}/events")).await.body["value"], json!([]));
    let again = stage.post(&path, &json!({"name": "Team leave"})).await;
    assert_eq!(again.status, 201);
    assert_ne!(again.body["id"], listed[1]["id"]);
}
