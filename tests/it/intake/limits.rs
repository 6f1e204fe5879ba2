//! The edges of what is accepted, and that it is stored as it was sent, or not at all.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{assert_nothing_stored, post};
use crate::support::{TestApp, answer, encoded, fields, leave};

/// The usual leave under another id.
fn with_id(id: &str) -> String {
    leave(id).to_string()
}

#[tokio::test]
async fn an_id_is_any_printable_text_and_comes_back_as_it_was_sent() {
    let app = TestApp::new().await;
    let ids = [
        "'; DROP TABLE leaves; --",
        "x' OR '1'='1",
        "$1",
        "%s%n{0}",
        "\\'; SELECT pg_sleep(10); --",
        "\"quoted\" \\u0000 \\n",
        "<script>alert(1)</script>",
        "請假-二〇二六",
        "Ürlaub ñ é e\u{301}",
        "👩‍💼 leave",
        "a/b/../c",
        "?id=1&x=2#y",
    ];
    for id in ids {
        let posted = app.post("ess", &leave(id)).await;
        assert_eq!((posted.status, &posted.body["leave"]["id"]), (202, &json!(id)));
        let asked = app.get(&format!("/leaves/{}", encoded(id)), Some("ess")).await;
        assert_eq!((asked.status, &asked.body["id"]), (200, &json!(id)));
    }
    assert_eq!(app.database.number("SELECT count(*) FROM leaves").await, i64::try_from(ids.len()).unwrap());
}

#[tokio::test]
async fn an_id_with_characters_that_nobody_can_see_is_refused() {
    let app = TestApp::new().await;
    for bad in ['\u{0}', '\u{1}', '\t', '\n', '\r', '\u{1b}', '\u{7f}', '\u{85}', '\u{2028}', '\u{202e}', '\u{feff}'] {
        let refusal = answer(post(&app, with_id(&format!("LA{bad}1")))).await;
        assert_eq!(fields(&refusal), ["data.id"], "{bad:?}");
    }
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn ids_that_differ_only_in_case_or_form_are_different_leaves() {
    let app = TestApp::new().await;
    let ids = ["LA-é", "la-é", "LA-E\u{301}", "LA-e\u{301}", "ＬＡ-é"];
    for id in ids {
        assert_eq!(app.deliver("ess", &leave(id)).await.body["outcome"], "accepted", "{id}");
    }
    assert_eq!(app.microsoft.events(crate::support::AMY).await.len(), ids.len());
}

#[tokio::test]
async fn an_id_has_128_characters_and_an_address_254_at_most() {
    let app = TestApp::new().await;
    let address = |length: usize| format!("{}@contoso.com", "a".repeat(length - "@contoso.com".len()));
    let mut too_long = leave("LA-1");
    too_long["data"]["staff"]["email"] = json!(address(255));
    assert_eq!(fields(&answer(post(&app, too_long.to_string())).await), ["data.staff.email"]);
    for id in ["x".repeat(129), "假".repeat(129)] {
        assert_eq!(fields(&answer(post(&app, with_id(&id))).await), ["data.id"]);
    }
    assert_nothing_stored(&app).await;

    for id in ["x".repeat(128), "假".repeat(128)] {
        assert_eq!(app.post("ess", &leave(&id)).await.status, 202);
    }
    let mut longest = leave("LA-1");
    longest["data"]["staff"]["email"] = json!(address(254));
    let accepted = app.post("ess", &longest).await;
    assert_eq!(accepted.status, 202);
    assert_eq!(accepted.body["leave"]["mappings"][0]["mailbox"], address(254));
}

#[tokio::test]
async fn a_source_may_be_five_minutes_ahead_of_us_and_no_more() {
    let app = TestApp::new().await;
    for (ahead, status) in [
        (SignedDuration::from_mins(5), 202),
        (SignedDuration::from_secs(301), 422),
        (SignedDuration::from_micros(300_000_001), 422),
        (SignedDuration::from_hours(24 * 365), 422),
    ] {
        let mut body = leave(&format!("LA-{ahead}"));
        body["timestamp"] = json!(app.now() + ahead);
        let answer = app.post("ess", &body).await;
        assert_eq!(answer.status, status, "{ahead}");
        assert!(status == 202 || fields(&answer) == ["timestamp"], "{answer:?}");
    }
    assert_eq!(app.database.number("SELECT count(*) FROM leaves").await, 1);
}

#[tokio::test]
async fn a_time_that_no_leave_can_have_happened_at_is_refused_and_never_breaks_anything() {
    let app = TestApp::new().await;
    for at in ["-009999-01-02T01:00:00Z", "-004800-01-01T00:00:00Z", "0000-01-01T00:00:00Z", "9999-12-30T00:00:00Z"] {
        let mut body = leave("LA-1");
        body["timestamp"] = json!(at);
        assert_eq!(fields(&answer(post(&app, body.to_string())).await), ["timestamp"], "{at}");
    }
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn names_and_departments_in_any_script_are_accepted() {
    let app = TestApp::new().await;
    let mut body = leave("LA-1");
    body["data"]["staff"]["name"] = json!("陳美儀 “Amy” O’Neill-Ångström");
    body["data"]["department"] = json!("Buchhaltung & Löhne / 會計部");
    body["data"]["leave_type"] = json!("年假");
    let answer = app.deliver("ess", &body).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
}

#[tokio::test]
async fn the_reason_and_unknown_fields_are_accepted_and_never_stored() {
    let app = TestApp::new().await;
    let nested = (0..64).fold(json!("MARK-nested"), |inner, _| json!([inner]));
    let mut body = leave("LA-1");
    body["MARK-root"] = json!("MARK-root");
    body["data"]["reason"] = json!({"any": ["thing", 7, "MARK-reason"]});
    body["data"]["comments"] = json!("MARK-comments");
    body["data"]["tree"] = nested;
    body["data"]["staff"]["salary"] = json!("MARK-salary");
    let answer = app.deliver("ess", &body).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
    // Their names are given back, so that a misspelt one is noticed.
    let named = json!(["MARK-root", "data.comments", "data.tree", "data.staff.salary"]);
    assert_eq!(answer.body["ignored"], named);
    let dump = app.database.dump().await;
    assert!(dump.contains("LA-1") && dump.contains("Amy Chan"), "{dump}");
    assert!(!dump.contains("MARK"), "{dump}");
    let events = Value::from(app.microsoft.stored_events(crate::support::AMY).await).to_string();
    assert!(!events.contains("MARK"), "{events}");
}
