//! What operators see and do: lists, histories, "try again now", health, figures and the contract itself.

mod health;
mod lists;
mod metrics;
mod retry;
mod surface;
mod timeline;

use serde_json::{Value, json};

use super::support::{Answer, TestApp, answer};

/// Posts to a path as that client, without a body.
async fn post(app: &TestApp, path: &str, client: &str) -> Answer {
    answer(app.request(reqwest::Method::POST, path).bearer_auth(app.token(client))).await
}

/// The path of the only mapping that an intake's answer names.
fn only_mapping(answer: &Answer) -> String {
    let [Value::String(path)] = answer.body["mappings"].as_array().unwrap().as_slice() else { panic!("{answer:?}") };
    path.clone()
}

/// Microsoft refuses every new event with that status from now on.
async fn refuse_events(app: &TestApp, status: u16) {
    app.microsoft.faults(json!([{"method": "POST", "path": "/v1.0/*", "status": status}])).await;
}
