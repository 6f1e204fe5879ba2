//! Tokens in another issuer's name that its key did not sign in the way that the key is for.

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use super::{AUDIENCE, ask_leave, good, header, issued, trusting};
use crate::support::{
    SIGNING_KEY, TestApp, assert_refused,
    issuer::{Issuer, Signer},
};

fn part(value: &Value) -> String {
    URL_SAFE_NO_PAD.encode(value.to_string())
}

/// A token under an HMAC of that secret.
fn hs256(header: &Value, claims: &Value, secret: &[u8]) -> String {
    let signed = format!("{}.{}", part(header), part(claims));
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, secret), signed.as_bytes());
    format!("{signed}.{}", URL_SAFE_NO_PAD.encode(tag))
}

async fn assert_all_refused(app: &TestApp, tokens: Vec<(&str, String)>) {
    for (what, token) in tokens {
        let answer = ask_leave(app, &token).await;
        assert_eq!(answer.status, 401, "{what}: {answer:?}");
        assert_refused(&answer, 401, "unauthorized");
    }
}

#[tokio::test]
async fn a_public_key_is_no_secret() {
    let signer = Signer::rsa(0);
    let jwk = signer.jwk(&json!({"kid": "k1"}));
    let issuer = Issuer::new(json!({"keys": [jwk]})).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    assert_eq!(ask_leave(&app, &good(&app, &issuer, &signer)).await.status, 404, "the one that the others differ from");
    let claims = issued(&app, &issuer, &json!({}));
    let pem = pem::encode(&pem::Pem::new("RSA PUBLIC KEY", signer.der()));
    let modulus = URL_SAFE_NO_PAD.decode(jwk["n"].as_str().unwrap()).unwrap();
    let mut tokens = Vec::new();
    for (what, secret) in [
        ("the key as PEM", pem.as_bytes()),
        ("the key as DER", &signer.der()),
        ("the modulus", &modulus),
        ("the modulus as text", jwk["n"].as_str().unwrap().as_bytes()),
        ("the JWK", jwk.to_string().as_bytes()),
        ("nothing", b""),
        // In the issuer's name only the issuer's keys count.
        ("our own key", SIGNING_KEY.as_bytes()),
    ] {
        for algorithm in ["HS256", "RS256"] {
            tokens.push((what, hs256(&header(algorithm), &claims, secret)));
        }
    }
    let own = json!({"alg": "HS256", "kid": "main"});
    let as_ours = json!({"sub": "ess", "scope": "leaves:read", "aud": ["leavebridge", AUDIENCE]});
    let as_ours = issued(&app, &issuer, &as_ours);
    tokens.push(("our own key for our own client", hs256(&own, &as_ours, SIGNING_KEY.as_bytes())));
    assert_all_refused(&app, tokens).await;
}

#[tokio::test]
async fn a_shared_secret_in_a_key_set_is_not_taken() {
    let secret = b"a-secret-that-everybody-can-read-in-the-set";
    let octets = json!({"kty": "oct", "kid": "k1", "alg": "HS256", "k": URL_SAFE_NO_PAD.encode(secret)});
    let other = Signer::rsa(0).jwk(&json!({"kid": "k2"}));
    let issuer = Issuer::new(json!({"keys": [octets, other]})).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    let claims = issued(&app, &issuer, &json!({}));
    assert_all_refused(&app, vec![("HS256", hs256(&header("HS256"), &claims, secret))]).await;
}

#[tokio::test]
async fn a_token_without_a_signature_or_with_anothers_is_refused() {
    let (signer, stranger) = (Signer::rsa(0), Signer::rsa(1));
    let issuer = Issuer::new(json!({"keys": [signer.jwk(&json!({"kid": "k1"}))]})).await;
    let app = trusting(&[("hr", &issuer)], &[]).await;
    let claims = issued(&app, &issuer, &json!({}));
    let sign = |header: &Value| signer.sign("RS256", header, &claims);
    let token = good(&app, &issuer, &signer);
    assert_eq!(ask_leave(&app, &token).await.status, 404, "the one that the others differ from");
    let (text, signature) = token.rsplit_once('.').unwrap();
    let (head, _) = text.split_once('.').unwrap();
    let with = |name: &str, value: Value| {
        let mut header = header("RS256");
        header[name] = value;
        header
    };
    let promoted = issued(&app, &issuer, &json!({"roles": ["leaves:read", "leaves:write", "ops:write"]}));
    let its_own = with("jwk", stranger.jwk(&json!({"kid": "k1"})));
    let tokens = vec![
        ("alg none without a signature", format!("{}.{}.", part(&header("none")), part(&claims))),
        ("alg none with a signature", sign(&header("none"))),
        ("no signature", format!("{text}.")),
        ("a stranger's key", stranger.sign("RS256", &header("RS256"), &claims)),
        ("a stranger's key that the token itself brings", stranger.sign("RS256", &its_own, &claims)),
        ("other claims", format!("{head}.{}.{signature}", part(&promoted))),
        ("RS512", signer.sign("RS512", &header("RS512"), &claims)),
        ("RS256 that says PS256", sign(&header("PS256"))),
        ("PS256 that says RS256", signer.sign("PS256", &header("RS256"), &claims)),
        ("RS256 that says ES256", sign(&header("ES256"))),
        ("another kid", sign(&with("kid", json!("k2")))),
        ("no kid", sign(&with("kid", Value::Null))),
        ("a critical header that nobody knows", sign(&with("crit", json!(["b64"])))),
    ];
    assert_all_refused(&app, tokens).await;
}

#[tokio::test]
async fn a_key_is_good_only_for_what_its_issuer_says() {
    for (more, algorithm) in [
        (json!({"kid": "k1", "alg": "PS256"}), "RS256"),
        (json!({"kid": "k1", "alg": "RS256"}), "PS256"),
        (json!({"kid": "k1", "alg": "RS512"}), "RS256"),
        (json!({"kid": "k1", "alg": "RSA-OAEP"}), "RS256"),
        (json!({"kid": "k1", "use": "enc"}), "RS256"),
        (json!({"kid": "k1", "key_ops": ["encrypt"]}), "RS256"),
    ] {
        let signer = Signer::rsa(0);
        let other = Signer::ec().jwk(&json!({"kid": "k2"}));
        let issuer = Issuer::new(json!({"keys": [signer.jwk(&more), other]})).await;
        let app = trusting(&[("hr", &issuer)], &[]).await;
        let token = signer.sign(algorithm, &header(algorithm), &issued(&app, &issuer, &json!({})));
        assert_eq!(ask_leave(&app, &token).await.status, 401, "{more}");
    }
}
