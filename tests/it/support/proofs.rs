//! Certificates and issuers that are made for one test each, and what they sign. They share nothing with the service.

use jiff::Timestamp;
use rcgen::{CertificateParams, KeyPair, PKCS_RSA_SHA256, RsaKeySize};
use serde_json::{Value, json};

use super::issuer::Signer;

/// A certificate and its key.
pub(crate) struct Certified {
    /// The public half, as it is uploaded to the app.
    pub(crate) public: String,
    key: KeyPair,
}

impl Certified {
    /// A certificate that expires at the start of that day (UTC).
    pub(crate) fn until(year: i32, month: u8, day: u8) -> Self {
        let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, RsaKeySize::_2048).unwrap();
        let mut params = CertificateParams::new(["leavebridge".to_owned()]).unwrap();
        params.not_after = rcgen::date_time_ymd(year, month, day);
        let certificate = params.self_signed(&key).unwrap();
        Self { public: certificate.pem(), key }
    }

    /// Certificate and private key in one file.
    pub(crate) fn file(&self) -> String {
        format!("{}{}", self.public, self.private())
    }

    /// The private key.
    pub(crate) fn private(&self) -> String {
        self.key.serialize_pem()
    }
}

/// Somebody whose tokens Entra is told to trust.
pub(crate) struct Issuer(Signer);

impl Issuer {
    const NAME: &'static str = "https://oidc.cluster.example/";
    const SUBJECT: &'static str = "system:serviceaccount:leave:leavebridge";
    const AUDIENCE: &'static str = "api://AzureADTokenExchange";

    pub(crate) fn new() -> Self {
        Self(Signer::rsa(0))
    }

    /// What the app's registration says of it.
    pub(crate) fn record(&self) -> Value {
        let key = self.0.jwk(&json!({}));
        json!({"issuer": Self::NAME, "subject": Self::SUBJECT, "key": {"n": key["n"], "e": key["e"]}})
    }

    /// A token for our own service account that is good for an hour.
    pub(crate) fn token(&self, now: Timestamp) -> String {
        let claims = json!({
            "iss": Self::NAME, "sub": Self::SUBJECT, "aud": [Self::AUDIENCE], "iat": now.as_second(),
            "nbf": now.as_second(), "exp": now.as_second() + 3600,
        });
        self.0.sign("RS256", &json!({"alg": "RS256", "kid": "k1"}), &claims)
    }
}
