//! Ends a request that takes too long, with a refusal in the usual form.

use std::time::Duration;

use axum::{
    extract::Request,
    middleware::Next,
    response::{IntoResponse as _, Response},
};

use super::problem::ApiError;

/// Longer than the slowest statement that the store allows.
const LONGEST: Duration = Duration::from_secs(25);

/// The body of a refusal needs the request's id: tower-http's own layer would answer with an empty one.
pub(super) async fn limit_time(request: Request, next: Next) -> Response {
    match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Unavailable("It took too long. Try again.").into_response(),
    }
}
