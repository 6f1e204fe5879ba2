//! `GET /leaves/{id}`: a source asks how its own leave stands.

use axum::{
    Json,
    extract::{
        Path, Query, State,
        rejection::{PathRejection, QueryRejection},
    },
    http::HeaderMap,
};
use serde::Deserialize;
use utoipa::IntoParams;

use super::{
    api::Api,
    problem::{ApiError, ProblemDetails},
    shapes::LeaveView,
};
use crate::{config::Scope, domain::problem::Problems};

#[derive(Debug, Deserialize, IntoParams)]
#[into_params(parameter_in = Query)]
pub(super) struct Which {
    /// Needed when the caller speaks for several tenants.
    tenant: Option<String>,
}

/// Tells how one of the caller's own leaves stands.
#[utoipa::path(
    get, path = "/leaves/{id}", tag = "leaves",
    params(("id" = String, Path, description = "The leave's id at its source; case matters"), Which),
    responses(
        (status = 200, description = "How it stands", body = LeaveView),
        (status = 401, description = "No or bad credentials", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "Wrong scope or tenant", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "The caller's source has no such leave", body = ProblemDetails, content_type = "application/problem+json"),
    ),
    security(("token" = ["leaves:read"]))
)]
pub(super) async fn get(
    State(api): State<Api>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
    query: Result<Query<Which>, QueryRejection>,
) -> Result<Json<LeaveView>, ApiError> {
    let caller = api.caller(&headers, Scope::LeavesRead).await?;
    let Ok(Query(which)) = query else {
        let mut problems = Problems::default();
        problems.add("tenant", "must be given at most once, as text");
        return Err(ApiError::Invalid(problems));
    };
    let tenant = match (which.tenant, caller.client.tenants.as_slice()) {
        (Some(tenant), _) => caller.require_tenant(&tenant).map(|()| tenant)?,
        (None, [only]) => only.clone(),
        (None, _) => {
            let mut problems = Problems::default();
            problems.add("tenant", "is missing: the caller speaks for several tenants");
            return Err(ApiError::Invalid(problems));
        }
    };
    let unknown = ApiError::NotFound("The caller's source has sent no leave of this id. Case matters.");
    // PostgreSQL holds only UTF-8 and no NUL, so neither does any leave.
    let Some(Path(id)) = path.ok().filter(|Path(id)| !id.contains('\0')) else { return Err(unknown) };
    let source = caller.client.source.as_deref().ok_or(ApiError::Internal)?;
    api.0.store.leave(&tenant, source, &id).await?.map(|leave| Json(leave.into())).ok_or(unknown)
}
