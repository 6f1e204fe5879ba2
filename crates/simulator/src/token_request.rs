//! The form that is posted to Entra's token endpoint, and the refusals that depend on the form alone.
//!
//! It must never print itself: it holds a client secret or what is as good as one.

use axum::http::{HeaderMap, header};
use base64::{Engine, engine::general_purpose::STANDARD};

use super::{api::Api, bearer::GRAPH};

/// A refusal of Entra's: AADSTS number, OAuth error word, HTTP status, sentence.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Refusal {
    pub(crate) number: u32,
    pub(crate) error: &'static str,
    pub(crate) status: u16,
    pub(crate) sentence: String,
}

impl Refusal {
    /// Microsoft documents most as 400; a client that cannot prove itself is answered 401 in practice.
    pub(crate) fn new(number: u32, error: &'static str, sentence: impl Into<String>) -> Self {
        let status = if error == "invalid_client" { 401 } else { 400 };
        Self { number, error, status, sentence: sentence.into() }
    }

    fn missing(parameter: &str) -> Self {
        let sentence = format!("The request body must contain the following parameter: '{parameter}'.");
        Self::new(900_144, "invalid_request", sentence)
    }
}

/// A complete request for an app-only token.
pub(crate) struct TokenRequest {
    pub(crate) client_id: String,
    /// The API that it is for; none when it is for Graph.
    pub(crate) resource: Option<String>,
    pub(crate) proof: Proof,
}

/// What the caller proves itself by.
pub(crate) enum Proof {
    Secret(String),
    Assertion(String),
}

const JWT_BEARER: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

impl TokenRequest {
    /// Reads form and headers in the order in which Entra complains.
    pub(crate) fn read(headers: &HeaderMap, body: &[u8], host: &str, apis: &[Api]) -> Result<Self, Refusal> {
        let kind = headers.get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let form = kind.starts_with("application/x-www-form-urlencoded");
        let body = if form { body } else { &[] };
        let field = |name: &str| {
            let mut fields = url::form_urlencoded::parse(body);
            fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned()).filter(|value| !value.is_empty())
        };
        let basic = basic(headers);
        let grant = field("grant_type").ok_or_else(|| Refusal::missing("grant_type"))?;
        if grant != "client_credentials" {
            let sentence = format!("The app requested an unsupported grant type '{grant}'.");
            return Err(Refusal::new(70_003, "unsupported_grant_type", sentence));
        }
        let by_header = |pick: fn(&(String, String)) -> &String| basic.as_ref().map(|pair| pick(pair).clone());
        let client_id = field("client_id").or_else(|| by_header(|pair| &pair.0));
        let client_id = client_id.ok_or_else(|| Refusal::missing("client_id"))?;
        let resource = resource(&field("scope").ok_or_else(|| Refusal::missing("scope"))?, host, apis)?;
        if let Some(assertion) = field("client_assertion") {
            return match field("client_assertion_type").as_deref() {
                Some(JWT_BEARER) => Ok(Self { client_id, resource, proof: Proof::Assertion(assertion) }),
                Some(_) => {
                    let sentence = "The 'client_assertion_type' parameter is not supported.";
                    Err(Refusal::new(50_027, "invalid_request", sentence))
                }
                None => Err(Refusal::missing("client_assertion_type")),
            };
        }
        let client_secret = field("client_secret").or_else(|| by_header(|pair| &pair.1)).ok_or_else(|| {
            let sentence =
                "The request body must contain the following parameter: 'client_assertion' or 'client_secret'.";
            Refusal::new(7_000_218, "invalid_client", sentence)
        })?;
        Ok(Self { client_id, resource, proof: Proof::Secret(client_secret) })
    }
}

/// Exactly one resource that exists, with `/.default`.
fn resource(scope: &str, host: &str, apis: &[Api]) -> Result<Option<String>, Refusal> {
    let own = [format!("{GRAPH}/.default"), format!("http://{host}/.default"), format!("https://{host}/.default")];
    if own.iter().any(|own| own == scope) {
        return Ok(None);
    }
    if let Some(resource) = scope.strip_suffix("/.default").filter(|named| apis.iter().any(|api| api.is(named))) {
        return Ok(Some(resource.to_owned()));
    }
    if scope.split_whitespace().count() > 1 {
        let sentence = format!(
            "The provided value for the input parameter 'scope' is not valid. The scope {scope} names more than one resource."
        );
        return Err(Refusal::new(70_011, "invalid_scope", sentence));
    }
    let sentence = format!(
        "The provided value for scope {scope} is not valid. Client credential flows must have a scope value with /.default suffixed to the resource identifier (application ID URI)."
    );
    Err(Refusal::new(1_002_012, "invalid_scope", sentence))
}

/// `client_id:client_secret` in the header, both form-encoded as RFC 6749 says.
fn basic(headers: &HeaderMap) -> Option<(String, String)> {
    let header = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let encoded = header.strip_prefix("Basic ")?;
    let decoded = String::from_utf8(STANDARD.decode(encoded).ok()?).ok()?;
    let (id, secret) = decoded.split_once(':')?;
    let plain =
        |text: &str| percent_encoding::percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    Some((plain(id), plain(secret)))
}

#[cfg(test)]
mod tests {
    use axum::http::HeaderValue;

    use super::*;

    fn read(form: &str) -> Result<TokenRequest, u32> {
        let kind = HeaderValue::from_static("application/x-www-form-urlencoded");
        let headers = HeaderMap::from_iter([(header::CONTENT_TYPE, kind)]);
        TokenRequest::read(&headers, form.as_bytes(), "localhost:8090", &[]).map_err(|refusal| refusal.number)
    }

    #[test]
    fn what_is_missing_or_wrong_in_the_form_has_a_number() {
        let scope = "scope=https%3A%2F%2Fgraph.microsoft.com%2F.default";
        for (form, number) in [
            ("client_id=a".to_owned(), 900_144),
            ("grant_type=password&client_id=a".to_owned(), 70_003),
            (format!("grant_type=client_credentials&{scope}&client_secret=s"), 900_144),
            ("grant_type=client_credentials&client_id=a&client_secret=s".to_owned(), 900_144),
            (format!("grant_type=client_credentials&client_id=a&{scope}"), 7_000_218),
            (format!("grant_type=client_credentials&client_id=a&{scope}&client_assertion=a.b.c"), 900_144),
            (
                format!(
                    "grant_type=client_credentials&client_id=a&{scope}&client_assertion=a&client_assertion_type=saml"
                ),
                50_027,
            ),
            ("grant_type=client_credentials&client_id=a&client_secret=s&scope=User.Read".to_owned(), 1_002_012),
            (
                "grant_type=client_credentials&client_id=a&client_secret=s&scope=https://graph.microsoft.com/"
                    .to_owned(),
                1_002_012,
            ),
            (
                "grant_type=client_credentials&client_id=a&client_secret=s&scope=a/.default+b/.default".to_owned(),
                70_011,
            ),
        ] {
            assert_eq!(read(&form).map(|_| ()), Err(number), "{form}");
        }
        for host in ["https://graph.microsoft.com", "http://localhost:8090", "https://localhost:8090"] {
            let form = format!("grant_type=client_credentials&client_id=a&client_secret=s&scope={host}/.default");
            assert!(read(&form).is_ok(), "{form}");
        }
    }
}
