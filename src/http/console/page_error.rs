//! Why a page is not shown, as a page.

use axum::{
    extract::FromRequestParts,
    http::request::Parts,
    response::{IntoResponse, Response},
};
use maud::html;

use super::{
    page,
    session::{self, ConsoleSession, NOT_GOOD},
    sign_in,
};
use crate::http::{api::Api, problem::ApiError};

const ENDED: &str = "Your token is not valid any more. Sign in with a new one.";

/// Why a page is not shown, as a page.
pub(super) enum PageError {
    /// Not signed in. A sentence says why, where the sign-in has ended.
    SignedOut { wish: String, why: Option<&'static str> },
    /// Signed in, but it cannot be.
    Refused(Box<ConsoleSession>, ApiError),
    /// Not asked by one of our own pages.
    CrossSite,
}

impl IntoResponse for PageError {
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
            Self::CrossSite => sign_in::cross_site(),
        }
    }
}

impl ConsoleSession {
    /// A refusal as a page, with the navigation of the person who is signed in.
    pub(super) fn refused(&self, error: ApiError) -> PageError {
        PageError::Refused(Box::new(self.clone()), error)
    }
}

impl FromRequestParts<Api> for ConsoleSession {
    type Rejection = PageError;

    async fn from_request_parts(parts: &mut Parts, api: &Api) -> Result<Self, PageError> {
        let is_change = !parts.method.is_safe();
        if is_change && !session::is_own(&parts.headers) {
            return Err(PageError::CrossSite);
        }
        // A form that was posted cannot be returned to.
        let wish = if is_change { String::new() } else { parts.uri.to_string() };
        let Some(token) = session::cookie(&parts.headers) else { return Err(PageError::SignedOut { wish, why: None }) };
        match session::admit(api, token).await {
            Ok(caller) => Ok(Self { caller }),
            Err((_, why)) => Err(PageError::SignedOut { wish, why: Some(if why == NOT_GOOD { ENDED } else { why }) }),
        }
    }
}
