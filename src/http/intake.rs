//! `POST /leaves`: who sends it, what it says, stored before it is answered.

use std::time::Duration;

use aws_lc_rs::digest;
use axum::{
    Json,
    body::Body,
    extract::State,
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse as _, Response},
};
use serde::Serialize;
use tokio::time::Instant;
use utoipa::ToSchema;

use super::{
    api::Api,
    auth::{Authenticator, Caller},
    body::{read_body, read_json},
    problem::{ApiError, ProblemDetails},
    shapes::{LeaveView, Outcome},
    webhook::Webhook,
};
use crate::{
    config::Scope,
    domain::{
        change::{LeaveChange, ignored},
        problem::Problems,
        team::places,
        team_calendar::{CalendarTarget, PRIMARY},
    },
    failpoint,
    reconcile::{
        change::{Change, Target},
        state::{Acceptance, State as ItemState},
    },
    store::{
        intake::Intake,
        views::{ListedLeave, ListedMapping},
    },
};

const LONGEST_DELIVERY_ID: usize = 256;
const LONGEST_WAIT: u64 = 30;
/// While waiting, the leave is looked at this often at most.
const LOOK_AT_MOST_EVERY: Duration = Duration::from_millis(20);
/// Notifications may get lost; waiting does not depend on them.
const LOOK_AT_LEAST_EVERY: Duration = Duration::from_secs(1);

/// What became of a webhook.
#[derive(Debug, Serialize, ToSchema)]
pub(super) struct Receipt {
    /// `accepted` (202), or with 200 `unchanged`, `duplicate` or `stale`.
    outcome: Outcome,
    /// How the leave stands now.
    leave: LeaveView,
    /// Where to see how its events fare.
    #[schema(example = json!(["/mappings/0199a3f0-7d1e-7c3a-9d51-0b6a3c5e8f42"]))]
    mappings: Vec<String>,
    /// What the sender should know of how the change was understood.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([]))]
    notes: Vec<&'static str>,
    /// Fields of the webhook that nobody knows and nobody has looked at: misspelt, perhaps.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(example = json!([]))]
    ignored: Vec<String>,
}

/// Takes in a leave that was created, updated or cancelled.
///
/// A 2xx means that it is stored; the calendar follows within moments. `created` and `updated` both carry the whole leave
/// and mean the same; `timestamp` decides which change is the later one. Send the same `webhook-id` (or
/// `Idempotency-Key`) when you send the same delivery again.
#[utoipa::path(
    post, path = "/leaves", tag = "leaves",
    params(
        ("webhook-id" = Option<String>, Header, description = "The delivery's id; required with a signature"),
        ("webhook-timestamp" = Option<String>, Header, description = "Unix seconds; required with a signature"),
        ("webhook-signature" = Option<String>, Header, description = "Standard Webhooks: v1,BASE64, several with spaces between"),
        ("Idempotency-Key" = Option<String>, Header, description = "The delivery's id, with a token"),
        ("Prefer" = Option<String>, Header, description = "wait=N: answer once the calendar holds it, or after N seconds (at most 30)"),
    ),
    request_body(content = Webhook, content_type = "application/json", examples(
        ("Whole days" = (value = json!({
            "type": "leave.created",
            "timestamp": "2026-11-22T09:30:00+08:00",
            "data": {
                "id": "LA-2026-000123",
                "staff": {"email": "amy.chan@contoso.com", "employee_id": "10042", "name": "Amy Chan"},
                "leave_type": "ANNUAL", "status": "approved",
                "start": "2026-12-21", "end": "2026-12-23",
                "time_zone": "Asia/Hong_Kong"
            }
        }))),
        ("From an afternoon to a morning" = (value = json!({
            "type": "leave.updated",
            "timestamp": "2026-11-22T10:30:00+08:00",
            "data": {
                "id": "LA-2026-000123", "staff": {"email": "amy.chan@contoso.com"}, "leave_type": "ANNUAL",
                "start": "2026-12-21", "start_session": "pm", "end": "2026-12-23", "end_session": "am"
            }
        }))),
        ("Hours" = (value = json!({
            "type": "leave.created",
            "timestamp": "2026-11-22T09:30:00+08:00",
            "data": {
                "id": "LA-2026-000124", "staff": {"entra_id": "63033b0c-a389-435a-8097-314d939736f8"}, "status": "pending",
                "start": "2026-12-21T14:00", "end": "2026-12-21T16:30", "time_zone": "Europe/London"
            }
        }))),
        ("A cancellation" = (value = json!({
            "type": "leave.cancelled", "timestamp": "2026-11-23T09:30:00+08:00", "data": {"id": "LA-2026-000123"}
        }))),
    )),
    responses(
        (status = 202, description = "Stored; the calendar follows", body = Receipt),
        (status = 200, description = "Nothing to do: unchanged, duplicate or stale", body = Receipt),
        (status = 400, description = "Not JSON", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 401, description = "No or bad credentials", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 403, description = "Wrong scope or tenant", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 409, description = "Delivery id used before with another body", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 413, description = "Over 64 KiB", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 415, description = "Not declared as JSON", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 422, description = "Understood but invalid; all problems at once", body = ProblemDetails, content_type = "application/problem+json"),
        (status = 503, description = "The store is away; Retry-After says when to send it again", body = ProblemDetails, content_type = "application/problem+json"),
    ),
    security(("token" = ["leaves:write"]), ("signature" = []))
)]
pub(super) async fn post(State(api): State<Api>, headers: HeaderMap, body: Body) -> Result<Response, ApiError> {
    let begun = Instant::now();
    let wait = asked_to_wait(&headers);
    let taking_in = take_in(&api, &headers, body);
    let Taken { caller, acceptance, leave, notes, ignored } = tokio::time::timeout(api.0.request_timeout, taking_in)
        .await
        .map_err(|_| ApiError::Unavailable("It took too long to read or to store. Send it again."))??;
    api.0.metrics.intake(&caller.client.name, acceptance.word());
    if acceptance == Acceptance::Accepted {
        api.0.wake_up.note_due();
    }
    let place = wait.and_then(|_| api.0.waiting.try_acquire().ok());
    let wait = wait.filter(|_| place.is_some());
    let leave = match wait {
        Some(wait) => settled(&api, leave, begun + wait).await,
        None => leave,
    };
    let outcome = Outcome::from(acceptance);
    let status = if acceptance == Acceptance::Accepted { StatusCode::ACCEPTED } else { StatusCode::OK };
    let mappings = leave.mappings.iter().map(|mapping| format!("/mappings/{}", mapping.id)).collect();
    let mut response =
        (status, Json(Receipt { outcome, leave: leave.into(), mappings, notes, ignored })).into_response();
    if let Some(wait) = wait {
        let applied = HeaderValue::from_str(&format!("wait={}", wait.as_secs()));
        response
            .headers_mut()
            .extend(applied.map(|value| (header::HeaderName::from_static("preference-applied"), value)));
    }
    Ok(response)
}

/// What was taken in.
struct Taken {
    caller: Caller,
    acceptance: Acceptance,
    leave: ListedLeave,
    notes: Vec<&'static str>,
    ignored: Vec<String>,
}

async fn take_in(api: &Api, headers: &HeaderMap, body: Body) -> Result<Taken, ApiError> {
    // A token can be judged before the body is read; a signature cannot.
    let by_token =
        if Authenticator::has_token(headers) { Some(api.0.authenticator.by_token(headers).await?) } else { None };
    let body = read_body(body).await?;
    let caller = match by_token {
        Some(caller) => caller,
        None => api.0.authenticator.by_signature(headers, &body)?,
    };
    caller.require(Scope::LeavesWrite)?;
    let value = read_json(headers, &body)?;
    let delivery_id = delivery_id(headers);
    let change = LeaveChange::parse(&value, api.0.authenticator.now());
    let (change, delivery_id) = match (change, delivery_id) {
        (Ok(change), Ok(delivery_id)) => (change, delivery_id),
        (change, delivery_id) => {
            let mut problems = change.err().unwrap_or_default();
            delivery_id.err().into_iter().flat_map(Problems::into_vec).for_each(|p| problems.add(p.field, p.problem));
            return Err(ApiError::Invalid(problems));
        }
    };
    let tenant = tenant(&caller, change.tenant.as_deref())?;
    let source = caller.client.source.as_deref().ok_or(ApiError::Internal)?;
    if !*api.0.ready.borrow() {
        return Err(ApiError::Unavailable("The database is not ready yet. Nothing was acknowledged; send it again."));
    }
    let policy = api.0.policies.get(tenant).ok_or(ApiError::Internal)?;
    let places = change.leave.as_ref().map(|leave| places(leave, source, policy)).unwrap_or_default();
    let id = || api.0.random.uuid_at(api.0.authenticator.now());
    let target =
        |place: CalendarTarget<'_>| Target { address: place.mailbox.to_owned(), calendar: place.calendar.to_owned() };
    let targets: Vec<Target> = places.into_iter().map(target).collect();
    let hash = digest::digest(&digest::SHA256, &body);
    let new = Change {
        client: caller.client.name.clone(),
        delivery: delivery_id.map(|id| (id, hash.as_ref().to_vec())),
        tenant: tenant.to_owned(),
        source: source.to_owned(),
        id: change.id.clone(),
        status: change.status,
        leave: change.leave.clone(),
        at: change.at,
        ids: (0..Change::ids_for(targets.len(), policy.replies())).map(|_| id()).collect(),
        targets,
        has_replies: policy.replies(),
        look_first: api.0.look_first_before.is_some_and(|before| change.at < before),
        directory_fresh_for: api.0.directory_fresh_for,
    };
    failpoint::hit("before", "intake");
    let taken = api.0.store.accept(new).await?;
    failpoint::hit("after", "intake");
    match taken {
        Intake::Done { acceptance, leave, notes } => {
            Ok(Taken { caller: caller.clone(), acceptance, leave, notes, ignored: ignored(&value) })
        }
        Intake::Reused => Err(ApiError::DeliveryIdReused),
    }
}

/// The id that the sender gives this delivery, if it does.
fn delivery_id(headers: &HeaderMap) -> Result<Option<String>, Problems> {
    let Some((name, value)) =
        ["webhook-id", "idempotency-key"].into_iter().find_map(|name| Some((name, headers.get(name)?)))
    else {
        return Ok(None);
    };
    match value.to_str() {
        Ok(id) if !id.is_empty() && id.len() <= LONGEST_DELIVERY_ID => Ok(Some(id.to_owned())),
        _ => {
            let mut problems = Problems::default();
            problems.add(name, format!("must be 1 to {LONGEST_DELIVERY_ID} printable ASCII characters"));
            Err(problems)
        }
    }
}

fn tenant<'a>(caller: &'a Caller, named: Option<&'a str>) -> Result<&'a str, ApiError> {
    match (named, caller.client.tenants.as_slice()) {
        (Some(named), _) => caller.require_tenant(named).map(|()| named),
        (None, [only]) => Ok(only),
        (None, _) => {
            let mut problems = Problems::default();
            problems.add("data.tenant", "is missing: the caller speaks for several tenants");
            Err(ApiError::Invalid(problems))
        }
    }
}

/// RFC 7240: `Prefer: wait=N`, among other preferences.
fn asked_to_wait(headers: &HeaderMap) -> Option<Duration> {
    headers
        .get_all("prefer")
        .iter()
        .filter_map(|value| value.to_str().ok())
        .flat_map(|value| value.split([',', ';']))
        .filter_map(|preference| preference.trim().split_once('='))
        .find(|(name, _)| name.trim().eq_ignore_ascii_case("wait"))
        .and_then(|(_, seconds)| seconds.trim().parse().ok())
        .map(|seconds: u64| Duration::from_secs(seconds.min(LONGEST_WAIT)))
}

/// The leave as soon as no delivery of it is expected to end soon, or as it is at the deadline.
async fn settled(api: &Api, leave: ListedLeave, deadline: Instant) -> ListedLeave {
    let mut notes = api.0.wake_up.settled();
    let mut latest = leave;
    loop {
        // Before the look: what settles later is noticed.
        notes.borrow_and_update();
        match api.0.store.leave(&latest.tenant, &latest.source, &latest.id).await {
            Ok(Some(leave)) => latest = leave,
            Ok(None) => {}
            // The leave is stored; that its state cannot be shown is no reason to refuse it.
            Err(error) => tracing::warn!(%error, "cannot look at a leave that somebody waits for"),
        }
        // A team's mailbox in trouble is no reason to let a portal wait for what the person has.
        let is_open = |mapping: &ListedMapping| match mapping.state {
            ItemState::Pending => true,
            ItemState::Waiting => mapping.calendar == PRIMARY,
            _ => false,
        };
        if !latest.mappings.iter().any(is_open) {
            return latest;
        }
        let next_look = Instant::now() + LOOK_AT_LEAST_EVERY;
        tokio::select! {
            () = api.0.stop.cancelled() => return latest,
            () = tokio::time::sleep_until(deadline) => return latest,
            () = tokio::time::sleep_until(next_look) => {}
            _ = notes.changed() => {}
        }
        tokio::time::sleep(LOOK_AT_MOST_EVERY).await;
    }
}
