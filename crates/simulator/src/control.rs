//! The control plane: what tests, demos and people use to set the scene and to look behind it.
//!
//! It lies outside Microsoft's paths and must never be throttled, journalled or hit by a scripted fault.

mod people;

use axum::{
    Json, Router,
    extract::{Query, State, rejection::QueryRejection},
    http::StatusCode,
    response::{IntoResponse, Response},
    routing::{delete, get, patch, post},
};
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};

use super::{Simulator, catalogue, faults::Rule, journal::Entry, settings::Change};

/// Everything under `/_sim`.
pub(crate) fn routes() -> Router<Simulator> {
    Router::new()
        .route("/users", post(people::add).get(people::list))
        .route("/users/{address}", patch(people::change).delete(people::remove))
        .route("/users/{address}/events", get(people::events).post(people::add_event))
        .route("/users/{address}/events/{id}", patch(people::change_event).delete(people::delete_event))
        .route("/users/{address}/calendars", post(people::add_calendar))
        .route("/users/{address}/calendars/{name}", delete(people::delete_calendar))
        .route("/users/{address}/automatic-replies", get(people::replies).patch(people::change_replies))
        .route("/requests", get(requests))
        .route("/faults", post(add_faults).get(faults).delete(clear_faults))
        .route("/errors", get(errors))
        .route("/score", get(score))
        .route("/settings", post(set).patch(set).get(settings))
        .route("/keys", post(roll_over))
        .route("/reset", post(reset))
        .fallback(|| async { Complaint(StatusCode::NOT_FOUND, "The control plane has no such address.".into()) })
        .method_not_allowed_fallback(|| async {
            Complaint(StatusCode::METHOD_NOT_ALLOWED, "The control plane does not take this method here.".into())
        })
}

/// What is wrong with a control-plane request, in a sentence.
#[derive(Debug)]
struct Complaint(StatusCode, String);

impl Complaint {
    fn bad(sentence: impl Into<String>) -> Self {
        Self(StatusCode::BAD_REQUEST, sentence.into())
    }
}

impl IntoResponse for Complaint {
    fn into_response(self) -> Response {
        (self.0, Json(json!({"error": self.1}))).into_response()
    }
}

/// Reads a JSON body whatever its content type: people use `curl`.
fn read<T: DeserializeOwned>(body: &[u8]) -> Result<T, Complaint> {
    serde_json::from_slice(body).map_err(|error| Complaint::bad(format!("The body cannot be used: {error}.")))
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct After {
    #[serde(default)]
    after: u64,
}

async fn requests(
    State(simulator): State<Simulator>,
    query: Result<Query<After>, QueryRejection>,
) -> Result<Json<Vec<Entry>>, Complaint> {
    let Query(After { after }) = query.map_err(|_| Complaint::bad("The one parameter here is after, a number."))?;
    Ok(Json(simulator.0.journal.after(after)))
}

async fn add_faults(
    State(simulator): State<Simulator>,
    body: axum::body::Bytes,
) -> Result<(StatusCode, Json<Vec<Rule>>), Complaint> {
    let rules: Vec<Rule> = read(&body)?;
    simulator.0.faults.add(rules).map_err(Complaint::bad)?;
    Ok((StatusCode::CREATED, Json(simulator.0.faults.list())))
}

async fn faults(State(simulator): State<Simulator>) -> Json<Vec<Rule>> {
    Json(simulator.0.faults.list())
}

async fn clear_faults(State(simulator): State<Simulator>) -> StatusCode {
    simulator.0.faults.clear();
    StatusCode::NO_CONTENT
}

async fn errors() -> Json<Vec<Value>> {
    Json(catalogue::shown())
}

async fn score(State(simulator): State<Simulator>) -> Json<Value> {
    Json(simulator.0.score.shown())
}

async fn set(State(simulator): State<Simulator>, body: axum::body::Bytes) -> Result<Json<Value>, Complaint> {
    let change: Change = read(&body)?;
    simulator.settings_mut().change(change);
    Ok(Json(simulator.settings().shown()))
}

async fn settings(State(simulator): State<Simulator>) -> Json<Value> {
    Json(simulator.settings().shown())
}

/// Entra signs with a new key from now on.
async fn roll_over(State(simulator): State<Simulator>) -> (StatusCode, Json<Value>) {
    simulator.0.keys.roll_over();
    (StatusCode::CREATED, Json(simulator.0.keys.jwks()))
}

async fn reset(State(simulator): State<Simulator>) -> StatusCode {
    simulator.reset();
    StatusCode::NO_CONTENT
}
