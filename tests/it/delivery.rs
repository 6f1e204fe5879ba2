//! From a webhook to the right event in Outlook, and away again.

use serde_json::json;

use super::support::{AMY, BEN, TestApp, cancelled, leave, updated};

#[tokio::test]
async fn a_leave_becomes_exactly_one_private_event_on_its_days() {
    let app = TestApp::new().await;
    let answer = app.deliver("ess", &updated("LA-1", 0, &json!({"end": "2026-12-23"}))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body["outcome"], "accepted");
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced");
    assert_eq!(answer.headers["preference-applied"], "wait=30");

    let events = app.microsoft.events(AMY).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["subject"], "Out of office");
    assert_eq!(event["isAllDay"], true);
    assert_eq!(event["start"], json!({"dateTime": "2026-12-21T00:00:00.0000000", "timeZone": "China Standard Time"}));
    assert_eq!(event["end"], json!({"dateTime": "2026-12-24T00:00:00.0000000", "timeZone": "China Standard Time"}));
    assert_eq!(event["showAs"], "oof");
    assert_eq!(event["sensitivity"], "private");
    assert_eq!(event["isReminderOn"], false);
    assert_eq!(event["attendees"], json!([]));
    assert_eq!(app.microsoft.calls().await, ["POST 201"], "one request, and nothing read before it");
}
