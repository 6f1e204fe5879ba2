//! The client of one tenant's Graph: how every request is sent, and how its answer is read.
//!
//! It must never send a request after its `end`, and never the token to another host.

use std::{sync::Arc, time::Duration};

use reqwest::{Client, Method, RequestBuilder, header};
use serde::de::DeserializeOwned;
use serde_json::Value;
use tokio::{sync::watch, time::Instant};
use url::Url;

use super::{
    credential::TenantCredential,
    error::{GraphError, RequestIds},
    response,
    token::Token,
    token_source::TokenSource,
    wire,
};
use crate::{
    clock::{Clock, Random},
    config::Microsoft,
    domain::credential::CredentialStatus,
    reconcile::failure::Failure,
};

/// Ids that survive a move to another folder; must be asked for on every single request (Microsoft: immutable ids).
const PREFER: &str = "IdType=\"ImmutableId\"";
/// No list that is asked for has more pages; one that does never ends.
pub(super) const MOST_PAGES: usize = 20;

/// One tenant's Graph.
#[derive(Debug)]
pub struct Graph {
    http: Client,
    root: Url,
    pub(super) tokens: Arc<TokenSource>,
    random: Arc<dyn Random>,
    call_timeout: Duration,
}

/// Whose calendar, and until when it may be called.
#[derive(Debug, Clone, Copy)]
pub struct MailboxAccess<'a> {
    /// Whose: the Entra object id, or the address where no id is known.
    pub user: &'a str,
    /// When every request must have ended, and after which none is sent: the lease may be another replica's soon.
    pub until: Instant,
}

/// The answer to a request that Graph carried out.
pub(super) struct Answer {
    pub(super) body: Option<Value>,
    pub(super) request_ids: RequestIds,
}

impl Graph {
    /// The Graph of that tenant. A mailbox that gave no answer within `call_timeout` is left alone for twice as long.
    /// `direct` is for the host of a managed identity, which no proxy reaches.
    #[must_use]
    pub fn new(
        http: Client,
        direct: Client,
        microsoft: &Microsoft,
        call_timeout: Duration,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
    ) -> Self {
        let resource = microsoft.graph.as_str().trim_end_matches('/');
        let credential =
            TenantCredential::new(http.clone(), direct, microsoft, resource, Arc::clone(&clock), Arc::clone(&random));
        let tokens = Arc::new(TokenSource::new(credential, clock));
        Self { http, root: microsoft.graph.clone(), tokens, random, call_timeout }
    }

    /// Makes sure that there is a token, so that a call that may begin begins at once.
    ///
    /// # Errors
    /// When Entra gives none: [`Failure::Credentials`] or [`Failure::EntraUnavailable`].
    pub async fn sign_in(&self, end: Instant) -> Result<(), GraphError> {
        self.tokens.token_by(end).await.map(|_token| ())
    }

    /// The status of the tenant's credential, now and whenever it changes.
    #[must_use]
    pub fn credential_status(&self) -> watch::Receiver<CredentialStatus> {
        self.tokens.credential().credential_status()
    }

    /// Looks whether the credential was renewed meanwhile: at its file, and, where Microsoft refused it, by asking again.
    pub async fn check_credential(&self) {
        self.tokens.credential().check().await;
        self.tokens.retry_if_refused().await;
    }

    /// One request that is over by `end`. A token that Graph refuses is not used again; whether to try with a new one is the caller's to say, who
    /// knows whether a call may still begin.
    pub(super) async fn call(
        &self,
        end: Instant,
        method: Method,
        url: Url,
        body: Option<&Value>,
    ) -> Result<Answer, GraphError> {
        let mut request_ids = RequestIds::new(self.random.uuid());
        match self.call_until(end, method, url, body, &mut request_ids).await {
            Ok(body) => Ok(Answer { body, request_ids }),
            Err(error) => Err(error.with_request_ids(request_ids)),
        }
    }

    async fn call_until(
        &self,
        end: Instant,
        method: Method,
        url: Url,
        body: Option<&Value>,
        request_ids: &mut RequestIds,
    ) -> Result<Option<Value>, GraphError> {
        let token = self.tokens.token_by(end).await?;
        let answer = self.send_by(end, &token, method, url, body, request_ids).await;
        if answer.as_ref().is_err_and(|error| error.failure == Failure::Credentials) {
            self.tokens.refused(&token);
        }
        answer
    }

    async fn send_by(
        &self,
        end: Instant,
        token: &Token,
        method: Method,
        url: Url,
        body: Option<&Value>,
        request_ids: &mut RequestIds,
    ) -> Result<Option<Value>, GraphError> {
        let timed_out = Err(GraphError::timed_out(self.call_timeout));
        // A process that was frozen must not begin a request when it wakes up: the mailbox may be another replica's by then. No
        // timer can say so, for the runtime's own idea of the time is as old as the freeze.
        if Instant::now() >= end {
            return timed_out;
        }
        tokio::time::timeout_at(end, self.send(token, method, url, body, request_ids)).await.unwrap_or(timed_out)
    }

    async fn send(
        &self,
        token: &Token,
        method: Method,
        url: Url,
        body: Option<&Value>,
        request_ids: &mut RequestIds,
    ) -> Result<Option<Value>, GraphError> {
        let mut request: RequestBuilder = self
            .http
            .request(method.clone(), url)
            .header(header::AUTHORIZATION, token.header())
            .header("Prefer", PREFER)
            .header("client-request-id", request_ids.client_request_id.hyphenated().to_string())
            .header("return-client-request-id", "true")
            .header(header::ACCEPT, "application/json");
        if let Some(body) = body {
            request = request.json(body);
        }
        let response = request.send().await.map_err(|error| self.not_answered(&error))?;
        let status = response.status();
        request_ids.status = Some(status.as_u16());
        request_ids.request_id = response::header(&response, "request-id");
        tracing::debug!(
            %method,
            status = status.as_u16(),
            client_request_id = %request_ids.client_request_id,
            request_id = request_ids.request_id.as_deref(),
            "Graph answered"
        );
        let (retry_after, challenge) =
            (response::header(&response, "retry-after"), response::header(&response, "www-authenticate"));
        let body = response::body(response).await;
        if status.is_success() {
            return match body {
                Some(bytes) if bytes.is_empty() => Ok(None),
                // Carried out, but what was said about it is lost: the same as no answer.
                Some(bytes) => match serde_json::from_slice(&bytes) {
                    Ok(value) => Ok(Some(value)),
                    Err(_) => Err(GraphError::no_answer("the answer is not JSON")),
                },
                None => Err(GraphError::no_answer("the answer broke off")),
            };
        }
        let body = body.and_then(|bytes| serde_json::from_slice(&bytes).ok()).unwrap_or(Value::Null);
        Err(GraphError::refused(status, &body, retry_after.as_deref(), challenge.as_deref(), self.tokens.now()))
    }

    fn not_answered(&self, error: &reqwest::Error) -> GraphError {
        if error.is_connect() {
            GraphError::no_answer("no connection")
        } else if error.is_timeout() {
            GraphError::timed_out(self.call_timeout)
        } else {
            GraphError::no_answer("the connection broke off")
        }
    }

    /// The next page that Graph names, if it is Graph's own: the token goes nowhere else.
    pub(super) fn next_page(&self, link: &str, request_ids: &RequestIds) -> Result<Url, GraphError> {
        Url::parse(link).ok().filter(|url| url.origin() == self.root.origin()).ok_or_else(|| {
            GraphError::no_answer("a list goes on at another host").with_request_ids(request_ids.clone())
        })
    }

    /// `{root}/v1.0/users/{mailbox}/{rest…}`.
    pub(super) fn url(&self, mailbox: &MailboxAccess<'_>, rest: &[&str]) -> Url {
        let rest = rest.iter().map(|segment| wire::segment(segment)).collect::<Vec<_>>().join("/");
        self.users(&format!("{}/{rest}", wire::user(mailbox.user)))
    }

    /// `{root}/v1.0/users{rest}`, where the rest is encoded already.
    pub(super) fn users(&self, rest: &str) -> Url {
        let mut url = self.root.clone();
        let base = self.root.path().trim_end_matches('/');
        url.set_path(&format!("{base}/v1.0/users{rest}"));
        url
    }
}

/// Reads an answer's body.
pub(super) fn parse<T: DeserializeOwned>(body: Option<Value>, request_ids: &RequestIds) -> Result<T, GraphError> {
    serde_json::from_value(body.unwrap_or(Value::Null)).map_err(|_| {
        GraphError::no_answer("the answer has not the shape that Microsoft documents")
            .with_request_ids(request_ids.clone())
    })
}
