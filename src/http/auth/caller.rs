//! Who calls, and what it may do.

use std::sync::Arc;

use crate::{
    config::{Client, Scope},
    http::problem::ApiError,
};

/// For a request that proves nothing.
pub(super) const NO_CREDENTIALS: &str =
    "Send a token (authorization: Bearer ...) or sign the webhook (webhook-id, webhook-timestamp, webhook-signature).";

/// Who calls, and what it may do with this request.
#[derive(Debug, Clone)]
pub(in crate::http) struct Caller {
    pub(in crate::http) client: Arc<Client>,
    pub(super) scopes: Vec<Scope>,
    /// When the token ends, in seconds since 1970; none without a token.
    pub(in crate::http) until: Option<i64>,
}

impl Caller {
    /// Refuses a caller without that scope.
    pub(in crate::http) fn require(&self, scope: Scope) -> Result<&Self, ApiError> {
        if self.scopes.contains(&scope) {
            return Ok(self);
        }
        Err(ApiError::Forbidden(format!("This needs the scope {}, which the caller does not have.", scope.word())))
    }

    /// Refuses a caller that may not speak for that tenant.
    pub(in crate::http) fn require_tenant(&self, tenant: &str) -> Result<(), ApiError> {
        if self.client.tenants.iter().any(|own| own == tenant) {
            return Ok(());
        }
        Err(ApiError::Forbidden("The caller may not speak for this tenant.".into()))
    }

    /// The caller behind a good token. What a client has lost since its token was made, the token has lost too.
    pub(super) fn of(client: &Arc<Client>, asked: &[Scope], until: i64) -> Self {
        let scopes = asked.iter().copied().filter(|scope| client.scopes.contains(scope)).collect();
        Self { client: Arc::clone(client), scopes, until: Some(until) }
    }
}
