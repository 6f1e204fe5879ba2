//! `POST /doctor`: the same examination as on the command line, for those who only reach the running service.

use std::{sync::Arc, time::Duration};

use axum::{Json, body::Body, extract::State, http::HeaderMap};
use serde::Serialize;
use utoipa::ToSchema;

use super::{
    api::Api,
    auth::Caller,
    body::{read_body, read_json},
    problem::{ApiError, ProblemDetails},
};
use crate::{
    config::Scope,
    doctor::Order,
    domain::{finding::Finding, problem::Problems},
};

/// The longest that an examination may take: each of its calls ends by itself before.
const LONGEST: Duration = Duration::from_mins(5);

/// What was found.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Examination {
    /// In the order in which it was looked at; the first error is where to begin.
    findings: Vec<Finding>,
}

/// Looks at the whole connection, from the database to an event in a calendar. One examination at a time.
#[utoipa::path(
    post, path = "/doctor", tag = "operations",
    request_body(content = Order, description = "What to look at; may be empty", content_type = "application/json"),
    responses(
        (status = 200, description = "What was found, errors included", body = Examination),
        (status = 401, body = ProblemDetails, content_type = "application/problem+json", description = "No or bad credentials"),
        (status = 403, body = ProblemDetails, content_type = "application/problem+json", description = "Wrong scope or tenant"),
        (status = 422, body = ProblemDetails, content_type = "application/problem+json", description = "What to look at is not clear"),
        (status = 503, body = ProblemDetails, content_type = "application/problem+json", description = "Another examination is under way"),
    ),
    security(("token" = ["ops:write"]))
)]
pub(super) async fn post(
    State(api): State<Api>,
    headers: HeaderMap,
    body: Body,
) -> Result<Json<Examination>, ApiError> {
    let caller = api.caller(&headers, Scope::OpsWrite).await?;
    let order = order(&headers, body).await?;
    Ok(Json(Examination { findings: examine(&api, &caller, order).await? }))
}

/// Carries out an order as far as the caller may see.
pub(super) async fn examine(api: &Api, caller: &Caller, order: Order) -> Result<Vec<Finding>, ApiError> {
    if let Some(tenant) = &order.tenant {
        caller.require_tenant(tenant)?;
    }
    let tenants = api.0.doctor.tenants().into_iter().filter(|tenant| caller.require_tenant(tenant).is_ok());
    let tenants: Vec<String> = tenants.map(str::to_owned).collect();
    order.check(&tenants.iter().map(String::as_str).collect::<Vec<_>>())?;
    let turn = Arc::clone(&api.0.examining).try_lock_owned();
    let turn = turn.map_err(|_| ApiError::Unavailable("Another examination is under way."))?;
    let doctor = api.0.doctor.clone();
    // In a task of its own: the caller may disconnect, and the test's event must be deleted all the same.
    let examining = tokio::spawn(async move {
        let findings = doctor.examine(&order, |tenant| tenants.iter().any(|own| own == tenant)).await;
        drop(turn);
        findings
    });
    match tokio::time::timeout(LONGEST, examining).await {
        Ok(Ok(findings)) => Ok(findings),
        Ok(Err(_panicked)) => Err(ApiError::Internal),
        Err(_) => Err(ApiError::Unavailable("The examination takes too long. Look at one tenant at a time.")),
    }
}

/// What to look at: everything, when nothing is said.
async fn order(headers: &HeaderMap, body: Body) -> Result<Order, ApiError> {
    let body = read_body(body).await?;
    if body.is_empty() {
        return Ok(Order::default());
    }
    let value = read_json(headers, &body)?;
    serde_path_to_error::deserialize(value).map_err(|error| {
        let mut problems = Problems::default();
        problems.add(error.path().to_string(), error.inner().to_string());
        ApiError::Invalid(problems)
    })
}
