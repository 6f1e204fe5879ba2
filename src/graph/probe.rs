//! What only the doctor asks: whether Microsoft can be reached at all, what a token says, whether a calendar opens.
//!
//! Everything is asked once and reported as it came; what it means, the doctor decides. It must never change anything,
//! and never hand out a token: only its claims are passed on.

use std::{error::Error as _, sync::Arc};

use jiff::{Timestamp, civil::DateTime};
use reqwest::{Client, Method, Response};
use serde::Deserialize;
use serde_json::Value;
use tokio::time::{Instant, timeout_at};
use url::Url;

use super::{
    client::{Answer, Graph, MailboxAccess, parse},
    credential::TenantCredential,
    entra,
    error::{GraphError, printable},
    response,
};
use crate::{
    clock::{Clock, Random},
    config::Microsoft,
};

/// The resource "Office 365 Exchange Online" in every directory, which EWS belongs to.
pub const EXCHANGE_APP: &str = "00000002-0000-0ff1-ce00-000000000000";

/// A host that answered, whatever it said.
#[derive(Debug, Clone)]
pub struct HostAnswer {
    /// The HTTP status.
    pub status: u16,
    /// The host's own time.
    pub date: Option<Timestamp>,
    /// Its body where that was JSON, else `null`.
    pub body: Value,
}

/// A host that did not answer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unreachable {
    /// At which step it failed.
    pub failure: NetworkFailure,
    /// The innermost cause, in the words of the library that reported it.
    pub detail: String,
}

/// The step at which a connection failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkFailure {
    /// The name has no address here.
    Dns,
    /// The connection was not accepted.
    Connect,
    /// TLS failed: an untrusted certificate, or no TLS at all.
    Tls,
    /// The proxy refused the connection.
    Proxy,
    /// No answer in time.
    Timeout,
    /// The connection broke off.
    Disconnected,
}

/// An event as it is in the calendar now.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct EventSnapshot {
    /// Its title.
    pub subject: String,
    /// `private` and its like.
    pub sensitivity: String,
    /// How the time shows.
    pub show_as: String,
    /// Whole days.
    pub is_all_day: bool,
    /// Its first moment.
    pub start: LocalDateTime,
    /// The first moment after it.
    pub end: LocalDateTime,
}

/// A moment as Graph writes it.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct LocalDateTime {
    /// Wall time.
    pub date_time: DateTime,
}

/// Fetches the directory's public `OpenID` configuration from Entra, which needs no credential.
///
/// # Errors
/// When the host does not answer.
pub async fn reach_entra(http: &Client, microsoft: &Microsoft, end: Instant) -> Result<HostAnswer, Unreachable> {
    let rest = format!("{}/v2.0/.well-known/openid-configuration", microsoft.directory_id);
    reach(http, below(&microsoft.authority, &rest), end).await
}

/// Asks Graph without a token. It answers with 401, which shows that it can be reached.
///
/// # Errors
/// When the host does not answer.
pub async fn reach_graph(http: &Client, microsoft: &Microsoft, end: Instant) -> Result<HostAnswer, Unreachable> {
    reach(http, below(&microsoft.graph, "v1.0/me"), end).await
}

/// The rights that the app has at Exchange Online itself, as a token for it names them: a remnant of EWS shows there, and
/// nowhere in a token for Graph. `None` when Entra gives no such token, or one that cannot be read.
pub async fn exchange_rights(
    http: Client,
    direct: Client,
    microsoft: &Microsoft,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    end: Instant,
) -> Option<Vec<String>> {
    let credential = TenantCredential::new(http, direct, microsoft, EXCHANGE_APP, clock, random);
    let token = timeout_at(end, credential.fetch()).await.ok()?.ok()?;
    let claims = token.claims()?;
    let roles = claims["roles"].as_array().map(Vec::as_slice).unwrap_or_default();
    Some(roles.iter().filter_map(Value::as_str).map(str::to_owned).collect())
}

impl Graph {
    /// What a token for Graph says of itself; `None` when it cannot be read, which is no fault.
    ///
    /// # Errors
    /// When Entra gives no token.
    pub async fn claims(&self, end: Instant) -> Result<Option<Value>, GraphError> {
        Ok(self.tokens.token_by(end).await?.claims())
    }

    /// Opens the mailbox's own calendar, to read.
    ///
    /// # Errors
    /// See [`Failure`](crate::reconcile::failure::Failure).
    pub async fn open_calendar(&self, mailbox: MailboxAccess<'_>) -> Result<(), GraphError> {
        let mut url = self.url(&mailbox, &["calendar"]);
        url.set_query(Some("$select=id"));
        self.call(mailbox.until, Method::GET, url, None).await.map(|_calendar| ())
    }

    /// The mailbox's own time zone; empty where none is set.
    ///
    /// # Errors
    /// See [`Failure`](crate::reconcile::failure::Failure); `AccessDenied` without `MailboxSettings.Read`.
    pub async fn time_zone(&self, mailbox: MailboxAccess<'_>) -> Result<String, GraphError> {
        let url = self.url(&mailbox, &["mailboxSettings", "timeZone"]);
        let Answer { body, .. } = self.call(mailbox.until, Method::GET, url, None).await?;
        Ok(body.as_ref().and_then(|body| body["value"].as_str()).unwrap_or_default().to_owned())
    }

    /// Reads one event.
    ///
    /// # Errors
    /// See [`Failure`](crate::reconcile::failure::Failure).
    pub async fn read_event(&self, mailbox: MailboxAccess<'_>, event_id: &str) -> Result<EventSnapshot, GraphError> {
        let mut url = self.url(&mailbox, &["events", event_id]);
        url.set_query(Some("$select=id,subject,sensitivity,showAs,isAllDay,start,end"));
        let Answer { body, request_ids } = self.call(mailbox.until, Method::GET, url, None).await?;
        parse(body, &request_ids)
    }
}

fn below(base: &Url, rest: &str) -> Url {
    let mut url = base.clone();
    url.set_path(&format!("{}/{rest}", base.path().trim_end_matches('/')));
    url
}

async fn reach(http: &Client, url: Url, end: Instant) -> Result<HostAnswer, Unreachable> {
    let timeout = || Unreachable { failure: NetworkFailure::Timeout, detail: "no answer in time".into() };
    let answer = timeout_at(end, async {
        let response: Response = http.get(url).send().await.map_err(|error| unreachable(&error))?;
        let status = response.status().as_u16();
        let date = entra::date(&response);
        let body = response::body(response).await.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        Ok(HostAnswer { status, date, body: body.unwrap_or(Value::Null) })
    });
    answer.await.unwrap_or_else(|_| Err(timeout()))
}

/// The libraries report the step only in words; the text is passed on unchanged.
fn unreachable(error: &reqwest::Error) -> Unreachable {
    let mut causes = Vec::new();
    let mut cause = error.source();
    while let Some(inner) = cause {
        causes.push(inner.to_string());
        cause = inner.source();
    }
    let failure = if error.is_timeout() {
        NetworkFailure::Timeout
    } else if error.is_connect() {
        connect_failure(&causes.join("; ").to_ascii_lowercase())
    } else {
        NetworkFailure::Disconnected
    };
    Unreachable { failure, detail: printable(causes.last().map_or("no cause was told", String::as_str)) }
}

fn connect_failure(causes: &str) -> NetworkFailure {
    let names = |words: &[&str]| words.iter().any(|word| causes.contains(word));
    if names(&["dns error", "lookup address"]) {
        NetworkFailure::Dns
    } else if names(&["tunnel", "proxy"]) {
        NetworkFailure::Proxy
    } else if names(&["certificate", "tls", "handshake", "corrupt message", "received fatal alert"]) {
        NetworkFailure::Tls
    } else {
        NetworkFailure::Connect
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_libraries_words_name_the_step_that_failed() {
        for (causes, failure) in [
            ("client error (connect); dns error; failed to lookup address information", NetworkFailure::Dns),
            ("client error (connect); tcp connect error; connection refused (os error 111)", NetworkFailure::Connect),
            ("client error (connect); tunnel error: unsuccessful", NetworkFailure::Proxy),
            ("client error (connect); proxy authorization required", NetworkFailure::Proxy),
            ("client error (connect); invalid peer certificate: unknownissuer", NetworkFailure::Tls),
            ("client error (connect); received corrupt message of type invalidcontenttype", NetworkFailure::Tls),
            ("client error (connect); something new", NetworkFailure::Connect),
        ] {
            assert_eq!(connect_failure(causes), failure, "{causes}");
        }
    }
}
