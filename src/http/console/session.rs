//! Who is signed in: an ops token in a browser's cookie. The service itself keeps no sessions.
//!
//! The cookie goes out only to `/console`, only to us and never on a request that begins at another site, and no script
//! can read it. A token must never be in an address, and a form of another site must never be obeyed.

use axum::http::{HeaderMap, StatusCode, header};

use crate::{
    config::Scope,
    http::{api::Api, auth::Caller, problem::ApiError},
};

pub(super) const COOKIE: &str = "leavebridge_ops";

pub(super) const NOT_GOOD: &str =
    "This token is not valid here, or no longer. Copy all of it, from the first letter to the last.";
const NOT_OPS: &str = "This token may not see the console: it needs the scope ops:read.";

/// A caller who is signed in with `ops:read`.
#[derive(Debug, Clone)]
pub(super) struct ConsoleSession {
    pub(super) caller: Caller,
}

impl ConsoleSession {
    pub(super) fn may_retry(&self) -> bool {
        self.caller.require(Scope::OpsWrite).is_ok()
    }
}

/// The caller behind a token, if it may look at the console; else with which status and sentence it may not.
pub(super) async fn admit(api: &Api, token: &str) -> Result<Caller, (StatusCode, &'static str)> {
    let caller = api.0.authenticator.by_bearer(token).await.map_err(|error| match error {
        ApiError::Unavailable(why) => (StatusCode::SERVICE_UNAVAILABLE, why),
        _ => (StatusCode::UNAUTHORIZED, NOT_GOOD),
    })?;
    caller.require(Scope::OpsRead).map_err(|_| (StatusCode::FORBIDDEN, NOT_OPS))?;
    Ok(caller)
}

/// The token in the browser's cookie.
pub(super) fn cookie(headers: &HeaderMap) -> Option<&str> {
    let pairs = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = pairs.flat_map(|text| text.split(';')).filter_map(|pair| pair.trim().split_once('='));
    pairs.find(|(name, _)| *name == COOKIE).map(|(_, value)| value)
}

/// Whether one of our own pages sent this. `Sec-Fetch-Site` cannot be forged by a page, and every browser sends it where
/// we let anybody sign in; `Origin` is what older ones have. Who sends neither is no browser that we know.
pub(super) fn is_own(headers: &HeaderMap) -> bool {
    let text = |name: &str| headers.get(name).and_then(|value| value.to_str().ok());
    if let Some(site) = text("sec-fetch-site") {
        return site == "same-origin";
    }
    let origin = text("origin").and_then(|origin| origin.split_once("://"));
    origin.is_some_and(|(_, origin)| text("host").is_some_and(|host| host.eq_ignore_ascii_case(origin)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    #[test]
    fn a_form_is_ours_if_the_browser_says_so() {
        let headers = |pairs: &[(&'static str, &'static str)]| {
            pairs.iter().map(|(name, value)| (name.parse().unwrap(), HeaderValue::from_static(value))).collect()
        };
        for (pairs, own) in [
            (&[("sec-fetch-site", "same-origin"), ("host", "inside:8080"), ("origin", "https://outside")][..], true),
            (&[("sec-fetch-site", "same-site"), ("host", "a"), ("origin", "https://a")], false),
            (&[("sec-fetch-site", "cross-site")], false),
            (&[("sec-fetch-site", "none")], false),
            (&[("host", "a:8080"), ("origin", "http://A:8080")], true),
            (&[("host", "a:8080"), ("origin", "http://a:8081")], false),
            (&[("host", "a"), ("origin", "null")], false),
            (&[("host", "a")], false),
            (&[], false),
        ] {
            let headers: HeaderMap = headers(pairs);
            assert_eq!(is_own(&headers), own, "{pairs:?}");
        }
    }
}
