//! The app-only token of one tenant: fetched once for all who need it, refreshed ahead, kept while it lives.
//!
//! The rules are those of Microsoft's own libraries: refresh when five minutes are left (or half of a long life is over),
//! try that at most every 30 seconds, and go on with the old token while it lives. The token is opaque: nothing in it is
//! ever looked at, least of all `roles`, which may rightly be missing.

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use reqwest::{Client, StatusCode, header::HeaderValue};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;
use tokio::{sync::Mutex, time::Instant};

use super::{GraphError, error::parse_retry_after};
use crate::{clock::Clock, config::Microsoft, domain::judge::Failure};

/// With so much life left a new token is fetched in good time.
const REFRESH_BEFORE: SignedDuration = SignedDuration::from_mins(5);
/// Tokens that live longer are refreshed at half of it.
const LONG_LIFE: SignedDuration = SignedDuration::from_hours(2);
const REFRESH_AT_MOST_EVERY: SignedDuration = SignedDuration::from_secs(30);
/// Who asks again so soon after a refusal gets the same answer without another request.
const REMEMBER_REFUSAL: SignedDuration = SignedDuration::from_secs(1);
const FETCH_TIMEOUT: Duration = Duration::from_secs(10);

/// A token and until when it is good.
#[derive(Clone)]
pub(super) struct Token {
    header: HeaderValue,
    refresh_at: Timestamp,
    expires_at: Timestamp,
}

impl Token {
    /// The `Authorization` header, marked as sensitive.
    pub(super) fn header(&self) -> HeaderValue {
        self.header.clone()
    }
}

/// The tokens of one tenant.
pub(super) struct TokenSource {
    http: Client,
    url: String,
    client_id: String,
    scope: String,
    secrets: Vec<SecretString>,
    clock: Arc<dyn Clock>,
    current: RwLock<Option<Token>>,
    fetching: Mutex<LastFetch>,
}

#[derive(Default)]
struct LastFetch {
    /// When the last one ended.
    at: Option<Timestamp>,
    /// What came of it if it failed, and until when to ask for nothing else.
    refusal: Option<(GraphError, Timestamp)>,
}

impl fmt::Debug for TokenSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TokenSource").field("client_id", &self.client_id).finish_non_exhaustive()
    }
}

impl TokenSource {
    pub(super) fn new(http: Client, microsoft: &Microsoft, clock: Arc<dyn Clock>) -> Self {
        let base = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
        Self {
            http,
            url: format!("{}/{}/oauth2/v2.0/token", base(&microsoft.authority), microsoft.directory_id),
            client_id: microsoft.client_id.clone(),
            scope: format!("{}/.default", base(&microsoft.graph)),
            secrets: microsoft.secrets.clone(),
            clock,
            current: RwLock::new(None),
            fetching: Mutex::new(LastFetch::default()),
        }
    }

    pub(super) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// The same before `end`: who waits longer has sent nothing, so nothing is in doubt.
    pub(super) async fn token_by(self: &Arc<Self>, end: Instant) -> Result<Token, GraphError> {
        tokio::time::timeout_at(end, self.token()).await.unwrap_or_else(|_| {
            let failure = Failure::EntraUnavailable { retry_after: None };
            Err(GraphError::new(failure, "entra-no-answer", "the token endpoint does not answer in time"))
        })
    }

    /// A token that lives, at once if there is one.
    async fn token(self: &Arc<Self>) -> Result<Token, GraphError> {
        let now = self.now();
        match self.current() {
            Some(token) if now < token.refresh_at => Ok(token),
            Some(token) if now < token.expires_at => {
                self.refresh_aside();
                Ok(token)
            }
            _ => {
                let mut last = self.fetching.lock().await;
                // Another caller may have fetched one while this one waited.
                if let Some(token) = self.current().filter(|token| self.now() < token.expires_at) {
                    return Ok(token);
                }
                self.fetch(&mut last).await
            }
        }
    }

    /// Graph does not take this token: it is not used again.
    pub(super) fn refused(&self, token: &Token) {
        let mut current = self.current.write().unwrap_or_else(PoisonError::into_inner);
        if current.as_ref().is_some_and(|current| current.header == token.header) {
            *current = None;
        }
    }

    fn current(&self) -> Option<Token> {
        self.current.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Fetches a new token while the old one is still used. A failure is no matter until the old one dies.
    fn refresh_aside(self: &Arc<Self>) {
        let source = Arc::clone(self);
        tokio::spawn(async move {
            let Ok(mut last) = source.fetching.try_lock() else { return };
            let now = source.now();
            let too_soon = last.at.is_some_and(|at| now.duration_since(at) < REFRESH_AT_MOST_EVERY);
            let done = source.current().is_some_and(|token| now < token.refresh_at);
            if too_soon || done {
                return;
            }
            if let Err(error) = source.fetch(&mut last).await {
                tracing::warn!(code = error.code, "no new token from Entra yet; the old one is still good");
            }
        });
    }

    async fn fetch(&self, last: &mut LastFetch) -> Result<Token, GraphError> {
        let now = self.now();
        if let Some((refusal, until)) = &last.refusal
            && now < *until
        {
            return Err(refusal.clone());
        }
        let mut fetched = Err(GraphError::new(Failure::Credentials, "no-secret", "no client secret is configured"));
        for secret in &self.secrets {
            fetched = self.fetch_with(secret, now).await;
            // Only a refused secret is worth trying the other one for.
            if !matches!(&fetched, Err(error) if error.failure == Failure::Credentials) {
                break;
            }
        }
        let ended = self.now();
        last.at = Some(ended);
        last.refusal = fetched.as_ref().err().map(|error| {
            let asked = match error.failure {
                Failure::EntraUnavailable { retry_after } => retry_after.unwrap_or_default(),
                _ => Duration::ZERO,
            };
            (
                error.clone(),
                ended + SignedDuration::try_from(asked).unwrap_or(SignedDuration::ZERO).max(REMEMBER_REFUSAL),
            )
        });
        if let Ok(token) = &fetched {
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = Some(token.clone());
        }
        fetched
    }

    async fn fetch_with(&self, secret: &SecretString, now: Timestamp) -> Result<Token, GraphError> {
        let form = [
            ("client_id", self.client_id.as_str()),
            ("scope", self.scope.as_str()),
            ("client_secret", secret.expose_secret()),
            ("grant_type", "client_credentials"),
        ];
        let down =
            |retry_after, why: &str| GraphError::new(Failure::EntraUnavailable { retry_after }, "entra-no-answer", why);
        let response = self
            .http
            .post(&self.url)
            .timeout(FETCH_TIMEOUT)
            .form(&form)
            .send()
            .await
            .map_err(|_| down(None, "the token endpoint does not answer"))?;
        let status = response.status();
        let retry_after = super::text(&response, "retry-after").and_then(|text| parse_retry_after(&text, now));
        let body: Option<Value> = super::read(response).await.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(body) = body else {
            return Err(down(retry_after, "the token endpoint's answer is not JSON"));
        };
        if status.is_success() {
            return token(&body, now).ok_or_else(|| down(None, "the token endpoint's answer holds no token"));
        }
        Err(refusal(status, &body, retry_after))
    }
}

fn token(body: &Value, now: Timestamp) -> Option<Token> {
    let mut header = HeaderValue::from_str(&format!("Bearer {}", body["access_token"].as_str()?)).ok()?;
    header.set_sensitive(true);
    let seconds = |name: &str| body[name].as_i64().or_else(|| body[name].as_str()?.parse().ok());
    let life = SignedDuration::from_secs(seconds("expires_in")?.clamp(1, 7 * 86_400));
    let refresh_in = match seconds("refresh_in") {
        Some(seconds) => SignedDuration::from_secs(seconds.max(1)).min(life),
        None if life >= LONG_LIFE => life / 2,
        None => (life - REFRESH_BEFORE).max(life / 2),
    };
    Some(Token { header, refresh_at: now + refresh_in, expires_at: now + life })
}

/// Decides on `error` and the HTTP status, as Microsoft asks; the AADSTS number is only for people.
fn refusal(status: StatusCode, body: &Value, retry_after: Option<Duration>) -> GraphError {
    let error = body["error"].as_str().unwrap_or_default();
    let passing = status.is_server_error()
        || matches!(status.as_u16(), 408 | 429)
        || matches!(error, "temporarily_unavailable" | "server_error");
    let failure = if passing { Failure::EntraUnavailable { retry_after } } else { Failure::Credentials };
    let code = match body["error_codes"][0].as_i64() {
        Some(number) => format!("AADSTS{number}"),
        None if error.is_empty() => format!("HTTP {}", status.as_u16()),
        None => error.to_owned(),
    };
    let description = body["error_description"].as_str().unwrap_or_default();
    let description = description.split_once(": ").map_or(description, |(_, words)| words);
    GraphError::new(failure, code, description)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    #[test]
    fn a_token_is_refreshed_well_before_it_dies() {
        for (answer, refresh, expires) in [
            (json!({"access_token": "t", "expires_in": 3599}), 3299, 3599),
            (json!({"access_token": "t", "expires_in": "3599"}), 3299, 3599),
            (json!({"access_token": "t", "expires_in": 86_400}), 43_200, 86_400),
            (json!({"access_token": "t", "expires_in": 86_400, "refresh_in": 600}), 600, 86_400),
            (json!({"access_token": "t", "expires_in": 60}), 30, 60),
        ] {
            let token = token(&answer, now()).unwrap();
            assert_eq!(token.refresh_at.duration_since(now()).as_secs(), refresh, "{answer}");
            assert_eq!(token.expires_at.duration_since(now()).as_secs(), expires, "{answer}");
        }
    }

    #[test]
    fn an_answer_without_a_token_or_a_life_is_none() {
        for answer in [json!({}), json!({"access_token": "t"}), json!({"access_token": "a\nb", "expires_in": 1})] {
            assert!(token(&answer, now()).is_none(), "{answer}");
        }
    }

    #[test]
    fn a_token_endpoint_that_is_down_is_told_from_credentials_that_are_wrong() {
        let down = Failure::EntraUnavailable { retry_after: None };
        for (status, error, number, failure) in [
            (401, "invalid_client", 7_000_215, Failure::Credentials),
            (401, "invalid_client", 7_000_222, Failure::Credentials),
            (400, "unauthorized_client", 700_016, Failure::Credentials),
            (400, "invalid_request", 90_002, Failure::Credentials),
            (400, "temporarily_unavailable", 90_033, down),
            (400, "server_error", 90_006, down),
            (503, "", 0, down),
            (429, "", 90_055, down),
        ] {
            let body =
                json!({"error": error, "error_codes": [number], "error_description": "AADSTS0: Words.\r\nTrace"});
            let refusal = refusal(StatusCode::from_u16(status).unwrap(), &body, None);
            assert_eq!((refusal.failure, refusal.message.as_str()), (failure, "Words."), "{error} {number}");
            assert_eq!(refusal.code, format!("AADSTS{number}"));
        }
    }
}
