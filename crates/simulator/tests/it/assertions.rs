//! Signed proofs: what Entra takes instead of a secret, and what it says of each that is not right.

use leavebridge_simulator::Simulator;
use serde_json::{Value, json};

use super::{
    proofs::{Certified, Issuer},
    stage::{Answer, Stage},
};

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

async fn register(stage: &Stage, proofs: Value) {
    let mut app = proofs;
    app["directory_id"] = json!(Simulator::DIRECTORY_ID);
    app["client_id"] = json!(Simulator::CLIENT_ID);
    stage.settings(json!({"apps": [app]})).await;
}

async fn ask(stage: &Stage, assertion: &str) -> Answer {
    let proof = [("client_secret", ""), ("client_assertion_type", JWT_BEARER), ("client_assertion", assertion)];
    stage.ask_token(&proof).await
}

fn number(answer: &Answer) -> i64 {
    assert!(answer.status >= 400, "{}", answer.body);
    answer.body["error_codes"][0].as_i64().unwrap()
}

/// What a certificate's owner says at this moment, with these changes; null takes a claim out.
fn claims(stage: &Stage, changes: &Value) -> Value {
    let now = stage.clock.now().as_second();
    let mut claims = json!({
        "aud": format!("{}/{}/oauth2/v2.0/token", stage.base, Simulator::DIRECTORY_ID), "iss": Simulator::CLIENT_ID,
        "sub": Simulator::CLIENT_ID, "jti": "1", "nbf": now, "exp": now + 300,
    });
    for (name, value) in changes.as_object().unwrap() {
        claims[name] = value.clone();
    }
    claims.as_object_mut().unwrap().retain(|_, value| !value.is_null());
    claims
}

#[tokio::test]
async fn both_forms_of_a_certificates_assertion_are_taken() {
    let (stage, certified) = (Stage::new().await, Certified::until(2027, 5, 15));
    register(&stage, json!({"certificates": [certified.public], "roles": ["Calendars.ReadWrite"]})).await;
    let claims = claims(&stage, &json!({}));
    for assertion in [certified.assert(&claims), certified.assert_as_before(&claims)] {
        let answer = ask(&stage, &assertion).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
        let token = answer.body["access_token"].as_str().unwrap();
        assert_eq!(super::entra::claims(token)["appidacr"], "2");
    }
    let shown = stage.control(reqwest::Method::GET, "/settings", Value::Null).await["apps"][0].clone();
    assert_eq!(shown["certificates"][0]["expires"], "2027-05-15T00:00:00Z", "{shown}");
}

#[tokio::test]
async fn each_flaw_of_a_certificates_assertion_has_its_number() {
    let (stage, certified, other) = (Stage::new().await, Certified::until(2027, 5, 15), Certified::until(2027, 5, 15));
    let over = Certified::until(2026, 11, 1);
    register(&stage, json!({"certificates": [certified.public, over.public]})).await;
    let now = stage.clock.now().as_second();
    for (changes, expected) in [
        (json!({"nbf": now + 301}), 700_024),
        (json!({"exp": now - 300}), 700_024),
        (json!({"exp": null}), 700_024),
        (json!({"sub": "somebody"}), 700_021),
        (json!({"iss": "somebody"}), 70_021),
        (json!({"aud": "https://login.microsoftonline.com/x/oauth2/v2.0/token"}), 700_023),
        (json!({"aud": format!("{}/{}/v2.0", stage.base, Simulator::DIRECTORY_ID)}), 700_023),
        (json!({"aud": null}), 700_023),
    ] {
        let answer = ask(&stage, &certified.assert(&claims(&stage, &changes))).await;
        assert_eq!(number(&answer), expected, "{changes}: {}", answer.body);
        assert_eq!((answer.status, &answer.body["error"]), (401, &json!("invalid_client")), "{changes}");
    }
    let good = claims(&stage, &json!({}));
    for (within, expected) in [(json!({"nbf": now + 300}), 200), (json!({"exp": now - 299}), 200)] {
        let answer = ask(&stage, &certified.assert(&claims(&stage, &within))).await;
        assert_eq!(answer.status, expected, "{within}: {}", answer.body);
    }
    let unknown = ask(&stage, &other.assert(&good)).await;
    assert_eq!(number(&unknown), 700_027);
    assert!(unknown.body["error_description"].as_str().unwrap().contains("The key was not found"), "{}", unknown.body);
    assert_eq!(number(&ask(&stage, &over.assert(&good)).await), 700_027);
    // Another key's signature under the right certificate's thumbprint, and claims that were changed afterwards.
    let (right, wrong) = (certified.assert(&good), other.assert(&good));
    let forged = format!("{}.{}", right.rsplit_once('.').unwrap().0, wrong.rsplit_once('.').unwrap().1);
    let later = certified.assert(&claims(&stage, &json!({"exp": now + 9999})));
    let parts: Vec<&str> = right.split('.').collect();
    let changed = format!("{}.{}.{}", parts[0], later.split('.').nth(1).unwrap(), parts[2]);
    for forged in [forged, changed] {
        assert_eq!(number(&ask(&stage, &forged).await), 700_027);
    }
    for malformed in ["x", "x.y.z", "e30.e30"] {
        assert_eq!(number(&ask(&stage, malformed).await), 50_027, "{malformed}");
    }
    // A secret is no substitute where there is none, nor is a certificate that was taken away.
    register(&stage, json!({"secrets": [{"value": "s"}]})).await;
    assert_eq!(number(&ask(&stage, &right).await), 700_027);
}

#[tokio::test]
async fn another_issuers_token_is_taken_only_as_the_record_says() {
    let (stage, issuer, other) = (Stage::new().await, Issuer::new(), Issuer::new());
    let now = stage.clock.now();
    assert_eq!(number(&ask(&stage, &issuer.token(now)).await), 70_021);
    register(&stage, json!({"federated_credentials": [issuer.record()]})).await;
    let answer = ask(&stage, &issuer.token(now)).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let single = json!({"aud": Issuer::AUDIENCE});
    assert_eq!(ask(&stage, &issuer.token_with(now, &single)).await.status, 200);
    for (changes, expected) in [
        (json!({"iss": "https://elsewhere.example/"}), 700_211),
        (json!({"sub": "system:serviceaccount:other:app"}), 700_213),
        (json!({"aud": ["https://kubernetes.default.svc"]}), 700_212),
        (json!({"exp": now.as_second() - 300}), 700_024),
        (json!({"nbf": now.as_second() + 301}), 700_024),
    ] {
        let answer = ask(&stage, &issuer.token_with(now, &changes)).await;
        assert_eq!(number(&answer), expected, "{changes}: {}", answer.body);
    }
    assert_eq!(number(&ask(&stage, &other.token(now)).await), 50_013);
}

#[tokio::test]
async fn a_certificate_is_registered_as_pem_or_not_at_all() {
    let stage = Stage::new().await;
    for certificate in ["nonsense", "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"] {
        let app = json!({"directory_id": "d", "client_id": "c", "certificates": [certificate]});
        let answer = stage.try_control(reqwest::Method::POST, "/settings", json!({"apps": [app]})).await;
        assert_eq!(answer.status, 400, "{}", answer.body);
    }
}
