//! `GET /mappings`: filters, pages, and whose mappings one sees.

use jiff::{SignedDuration, Timestamp};
use serde_json::{Value, json};

use super::only_mapping;
use crate::support::{AMY, BEN, TestApp, assert_refused, cancelled, encoded, fields, leave, updated};

/// The ids of the leaves in a list, sorted.
fn leaves(list: &Value) -> Vec<&str> {
    let mut ids: Vec<_> =
        list["mappings"].as_array().unwrap().iter().map(|m| m["leave_id"].as_str().unwrap()).collect();
    ids.sort_unstable();
    ids
}

#[tokio::test]
async fn each_filter_shows_what_it_says_and_filters_add_up() {
    let app = TestApp::with(&[("POLICY__PUBLISH", "on-approval")]).await;
    let from = app.now();
    app.deliver("ess", &leave("A")).await;
    app.deliver("ess", &updated("B", 0, &json!({"staff": {"email": BEN}}))).await;
    app.advance(SignedDuration::from_mins(10)).await;
    let middle = app.now();
    app.deliver("backstage", &leave("C")).await;
    app.deliver("ess", &leave("D")).await;
    app.deliver("ess", &cancelled("D", 5)).await;
    app.advance(SignedDuration::from_mins(10)).await;
    let late = app.now();
    app.deliver("ess", &updated("E", 0, &json!({"status": "pending"}))).await;
    super::refuse_events(&app, 400).await;
    app.deliver("ess", &leave("F")).await;
    app.microsoft.clear_faults().await;
    super::refuse_events(&app, 503).await;
    app.post("ess", &updated("G", 0, &json!({"staff": {"email": BEN}}))).await;
    app.mapping_in("G", "waiting").await;

    let time = |at: Timestamp| encoded(&at.to_string());
    let just_before_late = time(late - SignedDuration::from_secs(1));
    for (query, expected) in [
        (String::new(), "A B C D E F G"),
        ("tenant=default".into(), "A B C D E F G"),
        ("source=ess".into(), "A B D E F G"),
        ("source=backstage".into(), "C"),
        ("source=ESS".into(), ""),
        ("leave=A".into(), "A"),
        ("leave=a".into(), ""),
        ("leave=%25".into(), ""),
        (format!("mailbox={AMY}"), "A C D E F"),
        (format!("mailbox={}", encoded(&BEN.to_uppercase())), "B G"),
        ("state=synced".into(), "A B C"),
        ("state=removed".into(), "D"),
        ("state=hidden".into(), "E"),
        ("state=parked".into(), "F"),
        ("state=waiting".into(), "G"),
        ("state=pending".into(), ""),
        (format!("since={}", time(from)), "A B C D E F G"),
        (format!("since={}", time(middle)), "C D E F G"),
        (format!("until={}", time(middle)), "A B"),
        (format!("since={}&until={}", time(middle), time(late)), "C D"),
        (format!("since={just_before_late}"), "E F G"),
        (format!("since={}&until={}", time(late), time(middle)), ""),
        (format!("source=ess&mailbox={BEN}&state=synced"), "B"),
        ("source=ess&leave=C".into(), ""),
        ("limit=500&state=synced&source=backstage&tenant=default".into(), "C"),
    ] {
        let answer = app.get(&format!("/mappings?{query}"), Some("ops")).await;
        assert_eq!(answer.status, 200, "{query}: {answer:?}");
        assert_eq!(leaves(&answer.body), expected.split_whitespace().collect::<Vec<_>>(), "{query}");
        assert_eq!(answer.body["next_cursor"], json!(null), "{query}");
    }
}

#[tokio::test]
async fn pages_show_each_mapping_exactly_once_newest_change_first() {
    let app = TestApp::new().await;
    for n in 0..7 {
        app.deliver("ess", &leave(&format!("LA-{n}"))).await;
        // Some share their moment, also across the edge of a page.
        app.advance(SignedDuration::from_mins(i64::from(n % 3 == 0))).await;
    }
    let whole = app.mappings().await;
    assert_eq!(whole.len(), 7);
    let times: Vec<Timestamp> = whole.iter().map(|m| m["updated_at"].as_str().unwrap().parse().unwrap()).collect();
    assert!(times.is_sorted_by(|newer, older| newer >= older), "{times:?}");
    assert_ne!(times.first(), times.last());

    for limit in [1, 3, 6, 7] {
        let (mut pages, mut cursor) = (Vec::new(), String::new());
        loop {
            let answer = app.get(&format!("/mappings?limit={limit}{cursor}"), Some("ops")).await;
            let page = answer.body["mappings"].as_array().unwrap().clone();
            assert!((1..=limit).contains(&page.len()), "{answer:?}");
            pages.extend(page);
            match &answer.body["next_cursor"] {
                Value::String(next) => cursor = format!("&cursor={}", encoded(next)),
                last => break assert!(last.is_null()),
            }
        }
        assert_eq!(pages, whole, "limit {limit}");
    }
}

#[tokio::test]
async fn what_changes_between_two_pages_is_not_shown_twice_and_hides_nothing() {
    let app = TestApp::new().await;
    for n in 0..6 {
        app.deliver("ess", &leave(&format!("LA-{n}"))).await;
        app.advance(SignedDuration::from_mins(1)).await;
    }
    let first = app.get("/mappings?limit=3&source=ess", Some("ops")).await.body;
    assert_eq!(leaves(&first), ["LA-3", "LA-4", "LA-5"]);
    app.deliver("ess", &leave("LA-new")).await;
    let cursor = encoded(first["next_cursor"].as_str().unwrap());
    let second = app.get(&format!("/mappings?limit=3&source=ess&cursor={cursor}"), Some("ops")).await.body;
    assert_eq!(leaves(&second), ["LA-0", "LA-1", "LA-2"]);
}

#[tokio::test]
async fn all_that_is_wrong_with_a_query_is_named() {
    let app = TestApp::new().await;
    for (query, named) in [
        ("colour=red", vec!["colour"]),
        ("State=synced", vec!["State"]),
        ("state=Synced", vec!["state"]),
        ("state=", vec!["state"]),
        ("limit=0", vec!["limit"]),
        ("limit=501", vec!["limit"]),
        ("limit=-1", vec!["limit"]),
        ("limit=ten", vec!["limit"]),
        ("limit=99999999999999999999", vec!["limit"]),
        ("cursor=", vec!["cursor"]),
        ("cursor=abc", vec!["cursor"]),
        ("cursor=%00", vec!["cursor"]),
        ("since=yesterday", vec!["since"]),
        ("since=2026-11-22", vec!["since"]),
        ("until=2026-11-22T00:00:00", vec!["until"]),
        ("since=-009999-01-02T00:00:00Z", vec!["since"]),
        ("leave=a%00b", vec!["leave"]),
        ("source=%00", vec!["source"]),
        ("mailbox=%00", vec!["mailbox"]),
        ("%3Cscript%3E=1", vec!["script"]),
        (
            "colour=red&state=x&limit=501&cursor=!&since=x&until=y",
            vec!["colour", "state", "limit", "cursor", "since", "until"],
        ),
    ] {
        let answer = app.get(&format!("/mappings?{query}"), Some("ops")).await;
        assert_eq!(answer.status, 422, "{query}: {answer:?}");
        assert_eq!(fields(&answer), named, "{query}");
        let retry = super::post(&app, &format!("/mappings/retry?{query}"), "ops").await;
        assert_eq!(fields(&retry), named, "{query}");
    }
}

#[tokio::test]
async fn a_cursor_that_somebody_made_up_leads_nowhere_and_breaks_nothing() {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let id = "00000000000000000000000000000001";
    for made_up in [format!("-370000000000000000.{id}"), format!("{}.{id}", i64::MAX), format!("{}.{id}", i64::MIN)] {
        let cursor = URL_SAFE_NO_PAD.encode(&made_up);
        let answer = app.get(&format!("/mappings?cursor={cursor}"), Some("ops")).await;
        assert_eq!(fields(&answer), ["cursor"], "{made_up}");
    }
    let before_everything = URL_SAFE_NO_PAD.encode(format!("0.{id}"));
    let answer = app.get(&format!("/mappings?cursor={before_everything}"), Some("ops")).await;
    assert_eq!((answer.status, &answer.body), (200, &json!({"mappings": [], "next_cursor": null})));
}

#[tokio::test]
async fn another_tenants_mappings_are_not_there() {
    let app = TestApp::new().await;
    let mut acme = leave("LA-acme");
    acme["data"]["tenant"] = json!("acme");
    let path = only_mapping(&app.deliver("group", &acme).await);
    app.deliver("ess", &leave("LA-own")).await;

    let list = app.get("/mappings", Some("ops")).await;
    assert_eq!(leaves(&list.body), ["LA-own"]);
    for query in ["leave=LA-acme", "source=group"] {
        let answer = app.get(&format!("/mappings?{query}"), Some("ops")).await;
        assert_eq!(leaves(&answer.body), [] as [&str; 0], "{query}");
    }
    for tenant in ["acme", "nobody", ""] {
        assert_refused(&app.get(&format!("/mappings?tenant={tenant}"), Some("ops")).await, 403, "forbidden");
    }
    assert_refused(&app.get(&path, Some("ops")).await, 404, "not-found");
    assert_refused(&super::post(&app, &format!("{path}/retry"), "ops").await, 404, "not-found");
    assert_refused(&super::post(&app, "/mappings/retry?tenant=acme", "ops").await, 403, "forbidden");
}

#[tokio::test]
async fn who_serves_all_tenants_sees_all_or_the_one_it_asks_for() {
    let app = TestApp::with(&[("CLIENTS__OPS__TENANTS", "*")]).await;
    let mut acme = leave("LA-acme");
    acme["data"]["tenant"] = json!("acme");
    let path = only_mapping(&app.deliver("group", &acme).await);
    app.deliver("ess", &leave("LA-default")).await;
    for (query, expected) in [
        ("", vec!["LA-acme", "LA-default"]),
        ("?tenant=acme", vec!["LA-acme"]),
        ("?tenant=default", vec!["LA-default"]),
    ] {
        let answer = app.get(&format!("/mappings{query}"), Some("ops")).await;
        assert_eq!(leaves(&answer.body), expected, "{query}");
    }
    assert_eq!(app.get(&path, Some("ops")).await.body["tenant"], "acme");
}
