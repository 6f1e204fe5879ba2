//! Who calls: a bearer JWT of our own keys or of another issuer, or a Standard Webhooks signature. All end in a [`Caller`].
//!
//! The algorithm is never taken from the token, signatures are compared in constant time, and no error says more than the
//! caller needs to know. One way in that is out of order must never close another.

mod issuer;
mod keys;
mod own;
mod signature;

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use issuer::Issuer;
use jiff::{SignedDuration, Timestamp};
use own::OwnKeys;
pub use own::{MintError, mint};
use serde::Deserialize;
use serde_json::Value;
use signature::WebhookKeys;
pub use signature::sign;

use super::problem::ApiError;
use crate::{
    clock::Clock,
    config::{Client, Scope, Settings},
};

/// How far an issuer's clock may be ahead of ours.
const CLOCK_TOLERANCE: SignedDuration = SignedDuration::from_secs(60);

const NO_CREDENTIALS: &str =
    "Send a token (authorization: Bearer ...) or sign the webhook (webhook-id, webhook-timestamp, webhook-signature).";
const BAD_TOKEN: &str = "The token is not valid here, or no longer. `leavebridge token --client NAME` makes a new one.";
const NO_CLIENT: &str = "The token is good, but no [clients.NAME] has its issuer and its subject (sub).";

/// Who calls, and what it may do with this request.
#[derive(Debug, Clone)]
pub(super) struct Caller {
    pub(super) client: Arc<Client>,
    scopes: Vec<Scope>,
    /// When the token ends, in seconds since 1970; none without a token.
    pub(super) until: Option<i64>,
}

impl Caller {
    /// Refuses a caller without that scope.
    pub(super) fn require(&self, scope: Scope) -> Result<&Self, ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(self);
        }
        Err(ApiError::Forbidden(format!("This needs the scope {}, which the caller does not have.", scope.word())))
    }

    /// Refuses a caller that may not speak for that tenant.
    pub(super) fn require_tenant(&self, tenant: &str) -> Result<(), ApiError> {
        if self.client.tenants.iter().any(|own| own == tenant) {
            return Ok(());
        }
        Err(ApiError::Forbidden("The caller may not speak for this tenant.".into()))
    }

    /// The caller behind a good token. What a client has lost since its token was made, the token has lost too.
    fn of(client: &Arc<Client>, asked: &[Scope], until: i64) -> Self {
        let scopes = asked.iter().copied().filter(|scope| client.scopes.contains(scope)).collect();
        Self { client: Arc::clone(client), scopes, until: Some(until) }
    }
}

/// Everything that tells callers apart.
pub(super) struct Authenticator {
    clients: Vec<Arc<Client>>,
    own_keys: OwnKeys,
    issuers: Vec<Issuer>,
    webhook_keys: WebhookKeys,
    clock: Arc<dyn Clock>,
}

impl std::fmt::Debug for Authenticator {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Authenticator").finish_non_exhaustive()
    }
}

/// Whom a token claims to come from; believed only to choose who has to prove it.
#[derive(Deserialize)]
struct Claimed {
    iss: String,
}

impl Authenticator {
    /// A authenticator for these clients. `http` fetches the keys of other issuers.
    pub(super) fn new(settings: &Settings, http: &reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        let clients: Vec<_> = settings.clients.values().cloned().map(Arc::new).collect();
        let issuers = settings.auth.issuers.iter().map(|(name, issuer)| Issuer::new(name, issuer, http, &clock));
        Self {
            own_keys: OwnKeys::new(&settings.auth),
            issuers: issuers.collect(),
            webhook_keys: WebhookKeys::new(&clients),
            clients,
            clock,
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The other issuers by name, each with what is wrong with it at the moment.
    pub(super) fn issuers(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        self.issuers.iter().map(Issuer::standing)
    }

    /// Whether the request carries a token at all.
    pub(super) fn has_token(headers: &HeaderMap) -> bool {
        headers.contains_key(header::AUTHORIZATION)
    }

    /// The caller that the token in the headers names.
    pub(super) async fn by_token(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
        let header = headers.get(header::AUTHORIZATION).ok_or(ApiError::Unauthorized(NO_CREDENTIALS))?;
        let token = header
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim())
            .ok_or(ApiError::Unauthorized(NO_CREDENTIALS))?;
        self.by_bearer(token).await
    }

    /// The caller that this token names, wherever it was found.
    pub(super) async fn by_bearer(&self, token: &str) -> Result<Caller, ApiError> {
        let claimed = jsonwebtoken::dangerous::insecure_decode_claims::<Claimed>(token).ok();
        let issuer = claimed.and_then(|claimed| self.issuers.iter().find(|issuer| issuer.is(&claimed.iss)));
        match issuer {
            Some(issuer) => self.by_issued_token(issuer, token).await,
            None => self.by_own_token(token).ok_or(ApiError::Unauthorized(BAD_TOKEN)),
        }
    }

    fn by_own_token(&self, token: &str) -> Option<Caller> {
        let token = self.own_keys.open(token, self.clock.now())?;
        let client = self.clients.iter().find(|client| client.name == token.client)?;
        Some(Caller::of(client, &token.scopes, token.until))
    }

    async fn by_issued_token(&self, issuer: &Issuer, token: &str) -> Result<Caller, ApiError> {
        let token = issuer.open(token, self.clock.now()).await?;
        // Never by the client's name: another issuer could call its own callers as it likes.
        let client = self.clients.iter().find(|client| client.subject.as_ref() == Some(&token.subject));
        client.map(|client| Caller::of(client, &token.scopes, token.until)).ok_or(ApiError::Unauthorized(NO_CLIENT))
    }

    /// The caller whose secret signed this body.
    pub(super) fn by_signature(&self, headers: &HeaderMap, body: &[u8]) -> Result<Caller, ApiError> {
        let client = self.webhook_keys.signer(headers, body, self.clock.now())?;
        Ok(Caller { client, scopes: vec![Scope::LeavesWrite], until: None })
    }
}

/// Whether a token with these times is good at `now`.
fn is_in_time(expires: i64, not_before: Option<i64>, now: Timestamp) -> bool {
    now.as_second() < expires
        && not_before.is_none_or(|from| from <= now.as_second().saturating_add(CLOCK_TOLERANCE.as_secs()))
}

/// Whether an `aud` claim names `audience`.
fn is_meant_for(audience: &str, claim: &Value) -> bool {
    match claim {
        Value::String(one) => one == audience,
        Value::Array(many) => many.iter().any(|one| one == audience),
        _ => false,
    }
}
