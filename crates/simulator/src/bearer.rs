//! Checks the bearer token of every Graph call.
//!
//! It must never take a token that Entra next door did not sign for Graph, nor one a second after its end.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde_json::Value;

use super::{
    failure::Failure,
    signing::{Keys, Unreadable},
};

/// The resource that the simulator plays, whatever its own address is.
pub(crate) const GRAPH: &str = "https://graph.microsoft.com";

/// A token whose signature held.
#[derive(Debug)]
pub(crate) struct Bearer {
    /// The app's client id.
    pub(crate) app: String,
    directory: String,
    audience: String,
    roles: Vec<String>,
    not_before: i64,
    expires: i64,
}

impl Bearer {
    /// Whether one of the consented permissions is among `wanted`.
    pub(crate) fn may(&self, wanted: &[&str]) -> bool {
        self.roles.iter().any(|role| wanted.contains(&role.as_str()))
    }

    /// The directory it was issued in.
    pub(crate) fn directory(&self) -> &str {
        &self.directory
    }

    fn read(claims: &Value) -> Option<Self> {
        let text = |name: &str| claims[name].as_str().map(str::to_owned);
        let roles = claims["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
        Some(Self {
            app: text("appid")?,
            directory: text("tid")?,
            audience: text("aud")?,
            roles: roles.iter().filter_map(Value::as_str).map(str::to_owned).collect(),
            not_before: claims["nbf"].as_i64()?,
            expires: claims["exp"].as_i64()?,
        })
    }
}

/// Tokens whose signature was checked already: that is the dear part, and every call brings the same token.
#[derive(Debug, Default)]
pub(crate) struct Bearers(RwLock<HashMap<Box<str>, Arc<Bearer>>>);

impl Bearers {
    /// The caller, or Graph's refusal.
    pub(crate) fn check(&self, keys: &Keys, headers: &HeaderMap, now: Timestamp) -> Result<Arc<Bearer>, Failure> {
        let header = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let token = match header.split_once(' ') {
            Some((scheme, token)) if scheme.eq_ignore_ascii_case("bearer") && !token.trim().is_empty() => token.trim(),
            _ => return Err(Failure::token("Access token is empty.")),
        };
        let bearer = self.known(token).map_or_else(|| self.learn(keys, token, now), Ok)?;
        if bearer.audience != GRAPH {
            return Err(Failure::token("Access token validation failure. Invalid audience."));
        }
        if now.as_second() >= bearer.expires {
            return Err(Failure::token("Lifetime validation failed, the token is expired."));
        }
        if now.as_second() < bearer.not_before {
            return Err(Failure::token("Lifetime validation failed, the token is not yet valid."));
        }
        Ok(bearer)
    }

    fn known(&self, token: &str) -> Option<Arc<Bearer>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(token).cloned()
    }

    fn learn(&self, keys: &Keys, token: &str, now: Timestamp) -> Result<Arc<Bearer>, Failure> {
        let claims = keys.open(token).map_err(|why| match why {
            Unreadable::Malformed => Failure::token("CompactToken parsing failed with error code: 80049217"),
            Unreadable::Forged => Failure::token("CompactToken validation failed with reason code: 80049228."),
        })?;
        let malformed = || Failure::token("CompactToken parsing failed with error code: 80049217");
        let bearer = Arc::new(Bearer::read(&claims).ok_or_else(malformed)?);
        let mut known = self.0.write().unwrap_or_else(PoisonError::into_inner);
        known.retain(|_, bearer| now.as_second() < bearer.expires);
        known.insert(token.into(), Arc::clone(&bearer));
        Ok(bearer)
    }
}
