//! Every refusal of the simulator's catalogue, which holds those that Microsoft is known to give, and what the doctor
//! makes of it. The snapshots are the specification: read them as the person would who has to act on them.

use std::fmt::Write as _;

use leavebridge::domain::finding::Severity;
use reqwest::Method;
use serde_json::{Value, json};

use super::{examine, order, thorough, told};
use crate::support::{AMY, scene::Scene};

/// Each refusal of that service, said to every request on that path, and the doctor's words.
async fn read_all(scene: &Scene, service: &str, path: &str) -> String {
    let doctor = scene.doctor(&[]);
    let catalogue = scene.microsoft.control(Method::GET, "errors", None).await;
    let mut text = String::new();
    for row in catalogue.as_array().unwrap().iter().filter(|row| row["service"] == service) {
        let name = row["error"].as_str().unwrap();
        scene.microsoft.faults(json!([{"path": path, "times": null, "error": name}])).await;
        let findings = examine(&doctor, &order(Some(AMY))).await;
        scene.microsoft.clear_faults().await;
        let wrong: Vec<_> = findings.iter().filter(|found| found.severity == Severity::Error).collect();
        assert_eq!(wrong.len(), 1, "{name}: {findings:#?}");
        assert_ne!(wrong[0].id, "unknown", "{name}: {wrong:?}");
        let words = row["text"].as_str().unwrap().lines().next().unwrap_or_default();
        let words: String = words.chars().take(40).collect();
        assert!(wrong[0].seen.contains(&words), "{name}: Microsoft's own words are told: {wrong:?}");
        writeln!(text, "## {} {name}\n{}", row["status"], told(&findings)).unwrap();
    }
    assert!(text.len() > 10_000, "{text}");
    text
}

#[tokio::test]
async fn every_refusal_of_entra_is_explained() {
    let scene = Scene::new().await;
    insta::assert_snapshot!(read_all(&scene, "entra", "/*/oauth2/v2.0/token").await);
}

#[tokio::test]
async fn every_refusal_of_graph_is_explained() {
    let scene = Scene::new().await;
    insta::assert_snapshot!(read_all(&scene, "graph", "/v1.0/users/*").await);
}

/// An answer that nobody here knows.
fn strange(status: u16, body: &Value) -> Value {
    json!([{"path": "/v1.0/users/*", "times": null, "status": status, "body": body}])
}

#[tokio::test]
async fn an_unknown_code_is_told_as_microsoft_told_it_and_no_fix_is_invented() {
    let scene = Scene::new().await;
    let doctor = scene.doctor(&[]);
    let mut text = String::new();
    for status in [400, 403, 404, 418, 500, 503] {
        let body = json!({"error": {"code": "ErrorSomethingNew", "message": "The gizmo is out of phase."}});
        scene.microsoft.faults(strange(status, &body)).await;
        writeln!(text, "## {status}\n{}", told(&examine(&doctor, &order(Some(AMY))).await)).unwrap();
        scene.microsoft.clear_faults().await;
    }
    let refusal = json!({
        "error": "invalid_client", "error_codes": [7_999_999], "trace_id": "t-1", "correlation_id": "c-1",
        "timestamp": "2026-11-22 01:30:00Z", "error_description": "AADSTS7999999: The widget is not aligned.\r\nTrace ID: t-1",
    });
    let rule = json!([{"path": "/*/oauth2/v2.0/token", "times": null, "status": 401, "body": refusal}]);
    scene.microsoft.faults(rule).await;
    writeln!(text, "## Entra\n{}", told(&examine(&doctor, &order(Some(AMY))).await)).unwrap();
    insta::assert_snapshot!(text);
}

#[tokio::test]
async fn answers_that_are_no_json_are_explained_by_their_status() {
    let scene = Scene::new().await;
    let doctor = scene.doctor(&[]);
    let mut found = Vec::new();
    for status in [401, 403, 405, 409, 412, 413, 423, 429, 500, 502, 503, 504, 507, 509] {
        scene.microsoft.faults(strange(status, &json!("a proxy's own page"))).await;
        let findings = examine(&doctor, &thorough()).await;
        let wrong = findings.iter().find(|found| found.severity == Severity::Error).unwrap();
        found.push(format!("{status} {}", wrong.id));
        scene.microsoft.clear_faults().await;
    }
    assert_eq!(
        found,
        [
            "401 token-refused",
            "403 outside-scope",
            "405 request-rejected",
            "409 event-conflict",
            "412 event-conflict",
            "413 request-rejected",
            "423 graph-busy",
            "429 throttled",
            "500 graph-error",
            "502 graph-no-outcome",
            "503 graph-busy",
            "504 graph-no-outcome",
            "507 mailbox-full",
            "509 graph-busy",
        ]
    );
}
