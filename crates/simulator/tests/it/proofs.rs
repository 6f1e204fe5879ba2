//! Certificates and issuers that are made for one test each, and what they sign.

use aws_lc_rs::{
    digest::{self, SHA1_FOR_LEGACY_USE_ONLY, SHA256},
    rand::SystemRandom,
    signature::{KeyPair as _, RSA_PKCS1_SHA256, RSA_PSS_SHA256, RsaKeyPair},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

/// A certificate and its key.
pub(crate) struct Certified {
    /// The public half, as it is uploaded to the app.
    pub(crate) public: String,
    der: Vec<u8>,
    key: KeyPair,
}

impl Certified {
    /// A certificate that expires at the start of that day (UTC).
    pub(crate) fn until(year: i32, month: u8, day: u8) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::new(["leavebridge".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let certificate = params.self_signed(&key).unwrap();
        Self { public: certificate.pem(), der: certificate.der().to_vec(), key }
    }

    fn pair(&self) -> RsaKeyPair {
        RsaKeyPair::from_pkcs8(self.key.serialized_der()).unwrap()
    }

    /// An assertion in the current form.
    pub(crate) fn assert(&self, claims: &Value) -> String {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&SHA256, &self.der));
        signed(&self.pair(), "PS256", &json!({"alg": "PS256", "typ": "JWT", "x5t#S256": thumbprint}), claims)
    }

    /// An assertion in the form before it.
    pub(crate) fn assert_as_before(&self, claims: &Value) -> String {
        let thumbprint = URL_SAFE_NO_PAD.encode(digest::digest(&SHA1_FOR_LEGACY_USE_ONLY, &self.der));
        signed(&self.pair(), "RS256", &json!({"alg": "RS256", "typ": "JWT", "x5t": thumbprint}), claims)
    }
}

/// Somebody whose tokens Entra is told to trust.
pub(crate) struct Issuer(RsaKeyPair);

impl Issuer {
    pub(crate) const NAME: &'static str = "https://oidc.cluster.example/";
    pub(crate) const SUBJECT: &'static str = "system:serviceaccount:leave:leavebridge";
    pub(crate) const AUDIENCE: &'static str = "api://AzureADTokenExchange";

    pub(crate) fn new() -> Self {
        Self(RsaKeyPair::generate(aws_lc_rs::rsa::KeySize::Rsa2048).unwrap())
    }

    /// What the app's registration says of it.
    pub(crate) fn record(&self) -> Value {
        let public = self.0.public_key();
        let number = |bytes: &[u8]| URL_SAFE_NO_PAD.encode(bytes);
        json!({
            "issuer": Self::NAME, "subject": Self::SUBJECT,
            "key": {
                "n": number(public.modulus().big_endian_without_leading_zero()),
                "e": number(public.exponent().big_endian_without_leading_zero()),
            },
        })
    }

    /// A token for our own service account that is good for an hour.
    pub(crate) fn token(&self, now: Timestamp) -> String {
        self.token_with(now, &json!({}))
    }

    /// The same with other claims.
    pub(crate) fn token_with(&self, now: Timestamp, changes: &Value) -> String {
        let mut claims = json!({
            "iss": Self::NAME, "sub": Self::SUBJECT, "aud": [Self::AUDIENCE], "iat": now.as_second(),
            "nbf": now.as_second(), "exp": now.as_second() + 3600,
        });
        for (name, value) in changes.as_object().unwrap() {
            claims[name] = value.clone();
        }
        signed(&self.0, "RS256", &json!({"alg": "RS256", "kid": "k1"}), &claims)
    }
}

fn signed(pair: &RsaKeyPair, algorithm: &str, header: &Value, claims: &Value) -> String {
    let part = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let text = format!("{}.{}", part(header), part(claims));
    let mut signature = vec![0; pair.public_modulus_len()];
    let random = SystemRandom::new();
    match algorithm {
        "PS256" => pair.sign(&RSA_PSS_SHA256, &random, text.as_bytes(), &mut signature).unwrap(),
        _ => pair.sign(&RSA_PKCS1_SHA256, &random, text.as_bytes(), &mut signature).unwrap(),
    }
    format!("{text}.{}", URL_SAFE_NO_PAD.encode(signature))
}
