//! Calendars of a mailbox.

use serde_json::json;

use super::stage::{AMY, Stage, leave};

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
