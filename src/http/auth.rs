//! Who calls: a bearer JWT of our own keys, or a Standard Webhooks signature. Both end in a [`Caller`].
//!
//! The algorithm is never taken from the token, signatures are compared in constant time, and no refusal says more than the
//! caller needs to know.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::http::{HeaderMap, header};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use jsonwebtoken::{Algorithm, DecodingKey, EncodingKey, Header, Validation};
use secrecy::ExposeSecret as _;
use serde::{Deserialize, Serialize};

use super::problem::Refusal;
use crate::{
    clock::Clock,
    config::{Auth, Client, Scope, Settings},
};

const AUDIENCE: &str = "leavebridge";
/// How far a sender's clock may differ from ours, both ways.
const SIGNATURE_TOLERANCE: SignedDuration = SignedDuration::from_mins(5);
const CLOCK_TOLERANCE: i64 = 60;

const NO_CREDENTIALS: &str =
    "Send a token (authorization: Bearer ...) or sign the webhook (webhook-id, webhook-timestamp, webhook-signature).";
const BAD_TOKEN: &str = "The token is not valid here, or no longer. `leavebridge token --client NAME` makes a new one.";
const BAD_SIGNATURE: &str = "No known secret gives this signature of webhook-id.webhook-timestamp.body, byte by byte.";
const BAD_TIME: &str = "webhook-timestamp (Unix seconds) is missing, or more than 5 minutes away from now.";

/// Who calls, and what it may do with this request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) client: Arc<Client>,
    scopes: Vec<Scope>,
}

impl Caller {
    /// Refuses a caller without that scope.
    pub(super) fn require(&self, scope: Scope) -> Result<&Self, Refusal> {
        if self.scopes.contains(&scope) {
            return Ok(self);
        }
        Err(Refusal::Forbidden(format!("This needs the scope {}, which the caller does not have.", scope.word())))
    }

    /// Refuses a caller that may not speak for that tenant.
    pub(super) fn require_tenant(&self, tenant: &str) -> Result<(), Refusal> {
        if self.client.tenants.iter().any(|own| own == tenant) {
            return Ok(());
        }
        Err(Refusal::Forbidden("The caller may not speak for this tenant.".into()))
    }
}

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

struct WebhookKey {
    client: Arc<Client>,
    key: hmac::Key,
}

/// Everything that tells callers apart.
pub(super) struct Gate {
    clients: Vec<Arc<Client>>,
    token_keys: Vec<(String, DecodingKey)>,
    webhook_keys: Vec<WebhookKey>,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Gate {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Gate").finish_non_exhaustive()
    }
}

impl Gate {
    pub(super) fn new(settings: &Settings, clock: Arc<dyn Clock>) -> Self {
        let clients: Vec<_> = settings.clients.values().cloned().map(Arc::new).collect();
        let token_keys = settings
            .auth
            .keys
            .iter()
            .map(|(kid, secret)| (kid.clone(), DecodingKey::from_secret(secret.expose_secret().as_bytes())))
            .collect();
        let webhook_keys = clients
            .iter()
            .flat_map(|client| {
                client.webhook_keys.iter().filter_map(|secret| {
                    let bytes = STANDARD.decode(secret.expose_secret().strip_prefix("whsec_")?).ok()?;
                    Some(WebhookKey { client: Arc::clone(client), key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
                })
            })
            .collect();
        Self { clients, token_keys, webhook_keys, clock }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Whether the request carries a token at all.
    pub(super) fn has_token(headers: &HeaderMap) -> bool {
        headers.contains_key(header::AUTHORIZATION)
    }

    /// The caller that the token names.
    pub(super) fn by_token(&self, headers: &HeaderMap) -> Result<Caller, Refusal> {
        let header = headers.get(header::AUTHORIZATION).ok_or(Refusal::Unknown(NO_CREDENTIALS))?;
        let token = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(Refusal::Unknown(NO_CREDENTIALS))?;
        let claims = self.claims(token).ok_or(Refusal::Unknown(BAD_TOKEN))?;
        let client = self.clients.iter().find(|client| client.name == claims.sub);
        let client = client.ok_or(Refusal::Unknown(BAD_TOKEN))?;
        // What a client has lost since its token was made, the token has lost too.
        let asked: Vec<Scope> = claims.scope.split_ascii_whitespace().filter_map(Scope::of).collect();
        let scopes = asked.into_iter().filter(|scope| client.scopes.contains(scope)).collect();
        Ok(Caller { client: Arc::clone(client), scopes })
    }

    fn claims(&self, token: &str) -> Option<Claims> {
        let kid = jsonwebtoken::decode_header(token).ok()?.kid;
        let mut validation = Validation::new(Algorithm::HS256);
        // Times are checked below, by our own clock.
        validation.validate_exp = false;
        validation.validate_nbf = false;
        validation.validate_aud = false;
        validation.set_required_spec_claims(&["exp", "sub"]);
        let now = self.clock.now().as_second();
        self.token_keys
            .iter()
            .filter(|(name, _)| kid.as_ref().is_none_or(|kid| kid == name))
            .find_map(|(_, key)| jsonwebtoken::decode::<Claims>(token, key, &validation).ok())
            .map(|token| token.claims)
            .filter(|claims| now < claims.exp && claims.nbf.is_none_or(|nbf| nbf <= now + CLOCK_TOLERANCE))
            .filter(|claims| claims.aud.as_ref().is_none_or(is_for_us))
    }

    /// The caller whose secret signed this body.
    pub(super) fn by_signature(&self, headers: &HeaderMap, body: &[u8]) -> Result<Caller, Refusal> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(id), Some(signatures)) = (text("webhook-id"), text("webhook-signature")) else {
            return Err(Refusal::Unknown(NO_CREDENTIALS));
        };
        let timestamp = text("webhook-timestamp").unwrap_or_default();
        let at = timestamp.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        if at.is_none_or(|at| self.clock.now().duration_since(at).abs() > SIGNATURE_TOLERANCE) {
            return Err(Refusal::Unknown(BAD_TIME));
        }
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        let signatures: Vec<Vec<u8>> = signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|signature| STANDARD.decode(signature).ok())
            .collect();
        let by = self.webhook_keys.iter().find(|WebhookKey { key, .. }| {
            signatures.iter().any(|signature| hmac::verify(key, &signed, signature).is_ok())
        });
        let client = by.map(|key| Arc::clone(&key.client)).ok_or(Refusal::Unknown(BAD_SIGNATURE))?;
        Ok(Caller { client, scopes: vec![Scope::LeavesWrite] })
    }
}

fn is_for_us(audience: &serde_json::Value) -> bool {
    match audience {
        serde_json::Value::String(one) => one == AUDIENCE,
        serde_json::Value::Array(many) => many.iter().any(|one| one == AUDIENCE),
        _ => false,
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

/// The `webhook-signature` of a body: what a portal sends. For the demo and tests.
#[must_use]
pub fn sign(secret: &str, id: &str, timestamp: i64, body: &[u8]) -> Option<String> {
    let bytes = STANDARD.decode(secret.strip_prefix("whsec_")?).ok()?;
    let mut signed = format!("{id}.{timestamp}.").into_bytes();
    signed.extend_from_slice(body);
    let tag = hmac::sign(&hmac::Key::new(hmac::HMAC_SHA256, &bytes), &signed);
    Some(format!("v1,{}", STANDARD.encode(tag)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signature_is_that_of_the_standard_webhooks_libraries() {
        // The example that their specification and libraries are tested with.
        let signature = sign(
            "whsec_C2FVsBQIhrscChlQIMV+b5sSYspob7oD",
            "msg_27UH4WbU6Z5A5EzD8u03UvzRbpk",
            1_649_367_553,
            br#"{"email":"test@example.com","username":"test_user"}"#,
        );
        assert_eq!(signature.as_deref(), Some("v1,tZ1I4/hDygAJgO5TYxiSd6Sd0kDW6hPenDe+bTa3Kkw="));
    }
}
