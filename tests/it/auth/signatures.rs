//! Standard Webhooks signatures.

use jiff::SignedDuration;
use leavebridge_stage::portal::sign;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

use crate::support::{
    Answer, BACKSTAGE_SECRET, ESS_NEXT_SECRET, ESS_SECRET, TestApp, answer, assert_refused, cancelled, leave,
};

const STRANGER: &str = "whsec_c3RyYW5nZXItc2VjcmV0LWZvci10ZXN0cy0wMDE=";

/// A post of that body with these three headers.
fn post(app: &TestApp, id: &str, timestamp: &str, signature: &str, body: &Value) -> RequestBuilder {
    app.request(Method::POST, "/leaves")
        .header("webhook-id", id)
        .header("webhook-timestamp", timestamp)
        .header("webhook-signature", signature)
        .json(body)
}

/// The signature of that body at this moment, under the id `msg_1`.
fn signed(app: &TestApp, secret: &str, body: &Value) -> String {
    sign(secret, "msg_1", app.now().as_second(), body.to_string().as_bytes()).unwrap()
}

async fn post_with(app: &TestApp, signature: &str, body: &Value) -> Answer {
    answer(post(app, "msg_1", &app.now().as_second().to_string(), signature, body)).await
}

/// Insists that a request is refused, and that nothing of it is stored.
async fn assert_unknown(app: &TestApp, request: RequestBuilder, what: &str) {
    let answer = answer(request).await;
    assert_eq!(answer.status, 401, "{what}: {answer:?}");
    assert_refused(&answer, 401, "unauthorized");
    assert_eq!(app.database.number("SELECT count(*) FROM leaves").await, 0, "{what}");
    assert_eq!(app.database.number("SELECT count(*) FROM deliveries").await, 0, "{what}");
}

#[tokio::test]
async fn the_source_of_a_signed_leave_follows_from_the_secret() {
    let app = TestApp::new().await;
    for (n, (secret, source)) in
        [(ESS_SECRET, "ess"), (ESS_NEXT_SECRET, "ess"), (BACKSTAGE_SECRET, "backstage")].into_iter().enumerate()
    {
        let mut body = leave(&format!("LA-{n}"));
        body["source"] = json!("backstage");
        body["data"]["source"] = json!("backstage");
        let id = format!("msg_{n}");
        let now = app.now().as_second();
        let signature = sign(secret, &id, now, body.to_string().as_bytes()).unwrap();
        let answer = answer(post(&app, &id, &now.to_string(), &signature, &body)).await;
        assert_eq!((answer.status, &answer.body["leave"]["source"]), (202, &json!(source)), "{answer:?}");
    }
    for (client, id, status) in [("ess", "LA-0", 200), ("backstage", "LA-0", 404), ("ess", "LA-2", 404)] {
        assert_eq!(app.get(&format!("/leaves/{id}"), Some(client)).await.status, status, "{client} {id}");
    }
}

#[tokio::test]
async fn one_source_cannot_cancel_the_leave_of_another() {
    let app = TestApp::new().await;
    app.deliver("backstage", &leave("LA-1")).await;
    let body = cancelled("LA-1", 5);
    assert_eq!(post_with(&app, &signed(&app, ESS_SECRET, &body), &body).await.status, 202, "a tombstone of its own");
    assert_eq!(app.get("/leaves/LA-1", Some("backstage")).await.body["status"], "approved");
    assert_eq!(app.microsoft.events(crate::support::AMY).await.len(), 1);
}

#[tokio::test]
async fn a_signature_of_anything_else_is_refused() {
    let app = TestApp::new().await;
    let body = leave("LA-1");
    let bytes = body.to_string();
    let now = app.now().as_second();
    let by = |secret: &str, id: &str, at: i64, body: &str| sign(secret, id, at, body.as_bytes()).unwrap();
    let good = by(ESS_SECRET, "msg_1", now, &bytes);
    let encoded = good.strip_prefix("v1,").unwrap();
    for (what, signature) in [
        ("another body", by(ESS_SECRET, "msg_1", now, &cancelled("LA-1", 5).to_string())),
        ("a body with one byte more", by(ESS_SECRET, "msg_1", now, &format!("{bytes} "))),
        ("another id", by(ESS_SECRET, "msg_2", now, &bytes)),
        ("another time", by(ESS_SECRET, "msg_1", now - 1, &bytes)),
        ("a stranger's secret", by(STRANGER, "msg_1", now, &bytes)),
        ("an id that swallows the dot", by(ESS_SECRET, &format!("msg_1.{now}"), now, &bytes)),
        ("v1a", format!("v1a,{encoded}")),
        ("v2", format!("v2,{encoded}")),
        ("V1", format!("V1,{encoded}")),
        ("no version", encoded.to_owned()),
        ("another separator", format!("v1={encoded}")),
        ("a cut signature", good[..good.len() - 4].to_owned()),
        ("two with a comma between", format!("v1,AAAA,{encoded}")),
        ("no Base64", "v1,§".replace('§', "!")),
        ("an empty one", "v1,".into()),
        ("nothing", String::new()),
    ] {
        assert_unknown(&app, post(&app, "msg_1", &now.to_string(), &signature, &body), what).await;
    }
    assert_eq!(post_with(&app, &good, &body).await.status, 202, "the one that the others differ from");
}

#[tokio::test]
async fn one_good_signature_among_several_is_enough() {
    let app = TestApp::new().await;
    let now = app.now().as_second();
    let templates =
        ["{good} {bad}", "{bad} {good}", "v1a,{asymmetric} {bad} {good}", "{good} {good}", "nonsense  {good}"];
    for (n, template) in templates.into_iter().enumerate() {
        let (id, body) = (format!("msg_{n}"), leave(&format!("LA-{n}")));
        let by = |secret| sign(secret, &id, now, body.to_string().as_bytes()).unwrap();
        let header = template
            .replace("{good}", &by(ESS_SECRET))
            .replace("{bad}", &by(STRANGER))
            .replace("{asymmetric}", &by(STRANGER)[3..]);
        let answer = answer(post(&app, &id, &now.to_string(), &header, &body)).await;
        assert_eq!((answer.status, &answer.body["leave"]["source"]), (202, &json!("ess")), "{template}");
    }
    let only_bad = signed(&app, STRANGER, &leave("LA-9"));
    assert_eq!(post_with(&app, &format!("{only_bad} {only_bad}"), &leave("LA-9")).await.status, 401);
}

#[tokio::test]
async fn a_signature_is_good_for_five_minutes_both_ways() {
    let app = TestApp::new().await;
    let now = app.now().as_second();
    for (offset, status) in [(-301, 401), (-300, 202), (-1, 202), (1, 202), (300, 202), (301, 401), (86_400, 401)] {
        let (id, body) = (format!("msg_{offset}"), leave(&format!("LA-{offset}")));
        let signature = sign(ESS_SECRET, &id, now + offset, body.to_string().as_bytes()).unwrap();
        let answer = answer(post(&app, &id, &(now + offset).to_string(), &signature, &body)).await;
        assert_eq!(answer.status, status, "{offset}: {answer:?}");
    }
    assert_eq!(app.database.number("SELECT count(*) FROM leaves").await, 4);
}

#[tokio::test]
async fn a_timestamp_that_is_no_time_is_refused_however_it_is_signed() {
    let app = TestApp::new().await;
    let body = leave("LA-1");
    let now = app.now().as_second();
    for timestamp in [
        String::new(),
        "soon".into(),
        "-1".into(),
        format!("{now}.0"),
        format!("{now}000"),
        app.now().to_string(),
        i64::MAX.to_string(),
        i64::MIN.to_string(),
        "9".repeat(40),
    ] {
        let text = format!("{timestamp}.{body}");
        // The id takes the first dot's place: what is signed is exactly `id.timestamp.body`.
        let signature = sign_text(ESS_SECRET, &format!("msg_1.{text}"));
        assert_unknown(&app, post(&app, "msg_1", &timestamp, &signature, &body), &timestamp).await;
    }
    let signature = sign_text(ESS_SECRET, &format!("msg_1.{now}.{body}"));
    assert_eq!(answer(post(&app, "msg_1", &now.to_string(), &signature, &body)).await.status, 202);
}

/// The signature of exactly that text, made without our own code.
fn sign_text(secret: &str, text: &str) -> String {
    use aws_lc_rs::hmac;
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let key = STANDARD.decode(secret.strip_prefix("whsec_").unwrap()).unwrap();
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &key), text.as_bytes());
    format!("v1,{}", STANDARD.encode(tag))
}

#[tokio::test]
async fn all_three_headers_are_needed() {
    let app = TestApp::new().await;
    let body = leave("LA-1");
    let signature = signed(&app, ESS_SECRET, &body);
    let complete = || post(&app, "msg_1", &app.now().as_second().to_string(), &signature, &body);
    for name in ["webhook-id", "webhook-timestamp", "webhook-signature"] {
        let mut request = complete().build().unwrap();
        request.headers_mut().remove(name);
        let request = RequestBuilder::from_parts(app.client.clone(), request);
        assert_unknown(&app, request, name).await;
    }
    assert_eq!(answer(complete()).await.status, 202);
}

#[tokio::test]
async fn a_delivery_that_is_signed_anew_is_still_the_same_delivery() {
    let app = TestApp::new().await;
    let body = leave("LA-1");
    for outcome in ["accepted", "duplicate"] {
        let answer = post_with(&app, &signed(&app, ESS_SECRET, &body), &body).await;
        assert_eq!(answer.body["outcome"], outcome, "{answer:?}");
        app.advance(SignedDuration::from_mins(10)).await;
    }
    let other = cancelled("LA-1", 5);
    assert_refused(&post_with(&app, &signed(&app, ESS_NEXT_SECRET, &other), &other).await, 409, "delivery-id-reused");
}

#[tokio::test]
async fn a_signature_posts_leave_and_does_nothing_else() {
    let app = TestApp::new().await;
    let body = leave("LA-1");
    let signature = signed(&app, ESS_SECRET, &body);
    assert_eq!(post_with(&app, &signature, &body).await.status, 202);
    for (method, path) in [
        (Method::GET, "/leaves/LA-1"),
        (Method::GET, "/mappings"),
        (Method::POST, "/mappings/retry"),
        (Method::GET, "/mappings/00000000-0000-0000-0000-000000000001"),
    ] {
        let request = app
            .request(method, path)
            .header("webhook-id", "msg_1")
            .header("webhook-timestamp", app.now().as_second())
            .header("webhook-signature", &signature)
            .json(&body);
        assert_refused(&answer(request).await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn a_bad_token_is_not_saved_by_a_good_signature() {
    let app = TestApp::new().await;
    let body = leave("LA-1");
    let now = app.now().as_second().to_string();
    let request = post(&app, "msg_1", &now, &signed(&app, ESS_SECRET, &body), &body).bearer_auth("x.y.z");
    assert_unknown(&app, request, "a bad token").await;
}
