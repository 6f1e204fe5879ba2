//! Refusals as people and programs read them: RFC 9457 `application/problem+json`.
//!
//! What went wrong inside is logged once, where it is turned into an API error, and never sent.

use axum::{
    Json,
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use serde::Serialize;
use utoipa::ToSchema;

use crate::{
    domain::problem::{Problem, Problems},
    store::StoreError,
};

/// When a caller may try again after the store was away, in seconds.
const RETRY_AFTER: &str = "5";

/// Why a request is refused, one variant per status.
#[derive(Debug, Clone)]
pub(super) enum ApiError {
    NotJson(String),
    /// No credentials, or none that are good.
    Unauthorized(&'static str),
    Forbidden(String),
    NotFound(&'static str),
    MethodNotAllowed,
    /// A delivery id came again with another body.
    DeliveryIdReused,
    TooLarge,
    NotJsonMediaType,
    Invalid(Problems),
    Internal,
    Unavailable(&'static str),
}

/// The body of a refusal.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(super) struct ProblemDetails {
    /// Which kind of problem: a stable word behind `urn:leavebridge:problem:`.
    #[serde(rename = "type")]
    #[schema(example = "urn:leavebridge:problem:invalid")]
    kind: String,
    /// The same for people.
    title: &'static str,
    /// The HTTP status.
    status: u16,
    /// What to do about it.
    detail: String,
    /// The id under which the log knows this request.
    request_id: String,
    /// Every field that is not as it should be.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<Problem>,
}

impl ApiError {
    /// Status, stable word, title, and what to do about it.
    pub(super) fn parts(&self) -> (StatusCode, &'static str, &'static str, String) {
        let (status, word, title, detail) = match self {
            Self::NotJson(why) => (StatusCode::BAD_REQUEST, "not-json", "The body is not JSON", why.as_str()),
            Self::Unauthorized(why) => (StatusCode::UNAUTHORIZED, "unauthorized", "The caller is not known", *why),
            Self::Forbidden(why) => (StatusCode::FORBIDDEN, "forbidden", "The caller may not do this", why.as_str()),
            Self::NotFound(what) => (StatusCode::NOT_FOUND, "not-found", "There is nothing here", *what),
            Self::MethodNotAllowed => (
                StatusCode::METHOD_NOT_ALLOWED,
                "method-not-allowed",
                "This address does not take that method",
                "See /openapi.json for what it takes.",
            ),
            Self::DeliveryIdReused => (
                StatusCode::CONFLICT,
                "delivery-id-reused",
                "The delivery id was used before for another body",
                "Nothing was stored. A delivery that is sent again must be the same, byte by byte; another one needs \
                 another id.",
            ),
            Self::TooLarge => (
                StatusCode::PAYLOAD_TOO_LARGE,
                "too-large",
                "The body is too large",
                "A webhook may have 64 KiB at most.",
            ),
            Self::NotJsonMediaType => (
                StatusCode::UNSUPPORTED_MEDIA_TYPE,
                "not-json-media-type",
                "The body is not declared as JSON",
                "Send it with the header content-type: application/json.",
            ),
            Self::Invalid(_) => (
                StatusCode::UNPROCESSABLE_ENTITY,
                "invalid",
                "Something in the request is not as it should be",
                "Nothing was stored. `errors` names everything that is wrong.",
            ),
            Self::Internal => (
                StatusCode::INTERNAL_SERVER_ERROR,
                "internal",
                "Something broke inside",
                "It is in the log under this request_id. Nothing was acknowledged.",
            ),
            Self::Unavailable(why) => {
                (StatusCode::SERVICE_UNAVAILABLE, "unavailable", "Not available at the moment", *why)
            }
        };
        (status, word, title, detail.to_owned())
    }

    /// The finished answer. Called by the outermost layer, which knows the request's id.
    pub(super) fn render(self, request_id: &str) -> Response {
        let (status, word, title, detail) = self.parts();
        let body = ProblemDetails {
            kind: format!("urn:leavebridge:problem:{word}"),
            title,
            status: status.as_u16(),
            detail,
            request_id: request_id.to_owned(),
            errors: if let Self::Invalid(problems) = &self { problems.clone().into_vec() } else { Vec::new() },
        };
        let mut response = (status, Json(body)).into_response();
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match self {
            Self::Unavailable(_) => {
                headers.insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
            }
            Self::Unauthorized(_) => {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            _ => {}
        }
        response
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        let mut response = self.parts().0.into_response();
        response.extensions_mut().insert(self);
        response
    }
}

impl From<Problems> for ApiError {
    fn from(problems: Problems) -> Self {
        Self::Invalid(problems)
    }
}

impl From<StoreError> for ApiError {
    fn from(error: StoreError) -> Self {
        let cause = error.cause();
        match error {
            StoreError::Unavailable(_) => {
                tracing::warn!(cause, "{error}");
                Self::Unavailable("The database does not answer. Nothing was acknowledged; send it again.")
            }
            StoreError::Newer => {
                tracing::warn!(cause, "{error}");
                Self::Unavailable(
                    "A newer version of leavebridge keeps this leave. Nothing was acknowledged; send it again.",
                )
            }
            StoreError::Broken(_) | StoreError::TooOld => {
                tracing::error!(cause, "{error}");
                Self::Internal
            }
        }
    }
}
