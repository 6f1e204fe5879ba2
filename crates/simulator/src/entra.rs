//! Entra's side: tokens for the client credentials grant, the metadata document and the signing keys.
//!
//! It must never hand a token to a caller whose secret or assertion is wrong or over, and never repeat one in an answer.

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use jiff::Timestamp;
use serde_json::{Value, json};
use uuid::Uuid;

use super::{
    Simulator,
    api::{extend, times},
    app::{App, ISSUER},
    assertion,
    bearer::GRAPH,
    failure::Trace,
    token_request::{Proof, Refusal, TokenRequest},
};

/// The seconds that a throttled caller is asked to stay away.
const USUAL_WAIT: u64 = 10;

/// `POST /{tenant}/oauth2/v2.0/token`.
pub(crate) fn token(
    simulator: &Simulator,
    tenant: &str,
    method: &str,
    headers: &HeaderMap,
    body: &[u8],
    trace: &Trace,
) -> Response {
    let granted = if method == "POST" {
        grant(simulator, tenant, headers, body, trace.at)
    } else {
        let sentence = format!("The endpoint only accepts POST requests. Received a {method} request.");
        Err(Refusal::new(900_561, "invalid_request", sentence))
    };
    let mut response = match granted {
        Ok(token) => Json(token).into_response(),
        Err(refusal) => refuse(&refusal, trace),
    };
    response.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store, no-cache"));
    response
}

fn grant(
    simulator: &Simulator,
    tenant: &str,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Value, Refusal> {
    let settings = simulator.settings();
    let directory = find_directory(settings.directory(tenant), tenant)?;
    let request = TokenRequest::read(headers, body, host(headers), &settings.apis)?;
    let Some(app) = settings.app(directory, &request.client_id) else {
        let sentence = format!(
            "Application with identifier '{}' was not found in the directory '{directory}'. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You may have sent your authentication request to the wrong tenant.",
            request.client_id
        );
        return Err(Refusal::new(700_016, "unauthorized_client", sentence));
    };
    if !app.enabled {
        let sentence = format!("Application '{}'({}) is disabled.", app.client_id, app.display_name);
        return Err(Refusal::new(7_000_112, "unauthorized_client", sentence));
    }
    let proven_by = match &request.proof {
        Proof::Secret(secret) => check_secret(app, secret, now).map(|()| "1"),
        Proof::Assertion(assertion) => {
            // The very address that was asked, by either of the directory's names; the scheme a proxy may have changed.
            let names = [tenant, directory];
            let here = |scheme: &str, name: &str| format!("{scheme}://{}/{name}/oauth2/v2.0/token", host(headers));
            let endpoints: Vec<String> =
                ["http", "https"].iter().flat_map(|scheme| names.map(|name| here(scheme, name))).collect();
            assertion::check(app, assertion, &endpoints, now).map(|()| "2")
        }
    }?;
    let lifetime = settings.token_lifetime_seconds;
    let token = match request.resource {
        None => issue(simulator, app, now, lifetime, proven_by),
        Some(resource) => {
            let api = settings.apis.iter().find(|api| api.directory_id == app.directory_id && api.is(&resource));
            let api = api.ok_or_else(|| {
                let sentence = format!("The resource principal named {resource} was not found in the tenant named {directory}. This can happen if the application has not been installed by the administrator of the tenant or consented to by any user in the tenant. You might have sent your authentication request to the wrong tenant.");
                Refusal::new(500_011, "invalid_resource", sentence)
            })?;
            let issuers = [format!("{ISSUER}/{directory}/"), issuer(headers, directory)];
            let mut claims = api.claims(app, &resource, issuers.each_ref().map(String::as_str), proven_by);
            extend(&mut claims, times(now, lifetime));
            simulator.0.keys.sign(&claims, json!({}))
        }
    };
    Ok(json!({
        "token_type": "Bearer", "expires_in": lifetime, "ext_expires_in": lifetime, "access_token": token,
    }))
}

/// An access token for Graph for that app. `proven_by` is 1 for a secret, 2 for anything signed.
pub(crate) fn issue(simulator: &Simulator, app: &App, now: Timestamp, lifetime: u32, proven_by: &str) -> String {
    let claims = claims(simulator, app, now, lifetime, proven_by);
    simulator.0.keys.sign(&claims, json!({"nonce": simulator.0.random.uuid().simple().to_string()}))
}

fn find_directory<'a>(known: Option<&'a str>, tenant: &str) -> Result<&'a str, Refusal> {
    if ["common", "consumers", "organizations"].contains(&tenant) {
        let sentence =
            format!("The tenant '{tenant}' cannot be used with the client credentials grant; name the tenant.");
        return Err(Refusal::new(9_001_023, "invalid_request", sentence));
    }
    known.ok_or_else(|| {
        if Uuid::parse_str(tenant).is_err() && !tenant.contains('.') {
            let sentence = format!("Specified tenant identifier '{tenant}' is neither a valid DNS name, nor a valid external domain.");
            return Refusal::new(900_023, "invalid_request", sentence);
        }
        let sentence = format!("Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the correct cloud. Check with your subscription administrator, this may happen if there are no active subscriptions for the tenant.");
        Refusal::new(90_002, "invalid_request", sentence)
    })
}

fn check_secret(app: &App, sent: &str, now: Timestamp) -> Result<(), Refusal> {
    let mut matching = app.secrets.iter().filter(|secret| secret.value == sent).peekable();
    if matching.peek().is_none() {
        let sentence = format!(
            "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value, not the client secret ID, for a secret added to app '{}'.",
            app.client_id
        );
        return Err(Refusal::new(7_000_215, "invalid_client", sentence));
    }
    if matching.all(|secret| secret.expires.is_some_and(|end| end <= now)) {
        let sentence = format!(
            "The provided client secret keys for app '{}' are expired. Visit the Azure portal to create new keys for your app, or consider using certificate credentials for added security.",
            app.client_id
        );
        return Err(Refusal::new(7_000_222, "invalid_client", sentence));
    }
    Ok(())
}

/// Graph's tokens have the v1.0 form even when the v2.0 endpoint issues them.
fn claims(simulator: &Simulator, app: &App, now: Timestamp, lifetime: u32, proven_by: &str) -> Value {
    let opaque = || simulator.0.random.uuid().simple().to_string();
    let issuer = format!("{ISSUER}/{}/", app.directory_id);
    let principal = app.principal();
    let mut claims = json!({
        "aud": GRAPH, "iss": issuer, "aio": opaque(), "app_displayname": app.display_name,
        "appid": app.client_id, "appidacr": proven_by, "idp": issuer, "idtyp": "app", "oid": principal, "rh": opaque(),
        "sub": principal, "tenant_region_scope": "EU", "tid": app.directory_id, "uti": opaque(), "ver": "1.0",
    });
    extend(&mut claims, times(now, lifetime));
    // An app without consented roles gets a token without the claim.
    if !app.roles.is_empty() {
        claims["roles"] = json!(app.roles);
    }
    claims
}

/// A refusal in the token endpoint's envelope.
pub(crate) fn refuse(refusal: &Refusal, trace: &Trace) -> Response {
    let time = trace.at.strftime("%Y-%m-%d %H:%M:%SZ").to_string();
    let description = format!(
        "AADSTS{}: {}\r\nTrace ID: {}\r\nCorrelation ID: {}\r\nTimestamp: {time}",
        refusal.number, refusal.sentence, trace.request_id, trace.client_request_id
    );
    let status = StatusCode::from_u16(refusal.status).unwrap_or(StatusCode::BAD_REQUEST);
    let body = json!({
        "error": refusal.error, "error_description": description, "error_codes": [refusal.number], "timestamp": time,
        "trace_id": trace.request_id, "correlation_id": trace.client_request_id,
        "error_uri": format!("https://login.microsoftonline.com/error?code={}", refusal.number),
    });
    let mut response = (status, Json(body)).into_response();
    if status == StatusCode::TOO_MANY_REQUESTS {
        response.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from(USUAL_WAIT));
    }
    response
}

/// What a fault rule without a body answers for the token endpoint.
pub(crate) fn scripted(status: StatusCode, trace: &Trace) -> Response {
    let error = if status.is_server_error() { "temporarily_unavailable" } else { "invalid_request" };
    let mut refusal = Refusal::new(90_033, error, "A transient error has occurred. Please try again.");
    refusal.status = status.as_u16();
    refuse(&refusal, trace)
}

/// `GET /{tenant}/v2.0/.well-known/openid-configuration`.
pub(crate) fn metadata(simulator: &Simulator, tenant: &str, headers: &HeaderMap, trace: &Trace) -> Response {
    let settings = simulator.settings();
    let directory = match find_directory(settings.directory(tenant), tenant) {
        Ok(directory) => directory,
        Err(refusal) => return refuse(&refusal, trace),
    };
    let here = format!("http://{}/{directory}", host(headers));
    Json(json!({
        "issuer": issuer(headers, directory),
        "token_endpoint": format!("{here}/oauth2/v2.0/token"),
        "jwks_uri": format!("{here}/discovery/v2.0/keys"),
        "msgraph_host": host(headers).rsplit_once(':').map_or(host(headers), |(name, _port)| name),
        "token_endpoint_auth_methods_supported": ["client_secret_post", "client_secret_basic", "private_key_jwt"],
        "grant_types_supported": ["client_credentials"],
        "id_token_signing_alg_values_supported": ["RS256"],
        "response_types_supported": ["token"],
        "subject_types_supported": ["pairwise"],
    }))
    .into_response()
}

/// `GET /{tenant}/discovery/v2.0/keys`.
pub(crate) fn keys(simulator: &Simulator) -> Response {
    Json(simulator.0.keys.jwks()).into_response()
}

/// The issuer of v2.0 tokens: here, so that its metadata can be found.
fn issuer(headers: &HeaderMap, directory: &str) -> String {
    format!("http://{}/{directory}/v2.0", host(headers))
}

/// The address under which the caller reached us.
pub(crate) fn host(headers: &HeaderMap) -> &str {
    headers.get(header::HOST).and_then(|value| value.to_str().ok()).unwrap_or("graph.microsoft.com")
}
