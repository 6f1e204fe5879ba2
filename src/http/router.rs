//! All routes, what is around them, and the contract that they make up.

use axum::{Router, middleware, response::IntoResponse as _};
use tower_http::catch_panic::CatchPanicLayer;
use utoipa::{
    Modify, OpenApi as _,
    openapi::security::{ApiKey, ApiKeyValue, HttpAuthScheme, HttpBuilder, SecurityScheme},
};
use utoipa_axum::{router::OpenApiRouter, routes};
use utoipa_swagger_ui::SwaggerUi;

use super::{
    api::Api,
    console, doctor, health, intake, leaves, mappings, observe,
    problem::{self, ApiError},
    time_limit::limit_time,
};

impl Api {
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
    let untimed = OpenApiRouter::with_openapi(Document::openapi());
    untimed.routes(routes!(intake::post)).routes(routes!(doctor::post)).merge(timed)
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
