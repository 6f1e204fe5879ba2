//! ESS and Backstage as they really are: programs that post signed webhooks over HTTP.

use anyhow::ensure;
use jiff::Timestamp;
use leavebridge_stage::portal::{Proof, Webhook};
use reqwest::Client;
use serde_json::{Value, json};

/// A leave that cannot be delivered yet is shown waiting, after this many seconds.
const WAIT: u32 = 5;

/// One of the two portals.
#[derive(Debug)]
pub(super) struct Portal<'a> {
    pub(super) http: &'a Client,
    pub(super) api: &'a str,
    pub(super) secret: &'a str,
    pub(super) name: &'static str,
}

impl Portal<'_> {
    /// Posts a webhook and waits until the calendar follows. Answers the leave as it stands.
    pub(super) async fn post(&self, kind: &str, at: Timestamp, data: Value) -> anyhow::Result<Value> {
        let body = json!({"type": kind, "timestamp": at, "data": data}).to_string();
        let id = format!("{}-{}", self.name, at.as_nanosecond());
        let webhook = Webhook { id: &id, body: &body, wait: Some(WAIT) };
        let answer = webhook.post(self.http, self.api, Proof::Secret(self.secret, at)).await?;
        let (status, body) = (answer.status, answer.body);
        ensure!((200..300).contains(&status), "{} was answered {status}: {body}", self.name);
        Ok(body)
    }
}
