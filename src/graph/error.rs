//! What a failed call means for the engine: by code first, by HTTP status second, as Microsoft advises.
//!
//! An unknown code is never guessed at: its status decides.

use std::time::Duration;

use jiff::Timestamp;
use reqwest::StatusCode;
use serde_json::{Value, json};
use uuid::Uuid;

use super::codes::{self, graph::CLAIMS_CHALLENGE, own::NO_ANSWER};
use crate::reconcile::failure::Failure;

/// How much of Microsoft's own words is kept.
const LONGEST_MESSAGE: usize = 300;
const LONGEST_WAIT: Duration = Duration::from_hours(31 * 24);

/// The ids that Microsoft's support asks for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RequestIds {
    /// Ours.
    pub client_request_id: Uuid,
    /// Graph's; `None` when it did not answer.
    pub request_id: Option<String>,
    /// The HTTP status; `None` when there was no answer.
    pub status: Option<u16>,
}

impl RequestIds {
    pub(super) const fn new(client_request_id: Uuid) -> Self {
        Self { client_request_id, request_id: None, status: None }
    }

    /// For a leave's timeline.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({
            "status": self.status,
            "request_id": self.request_id,
            "client_request_id": self.client_request_id,
        })
    }
}

/// What Entra's support asks for: it has other ids than Graph's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EntraRequestIds {
    /// The HTTP status.
    pub status: u16,
    /// "Trace ID".
    pub trace_id: String,
    /// "Correlation ID".
    pub correlation_id: String,
    /// When, in Entra's own spelling.
    pub timestamp: String,
}

/// Why Graph did not do what it was asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct GraphError {
    /// What it means for us.
    pub failure: Failure,
    /// Microsoft's code, such as `ErrorAccessDenied` or `AADSTS7000215`; our own word when it gave none.
    pub code: String,
    /// Microsoft's words. For people who may see the mapping; not for logs: they may name the mailbox.
    pub message: String,
    /// The ids of the call, when there was one.
    pub request_ids: Option<Box<RequestIds>>,
    /// The ids of a refused token, when Entra gave any. Other ones at every try: not part of a sentence that is compared.
    pub entra: Option<Box<EntraRequestIds>>,
    /// The event that a refused create had already made.
    pub existing_event: Option<Box<str>>,
    /// How long Microsoft asks us to stay away from the mailbox, whatever else it says.
    pub retry_after: Option<Duration>,
}

impl GraphError {
    pub(super) fn new(failure: Failure, code: impl Into<String>, message: &str) -> Self {
        let first_line = message.lines().next().unwrap_or_default();
        Self {
            failure,
            code: printable(&code.into()),
            message: printable(first_line),
            request_ids: None,
            entra: None,
            existing_event: None,
            retry_after: None,
        }
    }

    /// There was no answer, or none that can be understood.
    pub(super) fn no_answer(why: &str) -> Self {
        Self::new(Failure::Unavailable { retry_after: None }, NO_ANSWER, why)
    }

    /// No answer came in time. The request may still be under way at Graph and count towards the mailbox's limit of
    /// requests at once, so the mailbox is left alone for twice as long again: nothing is counted as under way any more
    /// after that, as nothing is expected to be carried out any more.
    pub(super) fn timed_out(call_timeout: Duration) -> Self {
        let retry_after = Some(2 * call_timeout);
        let failure = Failure::Unavailable { retry_after };
        Self { retry_after, ..Self::new(failure, NO_ANSWER, "no answer within sync.call_timeout") }
    }

    /// Nothing was found of a request that may still be carried out: too early to tell.
    #[must_use]
    pub fn in_doubt(left: Duration) -> Self {
        Self::new(
            Failure::InDoubt { left },
            "in-doubt",
            "an earlier request got no answer and may still be carried out",
        )
    }

    /// The event changes faster than it can be written. `request_ids`: the last call's ids.
    #[must_use]
    pub fn no_end(request_ids: Option<RequestIds>) -> Self {
        let error = Self::new(Failure::Conflict, "no-end", "the event changes faster than it can be written");
        Self { request_ids: request_ids.map(Box::new), ..error }
    }

    /// Not asked at all: others got no proper answer a moment ago.
    #[must_use]
    pub fn left_alone() -> Self {
        Self::new(
            Failure::Unavailable { retry_after: None },
            "left-alone",
            "requests of this kind got no answer a moment ago",
        )
    }

    /// There is a calendar of a name, says Graph, and does not list it.
    #[must_use]
    pub fn hidden_calendar() -> Self {
        Self::new(
            Failure::Conflict,
            "calendar-hidden",
            "the mailbox has something of the calendar's name, but no calendar",
        )
    }

    pub(super) fn with_request_ids(mut self, request_ids: RequestIds) -> Self {
        self.request_ids = Some(Box::new(request_ids));
        self
    }

    /// What an error answer of Graph means. `challenge` is its `WWW-Authenticate`.
    pub(super) fn refused(
        status: StatusCode,
        body: &Value,
        retry_after: Option<&str>,
        challenge: Option<&str>,
        now: Timestamp,
    ) -> Self {
        let error = &body["error"];
        let is_challenge = status == StatusCode::UNAUTHORIZED && challenge.is_some_and(|text| text.contains("claims="));
        let code = if is_challenge { Some(CLAIMS_CHALLENGE.to_owned()) } else { most_specific_code(error) };
        let retry_after = retry_after.and_then(|text| parse_retry_after(text, now));
        let failure = classify(status, code.as_deref(), retry_after);
        let message = error["message"].as_str().unwrap_or_default();
        let mut refused = Self::new(failure, code.unwrap_or_else(|| format!("HTTP {}", status.as_u16())), message);
        refused.existing_event = ["@event.existingEventId"]
            .iter()
            .find_map(|key| error[key].as_str().or_else(|| body[key].as_str()))
            .map(Box::from);
        refused.retry_after = retry_after;
        refused
    }

    /// The same in a sentence, with the ids that Microsoft's support asks for.
    #[must_use]
    pub fn sentence(&self) -> String {
        let mut sentence = self.code.clone();
        if !self.message.is_empty() {
            sentence = format!("{sentence}: {}", self.message.trim_end_matches('.'));
        }
        if let Some(request_id) = self.request_ids.as_ref().and_then(|request_ids| request_ids.request_id.as_ref()) {
            sentence = format!("{sentence} (request-id {request_id})");
        }
        sentence
    }
}

/// Microsoft's words as far as a database and a page can take them.
pub(super) fn printable(text: &str) -> String {
    let mut said = text.chars().filter(|c| !c.is_control());
    let mut kept: String = said.by_ref().take(LONGEST_MESSAGE).collect();
    if said.next().is_some() {
        kept.push('…');
    }
    kept
}

/// The deepest code that is known; else the outermost one.
fn most_specific_code(error: &Value) -> Option<String> {
    let mut found = error["code"].as_str();
    let mut inner = error;
    for _ in 0..5 {
        inner = if inner["innerError"].is_object() { &inner["innerError"] } else { &inner["innererror"] };
        match inner["code"].as_str() {
            Some(code) if by_code(code, None).is_some() => found = Some(code),
            Some(_) => {}
            None => break,
        }
    }
    found.filter(|code| !code.is_empty()).map(str::to_owned)
}

fn classify(status: StatusCode, code: Option<&str>, retry_after: Option<Duration>) -> Failure {
    if status == StatusCode::TOO_MANY_REQUESTS {
        return Failure::Throttled { retry_after };
    }
    code.and_then(|code| by_code(code, retry_after)).unwrap_or_else(|| by_status(status, retry_after))
}

/// What the code means, whatever the status. The table's failures have no wait; the answer's is put in.
fn by_code(code: &str, retry_after: Option<Duration>) -> Option<Failure> {
    Some(match codes::graph::find(code)?.failure? {
        Failure::Throttled { .. } => Failure::Throttled { retry_after },
        Failure::Unavailable { .. } => Failure::Unavailable { retry_after },
        failure => failure,
    })
}

fn by_status(status: StatusCode, retry_after: Option<Duration>) -> Failure {
    match status.as_u16() {
        401 => Failure::Credentials,
        403 => Failure::AccessDenied,
        // Not EventGone: an unknown 404 (a proxy's, say) must not lead to a second event.
        404 => Failure::MailboxMissing,
        409 | 412 => Failure::Conflict,
        507 => Failure::MailboxFull,
        500 => Failure::Failing,
        408 | 423 | 425 => Failure::Unavailable { retry_after },
        status if status >= 500 && status != 501 => Failure::Unavailable { retry_after },
        status if status < 400 => Failure::Unavailable { retry_after },
        _ => Failure::Rejected,
    }
}

/// Seconds, whole or with a fraction, or an HTTP date. Never shortened; what is longer than a month is no wait but a fault.
pub(super) fn parse_retry_after(text: &str, now: Timestamp) -> Option<Duration> {
    if let Ok(seconds) = text.trim().parse::<f64>() {
        return Duration::try_from_secs_f64(seconds).ok().map(|wait| wait.min(LONGEST_WAIT));
    }
    let at = jiff::fmt::rfc2822::parse(text.trim()).ok()?.timestamp();
    Some(Duration::try_from(at.duration_since(now)).unwrap_or(Duration::ZERO).min(LONGEST_WAIT))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn now() -> Timestamp {
        "2026-11-22T12:00:00Z".parse().unwrap()
    }

    fn refused(status: u16, body: &Value, retry_after: Option<&str>) -> GraphError {
        GraphError::refused(StatusCode::from_u16(status).unwrap(), body, retry_after, None, now())
    }

    #[test]
    fn code_decides_before_status() {
        let unavailable = Failure::Unavailable { retry_after: None };
        let throttled = Failure::Throttled { retry_after: None };
        for (status, code, failure) in [
            (401, "InvalidAuthenticationToken", Failure::Credentials),
            (401, "", Failure::Credentials),
            (403, "ErrorAccessDenied", Failure::AccessDenied),
            (403, "Authorization_RequestDenied", Failure::AccessDenied),
            (403, "extensionError", Failure::AccessDenied),
            (403, "ErrorQuotaExceeded", Failure::MailboxFull),
            (507, "QuotaExceeded", Failure::MailboxFull),
            (404, "ErrorItemNotFound", Failure::EventGone),
            (400, "ErrorInvalidIdMalformed", Failure::EventGone),
            (404, "ErrorInvalidUser", Failure::MailboxMissing),
            (404, "MailboxNotEnabledForRESTAPI", Failure::MailboxMissing),
            (404, "MailboxNotHostedInExchangeOnline", Failure::MailboxMissing),
            (404, "ErrorNonExistentMailbox", Failure::MailboxMissing),
            (404, "ResourceNotFound", Failure::MailboxMissing),
            (404, "Request_ResourceNotFound", Failure::MailboxMissing),
            (404, "SomethingNew", Failure::MailboxMissing),
            (400, "ErrorDuplicateTransactionId", Failure::AlreadyCreated),
            (409, "ErrorDuplicateTransactionId", Failure::AlreadyCreated),
            (409, "ErrorIrresolvableConflict", Failure::Conflict),
            (409, "ConcurrentItemSave", Failure::Conflict),
            (412, "", Failure::Conflict),
            (400, "ErrorInvalidRequest", Failure::Rejected),
            (400, "TimeZoneNotSupportedException", Failure::Rejected),
            (400, "SomethingNew", Failure::Rejected),
            (405, "", Failure::Rejected),
            (413, "", Failure::Rejected),
            (415, "", Failure::Rejected),
            (501, "", Failure::Rejected),
            (423, "locked", unavailable),
            (429, "ApplicationThrottled", throttled),
            (429, "ErrorServerBusy", throttled),
            (503, "ApplicationThrottled", throttled),
            (500, "ErrorInternalServerError", Failure::Failing),
            (500, "ErrorMailboxStoreUnavailable", unavailable),
            (500, "ErrorAccessDenied", Failure::AccessDenied),
            (502, "", unavailable),
            (503, "serviceNotAvailable", unavailable),
            (504, "UnknownError", unavailable),
            (509, "", unavailable),
            (302, "", unavailable),
        ] {
            let body = json!({"error": {"code": code, "message": "…"}});
            assert_eq!(refused(status, &body, None).failure, failure, "{status} {code}");
        }
    }

    #[test]
    fn the_most_specific_known_code_counts() {
        let body = json!({"error": {"code": "BadRequest", "innerError": {"code": "ErrorItemNotFound", "innererror": {"code": "429"}}}});
        assert_eq!(refused(404, &body, None).failure, Failure::EventGone);
    }

    #[test]
    fn an_answer_that_is_no_json_is_judged_by_its_status() {
        let error = refused(503, &Value::Null, Some("2.5"));
        assert_eq!(error.failure, Failure::Unavailable { retry_after: Some(Duration::from_millis(2500)) });
        assert_eq!(error.sentence(), "HTTP 503");
    }

    #[test]
    fn retry_after_comes_as_seconds_fractions_and_dates() {
        for (text, seconds) in [
            ("10", Some(10.0)),
            ("2.128", Some(2.128)),
            ("0", Some(0.0)),
            ("Sun, 22 Nov 2026 12:01:30 GMT", Some(90.0)),
            ("Sun, 22 Nov 2026 11:00:00 GMT", Some(0.0)),
            ("-5", None),
            ("soon", None),
            ("99999999999", Some(2_678_400.0)),
            ("NaN", None),
        ] {
            assert_eq!(parse_retry_after(text, now()), seconds.map(Duration::from_secs_f64), "{text}");
        }
    }

    #[test]
    fn the_existing_event_of_a_refused_create_is_taken_over() {
        let body =
            json!({"error": {"code": "ErrorDuplicateTransactionId", "message": "…", "@event.existingEventId": "AAk="}});
        assert_eq!(refused(409, &body, None).existing_event.as_deref(), Some("AAk="));
    }
}
