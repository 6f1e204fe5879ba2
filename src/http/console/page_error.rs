//! Why a page is not shown, as a page.

use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use maud::html;

use super::{
    page,
    session::{self, NOT_GOOD, Session},
    sign_in,
};
use crate::http::{api::Api, problem::ApiError};

const ENDED: &str = "Your token is not valid any more. Sign in with a new one.";

/// Why a page is not shown, as a page.
pub(super) enum Stopped {
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
            Self::SignedOut { wish, why } => sign_in::signed_out(&wish, why),
            Self::Refused(session, error) => {
                let (status, _, title, detail) = error.parts();
                let what = html! {
                    h1 { (title) }
                    p { (detail) }
                    p { a href="/console" { "Back to the overview" } }
                };
                (status, page::page(Some(&session), "", title, &what)).into_response()
            }
            Self::Foreign => sign_in::foreign(),
        }
    }
}

impl Session {
    /// The page that says why not, for somebody who is signed in.
    pub(super) fn refused(&self, error: ApiError) -> Stopped {
        Stopped::Refused(Box::new(self.clone()), error)
    }
}

impl FromRequestParts<Api> for Session {
    type Rejection = Stopped;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, Stopped> {
        let is_change = !parts.method.is_safe();
        if is_change && !session::is_own(&parts.headers) {
            return Err(Stopped::Foreign);
        }
        // Nobody can come back to a form that was posted.
        let wish = if is_change { String::new() } else { parts.uri.to_string() };
        let Some(token) = session::cookie(&parts.headers) else { return Err(Stopped::SignedOut { wish, why: None }) };
        match session::admit(api, token).await {
            Ok(caller) => Ok(Self { caller }),
            Err((_, why)) => Err(Stopped::SignedOut { wish, why: Some(if why == NOT_GOOD { ENDED } else { why }) }),
        }
    }
}
