//! Tells callers apart, by whatever they prove themselves with.

use std::sync::Arc;

use axum::http::{HeaderMap, header};
use jiff::Timestamp;
use serde::Deserialize;

use super::{
    caller::{Caller, NO_CREDENTIALS},
    issuer::TrustedIssuer,
    own::OwnKeys,
    signature::WebhookKeys,
};
use crate::{
    clock::Clock,
    config::{Client, Scope, Settings},
    http::problem::ApiError,
};

const BAD_TOKEN: &str = "The token is not valid here, or no longer. `leavebridge token --client NAME` makes a new one.";
const NO_CLIENT: &str = "The token is good, but no [clients.NAME] has its issuer and its subject (sub).";

/// Everything that tells callers apart.
pub(in crate::http) struct Authenticator {
    clients: Vec<Arc<Client>>,
    own_keys: OwnKeys,
    issuers: Vec<TrustedIssuer>,
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
struct UnverifiedClaims {
    iss: String,
}

impl Authenticator {
    /// A authenticator for these clients. `http` fetches the keys of other issuers.
    pub(in crate::http) fn new(settings: &Settings, http: &reqwest::Client, clock: Arc<dyn Clock>) -> Self {
        let clients: Vec<_> = settings.clients.values().cloned().map(Arc::new).collect();
        let issuers = settings.auth.issuers.iter().map(|(name, issuer)| TrustedIssuer::new(name, issuer, http, &clock));
        Self {
            own_keys: OwnKeys::new(&settings.auth),
            issuers: issuers.collect(),
            webhook_keys: WebhookKeys::new(&clients),
            clients,
            clock,
        }
    }

    pub(in crate::http) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The other issuers by name, each with what is wrong with it at the moment.
    pub(in crate::http) fn issuers(&self) -> impl Iterator<Item = (&str, Option<String>)> {
        self.issuers.iter().map(TrustedIssuer::problem)
    }

    /// Whether the request carries a token at all.
    pub(in crate::http) fn has_token(headers: &HeaderMap) -> bool {
        headers.contains_key(header::AUTHORIZATION)
    }

    /// The caller that the token in the headers names.
    pub(in crate::http) async fn by_token(&self, headers: &HeaderMap) -> Result<Caller, ApiError> {
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
    pub(in crate::http) async fn by_bearer(&self, token: &str) -> Result<Caller, ApiError> {
        let claimed = jsonwebtoken::dangerous::insecure_decode_claims::<UnverifiedClaims>(token).ok();
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

    async fn by_issued_token(&self, issuer: &TrustedIssuer, token: &str) -> Result<Caller, ApiError> {
        let token = issuer.open(token, self.clock.now()).await?;
        // Never by the client's name: another issuer could call its own callers as it likes.
        let client = self.clients.iter().find(|client| client.subject.as_ref() == Some(&token.subject));
        client.map(|client| Caller::of(client, &token.scopes, token.until)).ok_or(ApiError::Unauthorized(NO_CLIENT))
    }

    /// The caller whose secret signed this body.
    pub(in crate::http) fn by_signature(&self, headers: &HeaderMap, body: &[u8]) -> Result<Caller, ApiError> {
        let client = self.webhook_keys.signer(headers, body, self.clock.now())?;
        Ok(Caller { client, scopes: vec![Scope::LeavesWrite], until: None })
    }
}
