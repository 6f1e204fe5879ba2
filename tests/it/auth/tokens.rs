//! Bearer tokens. They are made by hand here, so that what is judged is the format and not our own minting.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::SignedDuration;
use leavebridge::{config::Scope, http};
use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{Answer, SIGNING_KEY, TestApp, answer, assert_refused};

const OTHER_KEY: &str = "another-signing-key-for-tests-only-00000002";

/// A token with that header and those claims, signed with an HMAC of the key.
fn jwt(algorithm: hmac::Algorithm, header: &Value, claims: &Value, key: &str) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(header), part(claims));
    let tag = hmac::sign(&hmac::Key::new(algorithm, key.as_bytes()), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

fn header() -> Value {
    json!({"alg": "HS256", "typ": "JWT", "kid": "main"})
}

/// The claims of a good token, with some changed; `null` takes one away.
fn claims(app: &TestApp, changes: &Value) -> Value {
    let now = app.now().as_second();
    let mut claims = json!({
        "sub": "ops", "scope": "ops:read", "exp": now + 60, "iat": now, "iss": "leavebridge", "aud": "leavebridge",
    });
    let object = claims.as_object_mut().unwrap();
    for (name, value) in changes.as_object().unwrap() {
        object.insert(name.clone(), value.clone());
    }
    object.retain(|_, value| !value.is_null());
    claims
}

fn good(app: &TestApp, changes: &Value) -> String {
    jwt(hmac::HMAC_SHA256, &header(), &claims(app, changes), SIGNING_KEY)
}

async fn ask(app: &TestApp, token: &str) -> Answer {
    answer(app.request(Method::GET, "/mappings").bearer_auth(token)).await
}

#[tokio::test]
async fn a_token_is_good_whatever_the_claims_that_do_not_matter() {
    let app = TestApp::new().await;
    let now = app.now().as_second();
    for changes in [
        json!({}),
        json!({"iat": null, "iss": null, "aud": null}),
        json!({"nbf": now}),
        json!({"nbf": now + 60}),
        json!({"aud": ["another", "leavebridge"]}),
        json!({"exp": now + 1}),
        json!({"scope": "ops:read unheard:of"}),
        json!({"jti": "1", "extra": {"deep": [1]}}),
    ] {
        assert_eq!(ask(&app, &good(&app, &changes)).await.status, 200, "{changes}");
    }
    let without_kid = jwt(hmac::HMAC_SHA256, &json!({"alg": "HS256"}), &claims(&app, &json!({})), SIGNING_KEY);
    assert_eq!(ask(&app, &without_kid).await.status, 200);
}

#[tokio::test]
async fn a_token_with_bad_claims_is_refused() {
    let app = TestApp::new().await;
    let now = app.now().as_second();
    for changes in [
        json!({"exp": null}),
        json!({"exp": now}),
        json!({"exp": now - 3600}),
        json!({"exp": (now + 60).to_string()}),
        json!({"exp": -1}),
        json!({"exp": 1e300}),
        json!({"nbf": now + 61}),
        json!({"sub": null}),
        json!({"sub": ""}),
        json!({"sub": "nobody"}),
        json!({"sub": "OPS"}),
        json!({"sub": ["ops"]}),
        json!({"aud": "another"}),
        json!({"aud": ["another"]}),
        json!({"aud": []}),
        json!({"aud": ""}),
        json!({"aud": {"leavebridge": true}}),
        json!({"scope": ["ops:read"]}),
    ] {
        let answer = ask(&app, &good(&app, &changes)).await;
        assert_eq!(answer.status, 401, "{changes}");
        assert_refused(&answer, 401, "unauthorized");
        assert_eq!(answer.headers["www-authenticate"], "Bearer");
    }
}

#[tokio::test]
async fn a_token_that_was_not_signed_with_our_key_in_our_way_is_refused() {
    let app = TestApp::new().await;
    let claims = claims(&app, &json!({}));
    let by = |algorithm, name: &str, kid: &str, key: &str| {
        jwt(algorithm, &json!({"alg": name, "typ": "JWT", "kid": kid}), &claims, key)
    };
    let sha256 = hmac::HMAC_SHA256;
    let token = by(sha256, "HS256", "main", SIGNING_KEY);
    assert_eq!(ask(&app, &token).await.status, 200, "the token that the others differ from");
    let (signed, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = signed.split_once('.').unwrap();
    let none = by(sha256, "none", "main", SIGNING_KEY);
    let promoted = json!({"sub": "ops", "scope": "ops:read ops:write", "exp": app.now().as_second() + 999_999});
    for (what, token) in [
        ("alg none without a signature", format!("{}.", none.rsplit_once('.').unwrap().0)),
        ("alg none with a signature", none),
        ("alg None", by(sha256, "None", "main", SIGNING_KEY)),
        ("RS256 over an HMAC", by(sha256, "RS256", "main", SIGNING_KEY)),
        ("ES256 over an HMAC", by(sha256, "ES256", "main", SIGNING_KEY)),
        ("a true HS512", by(hmac::HMAC_SHA512, "HS512", "main", SIGNING_KEY)),
        ("HS512 over an HS256", by(sha256, "HS512", "main", SIGNING_KEY)),
        ("another key", by(sha256, "HS256", "main", OTHER_KEY)),
        ("an empty key", by(sha256, "HS256", "main", "")),
        ("an unknown kid", by(sha256, "HS256", "other", SIGNING_KEY)),
        ("a kid that is a path", by(sha256, "HS256", "../../dev/null", "")),
        ("no signature", format!("{signed}.")),
        ("two parts", signed.to_owned()),
        ("four parts", format!("{token}.x")),
        ("a signature cut short", token[..token.len() - 2].to_owned()),
        ("other claims", format!("{head}.{}.{signature}", URL_SAFE_NO_PAD.encode(promoted.to_string()))),
        ("no JSON", format!("{}.{}.{signature}", URL_SAFE_NO_PAD.encode("x"), URL_SAFE_NO_PAD.encode("y"))),
        ("no Base64", "*.*.*".into()),
    ] {
        let answer = ask(&app, &token).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_refused(&answer, 401, "unauthorized");
        assert!(!answer.body.to_string().contains(signature), "{what}");
    }
}

#[tokio::test]
async fn an_authorization_header_that_is_no_token_is_refused_whatever_the_body_says() {
    let app = TestApp::new().await;
    let token = app.token("ess");
    let post = |header: &str, body: &'static str| {
        let request = app.request(Method::POST, "/leaves").header("content-type", "application/json").body(body);
        if header.is_empty() { request } else { request.header("authorization", header) }
    };
    for header in [
        "",
        " ",
        "Bearer",
        "Bearer ",
        &token,
        &format!("Basic {token}"),
        &format!("Token {token}"),
        &format!("Bearer:{token}"),
        &format!("Bearer {token} x"),
        &format!("Bearer x {token}"),
        &format!("Bearer \"{token}\""),
    ] {
        for body in ["", "{}", "no JSON"] {
            let answer = answer(post(header, body)).await;
            assert_eq!(answer.status, 401, "{header}: {answer:?}");
            assert_refused(&answer, 401, "unauthorized");
        }
    }
    for scheme in ["Bearer", "bearer", "BEARER"] {
        let answer = answer(post(&format!("{scheme} {token}"), "{}")).await;
        assert_eq!(answer.status, 422, "{scheme}: the token is good, the body is not");
    }
}

#[tokio::test]
async fn a_token_in_the_address_is_no_token() {
    let app = TestApp::new().await;
    for name in ["access_token", "token", "authorization"] {
        let path = format!("/mappings?{name}={}", app.token("ops"));
        assert_refused(&app.get(&path, None).await, 401, "unauthorized");
    }
}

#[tokio::test]
async fn a_minted_token_is_good_until_its_last_second() {
    let app = TestApp::new().await;
    let mint = |life| http::mint(&app.settings.auth, "ops", &[Scope::OpsRead], app.now(), life).unwrap();
    assert_refused(&ask(&app, &mint(SignedDuration::from_secs(-1))).await, 401, "unauthorized");
    assert_refused(&ask(&app, &mint(SignedDuration::ZERO)).await, 401, "unauthorized");
    let token = mint(SignedDuration::from_hours(1));
    for (passes, status) in [(0, 200), (3599, 200), (1, 401)] {
        app.advance(SignedDuration::from_secs(passes)).await;
        assert_eq!(ask(&app, &token).await.status, status);
    }
}

#[tokio::test]
async fn while_keys_are_changed_both_are_good_each_under_its_own_name() {
    let keys = [("AUTH__KEYS__NEXT__SECRET", OTHER_KEY), ("AUTH__SIGNING_KEY", "next")];
    let app = TestApp::with(&keys).await;
    assert_eq!(ask(&app, &app.token("ops")).await.status, 200);
    for (kid, key, status) in
        [("main", SIGNING_KEY, 200), ("next", OTHER_KEY, 200), ("next", SIGNING_KEY, 401), ("main", OTHER_KEY, 401)]
    {
        let header = json!({"alg": "HS256", "kid": kid});
        let token = jwt(hmac::HMAC_SHA256, &header, &claims(&app, &json!({})), key);
        assert_eq!(ask(&app, &token).await.status, status, "{kid}");
    }
}
