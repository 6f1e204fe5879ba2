//! Standard Webhooks: an HMAC over `id.timestamp.body` proves who posts, and that nothing was changed on the way.

use std::sync::Arc;

use aws_lc_rs::hmac;
use axum::http::HeaderMap;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{SignedDuration, Timestamp};
use secrecy::ExposeSecret as _;

use super::caller::NO_CREDENTIALS;
use crate::{config::Client, http::problem::ApiError};

/// How far a sender's clock may differ from ours, both ways.
const TOLERANCE: SignedDuration = SignedDuration::from_mins(5);

const BAD_SIGNATURE: &str = "No known secret gives this signature of webhook-id.webhook-timestamp.body, byte by byte.";
const BAD_TIME: &str = "webhook-timestamp (Unix seconds) is missing, or more than 5 minutes away from now.";

struct WebhookKey {
    client: Arc<Client>,
    key: hmac::Key,
}

/// The webhook keys of all clients.
pub(super) struct WebhookKeys(Vec<WebhookKey>);

impl WebhookKeys {
    pub(super) fn new(clients: &[Arc<Client>]) -> Self {
        let keys = clients.iter().flat_map(|client| {
            client.webhook_keys.iter().filter_map(|secret| {
                let bytes = STANDARD.decode(secret.expose_secret().strip_prefix("whsec_")?).ok()?;
                Some(WebhookKey { client: Arc::clone(client), key: hmac::Key::new(hmac::HMAC_SHA256, &bytes) })
            })
        });
        Self(keys.collect())
    }

    /// The client whose secret signed this body.
    pub(super) fn signer(&self, headers: &HeaderMap, body: &[u8], now: Timestamp) -> Result<Arc<Client>, ApiError> {
        let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
        let (Some(id), Some(signatures)) = (text("webhook-id"), text("webhook-signature")) else {
            return Err(ApiError::Unauthorized(NO_CREDENTIALS));
        };
        let timestamp = text("webhook-timestamp").unwrap_or_default();
        let at = timestamp.parse().ok().and_then(|second| Timestamp::from_second(second).ok());
        if at.is_none_or(|at| now.duration_since(at).abs() > TOLERANCE) {
            return Err(ApiError::Unauthorized(BAD_TIME));
        }
        let mut signed = format!("{id}.{timestamp}.").into_bytes();
        signed.extend_from_slice(body);
        let signatures: Vec<Vec<u8>> = signatures
            .split(' ')
            .filter_map(|signature| signature.strip_prefix("v1,"))
            .filter_map(|signature| STANDARD.decode(signature).ok())
            .collect();
        let by = self.0.iter().find(|WebhookKey { key, .. }| {
            signatures.iter().any(|signature| hmac::verify(key, &signed, signature).is_ok())
        });
        by.map(|key| Arc::clone(&key.client)).ok_or(ApiError::Unauthorized(BAD_SIGNATURE))
    }
}
