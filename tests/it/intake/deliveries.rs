//! The same delivery twice, or fifty times at once, has one effect.

use futures_util::future::join_all;
use jiff::SignedDuration;
use leavebridge::store::Store;
use reqwest::Method;
use secrecy::SecretString;
use serde_json::json;

use super::{deliver_as, post};
use crate::support::{AMY, TestApp, answer, assert_refused, cancelled, fields, leave, until, updated};

/// What a delivery could change: leaves, their revisions, remembered deliveries and lines of history.
async fn story(app: &TestApp) -> [i64; 4] {
    let number = async |sql| app.database.number(sql).await;
    [
        number("SELECT count(*) FROM leaves").await,
        number("SELECT coalesce(sum(rev), 0)::bigint FROM leaves").await,
        number("SELECT count(*) FROM deliveries").await,
        number("SELECT count(*) FROM timeline").await,
    ]
}

#[tokio::test]
async fn the_same_delivery_twice_has_one_effect_even_when_the_leave_has_moved_on() {
    let app = TestApp::new().await;
    assert_eq!(deliver_as(&app, "ess", "D-1", &leave("LA-1")).await.status, 202);
    let first = story(&app).await;
    let again = deliver_as(&app, "ess", "D-1", &leave("LA-1")).await;
    assert_eq!((again.status, &again.body["outcome"]), (200, &json!("duplicate")));
    assert_eq!(again.body["leave"]["id"], "LA-1");
    assert_eq!(story(&app).await, first);

    deliver_as(&app, "ess", "D-2", &cancelled("LA-1", 5)).await;
    let second = story(&app).await;
    let again = deliver_as(&app, "ess", "D-1", &leave("LA-1")).await;
    assert_eq!((again.status, &again.body["outcome"]), (200, &json!("duplicate")));
    assert_eq!(again.body["leave"]["status"], "cancelled", "how it stands now, not how it stood then");
    assert_eq!(story(&app).await, second);
    assert_eq!(app.microsoft.calls().await, ["POST 201", "DELETE 204"]);
}

#[tokio::test]
async fn a_delivery_id_with_another_body_is_refused_and_changes_nothing() {
    let app = TestApp::new().await;
    deliver_as(&app, "ess", "D-1", &leave("LA-1")).await;
    let before = (story(&app).await, app.mapping("LA-1").await);
    let spaced = format!("{} ", leave("LA-1"));
    for body in [
        updated("LA-1", 5, &json!({"end": "2026-12-22"})).to_string(),
        cancelled("LA-1", 5).to_string(),
        leave("LA-2").to_string(),
        spaced,
    ] {
        assert_refused(&answer(post(&app, body)).await, 409, "delivery-id-reused");
    }
    assert_eq!((story(&app).await, app.mapping("LA-1").await), before);
    assert_refused(&app.get("/leaves/LA-2", Some("ess")).await, 404, "not-found");
    assert_eq!(app.microsoft.calls().await, ["POST 201"]);
}

#[tokio::test]
async fn with_a_token_either_header_names_the_delivery() {
    let app = TestApp::new().await;
    for (n, name) in ["webhook-id", "idempotency-key", "Idempotency-Key"].into_iter().enumerate() {
        let body = leave(&format!("LA-{n}"));
        for outcome in ["accepted", "duplicate"] {
            let request = app.request(reqwest::Method::POST, "/leaves").bearer_auth(app.token("ess"));
            let answer = answer(request.header(name, format!("D-{n}")).json(&body)).await;
            assert_eq!(answer.body["outcome"], outcome, "{name}");
        }
    }
}

#[tokio::test]
async fn delivery_ids_belong_to_their_client() {
    let app = TestApp::new().await;
    for client in ["ess", "backstage"] {
        let answer = deliver_as(&app, client, "D-1", &leave(&format!("LA-{client}"))).await;
        assert_eq!((answer.status, &answer.body["outcome"]), (202, &json!("accepted")), "{client}");
    }
    assert_eq!(app.database.number("SELECT count(*) FROM deliveries").await, 2);
}

#[tokio::test]
async fn a_delivery_id_has_1_to_256_printable_characters() {
    let app = TestApp::new().await;
    for id in [String::new(), "x".repeat(257), "d\u{e9}".into()] {
        let mut request = app.request(reqwest::Method::POST, "/leaves").bearer_auth(app.token("ess"));
        request = request.header("idempotency-key", id.as_bytes()).json(&leave("LA-1"));
        assert_eq!(fields(&answer(request).await), ["idempotency-key"], "{id}");
    }
    super::assert_nothing_stored(&app).await;
    assert_eq!(deliver_as(&app, "ess", &"x".repeat(256), &leave("LA-1")).await.status, 202);
}

#[tokio::test]
async fn a_refused_delivery_is_not_remembered_so_that_it_can_be_mended_and_sent_again() {
    let app = TestApp::new().await;
    let mut wrong = leave("LA-1");
    wrong["data"]["end"] = json!("2026-12-20");
    assert_refused(&deliver_as(&app, "ess", "D-1", &wrong).await, 422, "invalid");
    assert_eq!(deliver_as(&app, "ess", "D-1", &leave("LA-1")).await.status, 202);
}

#[tokio::test]
async fn fifty_identical_webhooks_at_once_make_one_event_with_and_without_a_delivery_id() {
    for (id, outcome) in [(Some("D-1"), "duplicate"), (None, "unchanged")] {
        let app = TestApp::new().await;
        let body = leave("LA-1");
        let post = async || match id {
            Some(id) => deliver_as(&app, "ess", id, &body).await,
            None => app.deliver("ess", &body).await,
        };
        let answers = join_all((0..50).map(|_| post())).await;
        let count = |status: u16, outcome: &str| {
            answers.iter().filter(|answer| answer.status == status && answer.body["outcome"] == outcome).count()
        };
        assert_eq!((count(202, "accepted"), count(200, outcome)), (1, 49), "{answers:?}");
        assert_eq!(app.microsoft.stored_events(AMY).await.len(), 1);
        assert_eq!(app.microsoft.calls().await, ["POST 201"]);
    }
}

#[tokio::test]
async fn delivery_ids_are_remembered_for_30_days_and_then_forgotten() {
    let app = TestApp::new().await;
    let store = Store::new(&SecretString::from(app.database.url.clone()), 1).unwrap();
    deliver_as(&app, "ess", "D-1", &leave("LA-1")).await;
    for (passes, outcome) in [
        (SignedDuration::from_hours(24 * 30), "duplicate"),
        (SignedDuration::from_secs(1), "unchanged"),
        (SignedDuration::ZERO, "duplicate"),
        (SignedDuration::from_hours(24 * 31), "unchanged"),
    ] {
        app.advance(passes).await;
        assert!(!store.prune().await.unwrap(), "one batch is enough");
        let again = deliver_as(&app, "ess", "D-1", &leave("LA-1")).await;
        assert_eq!((again.status, &again.body["outcome"]), (200, &json!(outcome)), "{passes}");
    }
    store.close().await;
}

#[tokio::test]
async fn a_delivery_whose_leave_another_replica_has_just_taken_in_is_not_taken_for_its_own_twin() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-0")).await;
    // The other replica has not committed yet when this one looks whether the leave is new.
    let mut other = app
        .database
        .lock(
            "INSERT INTO leaves (tenant, source, external_id, status, source_at)
             VALUES ('default', 'ess', 'LA-1', 'cancelled', '2026-11-22T00:59:00Z')",
        )
        .await;
    let request = app.request(Method::POST, "/leaves").bearer_auth(app.token("ess")).header("webhook-id", "d-1");
    let waits = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() AND wait_event_type = 'Lock'";
    let (taken_in, ()) = tokio::join!(answer(request.json(&leave("LA-1"))), async {
        until("it waits for the other", async || app.database.number(waits).await == 1).await;
        other.give_back().await;
    });
    assert_eq!((taken_in.status, &taken_in.body["outcome"]), (202, &json!("accepted")), "{taken_in:?}");
    app.mapping_in("LA-1", "synced").await;
}
