//! transactionId: the reason why a POST may be repeated at all.

use serde_json::json;

use super::stage::{AMY, Stage, event, events, leave_with};

#[tokio::test]
async fn the_same_content_again_is_answered_with_the_event_that_is_there() {
    let stage = Stage::new().await;
    let body = leave_with(json!({"transactionId": "b1f6b0a2"}));
    let first = stage.post(&events(AMY), &body).await;
    assert_eq!(first.body["transactionId"], "b1f6b0a2");
    // The content as it was sent counts, not what became of it since.
    stage.patch(&event(AMY, first.body["id"].as_str().unwrap()), &json!({"subject": "Changed"})).await;
    let again = stage.post(&events(AMY), &body).await;
    assert_eq!((again.status, &again.body["id"]), (201, &first.body["id"]));
    assert_eq!(again.body["subject"], "Changed");
    assert_eq!(stage.stored(AMY).await.len(), 1);
    assert_eq!(stage.score().await["duplicates"], 0);
}

#[tokio::test]
async fn other_content_under_a_used_id_is_refused() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave_with(json!({"transactionId": "t"}))).await;
    let other = leave_with(json!({"transactionId": "t", "subject": "Another"}));
    let refused = stage.post(&events(AMY), &other).await;
    assert_eq!(refused.refusal(), (400, "ErrorDuplicateTransactionId"));
    assert_eq!(refused.body["error"]["@event.existingEventId"], id.as_str());
    stage.settings(json!({"duplicate_transaction_status": 409, "existing_event_id_given": false})).await;
    let refused = stage.post(&events(AMY), &other).await;
    assert_eq!(refused.refusal(), (409, "ErrorDuplicateTransactionId"));
    assert_eq!(refused.body["error"].get("@event.existingEventId"), None);
    assert_eq!(
        stage
            .try_control(reqwest::Method::POST, "/settings", json!({"duplicate_transaction_status": 418}))
            .await
            .status,
        400
    );
}

#[tokio::test]
async fn the_id_belongs_to_the_mailbox() {
    let stage = Stage::new().await;
    stage.person(json!({"address": "ben@contoso.com"})).await;
    let body = leave_with(json!({"transactionId": "t"}));
    stage.leave(&body).await;
    assert_eq!(stage.post(&events("ben@contoso.com"), &body).await.status, 201);
    assert_eq!(stage.stored("ben@contoso.com").await.len(), 1);
}

#[tokio::test]
async fn a_deleted_event_still_answers_for_its_id_until_switched() {
    let stage = Stage::new().await;
    let body = leave_with(json!({"transactionId": "t"}));
    let id = stage.leave(&body).await;
    stage.delete(&event(AMY, &id)).await;
    let trap = stage.post(&events(AMY), &body).await;
    assert_eq!((trap.status, trap.body["id"].as_str()), (201, Some(id.as_str())));
    assert_eq!(stage.stored(AMY).await.len(), 1);

    stage.settings(json!({"transaction_memory": "forgotten-on-delete"})).await;
    let second = stage.leave(&leave_with(json!({"transactionId": "u"}))).await;
    stage.delete(&event(AMY, &second)).await;
    let third = stage.leave(&leave_with(json!({"transactionId": "u"}))).await;
    assert_ne!(second, third);
}
