//! What was written where, what waits and why; and "try again now".

use axum::{
    Json,
    extract::{Path, State, rejection::PathRejection},
    http::{HeaderMap, StatusCode, Uri},
};
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    api::Api,
    auth::Caller,
    problem::{ApiError, ProblemDetails},
    query::{self, ListQuery},
    shapes::{AutomaticReply, MappingView, TimelineEntry},
};
use crate::{config::Scope, store::lists::Filter};

/// One page of mappings.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MappingList {
    /// Newest change first.
    pub(super) mappings: Vec<MappingWithReply>,
    /// Give it as `cursor` for the next page; none on the last.
    pub(super) next_cursor: Option<String>,
}

/// One mapping with what its mailbox answers by itself.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MappingWithReply {
    #[serde(flatten)]
    pub(super) mapping: MappingView,
    /// The automatic reply of the mailbox: one for all of its leave. None where no leave brings one about.
    pub(super) automatic_reply: Option<AutomaticReply>,
}

/// One mapping with its leave's history.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct MappingWithTimeline {
    #[serde(flatten)]
    mapping: MappingWithReply,
    /// What happened to the leave, oldest first.
    timeline: Vec<TimelineEntry>,
}

/// What is tried again.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Retried {
    /// Mappings that waited or were parked and are due now.
    pub(super) retried: i64,
    /// Mailboxes whose automatic reply waited or was parked and is due now.
    pub(super) replies: i64,
}

/// Lists mappings, newest change first.
#[utoipa::path(
    get, path = "/mappings", tag = "operations",
    params(
        ("tenant" = Option<String>, Query, description = "Only of this tenant"),
        ("source" = Option<String>, Query, description = "Only of leave from this source"),
        ("leave" = Option<String>, Query, description = "Only of leave of this id"),
        ("mailbox" = Option<String>, Query, description = "Only in this mailbox"),
        ("state" = Option<String>, Query, description = "pending, waiting, synced, removed, hidden or parked"),
        ("since" = Option<String>, Query, description = "Changed at or after (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Changed before (RFC 3339)"),
        ("limit" = Option<i64>, Query, description = "1 to 500; 100 unless said"),
        ("cursor" = Option<String>, Query, description = "The next_cursor of the page before"),
    ),
    responses(
        (status = 200, description = "One page", body = MappingList),
        (status = 401, description = "No or bad credentials", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "Wrong scope or tenant", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = ProblemDetails, content_type = "application/problem+json"),
    ),
    security(("token" = ["ops:read"]))
)]
pub(super) async fn list(State(api): State<Api>, headers: HeaderMap, uri: Uri) -> Result<Json<MappingList>, ApiError> {
    let caller = api.caller(&headers, Scope::OpsRead).await?;
    page(&api, &query::list(&uri, &caller)?).await.map(Json)
}

/// One page of a list.
pub(super) async fn page(api: &Api, query: &ListQuery) -> Result<MappingList, ApiError> {
    let mut mappings = api.0.store.mappings(&query.filter, query.after, query.limit + 1).await?;
    let limit = usize::try_from(query.limit).unwrap_or(usize::MAX);
    let more = mappings.len() > limit;
    mappings.truncate(limit);
    let last = mappings.last().filter(|_| more);
    let next_cursor = last.map(|mapping| query::cursor((mapping.updated_at, mapping.id)));
    let ids: Vec<Uuid> = mappings.iter().map(|mapping| mapping.id).collect();
    let mut replies = api.0.store.replies_of(&ids).await?;
    let mappings = mappings.into_iter().map(|mapping| MappingWithReply {
        automatic_reply: replies.remove(&mapping.id).map(Into::into),
        mapping: mapping.into(),
    });
    Ok(MappingList { mappings: mappings.collect(), next_cursor })
}

/// Shows one mapping with its leave's history.
#[utoipa::path(
    get, path = "/mappings/{id}", tag = "operations",
    params(("id" = Uuid, Path, description = "The mapping's id")),
    responses(
        (status = 200, description = "The mapping", body = MappingWithTimeline),
        (status = 401, description = "No or bad credentials", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "Wrong scope", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "No such mapping", body = ProblemDetails, content_type = "application/problem+json"),
    ),
    security(("token" = ["ops:read"]))
)]
pub(super) async fn get(
    State(api): State<Api>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<Json<MappingWithTimeline>, ApiError> {
    let caller = api.caller(&headers, Scope::OpsRead).await?;
    let (mapping, timeline) = find(&api, &caller, path).await?;
    let automatic_reply = api.0.store.replies_of(&[mapping.id]).await?.remove(&mapping.id).map(Into::into);
    let mapping = MappingWithReply { mapping, automatic_reply };
    Ok(Json(MappingWithTimeline { mapping, timeline }))
}

/// Tries a mapping again now; also takes it out of `parked`. The automatic reply of its mailbox is tried with it.
#[utoipa::path(
    post, path = "/mappings/{id}/retry", tag = "operations",
    params(("id" = Uuid, Path, description = "The mapping's id")),
    responses(
        (status = 202, description = "It is due now, unless it was as wanted already", body = Retried),
        (status = 401, description = "No or bad credentials", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "Wrong scope", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 404, description = "No such mapping", body = ProblemDetails, content_type = "application/problem+json"),
    ),
    security(("token" = ["ops:write"]))
)]
pub(super) async fn retry(
    State(api): State<Api>,
    headers: HeaderMap,
    path: Result<Path<String>, PathRejection>,
) -> Result<(StatusCode, Json<Retried>), ApiError> {
    let caller = api.caller(&headers, Scope::OpsWrite).await?;
    let (mapping, _) = find(&api, &caller, path).await?;
    let retried = retry_now(&api, &caller, Some(mapping.id), &Filter::default()).await?;
    Ok((StatusCode::ACCEPTED, Json(retried)))
}

/// Tries all matching mappings again now, and the automatic replies of their mailboxes; takes the same filters as the list.
/// `state` is each one's own.
#[utoipa::path(
    post, path = "/mappings/retry", tag = "operations",
    params(
        ("tenant" = Option<String>, Query, description = "Only of this tenant"),
        ("source" = Option<String>, Query, description = "Only of leave from this source"),
        ("leave" = Option<String>, Query, description = "Only of leave of this id"),
        ("mailbox" = Option<String>, Query, description = "Only in this mailbox"),
        ("state" = Option<String>, Query, description = "pending, waiting or parked"),
        ("since" = Option<String>, Query, description = "Changed at or after (RFC 3339)"),
        ("until" = Option<String>, Query, description = "Changed before (RFC 3339)"),
    ),
    responses(
        (status = 202, description = "They are due now", body = Retried),
        (status = 401, description = "No or bad credentials", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "Wrong scope or tenant", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "A parameter is invalid", body = ProblemDetails, content_type = "application/problem+json"),
    ),
    security(("token" = ["ops:write"]))
)]
pub(super) async fn retry_all(
    State(api): State<Api>,
    headers: HeaderMap,
    uri: Uri,
) -> Result<(StatusCode, Json<Retried>), ApiError> {
    let caller = api.caller(&headers, Scope::OpsWrite).await?;
    let filter = query::filter(&uri, &caller)?;
    let retried = retry_now(&api, &caller, None, &filter).await?;
    Ok((StatusCode::ACCEPTED, Json(retried)))
}

/// Makes the mapping, or all that match, due now, and the automatic replies with them; says how many that were.
pub(super) async fn retry_now(
    api: &Api,
    caller: &Caller,
    id: Option<Uuid>,
    filter: &Filter,
) -> Result<Retried, ApiError> {
    let retried = api.0.store.retry(id, filter, &caller.client.name).await?;
    let replies = api.0.store.retry_replies(id, filter).await?;
    api.0.wake_up.note_due();
    Ok(Retried { retried, replies })
}

/// A mapping that the caller may see; what it may not see is not there.
pub(super) async fn find(
    api: &Api,
    caller: &Caller,
    path: Result<Path<String>, PathRejection>,
) -> Result<(MappingView, Vec<TimelineEntry>), ApiError> {
    let unknown = ApiError::NotFound("There is no mapping of this id.");
    let Some(id) = path.ok().and_then(|Path(id)| Uuid::parse_str(&id).ok()) else { return Err(unknown) };
    let found = api.0.store.mapping(id).await?;
    let found = found.map(|(mapping, lines)| (mapping.into(), lines.into_iter().map(Into::into).collect()));
    found.filter(|(mapping, _): &(MappingView, _)| caller.require_tenant(&mapping.tenant).is_ok()).ok_or(unknown)
}
