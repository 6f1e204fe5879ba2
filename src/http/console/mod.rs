//! The operator's console: what the JSON API says of health and mappings, as pages for people, and "try again now".
//!
//! Plain HTML that works without scripts; it loads nothing from elsewhere. It shows nothing that the API would not show to
//! the same token, and changes nothing on a request that another site had the browser send.
//!
//! A further page is one line in [`page::PAGES`], one route below, and a handler that takes a [`Session`].

mod connection;
mod mapping;
mod mappings;
mod overview;
mod page;
mod session;
mod style;
mod words;

use axum::{
    Router,
    extract::Request,
    http::{HeaderName, HeaderValue, header},
    middleware::{self, Next},
    response::{IntoResponse, Response},
    routing::{get, post},
};
use maud::html;
use session::Session;

use super::{Api, limit_time, problem::ApiError};

/// Nothing but our own style sheet and forms; no page of others around ours.
const POLICY: &str =
    "default-src 'none'; style-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

pub(super) fn routes() -> Router<Api> {
    Router::new()
        .route("/console", get(overview::show))
        .route("/console/mappings", get(mappings::show))
        .route("/console/mappings/{id}", get(mapping::show))
        .route("/console/mappings/{id}/retry", post(mapping::retry))
        .route("/console/sign-in", get(session::ask).post(session::begin))
        .route("/console/sign-out", post(session::end))
        .route("/console/style.css", get(style::sheet))
        .layer(middleware::from_fn(limit_time))
        // Ends by itself, and may take longer.
        .route("/console/connection", get(connection::show).post(connection::examine))
        .layer(middleware::from_fn(shut))
}

/// Keeps pages out of caches, frames and guesses of what they are.
async fn shut(request: Request, next: Next) -> Response {
    let mut response = next.run(request).await;
    let headers = response.headers_mut();
    for (name, value) in [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it browsers hide the origin of our own forms.
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

/// Why a page is not shown, as a page.
enum Stopped {
    /// Nobody is signed in, or not any more; then a sentence says why.
    SignedOut { wish: String, why: Option<&'static str> },
    /// Signed in, but it cannot be.
    Refused(Box<Session>, ApiError),
    /// Not asked by one of our own pages.
    Foreign,
}

impl IntoResponse for Stopped {
    fn into_response(self) -> Response {
        match self {
            Self::SignedOut { wish, why } => session::signed_out(&wish, why),
            Self::Refused(session, error) => {
                let (status, _, title, detail) = error.parts();
                let what = html! {
                    h1 { (title) }
                    p { (detail) }
                    p { a href="/console" { "Back to the overview" } }
                };
                (status, page::page(Some(&session), "", title, &what)).into_response()
            }
            Self::Foreign => session::foreign(),
        }
    }
}
