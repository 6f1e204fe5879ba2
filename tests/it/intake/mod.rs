//! `POST /leaves` and `GET /leaves/{id}` over real HTTP: what is refused, what is stored, and what comes of changes that
//! arrive late, twice or all at once.

mod asking;
mod deliveries;
mod limits;
mod ordering;
mod refusals;
mod waiting;

use reqwest::{Body, Method, RequestBuilder};
use serde_json::Value;

use super::support::{Answer, TestApp, answer};

/// A post of these bytes as JSON, under a delivery id, so that a refused delivery that is remembered would show.
fn post(app: &TestApp, body: impl Into<Body>) -> RequestBuilder {
    app.request(Method::POST, "/leaves")
        .bearer_auth(app.token("ess"))
        .header("content-type", "application/json")
        .header("idempotency-key", "D-1")
        .body(body)
}

/// Posts a webhook under a delivery id.
async fn deliver_as(app: &TestApp, client: &str, id: &str, body: &Value) -> Answer {
    let request = app.request(Method::POST, "/leaves").bearer_auth(app.token(client)).header("prefer", "wait=30");
    answer(request.header("idempotency-key", id).json(body)).await
}

/// Insists that not a row has been written.
async fn assert_nothing_stored(app: &TestApp) {
    for table in ["leaves", "mailboxes", "items", "deliveries", "timeline"] {
        assert_eq!(app.database.number(&format!("SELECT count(*) FROM {table}")).await, 0, "{table}");
    }
}
