//! Around every request: its id, its line in the log, its figures; and refusals get their final form here.
//!
//! Only the pattern of the route is logged and counted, never the path or the query: they may name a leave.

use axum::{
    extract::{MatchedPath, Request, State},
    http::{HeaderValue, Method},
    middleware::Next,
    response::Response,
};
use tokio::time::Instant;
use tracing::Instrument as _;

use super::{api::Api, problem::ApiError};

const REQUEST_ID: &str = "x-request-id";

pub(super) async fn observe(State(api): State<Api>, request: Request, next: Next) -> Response {
    let begun = Instant::now();
    let id = request
        .headers()
        .get(REQUEST_ID)
        .and_then(|value| value.to_str().ok())
        .filter(|id| is_harmless(id))
        .map_or_else(|| api.0.random.uuid().to_string(), str::to_owned);
    let method = known(request.method());
    // axum's router has matched before its layers run.
    let route =
        request.extensions().get::<MatchedPath>().map_or_else(|| "none".to_owned(), |path| path.as_str().into());
    let span = tracing::info_span!("request", request_id = %id, method, route);
    let mut response = next.run(request).instrument(span.clone()).await;
    if let Some(error) = response.extensions_mut().remove::<ApiError>() {
        response = error.render(&id);
    }
    if let Ok(value) = HeaderValue::from_str(&id) {
        response.headers_mut().insert(REQUEST_ID, value);
    }
    let status = response.status().as_u16();
    let took = begun.elapsed();
    api.0.metrics.request(method, &route, status, took.as_secs_f64());
    let quiet = route.starts_with("/health") || route == "/metrics";
    span.in_scope(|| {
        #[expect(clippy::cast_possible_truncation, reason = "no request takes longer than 2^64 ms")]
        let took_ms = took.as_millis() as u64;
        if quiet {
            tracing::debug!(status, took_ms, "answered");
        } else {
            tracing::info!(status, took_ms, "answered");
        }
    });
    response
}

/// The method's name if it is one of HTTP's own: made-up methods must not create metrics of their own.
fn known(method: &Method) -> &'static str {
    const NAMES: [&str; 9] = ["GET", "POST", "HEAD", "OPTIONS", "PUT", "PATCH", "DELETE", "TRACE", "CONNECT"];
    NAMES.into_iter().find(|name| *name == method.as_str()).unwrap_or("other")
}

/// A caller's own id is taken over when it cannot disturb a log.
fn is_harmless(id: &str) -> bool {
    !id.is_empty() && id.len() <= 64 && id.chars().all(|c| c.is_ascii_alphanumeric() || "-_.".contains(c))
}
