//! The write test: what it proves, what it leaves behind (nothing), and what it says when it cannot.

use leavebridge::domain::finding::Severity;
use serde_json::json;

use super::{examine, ids, one, settled, thorough};
use crate::support::{AMY, scene::Scene};

#[tokio::test]
async fn it_writes_one_private_event_and_leaves_nothing_behind() {
    let scene = Scene::new().await;
    scene
        .microsoft
        .control(
            reqwest::Method::POST,
            &format!("users/{AMY}/events"),
            Some(&json!({
                "subject": "Dentist", "start": {"dateTime": "2026-11-23T09:00:00", "timeZone": "UTC"},
                "end": {"dateTime": "2026-11-23T10:00:00", "timeZone": "UTC"},
            })),
        )
        .await;
    let doctor = scene.doctor(&[]);
    // Twice: Graph may remember the first test's event by the id that it was created under.
    for n in 1..=2 {
        let findings = examine(&doctor, &thorough()).await;
        assert_eq!(one(&findings, "write-test").severity, Severity::Ok, "{findings:#?}");
        let stored = scene.microsoft.stored_events(AMY).await;
        assert_eq!(stored.len(), 1 + n, "one event per test, and only one: {stored:#?}");
        let ours: Vec<_> = stored.iter().filter(|event| event["subject"] != "Dentist").collect();
        for event in ours {
            assert_eq!((&event["sensitivity"], &event["showAs"]), (&json!("private"), &json!("free")));
            assert_eq!((&event["isReminderOn"], &event["deleted"]), (&json!(false), &json!(true)));
            assert_eq!(event["start"]["dateTime"].as_str().unwrap()[..10], *"2026-11-23", "tomorrow");
        }
    }
    let left = scene.microsoft.events(AMY).await;
    assert_eq!(left.len(), 1);
    assert_eq!(left[0]["subject"], "Dentist", "what is not the test's own is never touched");
    assert_eq!(scene.microsoft.score().await["duplicates"], 0);
}

#[tokio::test]
async fn a_step_that_fails_is_named_and_the_event_is_taken_away_all_the_same() {
    for (fault, step) in [
        (json!({"method": "POST", "times": null, "error": "ErrorServerBusy"}), "creating:"),
        (json!({"method": "PATCH", "times": null, "error": "ErrorServerBusy"}), "changing it:"),
        (json!({"method": "DELETE", "times": 1, "error": "ErrorServerBusy"}), "deleting it:"),
        (json!({"method": "POST", "times": 1, "drop": true, "when": "after-commit"}), "creating:"),
    ] {
        let scene = Scene::new().await;
        let mut rule = fault.clone();
        rule["path"] = json!("/v1.0/users/*");
        scene.microsoft.faults(json!([rule])).await;
        let findings = examine(&scene.doctor(&[]), &thorough()).await;
        let wrong = findings.iter().find(|found| found.severity == Severity::Error).unwrap();
        assert!(wrong.seen.contains(&format!("Write test in the calendar of {AMY}, {step}")), "{fault}: {wrong:?}");
        assert!(!wrong.seen.contains("may still be there"), "{fault}: {wrong:?}");
        assert!(scene.microsoft.events(AMY).await.is_empty(), "{fault}");
    }
}

#[tokio::test]
async fn an_event_that_cannot_be_deleted_is_told_and_the_next_test_takes_it_away() {
    let scene = Scene::new().await;
    scene
        .microsoft
        .faults(json!([{"method": "DELETE", "path": "/v1.0/users/*", "times": null, "error": "ErrorServerBusy"}]))
        .await;
    let doctor = scene.doctor(&[]);
    let findings = examine(&doctor, &thorough()).await;
    let wrong = findings.iter().find(|found| found.severity == Severity::Error).unwrap();
    assert!(wrong.seen.contains("may still be there"), "{}", settled(&wrong.seen));
    assert_eq!(scene.microsoft.events(AMY).await.len(), 1);
    scene.microsoft.clear_faults().await;
    let findings = examine(&doctor, &thorough()).await;
    assert!(ids(&findings).contains(&"write-test".into()), "{findings:#?}");
    assert!(scene.microsoft.events(AMY).await.is_empty());
}

#[tokio::test]
async fn a_calendar_in_which_somebody_else_works_is_told() {
    let scene = Scene::new().await;
    // Graph says that it changed the event and has changed nothing.
    let unchanged = json!({"id": "x", "subject": "leavebridge: test, changed, deleted at once"});
    let rule = json!([{"method": "PATCH", "path": "/v1.0/users/*", "times": 1, "status": 200, "body": unchanged}]);
    scene.microsoft.faults(rule).await;
    let findings = examine(&scene.doctor(&[]), &thorough()).await;
    let found = one(&findings, "write-differs");
    assert!(found.seen.ends_with("the change did not arrive, or changed more than it should."), "{found:?}");
    assert!(scene.microsoft.events(AMY).await.is_empty());
}
