//! Signing in and out: the form, and the cookie that keeps the token in the browser.
//!
//! It must never redirect to another site.

use axum::{
    body::Bytes,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse as _, Redirect, Response},
};
use maud::{Markup, html};
use url::{Host, Url};

use super::{
    page,
    session::{COOKIE, admit, is_own},
};
use crate::http::api::Api;

/// The longest that a sign-in lasts, in seconds, however long the token is valid.
const LONGEST: i64 = 12 * 3600;
/// The longest token that fits a cookie, in bytes.
const LONGEST_TOKEN: usize = 3800;

const TOO_LONG: &str = "This token is too long for a browser to keep. Use one that `leavebridge token` makes.";
const NOT_SAFE: &str = "A token must not travel unprotected: open the console by https, or on the machine itself \
                        (http://127.0.0.1).";

/// Whether the cookie needs `Secure`, by the address that the browser shows and not by how the request came to us, which
/// behind a proxy is no secret line in either case. `None` where a browser would not keep such a cookie at all.
fn is_secure(headers: &HeaderMap) -> Option<bool> {
    let origin = headers.get(header::ORIGIN).and_then(|value| value.to_str().ok());
    let Some(origin) = origin.and_then(|origin| Url::parse(origin).ok()) else { return Some(true) };
    let is_near = match origin.host() {
        Some(Host::Domain(name)) => name == "localhost",
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match origin.scheme() {
        "http" => is_near.then_some(false),
        _ => Some(true),
    }
}

/// `GET /console/sign-in`.
pub(super) async fn ask() -> Markup {
    form("/console", None)
}

/// `POST /console/sign-in`.
pub(super) async fn begin(State(api): State<Api>, headers: HeaderMap, body: Bytes) -> Response {
    if !is_own(&headers) {
        return cross_site();
    }
    let field = |name: &str| {
        let mut fields = url::form_urlencoded::parse(&body);
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).unwrap_or_default()
    };
    let wish = own_page(&field("to"));
    let token = field("token").split_whitespace().collect::<String>();
    let token = token.strip_prefix("Bearer").unwrap_or(&token);
    let refuse = |status, why| (status, form(&wish, Some(why))).into_response();
    let Some(is_secure) = is_secure(&headers) else { return refuse(StatusCode::FORBIDDEN, NOT_SAFE) };
    let caller = match admit(&api, token).await {
        Ok(_) if token.len() > LONGEST_TOKEN => return refuse(StatusCode::FORBIDDEN, TOO_LONG),
        Ok(caller) => caller,
        Err((status, why)) => return refuse(status, why),
    };
    let left = caller.until.map_or(0, |until| until - api.0.authenticator.now().as_second()).clamp(0, LONGEST);
    keep(Redirect::to(&wish).into_response(), token, left, is_secure)
}

/// `POST /console/sign-out`.
pub(super) async fn end(headers: HeaderMap) -> Response {
    if !is_own(&headers) {
        return cross_site();
    }
    keep(Redirect::to("/console/sign-in").into_response(), "", 0, is_secure(&headers).unwrap_or(true))
}

/// Has the browser keep the token for so many seconds; for none it forgets it.
fn keep(mut response: Response, token: &str, seconds: i64, is_secure: bool) -> Response {
    let secure = if is_secure { "; Secure" } else { "" };
    let cookie = format!("{COOKIE}={token}; Path=/console; Max-Age={seconds}; HttpOnly; SameSite=Strict{secure}");
    // A token that was let in has only letters, digits, `-`, `_` and dots.
    if let Ok(mut cookie) = HeaderValue::from_str(&cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(header::SET_COOKIE, cookie);
    }
    response
}

/// Where to go after signing in: one of our own pages, whatever the form says.
fn own_page(wish: &str) -> String {
    let own = wish.parse::<Uri>().ok().filter(|uri| uri.authority().is_none());
    let path = own.as_ref().map_or("", Uri::path);
    let is_own = path == "/console" || path == "/console/mappings" || path.starts_with("/console/mappings/");
    if is_own && !path.contains("..") { wish.to_owned() } else { "/console".into() }
}

/// The sign-in page in place of another.
pub(super) fn signed_out(wish: &str, why: Option<&'static str>) -> Response {
    (StatusCode::UNAUTHORIZED, form(&own_page(wish), why)).into_response()
}

/// What a form of another site gets.
pub(super) fn cross_site() -> Response {
    let what = html! {
        h1 { "Not sent from this console" }
        p { "Nothing was done: the request came from another site, or from a program. Programs use the API." }
        p { a href="/console" { "Open the console" } }
    };
    (StatusCode::FORBIDDEN, page::page(None, "", "Not sent from this console", &what)).into_response()
}

fn form(wish: &str, why: Option<&str>) -> Markup {
    let what = html! {
        h1 { "Sign in" }
        @if let Some(why) = why { p.note.bad role="alert" id="why" { (why) } }
        form.card method="post" action="/console/sign-in" {
            input type="hidden" name="to" value=(wish);
            label for="token" { "Ops token" }
            input #token type="password" name="token" required autocomplete="off" autocapitalize="off" spellcheck="false"
                autofocus aria-describedby=[why.map(|_| "why")];
            p.quiet { "It needs the scope ops:read, and ops:write to try things again. Somebody who runs leavebridge makes one:" }
            pre { code { "leavebridge token --client ops" } }
            button type="submit" { "Sign in" }
        }
        p.quiet { "Signed in already and came here by a link from elsewhere? " a href=(wish) { "Go on" } "." }
    };
    page::page(None, "", "Sign in", &what)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn after_signing_in_nobody_is_sent_elsewhere() {
        for wish in ["/console", "/console/mappings?state=parked", "/console/mappings/0199a3f0?x=%2F"] {
            assert_eq!(own_page(wish), wish);
        }
        for wish in [
            "",
            "/",
            "/consoles",
            "/docs",
            "//evil.example/console",
            "https://evil.example/console",
            "/console/sign-out",
            "/console/mappings/../../docs",
            "/console\\evil",
            "/console\r\nset-cookie: x",
            "console",
            "/console/style.css",
        ] {
            assert_eq!(own_page(wish), "/console", "{wish}");
        }
    }

    #[test]
    fn a_cookie_goes_over_a_safe_line_only_or_nowhere() {
        for (origin, secure) in [
            ("https://leave.example", Some(true)),
            ("https://127.0.0.1", Some(true)),
            ("http://127.0.0.1:8080", Some(false)),
            ("http://localhost:8080", Some(false)),
            ("http://[::1]:8080", Some(false)),
            ("http://leave.example", None),
            ("http://127.0.0.1.evil.example", None),
            ("null", Some(true)),
        ] {
            let headers = HeaderMap::from_iter([(header::ORIGIN, HeaderValue::from_static(origin))]);
            assert_eq!(is_secure(&headers), secure, "{origin}");
        }
        assert_eq!(is_secure(&HeaderMap::new()), Some(true));
    }
}
