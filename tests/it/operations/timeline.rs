//! `GET /mappings/{uuid}`: one mapping with the history of its leave.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::only_mapping;
use crate::support::{TestApp, assert_refused, cancelled, leave, updated};

/// The kinds and steps of a history, in order.
fn story(page: &Value) -> Vec<(&str, &str)> {
    page["timeline"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| (entry["kind"].as_str().unwrap(), entry["detail"]["step"].as_str().unwrap_or_default()))
        .collect()
}

#[tokio::test]
async fn a_leaves_history_tells_what_came_and_what_was_done() {
    let app = TestApp::new().await;
    let path = only_mapping(&app.deliver("ess", &leave("LA-1")).await);
    app.advance(SignedDuration::from_mins(1)).await;
    app.deliver("ess", &updated("LA-1", 5, &json!({"end": "2026-12-22"}))).await;
    app.advance(SignedDuration::from_mins(1)).await;
    app.deliver("ess", &cancelled("LA-1", 10)).await;

    let page = app.get(&path, Some("ops")).await;
    assert_eq!(page.status, 200, "{page:?}");
    let page = page.body;
    assert_eq!(
        story(&page),
        [
            ("received", ""),
            ("delivered", "create"),
            ("changed", ""),
            ("delivered", "update"),
            ("changed", ""),
            ("delivered", "remove"),
        ]
    );
    let mut without_timeline = page.clone();
    without_timeline.as_object_mut().unwrap().remove("timeline");
    assert_eq!(without_timeline, app.mapping("LA-1").await);
    let own = page["id"].as_str().unwrap();
    for entry in page["timeline"].as_array().unwrap() {
        let delivered = entry["kind"] == "delivered";
        assert_eq!(entry["mapping"], if delivered { json!(own) } else { json!(null) }, "{entry}");
        let request_id = entry["detail"]["graph"]["request_id"].as_str();
        assert_eq!(request_id.is_some_and(|id| id.len() == 36), delivered, "{entry}");
        let statuses = ["approved", "cancelled"].map(Value::from);
        assert!(delivered || statuses.contains(&entry["detail"]["status"]), "{entry}");
        assert!(delivered || entry["detail"]["client"] == "ess", "{entry}");
    }
    let times: Vec<_> =
        page["timeline"].as_array().unwrap().iter().map(|entry| entry["at"].as_str().unwrap()).collect();
    assert!(times.is_sorted() && times[0] < times[5], "{times:?}");
    for private in ["Amy Chan", "10042", "ANNUAL", "family trip", "2026-12-2"] {
        assert!(!page.to_string().contains(private), "{private}: {page}");
    }
}

#[tokio::test]
async fn a_failure_is_in_the_history_with_microsofts_code_and_ids_but_not_its_words() {
    let app = TestApp::new().await;
    let error = json!({"error": {"code": "ErrorQuotaOfTheMoon", "message": "The words."}});
    app.microsoft
        .faults(json!([{"method": "POST", "path": "/v1.0/*", "times": 1, "status": 400, "body": error}]))
        .await;
    let path = only_mapping(&app.deliver("ess", &leave("LA-1")).await);
    let page = app.get(&path, Some("ops")).await.body;
    assert_eq!(story(&page), [("received", ""), ("parked", "create")]);
    assert_eq!((&page["state"], &page["reason"]), (&json!("parked"), &json!("rejected")));
    let parked = &page["timeline"][1]["detail"];
    assert_eq!((&parked["reason"], &parked["code"]), (&json!("rejected"), &json!("ErrorQuotaOfTheMoon")));
    let request_id = parked["graph"]["request_id"].as_str().unwrap();
    for part in ["ErrorQuotaOfTheMoon", "The words", request_id, "retry"] {
        assert!(page["detail"].as_str().unwrap().contains(part), "{part}: {page}");
    }
    assert!(!page["timeline"].to_string().contains("The words"), "{page}");
}

#[tokio::test]
async fn a_mapping_that_is_not_there_is_404_whatever_its_id_looks_like() {
    let app = TestApp::new().await;
    for id in ["00000000-0000-0000-0000-000000000001", "LA-1", "1", "%00", "%ff", "..%2f..%2fhealth"] {
        assert_refused(&app.get(&format!("/mappings/{id}"), Some("ops")).await, 404, "not-found");
    }
}
