//! Tokens of other issuers, such as a customer's Entra: app-only tokens for our API.
//!
//! Its subject names the client, its roles or scopes say what it may do. Whatever the token says of itself chooses the key
//! at most; only a key that the issuer publishes for that use proves anything, and never a shared secret.

use std::sync::Arc;

use jiff::Timestamp;
use jsonwebtoken::Validation;
use serde::Deserialize;
use serde_json::Value;

use super::{
    claims::{is_in_time, is_meant_for},
    keys::{KeyLookupError, Keys},
};
use crate::{
    clock::Clock,
    config::{self, Scope, Subject},
    http::problem::ApiError,
};

const BAD_TOKEN: &str =
    "The token is not valid here, or no longer: its signature, its time or its audience (aud) is not right.";
const UNREACHABLE: &str = "The keys of the token's issuer cannot be had at the moment. Send it again.";

/// An issuer whose tokens are accepted.
pub(super) struct TrustedIssuer {
    name: String,
    iss: String,
    audience: String,
    keys: Arc<Keys>,
}

/// What an issuer's tokens say. Entra puts application permissions into `roles` and delegated ones into `scp`; others
/// have `scope` (RFC 9068), as one text or as a list.
#[derive(Deserialize)]
struct Claims {
    iss: String,
    sub: String,
    aud: Value,
    exp: i64,
    nbf: Option<i64>,
    #[serde(default)]
    roles: Value,
    #[serde(default)]
    scp: Value,
    #[serde(default)]
    scope: Value,
}

/// A token that is good.
pub(super) struct IssuedToken {
    /// Whose it is.
    pub(super) subject: Subject,
    /// What its issuer grants, as far as we know the words.
    pub(super) scopes: Vec<Scope>,
    /// When it ends, in seconds since 1970.
    pub(super) until: i64,
}

impl TrustedIssuer {
    pub(super) fn new(name: &str, settings: &config::Issuer, http: &reqwest::Client, clock: &Arc<dyn Clock>) -> Self {
        Self {
            name: name.to_owned(),
            iss: settings.issuer.clone(),
            audience: settings.audience.clone(),
            keys: Arc::new(Keys::new(name, settings, http.clone(), Arc::clone(clock))),
        }
    }

    /// Its name in the configuration, and why its keys cannot be had, should that be so.
    pub(super) fn problem(&self) -> (&str, Option<String>) {
        (&self.name, self.keys.problem())
    }

    /// Whether a token with that `iss` is this one's to judge.
    pub(super) fn is(&self, iss: &str) -> bool {
        self.iss == iss
    }

    /// What the token says, if it is this issuer's, for us, and good at `now`.
    pub(super) async fn open(&self, token: &str, now: Timestamp) -> Result<IssuedToken, ApiError> {
        let bad = || ApiError::Unauthorized(BAD_TOKEN);
        let header = jsonwebtoken::decode_header(token).map_err(|_| bad())?;
        // A token with a critical header that we do not know must be refused (RFC 7515, 4.1.11), and we know none.
        let Some(kid) = header.kid.filter(|_| header.crit.is_none()) else { return Err(bad()) };
        let key = self.keys.find(&kid, header.alg).await.map_err(|error| match error {
            KeyLookupError::Unknown => bad(),
            KeyLookupError::Unreachable => ApiError::Unavailable(UNREACHABLE),
        })?;
        let mut validation = Validation::new(header.alg);
        // Checked below: times by our own clock, and nothing but one exact issuer and audience.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "iss", "aud", "sub"]);
        let claims = jsonwebtoken::decode::<Claims>(token, &key, &validation).map_err(|_| bad())?.claims;
        let good = self.is(&claims.iss)
            && is_meant_for(&self.audience, &claims.aud)
            && is_in_time(claims.exp, claims.nbf, now);
        let subject = Subject { issuer: self.name.clone(), subject: claims.sub };
        let words = [&claims.roles, &claims.scp, &claims.scope].into_iter().flat_map(words);
        let scopes = words.filter_map(Scope::of).collect();
        good.then_some(IssuedToken { subject, scopes, until: claims.exp }).ok_or_else(bad)
    }
}

fn words(claim: &Value) -> Vec<&str> {
    match claim {
        Value::String(text) => text.split_ascii_whitespace().collect(),
        Value::Array(many) => many.iter().filter_map(Value::as_str).collect(),
        _ => Vec::new(),
    }
}
