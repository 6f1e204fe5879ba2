//! However the changes of a leave arrive, it ends where its source left it.

use serde_json::{Value, json};

use crate::support::{AMY, Answer, BEN, TestApp, cancelled, leave, updated};

/// All orders of `items`.
fn orders<T: Clone>(items: &[T]) -> Vec<Vec<T>> {
    if items.is_empty() {
        return vec![Vec::new()];
    }
    let mut all = Vec::new();
    for n in 0..items.len() {
        let mut rest = items.to_vec();
        let first = rest.remove(n);
        all.extend(orders(&rest).into_iter().map(|mut order| {
            order.insert(0, first.clone());
            order
        }));
    }
    all
}

#[track_caller]
fn assert_outcome(answer: &Answer, status: u16, outcome: &str) {
    assert_eq!((answer.status, &answer.body["outcome"]), (status, &json!(outcome)), "{answer:?}");
}

#[tokio::test]
async fn a_cancelled_leave_ends_cancelled_in_every_order_of_arrival() {
    let app = TestApp::new().await;
    let changes = |id: &str| {
        let update = |minutes: i64, end: &str| updated(id, minutes, &json!({"end": end}));
        [leave(id), update(5, "2026-12-22"), update(10, "2026-12-23"), cancelled(id, 15)]
    };
    let all = orders(&[0, 1, 2, 3]);
    assert_eq!(all.len(), 24);
    for order in all {
        let id = format!("LA-{order:?}");
        let changes = changes(&id);
        for n in order {
            app.deliver("ess", &changes[n]).await;
        }
        let stands = app.get(&format!("/leaves/{}", crate::support::encoded(&id)), Some("ess")).await;
        assert_eq!(stands.body["status"], "cancelled", "{stands:?}");
        let mappings = stands.body["mappings"].as_array().unwrap();
        assert!(mappings.iter().all(|mapping| mapping["state"] == "removed"), "{stands:?}");
    }
    assert_eq!(app.microsoft.events(AMY).await, [] as [Value; 0]);
    assert_ne!(app.microsoft.stored_events(AMY).await.len(), 0, "in most orders there was an event first");
}

#[tokio::test]
async fn a_leave_ends_as_its_latest_update_says_in_every_order_of_arrival() {
    let app = TestApp::new().await;
    let all = orders(&[0, 1, 2]);
    for order in &all {
        let id = format!("LA-{order:?}");
        let last = json!({"end": "2026-12-23", "staff": {"email": BEN}});
        let changes = [leave(&id), updated(&id, 5, &json!({"end": "2026-12-22"})), updated(&id, 10, &last)];
        for n in order {
            app.deliver("ess", &changes[*n]).await;
        }
    }
    let events = app.microsoft.events(BEN).await;
    assert_eq!(events.len(), all.len());
    for event in events {
        assert_eq!(event["start"]["dateTime"], "2026-12-21T00:00:00.0000000");
        assert_eq!(event["end"]["dateTime"], "2026-12-24T00:00:00.0000000");
    }
    assert_eq!(app.microsoft.events(AMY).await, [] as [Value; 0]);
}

#[tokio::test]
async fn a_late_update_does_not_bring_a_cancelled_leave_back_and_a_later_one_does() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    assert_outcome(&app.deliver("ess", &cancelled("LA-1", 10)).await, 202, "accepted");
    let late = app.deliver("ess", &updated("LA-1", 9, &json!({"end": "2026-12-22"}))).await;
    assert_outcome(&late, 200, "stale");
    assert_eq!(late.body["leave"]["status"], "cancelled");
    assert_eq!(late.body["leave"]["mappings"][0]["state"], "removed");
    assert_eq!(app.microsoft.events(AMY).await.len(), 0);

    assert_outcome(&app.deliver("ess", &updated("LA-1", 11, &json!({}))).await, 202, "accepted");
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
}

#[tokio::test]
async fn a_cancellation_that_comes_first_leaves_a_tombstone_without_any_event() {
    let app = TestApp::new().await;
    let first = app.deliver("ess", &cancelled("LA-1", 10)).await;
    assert_outcome(&first, 202, "accepted");
    assert_eq!((&first.body["leave"]["status"], &first.body["mappings"]), (&json!("cancelled"), &json!([])));
    let late = app.deliver("ess", &leave("LA-1")).await;
    assert_outcome(&late, 200, "stale");
    assert_eq!(late.body["leave"]["mappings"], json!([]));
    let calls = app.microsoft.calls().await;
    assert_eq!(calls, [] as [String; 0], "Microsoft never hears of it");
}

#[tokio::test]
async fn at_equal_times_the_same_is_unchanged_a_cancellation_wins_and_else_the_later_arrival() {
    let app = TestApp::new().await;
    let second = updated("LA-1", 0, &json!({"end": "2026-12-22"}));
    assert_outcome(&app.deliver("ess", &leave("LA-1")).await, 202, "accepted");
    assert_outcome(&app.deliver("ess", &leave("LA-1")).await, 200, "unchanged");
    assert_outcome(&app.deliver("ess", &second).await, 202, "accepted");
    let events = app.microsoft.events(AMY).await;
    assert_eq!(events.len(), 1);
    assert_eq!(events[0]["end"]["dateTime"], "2026-12-23T00:00:00.0000000");

    assert_outcome(&app.deliver("ess", &cancelled("LA-1", 0)).await, 202, "accepted");
    assert_outcome(&app.deliver("ess", &cancelled("LA-1", 0)).await, 200, "unchanged");
    assert_outcome(&app.deliver("ess", &second).await, 200, "stale");
    assert_eq!(app.microsoft.events(AMY).await.len(), 0);
}

#[tokio::test]
async fn the_same_content_again_is_unchanged_whatever_it_is_called_and_touches_no_calendar() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let mut otherwise_written =
        updated("LA-1", 5, &json!({"reason": "another", "status": "approved", "tenant": "default"}));
    otherwise_written["data"]["staff"]["email"] = json!("Amy.Chan@Contoso.com");
    assert_outcome(&app.deliver("ess", &otherwise_written).await, 200, "unchanged");
    assert_eq!(app.microsoft.calls().await, ["POST 201"]);
    // It has moved the leave's time all the same: what lies between the two is late now.
    let between = updated("LA-1", 3, &json!({"end": "2026-12-22"}));
    assert_outcome(&app.deliver("ess", &between).await, 200, "stale");
}

#[tokio::test]
async fn a_stale_change_is_in_the_history_and_changes_nothing() {
    let app = TestApp::new().await;
    app.deliver("ess", &updated("LA-1", 10, &json!({}))).await;
    let before = app.mapping("LA-1").await;
    let stale = app.deliver("ess", &updated("LA-1", 5, &json!({"staff": {"email": BEN}}))).await;
    assert_outcome(&stale, 200, "stale");
    assert_eq!(app.mapping("LA-1").await, before);
    let page = app.get(&format!("/mappings/{}", before["id"].as_str().unwrap()), Some("ops")).await;
    let last = page.body["timeline"].as_array().unwrap().last().unwrap();
    assert_eq!((&last["kind"], &last["detail"]["outcome"]), (&json!("received"), &json!("stale")));
}

#[tokio::test]
async fn times_are_compared_as_moments_not_as_texts() {
    let app = TestApp::new().await;
    let mut first = leave("LA-1");
    first["timestamp"] = json!("2026-11-22T08:59:00+08:00");
    assert_outcome(&app.deliver("ess", &first).await, 202, "accepted");
    let mut later = updated("LA-1", 0, &json!({"end": "2026-12-22"}));
    later["timestamp"] = json!("2026-11-22T00:59:00.000001Z");
    assert_outcome(&app.deliver("ess", &later).await, 202, "accepted");
    let mut earlier = updated("LA-1", 0, &json!({"end": "2026-12-23"}));
    earlier["timestamp"] = json!("2026-11-22T09:58:59.999999+09:00");
    assert_outcome(&app.deliver("ess", &earlier).await, 200, "stale");
}
