//! How each tenant signs in, what happens when Microsoft does not take it any more, and how it comes right again.

mod certificate;
mod doubts;
mod expiry;
mod managed;
mod secret;
mod tenants;
mod workload;

use jiff::SignedDuration;
use leavebridge_simulator::Simulator;
use serde_json::{Value, json};

use super::support::{TestApp, leave, microsoft::Microsoft, until};

/// The app registration of the tenant `default`, proving itself by that.
pub(crate) fn app(proof: &Value) -> Value {
    let mut app = json!({
        "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID,
        "roles": ["Calendars.ReadWrite", "User.Read.All"],
    });
    for (name, value) in proof.as_object().unwrap() {
        app[name] = value.clone();
    }
    app
}

/// Registers that app and no other.
async fn register(microsoft: &Microsoft, proof: &Value) {
    microsoft.settings(json!({"apps": [app(proof)]})).await;
}

/// What health says of a tenant to those who may know.
async fn tenant(app: &TestApp, name: &str) -> Value {
    let answer = app.get("/health", Some("ops")).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body["checks"]["microsoft"]["tenants"][name].clone()
}

/// How Microsoft answered whoever asked for a token so far, at an address that ends so.
async fn asked(microsoft: &Microsoft, path: &str) -> Vec<u64> {
    let journal = microsoft.journal().await;
    let asked = journal.iter().filter(|entry| entry["path"].as_str().unwrap().trim_end_matches('/').ends_with(path));
    asked.map(|entry| entry["status"].as_u64().unwrap()).collect()
}

/// Posts a leave that cannot be delivered for want of a token, and gives what is said about it.
async fn refused(app: &TestApp, id: &str) -> String {
    let accepted = app.post("ess", &leave(id)).await;
    assert_eq!(accepted.status, 202, "webhooks are still taken in: {accepted:?}");
    let mapping = app.mapping_in(id, "waiting").await;
    assert_eq!((&mapping["reason"], &mapping["attempts"]), (&json!("credentials"), &json!(0)), "{mapping}");
    let health = app.get("/health", Some("ops")).await;
    assert_eq!((health.status, &health.body["status"]), (200, &json!("degraded")), "{health:?}");
    let tenant = tenant(app, "default").await;
    assert_eq!((&tenant["reason"], &tenant["credential_in_use"]), (&json!("credentials"), &Value::Null), "{tenant}");
    tenant["detail"].as_str().unwrap().to_owned()
}

/// Delivers a leave.
async fn delivered(app: &TestApp, id: &str) {
    let answer = app.deliver("ess", &leave(id)).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
}

/// A minute later that leave is in Outlook, and nothing is said to be wrong any more.
async fn heals(app: &TestApp, id: &str) {
    app.advance(SignedDuration::from_mins(1)).await;
    app.mapping_in(id, "synced").await;
    until("the tenant is well", async || tenant(app, "default").await["reason"] == Value::Null).await;
}
