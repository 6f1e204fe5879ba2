//! The three places where Azure's hosts hand out tokens of a managed identity: a virtual machine's metadata service,
//! App Service, and Azure Arc's agent.
//!
//! They must never answer a caller that cannot be inside the machine: no `Metadata` header, the wrong `X-IDENTITY-HEADER`,
//! an Arc key that was not read from the agent's folder. Numbers come as text, as from the real ones.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use axum::{
    Json,
    http::{HeaderMap, HeaderValue, StatusCode, Uri, header},
    response::{IntoResponse, Response},
};
use serde_json::{Value, json};

use super::{
    Simulator,
    app::{App, Managed},
    bearer::GRAPH,
    entra,
    failure::Trace,
    settings::Settings,
};

/// Which host is asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Host {
    /// The metadata service or Arc's agent: the real ones have the same path at different addresses, and differ in
    /// `api-version`.
    Metadata,
    AppService,
}

/// The key that Arc's agent has last asked to be read to it; each serves once.
#[derive(Debug, Default)]
pub(crate) struct ArcKey(Mutex<Option<(PathBuf, String)>>);

/// Status, word and sentence of a refusal.
type Refused = (u16, &'static str, String);

/// A GET to one of them.
pub(crate) fn answer(simulator: &Simulator, host: Host, uri: &Uri, headers: &HeaderMap, trace: &Trace) -> Response {
    let query = uri.query().unwrap_or_default();
    let field = |name: &str| {
        let mut fields = url::form_urlencoded::parse(query.as_bytes());
        fields.find(|(key, _)| key == name).map(|(_, value)| value.into_owned())
    };
    let version = field("api-version").unwrap_or_default();
    let settings = simulator.settings();
    let is_arc = host == Host::Metadata && version == "2020-06-01" && settings.arc_key_folder.is_some();
    let allowed = match host {
        Host::Metadata => metadata_headers(headers, &version),
        Host::AppService => app_service_headers(&settings, headers, &version),
    };
    if let Err((status, word, sentence)) = allowed {
        return refuse(host, status, word, &sentence);
    }
    if is_arc && !simulator.0.arc.is_read(headers) {
        return simulator.0.arc.challenge(simulator, settings.arc_key_folder.as_deref().unwrap_or(Path::new("")));
    }
    let selected = field("client_id").filter(|_| !(is_arc && settings.switches.arc_ignores_selector));
    match find(&settings, selected.as_deref(), &field("resource").unwrap_or_default(), entra::host(headers)) {
        Ok((app, resource)) => {
            Json(token(simulator, app, &resource, host, settings.token_lifetime_seconds, trace)).into_response()
        }
        Err((status, word, sentence)) => refuse(host, status, word, &sentence),
    }
}

fn metadata_headers(headers: &HeaderMap, version: &str) -> Result<(), Refused> {
    // Whoever can set a header and is not behind a proxy is no confused deputy.
    if headers.get("metadata").is_none_or(|value| value != "true") || headers.contains_key("x-forwarded-for") {
        return Err((400, "invalid_request", "Required metadata header not specified".into()));
    }
    if version.is_empty() {
        return Err((400, "invalid_request", "Required query variable 'api-version' is missing".into()));
    }
    Ok(())
}

fn app_service_headers(settings: &Settings, headers: &HeaderMap, version: &str) -> Result<(), Refused> {
    let sent = headers.get("x-identity-header").and_then(|value| value.to_str().ok());
    if sent != Some(&settings.identity_header) {
        return Err((401, "Unauthorized", "The header X-IDENTITY-HEADER is missing or wrong.".into()));
    }
    if version != "2019-08-01" {
        return Err((400, "BadRequest", "The api-version is not supported.".into()));
    }
    Ok(())
}

fn find<'a>(
    settings: &'a Settings,
    client_id: Option<&str>,
    resource: &str,
    host: &str,
) -> Result<(&'a App, String), Refused> {
    let own = [GRAPH.to_owned(), format!("http://{host}"), format!("https://{host}")];
    // Entra's scopes end in /.default, resources do not. A machine has two names for itself.
    let named = resource.trim_end_matches('/').replace("//localhost:", "//127.0.0.1:");
    if !own.iter().any(|own| named == own.replace("//localhost:", "//127.0.0.1:")) {
        let sentence = format!("AADSTS500011: The resource principal named {resource} was not found.");
        return Err((400, "invalid_resource", sentence));
    }
    let of = |kind: Managed| settings.apps.iter().filter(move |app| app.managed_identity == Some(kind));
    let app = match client_id {
        Some(id) => {
            let mut all = of(Managed::UserAssigned).chain(of(Managed::SystemAssigned));
            all.find(|app| app.client_id.eq_ignore_ascii_case(id))
        }
        // Without a system-assigned identity an only user-assigned one is meant.
        None => of(Managed::SystemAssigned).next().or_else(|| {
            let mut assigned = of(Managed::UserAssigned);
            assigned.next().filter(|_| assigned.next().is_none())
        }),
    };
    app.map(|app| (app, resource.to_owned())).ok_or_else(|| (400, "invalid_request", "Identity not found".into()))
}

fn token(simulator: &Simulator, app: &App, resource: &str, host: Host, lifetime: u32, trace: &Trace) -> Value {
    let now = trace.at;
    let ends = (now.as_second() + i64::from(lifetime)).to_string();
    let mut token = json!({
        "access_token": entra::issue(simulator, app, now, lifetime, "2"), "token_type": "Bearer",
        "resource": resource, "client_id": app.client_id, "expires_on": ends,
    });
    // App Service says only when it ends.
    if host == Host::Metadata {
        token["expires_in"] = lifetime.to_string().into();
        token["ext_expires_in"] = lifetime.to_string().into();
        token["not_before"] = now.as_second().to_string().into();
    }
    token
}

fn refuse(host: Host, status: u16, word: &str, sentence: &str) -> Response {
    let body = match host {
        Host::Metadata => json!({"error": word, "error_description": sentence}),
        Host::AppService => json!({"statusCode": status, "message": sentence}),
    };
    (StatusCode::from_u16(status).unwrap_or(StatusCode::BAD_REQUEST), Json(body)).into_response()
}

/// What a fault rule without a body answers here.
pub(crate) fn scripted(host: Host, status: StatusCode) -> Response {
    refuse(host, status.as_u16(), "unavailable", "The service is being updated. Please try again.")
}

impl ArcKey {
    /// Whether the caller has read the key.
    fn is_read(&self, headers: &HeaderMap) -> bool {
        let sent = headers.get(header::AUTHORIZATION).and_then(|value| value.to_str().ok());
        let sent = sent.and_then(|value| value.strip_prefix("Basic "));
        let mut key = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let is_read = key.as_ref().is_some_and(|(_, content)| sent == Some(content));
        if is_read && let Some((path, _)) = key.take() {
            let _gone_already = fs::remove_file(path);
        }
        is_read
    }

    /// Puts a new key into the folder that only the machine's own people can read, and names it.
    fn challenge(&self, simulator: &Simulator, folder: &Path) -> Response {
        let id = || simulator.0.random.uuid().simple().to_string();
        let (path, content) = (folder.join(format!("{}.key", id())), format!("{}{}", id(), id()));
        let named = HeaderValue::from_str(&format!("Basic realm={}", path.display()));
        let (Ok(named), Ok(())) = (named, fs::write(&path, &content)) else {
            return refuse(Host::Metadata, 500, "internal_error", "The key could not be written.");
        };
        let mut key = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        *key = Some((path, content));
        let mut response = refuse(Host::Metadata, 401, "unauthorized_client", "Missing Basic Authorization header");
        response.headers_mut().insert(header::WWW_AUTHENTICATE, named);
        response
    }
}
