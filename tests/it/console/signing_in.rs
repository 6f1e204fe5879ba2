//! Who may look, and that no other site can have the browser do anything.

use jiff::SignedDuration;
use leavebridge::{config::Scope, http};
use reqwest::Method;

use super::text;
use crate::support::{AMY, TestApp, answer, assert_refused, browser::Browser, leave};

fn token(app: &TestApp, client: &str, scopes: &[Scope], life: SignedDuration) -> String {
    http::mint(&app.settings.auth, client, scopes, app.now(), life).unwrap()
}

#[tokio::test]
async fn nobody_sees_a_page_without_signing_in_and_the_page_says_how() {
    let app = TestApp::new().await;
    let browser = Browser::new(&app);
    for path in ["/console", "/console/mappings", "/console/mappings/00000000-0000-0000-0000-000000000001"] {
        let refused = browser.get(path).await;
        assert_eq!(refused.status, 401, "{path}");
        assert!(text(&refused).contains("leavebridge token --client"), "{path}");
        assert!(text(&refused).contains(&format!(r#"name="to" value="{path}""#)), "{path}");
        assert!(!refused.headers.contains_key("www-authenticate"), "browsers would ask for a password");
    }
    assert_eq!(browser.get("/console/sign-in").await.status, 200);
}

#[tokio::test]
async fn a_token_becomes_a_cookie_that_only_the_console_gets() {
    let app = TestApp::new().await;
    let good = app.token("ops");
    let near = [("origin", "http://127.0.0.1:8080")];
    let far = [("origin", "https://leave.example"), ("sec-fetch-site", "same-origin")];
    let silent = [("sec-fetch-site", "same-origin")];
    let long = token(&app, "ops", &[Scope::OpsRead], SignedDuration::from_hours(24 * 90));
    for (headers, host, given, age, secure) in [
        (&near[..], Some("127.0.0.1:8080"), &good, 3600, ""),
        (&far, None, &good, 3600, "; Secure"),
        (&silent, None, &good, 3600, "; Secure"),
        (&near, Some("127.0.0.1:8080"), &long, 12 * 3600, ""),
    ] {
        let form = [("token", given.as_str()), ("to", "/console/mappings?state=parked")];
        let mut request = Browser::new(&app).request(Method::POST, "/console/sign-in").form(&form);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        if let Some(host) = host {
            request = request.header("host", host);
        }
        let answer = answer(request).await;
        assert_eq!(answer.status, 303, "{headers:?}: {answer:?}");
        assert_eq!(answer.headers["location"], "/console/mappings?state=parked");
        let expected =
            format!("leavebridge_ops={given}; Path=/console; Max-Age={age}; HttpOnly; SameSite=Strict{secure}");
        assert_eq!(answer.headers["set-cookie"], expected);
    }
}

#[tokio::test]
async fn a_token_that_does_not_do_is_answered_with_a_sentence_and_never_shown_again() {
    let app = TestApp::new().await;
    let hour = SignedDuration::from_hours(1);
    let mut browser = Browser::new(&app);
    for (what, given, status, sentence) in [
        ("nothing", String::new(), 401, "not valid here"),
        ("nonsense", "<script>nonsense</script>".into(), 401, "not valid here"),
        ("half a token", app.token("ops").chars().take(80).collect(), 401, "not valid here"),
        ("one that is over", token(&app, "ops", &Scope::ALL, SignedDuration::ZERO), 401, "not valid here"),
        ("a portal's", app.token("ess"), 403, "ops:read"),
        ("one that may only write", token(&app, "ops", &[Scope::OpsWrite], hour), 403, "ops:read"),
    ] {
        let refused = browser.post("/console/sign-in", &[("token", &given)]).await;
        assert_eq!(refused.status, status, "{what}");
        assert!(text(&refused).contains(sentence), "{what}: {refused:?}");
        assert!(!refused.headers.contains_key("set-cookie"), "{what}");
        assert!(given.is_empty() || !text(&refused).contains(&given), "{what}");
    }
    let lines = format!(" Bearer {}\n{} ", &app.token("ops")[..40], &app.token("ops")[40..]);
    assert_eq!(browser.post("/console/sign-in", &[("token", &lines)]).await.status, 303, "as it was copied");
}

#[tokio::test]
async fn no_token_is_sent_over_a_line_that_anybody_can_read() {
    let app = TestApp::new().await;
    let good = app.token("ops");
    let request = Browser::new(&app).request(Method::POST, "/console/sign-in").form(&[("token", &good)]);
    let refused = answer(request.header("host", "leave.example").header("origin", "http://leave.example")).await;
    assert_eq!(refused.status, 403);
    assert!(text(&refused).contains("https"), "{refused:?}");
    assert!(!refused.headers.contains_key("set-cookie"));
}

#[tokio::test]
async fn nobody_is_sent_to_another_site_after_signing_in() {
    let app = TestApp::new().await;
    for wish in ["https://evil.example/", "//evil.example/console", "/docs", "/console/sign-out", "javascript:alert(1)"]
    {
        let form = [("token", app.token("ops")), ("to", wish.to_owned())];
        let form: Vec<(&str, &str)> = form.iter().map(|(name, value)| (*name, value.as_str())).collect();
        let answer = Browser::new(&app).post("/console/sign-in", &form).await;
        assert_eq!((answer.status, &answer.headers["location"]), (303, &"/console".parse().unwrap()), "{wish}");
    }
}

#[tokio::test]
async fn what_another_site_has_the_browser_send_changes_nothing() {
    let app = TestApp::new().await;
    app.microsoft.faults(serde_json::json!([{"method": "POST", "path": "/v1.0/*", "status": 400}])).await;
    app.deliver("ess", &leave("LA-1")).await;
    let parked = app.mapping_in("LA-1", "parked").await;
    let retry = format!("/console/mappings/{}/retry", parked["id"].as_str().unwrap());
    let browser = Browser::signed_in(&app, "ops").await;
    let good = app.token("ops");
    let own = app.url.as_str();
    for headers in [
        &[][..],
        &[("origin", "https://evil.example")],
        &[("origin", "null")],
        &[("sec-fetch-site", "cross-site"), ("origin", own)],
        &[("sec-fetch-site", "same-site"), ("origin", own)],
        &[("sec-fetch-site", "none"), ("origin", own)],
        &[("referer", own)],
    ] {
        for path in [retry.as_str(), "/console/sign-in", "/console/sign-out"] {
            let refused = browser.post_as(path, &[("token", &good)], headers).await;
            assert_eq!(refused.status, 403, "{path} {headers:?}: {refused:?}");
            assert!(text(&refused).contains("Nothing was done"), "{path}");
            assert!(!refused.headers.contains_key("set-cookie"), "{path}");
        }
    }
    assert_eq!(app.mapping("LA-1").await, parked);
    // A link or an image of another site asks with GET, which changes nothing.
    assert_eq!(browser.get(&retry).await.status, 405);
    assert_eq!(browser.get("/console/sign-out").await.status, 405);
    assert_eq!(app.microsoft.events(AMY).await.len(), 0);
}

#[tokio::test]
async fn a_session_ends_with_its_token_or_by_signing_out() {
    let app = TestApp::new().await;
    let mut browser = Browser::signed_in(&app, "ops").await;
    app.advance(SignedDuration::from_secs(3599)).await;
    browser.page("/console").await;
    app.advance(SignedDuration::from_secs(1)).await;
    let over = browser.get("/console/mappings").await;
    assert_eq!(over.status, 401);
    assert!(text(&over).contains("not valid any more"), "{over:?}");

    let again = app.token("ops");
    assert_eq!(browser.post("/console/sign-in", &[("token", &again)]).await.status, 303);
    browser.page("/console").await;
    let out = browser.post("/console/sign-out", &[]).await;
    assert_eq!((out.status, &out.headers["location"]), (303, &"/console/sign-in".parse().unwrap()));
    let forgotten = "leavebridge_ops=; Path=/console; Max-Age=0; HttpOnly; SameSite=Strict";
    assert_eq!(out.headers["set-cookie"], forgotten);
    assert_eq!(browser.get("/console").await.status, 401);
}

#[tokio::test]
async fn the_cookie_opens_the_console_only_and_a_header_opens_the_api_only() {
    let app = TestApp::new().await;
    let browser = Browser::signed_in(&app, "ops").await;
    assert_refused(&browser.get("/mappings").await, 401, "unauthorized");
    assert_eq!(app.get("/console", Some("ops")).await.status, 401);
}
