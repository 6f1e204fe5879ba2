//! Our own tokens: HS256 with the keys of `[auth.keys]`, made by `leavebridge token`.

use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::claims::{is_in_time, is_meant_for};
use crate::config::{Auth, Scope};

const AUDIENCE: &str = "leavebridge";

/// What our tokens say.
#[derive(Debug, Serialize, Deserialize)]
struct Claims {
    sub: String,
    exp: i64,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    #[serde(default)]
    scope: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iat: Option<i64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    iss: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    aud: Option<serde_json::Value>,
}

/// A token of ours that is good.
pub(super) struct OwnToken {
    /// The name in `[clients.NAME]`.
    pub(super) client: String,
    /// What it asks for.
    pub(super) scopes: Vec<Scope>,
    /// When it ends, in seconds since 1970.
    pub(super) until: i64,
}

/// The keys of our own tokens, by `kid`.
pub(super) struct OwnKeys(Vec<(String, DecodingKey)>);

impl OwnKeys {
    pub(super) fn new(auth: &Auth) -> Self {
        let keys = auth.keys.iter();
        Self(
            keys.map(|(kid, secret)| (kid.clone(), DecodingKey::from_secret(secret.expose_secret().as_bytes())))
                .collect(),
        )
    }

    /// What the token says, if it is ours and good at `now`.
    pub(super) fn open(&self, token: &str, now: Timestamp) -> Option<OwnToken> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid;
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are checked below, by our own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        let Claims { sub, scope, exp, .. } = self
            .0
            .iter()
            .filter(|(name, _)| kid.as_ref().is_none_or(|kid| kid == name))
            .find_map(|(_, key)| jsonwebtoken::decode::<Claims>(token, key, &validation).ok())
            .map(|token| token.claims)
            .filter(|claims| is_in_time(claims.exp, claims.nbf, now))
            .filter(|claims| claims.aud.as_ref().is_none_or(|claim| is_meant_for(AUDIENCE, claim)))?;
        let scopes = scope.split_ascii_whitespace().filter_map(Scope::of).collect();
        Some(OwnToken { client: sub, scopes, until: exp })
    }
}

/// Why no token can be made.
#[derive(Debug, thiserror::Error)]
pub enum MintError {
    /// There is no key to sign with.
    #[error("no key to sign with: set [auth.keys.NAME], and auth.signing_key if there are several")]
    NoKey,
    /// The signing itself failed.
    #[error("the token could not be signed")]
    Signing(#[source] jsonwebtoken::errors::Error),
}

/// Makes a token for a client, good for `life` from `now`.
///
/// # Errors
/// When there is no key to sign with.
pub fn mint(
    auth: &Auth,
    client: &str,
    scopes: &[Scope],
    now: Timestamp,
    life: SignedDuration,
) -> Result<String, MintError> {
    let kid = auth.signing_key.clone().ok_or(MintError::NoKey)?;
    let secret = auth.keys.get(&kid).ok_or(MintError::NoKey)?;
    let claims = Claims {
        sub: client.to_owned(),
        exp: now.as_second().saturating_add(life.as_secs()),
        nbf: None,
        scope: scopes.iter().map(|scope| scope.word()).collect::<Vec<_>>().join(" "),
        iat: Some(now.as_second()),
        iss: Some(AUDIENCE.into()),
        aud: Some(AUDIENCE.into()),
    };
    let header = Header { kid: Some(kid), ..Header::new(Algorithm::HS256) };
    jsonwebtoken::encode(&header, &claims, &EncodingKey::from_secret(secret.expose_secret().as_bytes()))
        .map_err(MintError::Signing)
}
