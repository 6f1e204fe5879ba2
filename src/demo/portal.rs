//! ESS and Backstage as they really are: programs that post signed webhooks over HTTP.

use anyhow::{Context as _, ensure};
use jiff::Timestamp;
use reqwest::Client;
use serde_json::{Value, json};

use crate::http;

/// One of the two portals.
#[derive(Debug)]
pub(super) struct Portal<'a> {
    pub(super) http: &'a Client,
    pub(super) api: &'a str,
    pub(super) secret: &'a str,
    pub(super) name: &'static str,
}

impl Portal<'_> {
    /// Posts a webhook, signed as Standard Webhooks, and waits until the calendar follows. Answers the leave as it stands.
    pub(super) async fn post(&self, kind: &str, at: Timestamp, data: Value) -> anyhow::Result<Value> {
        let body = json!({"type": kind, "timestamp": at, "data": data}).to_string();
        let id = format!("{}-{}", self.name, at.as_nanosecond());
        let seconds = at.as_second();
        let signature = http::sign(self.secret, &id, seconds, body.as_bytes()).context("the secret is no secret")?;
        let answer = self
            .http
            .post(format!("{}/leaves", self.api))
            .header("content-type", "application/json")
            // A leave that cannot be delivered yet is shown waiting, soon enough.
            .header("prefer", "wait=5")
            .header("webhook-id", id)
            .header("webhook-timestamp", seconds)
            .header("webhook-signature", signature)
            .body(body)
            .send()
            .await?;
        let status = answer.status();
        let answer: Value = answer.json().await?;
        ensure!(status.is_success(), "{} was answered {status}: {answer}", self.name);
        Ok(answer)
    }
}
