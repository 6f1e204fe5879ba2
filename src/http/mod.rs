//! The API and the console: who may ask what, and how it is answered. Sees the domain and the store; never Graph, never
//! the engine.

mod auth;
mod console;
mod doctor;
mod health;
mod intake;
mod leaves;
mod mappings;
mod observe;
mod problem;
mod query;
mod webhook;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use auth::{Authenticator, Caller};
pub use auth::{MintError, mint, sign};
use axum::{Router, extract::Request, http::HeaderMap, middleware, response::IntoResponse as _};
use problem::ApiError;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::sync::CancellationToken;
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi as _,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use crate::{
    clock::{Clock, Random},
    config::Settings,
    doctor::Doctor,
    domain::{credential::CredentialStatus, policy::Policy},
    store::{Store, bell::Bell},
    telemetry::Metrics,
};

/// So many senders may wait for Outlook at once; more would take the database from those who post. The others are answered
/// at once, as if they had not asked.
const MOST_WAITING: usize = 200;

/// What the API needs of the rest.
#[derive(Debug, Clone)]
pub struct Api(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    store: Store,
    bell: Bell,
    authenticator: Authenticator,
    random: Arc<dyn Random>,
    metrics: Metrics,
    protect_metrics: bool,
    request_timeout: Duration,
    credential_statuses: BTreeMap<String, watch::Receiver<CredentialStatus>>,
    /// By tenant: they say to which calendars a leave belongs.
    policies: BTreeMap<String, Policy>,
    ready: watch::Receiver<bool>,
    stop: CancellationToken,
    waiting: Semaphore,
    doctor: Doctor,
    /// One examination at a time: each writes to the same calendars.
    examining: Arc<Mutex<()>>,
}

impl Api {
    /// An API for these settings. `credential_statuses` say of each tenant how its credential stands, `ready` whether the schema is
    /// up to date; `http` fetches the keys of other issuers; at `stop` whoever waits is answered.
    #[expect(clippy::too_many_arguments, reason = "each is another part of the service, wired in one place")]
    #[must_use]
    pub fn new(
        settings: &Settings,
        http: &reqwest::Client,
        store: Store,
        bell: Bell,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        metrics: Metrics,
        credential_statuses: BTreeMap<String, watch::Receiver<CredentialStatus>>,
        ready: watch::Receiver<bool>,
        stop: CancellationToken,
        doctor: Doctor,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            bell,
            authenticator: Authenticator::new(settings, http, clock),
            random,
            metrics,
            protect_metrics: settings.protect_metrics,
            request_timeout: settings.http.request_timeout,
            credential_statuses,
            policies: settings.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.policy.clone())).collect(),
            ready,
            stop,
            waiting: Semaphore::new(MOST_WAITING),
            doctor,
            examining: Arc::default(),
        }))
    }

    /// All routes with everything around them.
    pub fn router(self) -> Router {
        let (router, document) = routes().split_for_parts();
        router
            .merge(console::routes())
            .merge(SwaggerUi::new("/docs").url("/openapi.json", document))
            .fallback(async || ApiError::NotFound("See /openapi.json for what there is."))
            .method_not_allowed_fallback(async || ApiError::MethodNotAllowed)
            .layer(CatchPanicLayer::custom(|_panic: Box<dyn std::any::Any + Send>| {
                // The panic hook has logged it; nothing of it goes out.
                ApiError::Internal.into_response()
            }))
            .layer(middleware::from_fn_with_state(self.clone(), observe::observe))
            .with_state(self)
    }

    /// The caller that a token names, with that scope.
    async fn caller(&self, headers: &HeaderMap, scope: crate::config::Scope) -> Result<Caller, ApiError> {
        let caller = self.0.authenticator.by_token(headers).await?;
        caller.require(scope)?;
        Ok(caller)
    }
}

/// The contract as an `OpenAPI` 3.1 document.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    routes().into_openapi()
}

fn routes() -> OpenApiRouter<Api> {
    let timed = OpenApiRouter::new()
        .routes(routes!(leaves::get))
        .routes(routes!(mappings::list))
        .routes(routes!(mappings::get))
        .routes(routes!(mappings::retry))
        .routes(routes!(mappings::retry_all))
        .routes(routes!(health::health))
        .routes(routes!(health::live))
        .routes(routes!(health::ready))
        .routes(routes!(health::metrics))
        .layer(middleware::from_fn(limit_time));
    // These time themselves: `Prefer: wait` and an examination may take longer than a request otherwise may.
    let patient = OpenApiRouter::with_openapi(Document::openapi());
    patient.routes(routes!(intake::post)).routes(routes!(doctor::post)).merge(timed)
}

/// Longer than the slowest statement that the store allows.
const LONGEST: Duration = Duration::from_secs(25);

async fn limit_time(request: Request, next: middleware::Next) -> axum::response::Response {
    match tokio::time::timeout(LONGEST, next.run(request)).await {
        Ok(response) => response,
        Err(_) => ApiError::Unavailable("It took too long. Try again.").into_response(),
    }
}

#[derive(utoipa::OpenApi)]
#[openapi(
    info(
        title = "leavebridge",
        description = "Puts approved leave into people's Outlook calendars. Portals post webhooks to /leaves; operators \
                       see at /mappings what was written where, what waits, and why.",
        license(name = "Proprietary")
    ),
    modifiers(&Security),
    components(schemas(problem::ProblemDetails))
)]
struct Document;

struct Security;

impl Modify for Security {
    fn modify(&self, openapi: &mut utoipa::openapi::OpenApi) {
        let components = openapi.components.get_or_insert_default();
        components.add_security_scheme(
            "token",
            SecurityScheme::Http(HttpBuilder::new().scheme(HttpAuthScheme::Bearer).bearer_format("JWT").build()),
        );
        components.add_security_scheme(
            "signature",
            SecurityScheme::ApiKey(ApiKey::Header(ApiKeyValue::with_description(
                "webhook-signature",
                "Standard Webhooks: with webhook-id and webhook-timestamp, HMAC-SHA256 of id.timestamp.body.",
            ))),
        );
    }
}
