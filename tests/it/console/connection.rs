//! The doctor as a page.

use jiff::SignedDuration;
use leavebridge::{config::Scope, http};
use reqwest::Method;
use serde_json::json;

use super::text;
use crate::support::{AMY, TestApp, browser::Browser};

const HERE: &str = "/console/connection";

#[tokio::test]
async fn an_examination_is_a_form_and_its_findings_are_a_list_with_the_next_step() {
    let app = TestApp::new().await;
    let mut browser = Browser::signed_in(&app, "ops").await;
    let page = browser.page(HERE).await;
    assert!(page.contains("Examine") && page.contains("aria-current=\"page\">Connection"), "{page}");
    assert!(app.microsoft.journal().await.is_empty(), "looking at the page asks nobody anything");

    let found = browser.post(HERE, &[("mailbox", AMY), ("write_test", "yes")]).await;
    let page = text(&found);
    assert!(page.contains("write-test") && page.contains("expiry-unknown") && page.contains("Next: "), "{page}");
    assert!(page.contains(&format!("value=\"{AMY}\"")), "what was asked stays in the form: {page}");
    assert!(app.microsoft.events(AMY).await.is_empty());

    app.microsoft.faults(json!([{"path": "/*/oauth2/v2.0/token", "times": null, "error": "AADSTS7000222"}])).await;
    let page = browser.post(HERE, &[("mailbox", "<script>alert(1)</script>")]).await;
    let page = text(&page);
    assert!(page.contains("secret-expired") && page.contains("Begin with the first error"), "{page}");
    assert!(!page.contains("<script"), "{page}");
}

#[tokio::test]
async fn an_order_that_is_not_clear_is_told_on_the_page() {
    let app = TestApp::with(&[("CLIENTS__OPS__TENANTS", "*")]).await;
    let mut browser = Browser::signed_in(&app, "ops").await;
    assert!(browser.page(HERE).await.contains("<select id=\"tenant\""));
    let page = browser.post(HERE, &[("tenant", ""), ("mailbox", AMY)]).await;
    assert!(text(&page).contains("The tenant is missing: whose mailbox is it?"), "{page:?}");
    let page = browser.post(HERE, &[("tenant", "default"), ("mailbox", " "), ("write_test", "yes")]).await;
    assert!(text(&page).contains("The mailbox is missing: the write test"), "{page:?}");
    assert!(app.microsoft.journal().await.is_empty());
}

#[tokio::test]
async fn only_who_may_change_things_may_examine_and_only_from_our_own_page() {
    let app = TestApp::new().await;
    let life = SignedDuration::from_hours(1);
    let token = http::mint(&app.settings.auth, "ops", &[Scope::OpsRead], app.now(), life).unwrap();
    let mut browser = Browser::new(&app);
    assert_eq!(browser.post("/console/sign-in", &[("token", &token)]).await.status, 303);
    assert!(!browser.page(HERE).await.contains("Examine"));
    assert_eq!(browser.post(HERE, &[]).await.status, 403);

    let browser = Browser::signed_in(&app, "ops").await;
    let foreign = browser.post_as(HERE, &[("mailbox", AMY)], &[("sec-fetch-site", "cross-site")]).await;
    assert_eq!(foreign.status, 403, "{foreign:?}");
    let stranger = Browser::new(&app).post_as(HERE, &[], &[("sec-fetch-site", "same-origin")]).await;
    assert!(text(&stranger).contains("Sign in"), "{stranger:?}");
    assert_eq!(browser.request(Method::DELETE, HERE).send().await.unwrap().status(), 405);
    assert!(app.microsoft.journal().await.is_empty());
}
