//! How the service is: for orchestrators, for monitoring, and, with `ops:read`, for people.
//!
//! It says when it is blind (credentials refused, a secret about to expire, a backlog that does not move), and goes on
//! accepting webhooks all the while: `down` means only that it cannot.

use std::time::Duration;

use axum::{
    Json,
    extract::State,
    http::{HeaderMap, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use serde_json::{Map, Value, json};
use utoipa::ToSchema;

use super::{
    api::Api,
    auth::{Authenticator, Caller},
    problem::{ApiError, ProblemDetails},
};
use crate::{
    config::Scope,
    domain::credential::Expiry,
    reconcile::tenant::TenantState,
    store::stats::{Backlog, HeldReplies},
    telemetry::TenantFigures,
};

/// A due mapping that waits longer than this means that deliveries do not keep up.
const TOO_OLD: Duration = Duration::from_mins(5);
/// A mapping that fails for so long is no passing trouble any more.
const TOO_LONG: Duration = Duration::from_mins(15);
/// So many days before a credential expires it is time to act.
const EXPIRY_WARNING_DAYS: i32 = 30;

/// How the service is.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Health {
    /// `ok`, `degraded` (it works, but somebody should look) or `down`.
    #[schema(example = "ok")]
    pub(super) status: &'static str,
    /// Each thing that was looked at; details only with `ops:read`.
    #[schema(value_type = Object)]
    pub(super) checks: Map<String, Value>,
}

/// Tells how the service is. Details need a token with `ops:read`; then it is about the tenants of that client alone.
#[utoipa::path(
    get, path = "/health", tag = "health",
    responses(
        (status = 200, description = "ok or degraded", body = Health),
        (status = 503, description = "down", body = Health),
    ),
    security((), ("token" = ["ops:read"]))
)]
pub(super) async fn health(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    let caller =
        if Authenticator::has_token(&headers) { Some(api.caller(&headers, Scope::OpsRead).await?) } else { None };
    let (mut health, _) = report(&api, caller.as_ref()).await;
    if caller.is_none() {
        for check in health.checks.values_mut() {
            *check = json!({"status": check["status"]});
        }
    }
    let status = if health.status == "down" { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok((status, Json(health)).into_response())
}

/// How everything is, and what waits in each tenant: of those that the caller speaks for; of all, where nobody is told more
/// than a word.
pub(super) async fn report(api: &Api, caller: Option<&Caller>) -> (Health, Vec<(String, Backlog)>) {
    let is_shown = |tenant: &str| caller.is_none_or(|caller| caller.client.tenants.iter().any(|own| own == tenant));
    let mut checks = Map::new();
    let ready = *api.0.ready.borrow();
    // At the same time: with the database away each takes as long as the pool is patient, and who asks is not.
    let (mut backlogs, tenants) = match tokio::join!(api.0.store.backlog(), api.0.store.tenant_states()) {
        (Ok(backlogs), Ok(tenants)) if ready => (backlogs, tenants),
        (Ok(_), Ok(_)) => {
            checks.insert("database".into(), json!({"status": "down", "detail": "the schema is not up to date yet"}));
            return (Health { status: "down", checks }, Vec::new());
        }
        _ => {
            checks.insert("database".into(), json!({"status": "down", "detail": "the database does not answer"}));
            return (Health { status: "down", checks }, Vec::new());
        }
    };
    checks.insert("database".into(), json!({"status": "ok"}));
    backlogs.retain(|(tenant, _)| is_shown(tenant));
    checks.insert("microsoft".into(), microsoft(api, &tenants, is_shown));
    checks.insert("issuers".into(), issuers(api));
    let sum = |figure: fn(&Backlog) -> i64| backlogs.iter().map(|(_, b)| figure(b)).sum::<i64>();
    let oldest = backlogs.iter().map(|(_, backlog)| backlog.oldest).max().unwrap_or_default();
    let failing = backlogs.iter().map(|(_, backlog)| backlog.failing).max().unwrap_or_default();
    let denied = sum(|b| b.denied);
    checks.insert(
        "deliveries".into(),
        json!({
            "status": degraded_if(oldest > TOO_OLD || failing > TOO_LONG || denied > 0),
            "due": sum(|b| b.due), "waiting": sum(|b| b.waiting), "oldest_due_seconds": oldest.as_secs(),
            "failing_for_seconds": failing.as_secs(), "access_denied": denied,
        }),
    );
    let parked = sum(|b| b.parked);
    checks.insert("parked".into(), json!({"status": degraded_if(parked > 0), "parked": parked}));
    let replies = |figure: fn(&HeldReplies) -> i64| backlogs.iter().map(|(_, b)| figure(&b.replies)).sum::<i64>();
    let (waiting, denied, parked) = (replies(|r| r.waiting), replies(|r| r.denied), replies(|r| r.parked));
    checks.insert(
        "replies".into(),
        json!({
            "status": degraded_if(denied + parked > 0),
            "waiting": waiting, "access_denied": denied, "parked": parked,
        }),
    );
    let degraded = checks.values().any(|check| check["status"] != "ok");
    (Health { status: degraded_if(degraded), checks }, backlogs)
}

const fn degraded_if(degraded: bool) -> &'static str {
    if degraded { "degraded" } else { "ok" }
}

/// Whether the keys of those can be had whose tokens are taken. Those that are known already go on being good without.
fn issuers(api: &Api) -> Value {
    let issuers: Map<String, Value> = api
        .0
        .authenticator
        .issuers()
        .map(|(name, problem)| {
            let told = json!({"status": degraded_if(problem.is_some()), "problem": problem});
            (name.to_owned(), told)
        })
        .collect();
    let ill = issuers.values().any(|issuer| issuer["status"] != "ok");
    json!({"status": degraded_if(ill), "issuers": issuers})
}

/// Whether Microsoft serves every tenant, which of our credentials it takes, and for how long they are good.
fn microsoft(api: &Api, states: &[(String, TenantState)], is_shown: impl Fn(&str) -> bool) -> Value {
    let now = api.0.authenticator.now();
    let mut tenants = Map::new();
    let mut degraded = false;
    for (name, credential) in api.0.credential_statuses.iter().filter(|(name, _)| is_shown(name)) {
        let state = states.iter().find(|(tenant, _)| tenant == name).map(|(_, state)| state);
        let block = state.and_then(|state| state.block.as_ref());
        let credential = credential.borrow().clone();
        let days = credential.expires.map(|expires| expires.days_left(now));
        let expiring = days.is_some_and(|days| days <= EXPIRY_WARNING_DAYS);
        let ill = expiring || block.is_some() || credential.problem.is_some();
        degraded |= ill;
        tenants.insert(
            name.clone(),
            json!({
                "status": degraded_if(ill),
                "reason": block.map(|block| block.reason),
                "detail": block.map(|block| block.detail.as_str()),
                "since": block.map(|block| block.since),
                "last_success": state.and_then(|state| state.last_success),
                "credential": credential.kind,
                "credential_in_use": credential.in_use,
                "credential_problem": credential.problem,
                "secret_expires": credential.expires.map(Expiry::date),
                "secret_expires_in_days": days,
            }),
        );
    }
    json!({"status": degraded_if(degraded), "tenants": tenants})
}

/// Says that the process runs.
#[utoipa::path(get, path = "/health/live", tag = "health", responses((status = 200, description = "It runs")))]
pub(super) async fn live() -> &'static str {
    "ok\n"
}

/// Says whether webhooks can be taken in.
#[utoipa::path(
    get, path = "/health/ready", tag = "health",
    responses(
        (status = 200, description = "Webhooks can be taken in"),
        (status = 503, description = "Not yet, or not at the moment", body = ProblemDetails, content_type = "application/problem+json"),
    )
)]
pub(super) async fn ready(State(api): State<Api>) -> Result<&'static str, ApiError> {
    if *api.0.ready.borrow() && api.0.store.is_ready().await? {
        return Ok("ok\n");
    }
    Err(ApiError::Unavailable("The database is not ready yet."))
}

/// Figures for Prometheus.
#[utoipa::path(
    get, path = "/metrics", tag = "health",
    responses(
        (status = 200, description = "Prometheus text", content_type = "text/plain"),
        (status = 401, description = "metrics.protect is on", body = ProblemDetails, content_type = "application/problem+json"),
    ),
    security((), ("token" = ["ops:read"]))
)]
pub(super) async fn metrics(State(api): State<Api>, headers: HeaderMap) -> Result<Response, ApiError> {
    if api.0.protect_metrics {
        api.caller(&headers, Scope::OpsRead).await?;
    }
    let now = api.0.authenticator.now();
    for (name, credential) in &api.0.credential_statuses {
        if let Some(expires) = credential.borrow().expires {
            api.0.metrics.credential(name, expires.seconds_left(now));
        }
    }
    // Figures of the database that is away are left as they were; the others are still worth having.
    if let (Ok(backlogs), Ok(states)) = tokio::join!(api.0.store.backlog(), api.0.store.tenant_states()) {
        for name in api.0.credential_statuses.keys() {
            let backlog = backlogs.iter().find(|(tenant, _)| tenant == name).map_or_else(Backlog::default, |(_, b)| *b);
            let figures = TenantFigures {
                due: backlog.due,
                waiting: backlog.waiting,
                parked: backlog.parked,
                oldest_due: backlog.oldest,
                replies_waiting: backlog.replies.waiting,
                replies_parked: backlog.replies.parked,
                is_blocked: states.iter().any(|(tenant, state)| tenant == name && state.block.is_some()),
            };
            api.0.metrics.tenant(name, figures);
        }
    }
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], api.0.metrics.render()).into_response())
}
