//! The operator's console: what the JSON API says of health and mappings, as pages for people, and "try again now".
//!
//! Plain HTML that works without scripts; it loads nothing from elsewhere. It shows nothing that the API would not show to
//! the same token, and changes nothing on a request that another site had the browser send.
//!
//! A further page is one line in `PAGES` of `page`, one route below, and a handler that takes a `ConsoleSession`.

mod connection;
mod mapping;
mod mappings;
mod overview;
mod page;
mod page_error;
mod session;
mod sign_in;
mod style;
mod words;

use axum::{
    Router,
    http::{HeaderName, HeaderValue, header},
    middleware,
    routing::{get, post},
};
use tower::ServiceBuilder;
use tower_http::set_header::SetResponseHeaderLayer;

use super::{api::Api, time_limit::limit_time};

/// Nothing but our own style sheet and forms; no page of others around ours.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Api> {
    let fixed = |name, value| SetResponseHeaderLayer::overriding(name, HeaderValue::from_static(value));
    // Keep pages out of caches, frames and guesses of what they are.
    let headers = ServiceBuilder::new()
        .layer(fixed(header::CONTENT_SECURITY_POLICY, POLICY))
        .layer(fixed(header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Not `no-referrer`: with it browsers hide the origin of our own forms.
        .layer(fixed(header::REFERRER_POLICY, "same-origin"))
        .layer(fixed(HeaderName::from_static("cross-origin-resource-policy"), "same-origin"))
        .layer(SetResponseHeaderLayer::if_not_present(header::CACHE_CONTROL, HeaderValue::from_static("no-store")));
    Router::new()
        .route("/console", get(overview::show))
        .route("/console/mappings", get(mappings::show))
        .route("/console/mappings/{id}", get(mapping::show))
        .route("/console/mappings/{id}/retry", post(mapping::retry))
        .route("/console/sign-in", get(sign_in::ask).post(sign_in::begin))
        .route("/console/sign-out", post(sign_in::end))
        .route("/console/style.css", get(style::sheet))
        .layer(middleware::from_fn(limit_time))
        // Ends by itself, and may take longer.
        .route("/console/connection", get(connection::show).post(connection::examine))
        .layer(headers)
}
