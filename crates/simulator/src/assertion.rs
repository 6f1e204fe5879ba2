//! Checks the signed statements by which a caller proves itself without a secret: its own certificate's, or another
//! issuer's token.
//!
//! It must never let one through that was not made for this very token endpoint, by a key that the app's registration
//! names, within its time.

use aws_lc_rs::signature::{
    RSA_PKCS1_2048_8192_SHA256, RSA_PSS_2048_8192_SHA256, RsaPublicKeyComponents, UnparsedPublicKey,
};
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    app::{App, Federated, hex},
    token_request::Refusal,
};

/// How far a caller's clock may be off.
const SKEW: i64 = 300;

struct Assertion<'a> {
    header: Value,
    claims: Value,
    signed: &'a [u8],
    signature: Vec<u8>,
}

/// Whether `assertion` proves that `app` asks at one of `endpoints`, the names of the endpoint that was asked.
pub(crate) fn check(app: &App, assertion: &str, endpoints: &[String], now: Timestamp) -> Result<(), Refusal> {
    let assertion = Assertion::read(assertion)
        .ok_or_else(|| Refusal::new(50_027, "invalid_request", "JWT token is invalid or malformed."))?;
    if assertion.claims["iss"] == app.client_id.as_str() {
        assertion.own(app, endpoints, now)
    } else {
        assertion.federated(app, now)
    }
}

impl<'a> Assertion<'a> {
    fn read(text: &'a str) -> Option<Self> {
        let (signed, signature) = text.rsplit_once('.')?;
        let (header, claims) = signed.split_once('.')?;
        let part = |text| -> Option<Value> { serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok() };
        let signature = URL_SAFE_NO_PAD.decode(signature).ok()?;
        Some(Self { header: part(header)?, claims: part(claims)?, signed: signed.as_bytes(), signature })
    }

    /// Signed with a certificate of the app's.
    fn own(&self, app: &App, endpoints: &[String], now: Timestamp) -> Result<(), Refusal> {
        let thumbprint = |name: &str| self.header[name].as_str().and_then(|text| URL_SAFE_NO_PAD.decode(text).ok());
        let (sha256, sha1) = (thumbprint("x5t#S256"), thumbprint("x5t"));
        // The current form and the one before it; others are refused by a careful reading of Microsoft's page.
        let (algorithm, key) = match (self.header["alg"].as_str(), &sha256, &sha1) {
            (Some("PS256"), Some(sha256), _) => {
                (&RSA_PSS_2048_8192_SHA256, app.certificates.iter().find(|known| known.sha256 == *sha256))
            }
            (Some("RS256"), _, Some(sha1)) => {
                (&RSA_PKCS1_2048_8192_SHA256, app.certificates.iter().find(|known| known.sha1 == *sha1))
            }
            _ => return Err(Refusal::new(50_027, "invalid_request", "JWT token is invalid or malformed.")),
        };
        let refused = |reason: &str| {
            let used = hex(sha256.as_deref().or(sha1.as_deref()).unwrap_or_default());
            let sentence = format!(
                "The certificate with identifier used to sign the client assertion is not registered on application. [Reason - {reason}, Thumbprint of key used by client: '{used}', Please visit the Azure Portal, Graph Explorer or directly use MS Graph to see configured keys for app Id '{}'.]",
                app.client_id
            );
            Refusal::new(700_027, "invalid_client", sentence)
        };
        let key = key.ok_or_else(|| refused("The key was not found."))?;
        UnparsedPublicKey::new(algorithm, &key.key)
            .verify(self.signed, &self.signature)
            .map_err(|_| refused("The signature could not be verified."))?;
        if u64::try_from(now.as_second()).is_ok_and(|now| key.expires <= now) {
            return Err(refused("The key used is expired."));
        }
        if self.claims["sub"] != app.client_id.as_str() {
            let sentence = "Client assertion application identifier doesn't match 'client_id' parameter.";
            return Err(Refusal::new(700_021, "invalid_client", sentence));
        }
        if !endpoints.iter().any(|endpoint| self.claims["aud"] == endpoint.as_str()) {
            let sentence = "Client assertion audience claim does not match Realm issuer.";
            return Err(Refusal::new(700_023, "invalid_client", sentence));
        }
        self.in_time(now)
    }

    /// Another issuer's token, which a record of the app's trusts.
    fn federated(&self, app: &App, now: Timestamp) -> Result<(), Refusal> {
        let refused = |number, sentence: String| Refusal::new(number, "invalid_client", sentence);
        let (issuer, subject, audience) = (&self.claims["iss"], &self.claims["sub"], &self.claims["aud"]);
        if app.federated_credentials.is_empty() {
            let sentence =
                format!("No matching federated identity record found for presented assertion issuer {issuer}.");
            return Err(refused(70_021, sentence));
        }
        let of_issuer = |record: &&Federated| *issuer == record.issuer.as_str();
        let records: Vec<&Federated> = app.federated_credentials.iter().filter(of_issuer).collect();
        if records.is_empty() {
            let sentence =
                format!("No matching federated identity record found for presented assertion issuer {issuer}.");
            return Err(refused(700_211, sentence));
        }
        if self.header["alg"] != "RS256" || !records.iter().any(|record| self.is_signed_by(record)) {
            return Err(refused(50_013, "Assertion failed signature validation.".into()));
        }
        let Some(record) = records.iter().find(|record| *subject == record.subject.as_str()) else {
            let sentence =
                format!("No matching federated identity record found for presented assertion subject {subject}.");
            return Err(refused(700_213, sentence));
        };
        // A token may be for several; Kubernetes writes even one as a list.
        let meant: Vec<&str> = match audience {
            Value::Array(all) => all.iter().filter_map(Value::as_str).collect(),
            one => one.as_str().into_iter().collect(),
        };
        if !record.audiences.iter().any(|known| meant.contains(&known.as_str())) {
            let sentence =
                format!("No matching federated identity record found for presented assertion audience {audience}.");
            return Err(refused(700_212, sentence));
        }
        self.in_time(now)
    }

    fn is_signed_by(&self, record: &Federated) -> bool {
        let number = |text: &str| URL_SAFE_NO_PAD.decode(text).unwrap_or_default();
        let key = RsaPublicKeyComponents { n: number(&record.key.n), e: number(&record.key.e) };
        key.verify(&RSA_PKCS1_2048_8192_SHA256, self.signed, &self.signature).is_ok()
    }

    fn in_time(&self, now: Timestamp) -> Result<(), Refusal> {
        let now = now.as_second();
        let begins = self.claims["nbf"].as_i64().unwrap_or(now);
        // Without an end it is over.
        let ends = self.claims["exp"].as_i64().unwrap_or(i64::MIN);
        if begins <= now + SKEW && now < ends.saturating_add(SKEW) {
            return Ok(());
        }
        let sentence = format!(
            "Client assertion is not within its valid time range. Current time: {now}, assertion valid from {begins}, expiry time of assertion {ends}."
        );
        Err(Refusal::new(700_024, "invalid_client", sentence))
    }
}
