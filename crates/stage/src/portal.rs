//! A portal: a program that posts webhooks, signed as Standard Webhooks or with a token.
//!
//! It must never share code with the service that it posts to: a signature that both sides get wrong would be accepted.

use anyhow::Context as _;
use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use reqwest::Client;
use serde_json::Value;

/// How a portal proves who it is.
#[derive(Debug, Clone, Copy)]
pub enum Proof<'a> {
    /// A bearer token.
    Token(&'a str),
    /// A secret (`whsec_…`) that signs each webhook, and the time that goes into the signature.
    Secret(&'a str, Timestamp),
}

/// A webhook on its way to a service.
#[derive(Debug)]
pub struct Webhook<'a> {
    /// The delivery's: the same each time that it is sent.
    pub id: &'a str,
    /// JSON.
    pub body: &'a str,
    /// For how many seconds the answer may be held until the calendar follows.
    pub wait: Option<u32>,
}

/// What a service answered.
#[derive(Debug)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// Seconds after which it asks to be sent the webhook again.
    pub retry_after: Option<u64>,
    /// The body; text when it is no JSON.
    pub body: Value,
}

impl Webhook<'_> {
    /// Posts it once to the service at that base address.
    ///
    /// # Errors
    /// When no answer comes, or the secret is none.
    pub async fn post(&self, client: &Client, service: &str, proof: Proof<'_>) -> anyhow::Result<Answer> {
        let mut request = client
            .post(format!("{service}/leaves"))
            .header("content-type", "application/json")
            .header("webhook-id", self.id);
        if let Some(seconds) = self.wait {
            request = request.header("prefer", format!("wait={seconds}"));
        }
        request = match proof {
            Proof::Token(token) => request.bearer_auth(token),
            Proof::Secret(secret, now) => {
                let seconds = now.as_second();
                let signature = sign(secret, self.id, seconds, self.body.as_bytes());
                request
                    .header("webhook-timestamp", seconds)
                    .header("webhook-signature", signature.context("the secret is no secret")?)
            }
        };
        let answer = request.body(self.body.to_owned()).send().await?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let text = answer.text().await?;
        Ok(Answer { status, retry_after, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) })
    }
}

/// The `webhook-signature` of a body; `None` when `secret` is no `whsec_…`. `timestamp` is in Unix seconds.
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
