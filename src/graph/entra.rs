//! Entra's token endpoint: one request for an app-only token, and what a refusal means.
//!
//! Decisions are made on `error` and the HTTP status, as Microsoft asks; AADSTS numbers are for people, and decide only
//! whether the same proof, made anew, is worth sending once more. It must never put a proof into an error or a log.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::{Client, Response, StatusCode};
use secrecy::{ExposeSecret as _, SecretString};
use serde_json::Value;

use super::{
    codes::{self, entra::ProofRetry},
    error::{EntraRequestIds, GraphError, parse_retry_after, printable},
    response,
    token::{self, Token},
};
use crate::{config::Microsoft, reconcile::failure::Failure};

const FETCH_TIMEOUT: Duration = Duration::from_secs(10);
/// A whole tenant waits for it, so a longer wait is taken for a mistake and shortened.
const LONGEST_WAIT: Duration = Duration::from_mins(10);
const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// The token endpoint of one directory, asked on behalf of one app.
pub(super) struct TokenEndpoint {
    http: Client,
    url: String,
    client_id: String,
    scope: String,
}

/// What proves that it is our app that asks.
#[derive(Debug, Clone)]
pub(super) enum ClientProof {
    Secret(SecretString),
    Assertion(SecretString),
}

/// Why there is no token.
#[derive(Debug)]
pub(super) struct TokenError {
    pub(super) error: GraphError,
    /// What Microsoft's clock said.
    pub(super) date: Option<Timestamp>,
    is_of_proof: bool,
    numbers: Vec<i64>,
}

impl TokenError {
    /// Whether another proof may do: not when the app or the directory is wrong, nor when Entra is down.
    pub(super) const fn is_of_proof(&self) -> bool {
        self.is_of_proof
    }

    /// Whether the assertion came too early or too late by Microsoft's clock.
    pub(super) fn is_out_of_time(&self) -> bool {
        self.retries(ProofRetry::WithTheirClock)
    }

    /// Whether the certificate may have been replaced.
    pub(super) fn is_of_certificate(&self) -> bool {
        self.retries(ProofRetry::WithNewCertificate)
    }

    fn retries(&self, wanted: ProofRetry) -> bool {
        let retry = |number: &i64| codes::entra::find_number(u32::try_from(*number).ok()?)?.retry;
        self.numbers.iter().any(|number| retry(number) == Some(wanted))
    }

    fn unavailable(retry_after: Option<Duration>, why: &str) -> Self {
        let failure = Failure::EntraUnavailable { retry_after };
        let error = GraphError::new(failure, "entra-no-answer", why);
        Self { error, date: None, is_of_proof: false, numbers: Vec::new() }
    }
}

impl TokenEndpoint {
    /// Tokens are for `resource`, such as Graph's base URL.
    pub(super) fn new(http: Client, microsoft: &Microsoft, resource: &str) -> Self {
        let base = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
        Self {
            http,
            url: format!("{}/{}/oauth2/v2.0/token", base(&microsoft.authority), microsoft.directory_id),
            client_id: microsoft.client_id.clone(),
            scope: format!("{resource}/.default"),
        }
    }

    /// The address, which an assertion has to name as its audience.
    pub(super) fn url(&self) -> &str {
        &self.url
    }

    pub(super) fn client_id(&self) -> &str {
        &self.client_id
    }

    /// Asks once.
    pub(super) async fn ask(&self, proof: &ClientProof, now: Timestamp) -> Result<Token, TokenError> {
        let mut form = vec![
            ("client_id", self.client_id.as_str()),
            ("scope", self.scope.as_str()),
            ("grant_type", "client_credentials"),
        ];
        match proof {
            ClientProof::Secret(secret) => form.push(("client_secret", secret.expose_secret())),
            ClientProof::Assertion(assertion) => {
                form.extend([("client_assertion_type", JWT_BEARER), ("client_assertion", assertion.expose_secret())]);
            }
        }
        let request = self.http.post(&self.url).timeout(FETCH_TIMEOUT).form(&form);
        let response =
            request.send().await.map_err(|_| TokenError::unavailable(None, "the token endpoint does not answer"))?;
        let status = response.status();
        let retry_after = response::header(&response, "retry-after").and_then(|text| parse_retry_after(&text, now));
        let retry_after = retry_after.map(|wait| wait.min(LONGEST_WAIT));
        let kind = response::header(&response, "content-type");
        let date = date(&response);
        let body: Option<Value> = response::body(response).await.and_then(|bytes| serde_json::from_slice(&bytes).ok());
        let Some(body) = body else {
            // Not Entra speaks there: what it asks for counts for nothing.
            let what = format!(
                "something answers in the token endpoint's place: {}",
                unexpected_answer(status, kind.as_deref())
            );
            return Err(TokenError::unavailable(None, &what));
        };
        if status.is_success() {
            let none = || TokenError::unavailable(None, "the token endpoint's answer holds no token");
            return token::read(&body, now).ok_or_else(none);
        }
        Err(TokenError { date, ..refusal(status, &body, retry_after) })
    }
}

/// An answer that is not Microsoft's: a proxy's, a captive portal's, a firewall's.
fn unexpected_answer(status: StatusCode, kind: Option<&str>) -> String {
    let kind = kind.and_then(|kind| kind.split(';').next()).filter(|kind| !kind.trim().is_empty());
    format!("HTTP {}, {}", status.as_u16(), kind.map_or_else(|| "of no kind that is told".into(), printable))
}

/// What the other side's clock says.
pub(super) fn date(response: &Response) -> Option<Timestamp> {
    response::header(response, "date").and_then(|text| Some(jiff::fmt::rfc2822::parse(&text).ok()?.timestamp()))
}

fn refusal(status: StatusCode, body: &Value, retry_after: Option<Duration>) -> TokenError {
    let error = body["error"].as_str().unwrap_or_default();
    let is_temporary = status.is_server_error()
        || matches!(status.as_u16(), 408 | 429)
        || codes::entra::find(error).is_some_and(|row| row.is_temporary);
    let failure = if is_temporary { Failure::EntraUnavailable { retry_after } } else { Failure::Credentials };
    let numbers: Vec<i64> = body["error_codes"].as_array().into_iter().flatten().filter_map(Value::as_i64).collect();
    let code = match numbers.first() {
        Some(number) => format!("AADSTS{number}"),
        None if error.is_empty() => format!("HTTP {}", status.as_u16()),
        None => error.to_owned(),
    };
    let description = body["error_description"].as_str().unwrap_or_default();
    let description = description.split_once(": ").map_or(description, |(_, words)| words);
    let is_of_proof = !is_temporary && (error == "invalid_client" || status == StatusCode::UNAUTHORIZED);
    let mut error = GraphError::new(failure, code, description);
    let id = |name: &str| printable(body[name].as_str().unwrap_or_default());
    error.entra = Some(Box::new(EntraRequestIds {
        status: status.as_u16(),
        trace_id: id("trace_id"),
        correlation_id: id("correlation_id"),
        timestamp: id("timestamp"),
    }));
    TokenError { error, date: None, is_of_proof, numbers }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn refused(status: u16, error: &str, numbers: &[i64]) -> TokenError {
        let body = json!({"error": error, "error_codes": numbers, "error_description": "AADSTS0: Words.\r\nTrace"});
        refusal(StatusCode::from_u16(status).unwrap(), &body, None)
    }

    #[test]
    fn a_token_endpoint_that_is_down_is_told_from_credentials_that_are_wrong() {
        let down = Failure::EntraUnavailable { retry_after: None };
        for (status, error, number, failure, is_of_proof) in [
            (401, "invalid_client", 7_000_215, Failure::Credentials, true),
            (401, "invalid_client", 7_000_222, Failure::Credentials, true),
            (400, "invalid_client", 70_021, Failure::Credentials, true),
            (400, "unauthorized_client", 700_016, Failure::Credentials, false),
            (400, "invalid_request", 90_002, Failure::Credentials, false),
            (400, "temporarily_unavailable", 90_033, down, false),
            (400, "server_error", 90_006, down, false),
            (503, "", 0, down, false),
            (429, "", 90_055, down, false),
        ] {
            let refusal = refused(status, error, &[number]);
            assert_eq!(
                (refusal.error.failure, refusal.error.message.as_str()),
                (failure, "Words."),
                "{error} {number}"
            );
            assert_eq!(refusal.error.code, format!("AADSTS{number}"));
            assert_eq!(refusal.is_of_proof(), is_of_proof, "{error} {number}");
        }
    }

    #[test]
    fn numbers_decide_only_whether_a_proof_is_worth_making_anew() {
        for (number, of_time, of_certificate) in [
            (700_024, true, false),
            (700_027, false, true),
            (7_000_214, false, true),
            (7_000_274, false, true),
            (7_000_277, false, true),
            (1_000_502, false, true),
            (7_000_215, false, false),
            (700_016, false, false),
        ] {
            let refusal = refused(401, "invalid_client", &[number]);
            assert_eq!((refusal.is_out_of_time(), refusal.is_of_certificate()), (of_time, of_certificate), "{number}");
        }
    }

    #[test]
    fn a_refusal_without_a_number_is_known_by_its_word_or_status() {
        assert_eq!(refused(400, "invalid_scope", &[]).error.code, "invalid_scope");
        let refusal = refusal(StatusCode::FORBIDDEN, &Value::Null, None);
        assert_eq!((refusal.error.code.as_str(), refusal.error.failure), ("HTTP 403", Failure::Credentials));
    }
}
