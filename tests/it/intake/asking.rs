//! Whose leave a leave is: tenants and sources, when it is posted and when it is asked for.

use serde_json::json;

use super::assert_nothing_stored;
use crate::support::{TestApp, assert_refused, encoded, fields, leave};

#[tokio::test]
async fn a_source_sees_its_own_leave_and_nobody_elses() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.deliver("backstage", &leave("LA-2")).await;
    for (client, id, status) in
        [("ess", "LA-1", 200), ("ess", "LA-2", 404), ("backstage", "LA-1", 404), ("backstage", "LA-2", 200)]
    {
        let answer = app.get(&format!("/leaves/{id}"), Some(client)).await;
        assert_eq!(answer.status, status, "{client} {id}");
        match status {
            200 => assert_eq!(answer.body["source"], client),
            _ => assert_refused(&answer, 404, "not-found"),
        }
    }
    assert_refused(&app.get("/leaves/LA-1", Some("ops")).await, 403, "forbidden");
    assert_refused(&app.get("/leaves/LA-1", None).await, 401, "unauthorized");
}

#[tokio::test]
async fn a_leave_is_shown_as_the_contract_says() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let stands = app.get("/leaves/LA-1", Some("ess")).await.body;
    let mut names: Vec<_> = stands.as_object().unwrap().keys().map(String::as_str).collect();
    names.sort_unstable();
    assert_eq!(names, ["id", "mappings", "source", "status", "tenant"]);
    assert_eq!(
        (&stands["id"], &stands["tenant"], &stands["status"]),
        (&json!("LA-1"), &json!("default"), &json!("approved"))
    );
    let mapping = stands["mappings"][0].as_object().unwrap();
    let mut names: Vec<_> = mapping.keys().map(String::as_str).collect();
    names.sort_unstable();
    let mut contract: Vec<_> =
        "id tenant source leave_id mailbox calendar state reason detail next_attempt_at event_id \
                                web_link attempts updated_at"
            .split_whitespace()
            .collect();
    contract.sort_unstable();
    assert_eq!(names, contract);
    // Operators also see what the mailbox answers by itself.
    let mut shown = app.mapping("LA-1").await;
    assert_eq!(shown.as_object_mut().unwrap().remove("automatic_reply"), Some(json!(null)));
    assert_eq!(stands["mappings"][0], shown);
}

#[tokio::test]
async fn the_same_id_from_two_sources_or_for_two_tenants_is_so_many_leaves() {
    let app = TestApp::new().await;
    let for_tenant = |tenant: &str| {
        let mut body = leave("LA-1");
        body["data"]["tenant"] = json!(tenant);
        body
    };
    for (client, tenant) in [("ess", "default"), ("backstage", "default"), ("group", "default"), ("group", "acme")] {
        let answer = app.deliver(client, &for_tenant(tenant)).await;
        assert_eq!((answer.status, &answer.body["outcome"]), (202, &json!("accepted")), "{client} {tenant}");
        assert_eq!(
            (&answer.body["leave"]["source"], &answer.body["leave"]["tenant"]),
            (&json!(client), &json!(tenant))
        );
    }
    assert_eq!(app.database.number("SELECT count(*) FROM leaves").await, 4);
}

#[tokio::test]
async fn who_posts_speaks_for_its_own_tenants_and_says_for_which_one() {
    let app = TestApp::new().await;
    let mut body = leave("LA-1");
    assert_eq!(fields(&app.post("group", &body).await), ["data.tenant"]);
    for (client, tenant) in [("ess", "acme"), ("ess", "nobody"), ("group", "nobody"), ("group", "ACME")] {
        body["data"]["tenant"] = json!(tenant);
        assert_refused(&app.post(client, &body).await, 403, "forbidden");
    }
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn who_asks_speaks_for_its_own_tenants_and_says_for_which_one() {
    let app = TestApp::new().await;
    let mut body = leave("LA-1");
    body["data"]["tenant"] = json!("acme");
    assert_eq!(app.deliver("group", &body).await.status, 202);
    assert_eq!(fields(&app.get("/leaves/LA-1", Some("group")).await), ["tenant"]);
    assert_eq!(app.get("/leaves/LA-1?tenant=acme", Some("group")).await.status, 200);
    for (client, query, status, kind) in [
        ("group", "?tenant=default", 404, "not-found"),
        ("group", "?tenant=nobody", 403, "forbidden"),
        ("ess", "?tenant=acme", 403, "forbidden"),
        ("ess", "", 404, "not-found"),
    ] {
        assert_refused(&app.get(&format!("/leaves/LA-1{query}"), Some(client)).await, status, kind);
    }
}

#[tokio::test]
async fn any_id_can_be_asked_for_in_a_path() {
    let app = TestApp::new().await;
    for id in ["a/b", "/", "50%", "%2F", "a+b c", "a&b=c", "?", "#1", "ä/ö", "陳", "LA;v=1", "a\\b", "...", "~", ":id"]
    {
        assert_eq!(app.deliver("ess", &leave(id)).await.status, 202, "{id}");
        let answer = app.get(&format!("/leaves/{}", encoded(id)), Some("ess")).await;
        assert_eq!((answer.status, &answer.body["id"]), (200, &json!(id)));
    }
}

#[tokio::test]
async fn paths_and_queries_that_make_no_sense_are_refused_in_the_usual_form() {
    let app = TestApp::new().await;
    for (path, status, kind) in [
        ("/leaves/%00", 404, "not-found"),
        ("/leaves/a%00b", 404, "not-found"),
        ("/leaves/%ff%fe", 404, "not-found"),
        ("/leaves/a/b", 404, "not-found"),
        ("/leaves/LA-1?tenant=default&tenant=acme", 422, "invalid"),
        ("/leaves/LA-1?tenant=%00", 403, "forbidden"),
    ] {
        assert_refused(&app.get(path, Some("ess")).await, status, kind);
    }
}
