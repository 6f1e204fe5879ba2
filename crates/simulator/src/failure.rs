//! Graph's refusals: a status, a code and a sentence in Microsoft's envelope.
//!
//! It must never say more than the real service says; clients are tested against these very words.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Map, Value, json};
use uuid::Uuid;

/// What Graph answers instead of what was asked for.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Failure {
    /// The HTTP status.
    pub(crate) status: StatusCode,
    code: &'static str,
    message: String,
    existing_event: Option<String>,
    header: Option<Header>,
}

/// A header that belongs to a refusal.
#[derive(Debug, Clone, Copy, PartialEq)]
enum Header {
    /// Who hands out tokens.
    Challenge,
    /// The same, with what a new token has to bring.
    ClaimsChallenge,
    /// The seconds to stay away.
    RetryAfter(u64),
}

/// Graph names its authority in the challenge.
const CHALLENGE: &str = "Bearer realm=\"\", authorization_uri=\"https://login.microsoftonline.com/common/oauth2/authorize\", client_id=\"00000003-0000-0000-c000-000000000000\"";

/// What continuous access evaluation asks of the next token, after the challenge proper.
const CLAIMS: &str =
    ", error=\"insufficient_claims\", claims=\"eyJhY2Nlc3NfdG9rZW4iOnsibmJmIjp7ImVzc2VudGlhbCI6dHJ1ZX19fQ==\"";
/// The seconds to stay away after a refusal that was asked for by name.
const USUAL_WAIT: u64 = 10;

/// The ids under which one exchange can be found in Microsoft's logs.
#[derive(Debug, Clone)]
pub(crate) struct Trace {
    /// Ours.
    pub(crate) request_id: Uuid,
    /// The caller's, or ours again when it sent none.
    pub(crate) client_request_id: String,
    /// When the exchange began.
    pub(crate) at: Timestamp,
}

impl Failure {
    /// A refusal with any status.
    pub(crate) fn new(status: StatusCode, code: &'static str, message: impl Into<String>) -> Self {
        Self { status, code, message: message.into(), existing_event: None, header: None }
    }

    /// 400.
    pub(crate) fn bad_request(code: &'static str, message: impl Into<String>) -> Self {
        Self::new(StatusCode::BAD_REQUEST, code, message)
    }

    /// 400 for a value that Exchange will not store.
    pub(crate) fn property() -> Self {
        Self::bad_request("ErrorPropertyValidationFailure", "At least one property failed validation.")
    }

    /// 401.
    pub(crate) fn token(message: &'static str) -> Self {
        let mut failure = Self::new(StatusCode::UNAUTHORIZED, "InvalidAuthenticationToken", message);
        failure.header = Some(Header::Challenge);
        failure
    }

    /// 403 on a mailbox: no consent, or outside the app's scope.
    pub(crate) fn access_denied() -> Self {
        let message = "Access is denied. Check credentials and try again.";
        Self::new(StatusCode::FORBIDDEN, "ErrorAccessDenied", message)
    }

    /// 404 for an event or calendar.
    pub(crate) fn item_not_found() -> Self {
        let message = "The specified object was not found in the store.";
        Self::new(StatusCode::NOT_FOUND, "ErrorItemNotFound", message)
    }

    /// 429 with the seconds to wait.
    pub(crate) fn throttled(limit: &'static str, seconds: u64) -> Self {
        let message = format!("Application is over its {limit} limit.");
        let mut failure = Self::new(StatusCode::TOO_MANY_REQUESTS, "ApplicationThrottled", message);
        failure.header = Some(Header::RetryAfter(seconds));
        failure
    }

    /// A refusal of the catalogue, with the header that belongs to its status.
    pub(crate) fn named(name: &'static str, status: u16, message: &'static str) -> Self {
        let status = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let mut failure = Self::new(status, Self::code_of(name), message);
        failure.header = match status {
            StatusCode::UNAUTHORIZED if name.ends_with("/claims") => Some(Header::ClaimsChallenge),
            StatusCode::UNAUTHORIZED => Some(Header::Challenge),
            StatusCode::TOO_MANY_REQUESTS => Some(Header::RetryAfter(USUAL_WAIT)),
            _ => None,
        };
        failure
    }

    /// The code of a name of the catalogue.
    pub(crate) fn code_of(name: &'static str) -> &'static str {
        name.split_once('/').map_or(name, |(code, _)| code)
    }

    /// The bare failure of a scripted status, in the words that the gateway uses for it.
    pub(crate) fn scripted(status: StatusCode) -> Self {
        let (code, message) = match status.as_u16() {
            401 => return Self::token("Lifetime validation failed, the token is expired."),
            403 => return Self::access_denied(),
            404 => return Self::item_not_found(),
            429 => ("TooManyRequests", "Please retry again later."),
            500 => ("ErrorInternalServerError", "An internal server error occurred. The operation failed."),
            502 => ("BadGateway", "The gateway received no valid answer."),
            503 => ("serviceNotAvailable", "The service is temporarily unavailable. Please retry again later."),
            504 => ("UnknownError", ""),
            507 => ("ErrorQuotaExceeded", "The mailbox has exceeded its quota."),
            _ => ("UnknownError", "The request failed."),
        };
        Self::new(status, code, message)
    }

    /// Adds the annotation that clients read to find the event that already took a transactionId.
    pub(crate) fn naming_event(mut self, id: String) -> Self {
        self.existing_event = Some(id);
        self
    }

    /// In Graph's envelope.
    pub(crate) fn into_response(self, trace: &Trace) -> Response {
        let mut inner = json!({
            "date": trace.at.strftime("%Y-%m-%dT%H:%M:%S").to_string(),
            "request-id": trace.request_id,
            "client-request-id": trace.client_request_id,
        });
        // The general throttle, unlike a mailbox's own, says it all a second time.
        if self.code == "TooManyRequests" {
            inner["code"] = "429".into();
            inner["message"] = "Please retry after".into();
            inner["status"] = "429".into();
        }
        let mut error = Map::from_iter([
            ("code".to_owned(), Value::from(self.code)),
            ("message".to_owned(), Value::from(self.message)),
            ("innerError".to_owned(), inner),
        ]);
        if let Some(id) = self.existing_event {
            error.insert("@event.existingEventId".to_owned(), id.into());
        }
        let mut response = (self.status, Json(json!({ "error": error }))).into_response();
        let header = match self.header {
            Some(Header::Challenge) => Some((header::WWW_AUTHENTICATE, HeaderValue::from_static(CHALLENGE))),
            Some(Header::ClaimsChallenge) => HeaderValue::from_str(&[CHALLENGE, CLAIMS].concat())
                .ok()
                .map(|challenge| (header::WWW_AUTHENTICATE, challenge)),
            Some(Header::RetryAfter(seconds)) => Some((header::RETRY_AFTER, HeaderValue::from(seconds))),
            None => None,
        };
        response.headers_mut().extend(header);
        response
    }

    /// The sentence, for the control plane, which has an envelope of its own.
    pub(crate) fn sentence(&self) -> String {
        format!("{}: {}", self.code, self.message)
    }
}
