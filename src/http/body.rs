//! Reads a request's body, within limits, and as JSON.

use axum::{
    body::{Body, Bytes},
    http::{HeaderMap, header},
};
use http_body_util::BodyExt as _;
use serde_json::Value;

use super::problem::ApiError;

/// The longest body that is accepted, in bytes.
const LONGEST_BODY: usize = 64 << 10;
/// How much of a body that is too long is read and thrown away, in bytes: a sender that is still sending does not read the
/// answer of a server that closes at once.
const LONGEST_REFUSED_BODY: usize = 32 << 20;

/// The whole body, if it is not too large.
pub(super) async fn read_body(mut body: Body) -> Result<Bytes, ApiError> {
    let mut bytes = Vec::new();
    let mut length = 0;
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|_| ApiError::NotJson("It broke off.".into()))?;
        let Ok(data) = frame.into_data() else { continue };
        length += data.len();
        if length <= LONGEST_BODY {
            bytes.extend_from_slice(&data);
        } else if length > LONGEST_REFUSED_BODY {
            break;
        }
    }
    if length > LONGEST_BODY { Err(ApiError::TooLarge) } else { Ok(bytes.into()) }
}

/// The body as JSON, if it is declared as such.
pub(super) fn read_json(headers: &HeaderMap, body: &[u8]) -> Result<Value, ApiError> {
    if !is_json(headers) {
        return Err(ApiError::NotJsonMediaType);
    }
    serde_json::from_slice(body).map_err(|error| {
        ApiError::NotJson(format!("It stops being JSON at line {}, column {}.", error.line(), error.column()))
    })
}

fn is_json(headers: &HeaderMap) -> bool {
    let declared = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
    let media_type = declared.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    media_type == "application/json" || (media_type.starts_with("application/") && media_type.ends_with("+json"))
}
