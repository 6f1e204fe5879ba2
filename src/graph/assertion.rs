//! The signed statement by which a certificate's owner asks for a token (`private_key_jwt`).
//!
//! PS256 with `x5t#S256`, as Microsoft's page on certificate credentials has it since 2025. It lives five minutes and is
//! good from a minute ago, so that a clock a little off does no harm. It is as good as a password for as long as it
//! lives: it must never be written anywhere.

use aws_lc_rs::{rand::SystemRandom, signature::RSA_PSS_SHA256};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::{SignedDuration, Timestamp};
use secrecy::SecretString;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::config::Certificate;

const LIFE: SignedDuration = SignedDuration::from_mins(5);
const EARLIER: SignedDuration = SignedDuration::from_secs(60);

/// An assertion that `client_id` makes to the token endpoint `audience`; `None` when the key does not sign.
pub(super) fn mint(
    certificate: &Certificate,
    client_id: &str,
    audience: &str,
    now: Timestamp,
    id: Uuid,
) -> Option<SecretString> {
    let header = json!({"alg": "PS256", "typ": "JWT", "x5t#S256": URL_SAFE_NO_PAD.encode(certificate.thumbprint())});
    let claims = json!({
        "aud": audience, "iss": client_id, "sub": client_id, "jti": id.hyphenated().to_string(),
        "iat": now.as_second(), "nbf": (now - EARLIER).as_second(), "exp": (now + LIFE).as_second(),
    });
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let signed = format!("{}.{}", part(&header), part(&claims));
    let mut signature = vec![0; certificate.key().public_modulus_len()];
    certificate.key().sign(&RSA_PSS_SHA256, &SystemRandom::new(), signed.as_bytes(), &mut signature).ok()?;
    Some(SecretString::from(format!("{signed}.{}", URL_SAFE_NO_PAD.encode(signature))))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use aws_lc_rs::{
        digest,
        signature::{KeyPair as _, RSA_PSS_2048_8192_SHA256, UnparsedPublicKey},
    };
    use secrecy::ExposeSecret as _;

    use super::*;
    use crate::config::CertificateFiles;

    #[test]
    fn an_assertion_says_who_asks_whom_and_since_when_under_a_signature_that_holds() {
        let key = rcgen::KeyPair::generate_rsa_for(&rcgen::PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
        let own = rcgen::CertificateParams::new([]).unwrap().self_signed(&key).unwrap();
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("app.pem");
        fs::write(&path, format!("{}{}", own.pem(), key.serialize_pem())).unwrap();
        let certificate = CertificateFiles { certificate: path, key: None }.read().unwrap();

        let now: Timestamp = "2026-11-22T12:00:00Z".parse().unwrap();
        let id = Uuid::from_u128(7);
        let assertion = mint(&certificate, "app", "https://login.example/t/oauth2/v2.0/token", now, id).unwrap();
        let (signed, signature) = assertion.expose_secret().rsplit_once('.').unwrap();
        let signature = URL_SAFE_NO_PAD.decode(signature).unwrap();
        UnparsedPublicKey::new(&RSA_PSS_2048_8192_SHA256, certificate.key().public_key().as_ref())
            .verify(signed.as_bytes(), &signature)
            .unwrap();
        let parts: Vec<Value> = signed
            .split('.')
            .map(|part| serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap())
            .collect();
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&digest::SHA256, own.der()));
        assert_eq!(parts[0], json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}));
        assert_eq!(
            parts[1],
            json!({
                "aud": "https://login.example/t/oauth2/v2.0/token", "iss": "app", "sub": "app", "jti": id,
                "iat": now.as_second(), "nbf": now.as_second() - 60, "exp": now.as_second() + 300,
            })
        );
        assert!(!format!("{assertion:?} {certificate:?}").contains(signed));
    }
}
