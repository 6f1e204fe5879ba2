//! What others build upon: the API's document, the configuration's keys, the metrics' names. A change must be meant.

use std::{collections::BTreeMap, fs, path::Path, time::Duration};

use leavebridge::{
    config,
    domain::change::{LeaveChange, ignored},
    http,
    reconcile::state::Reason,
    telemetry::{Metrics, TenantFigures},
};
use serde_json::Value;

/// Every documented route, and the scope that a token needs there.
const ROUTES: [(&str, &str, Option<&str>); 11] = [
    ("post", "/leaves", Some("leaves:write")),
    ("get", "/leaves/{id}", Some("leaves:read")),
    ("get", "/mappings", Some("ops:read")),
    ("get", "/mappings/{id}", Some("ops:read")),
    ("post", "/mappings/{id}/retry", Some("ops:write")),
    ("post", "/mappings/retry", Some("ops:write")),
    ("post", "/doctor", Some("ops:write")),
    ("get", "/health", Some("ops:read")),
    ("get", "/health/live", None),
    ("get", "/health/ready", None),
    ("get", "/metrics", Some("ops:read")),
];
/// Routes that also answer without credentials.
const OPEN: [&str; 2] = ["/health", "/metrics"];
const STATES: [&str; 6] = ["pending", "waiting", "synced", "removed", "hidden", "parked"];

fn document() -> Value {
    serde_json::to_value(http::openapi()).unwrap()
}

#[test]
fn the_api_is_as_agreed() {
    insta::assert_snapshot!("openapi", serde_json::to_string_pretty(&document()).unwrap());
}

/// The properties of the webhook's schema, with those of the objects in it.
fn described(document: &Value, name: &str, prefix: &str) -> Vec<(String, Value)> {
    let schema = &document["components"]["schemas"][name]["properties"];
    let properties = schema.as_object().unwrap_or_else(|| panic!("no schema {name}"));
    let below = [("data", "WebhookLeave"), ("staff", "WebhookStaff")];
    properties
        .iter()
        .flat_map(|(key, value)| {
            let inner = below.iter().find(|(object, _)| object == key);
            let inner = inner.map(|(_, schema)| described(document, schema, &format!("{prefix}{key}.")));
            std::iter::once((format!("{prefix}{key}"), value.clone())).chain(inner.into_iter().flatten())
        })
        .collect()
}

#[test]
fn every_field_of_a_webhook_that_is_described_is_read_and_every_example_is_good() {
    let document = document();
    let now = "2026-11-22T12:00:00Z".parse().unwrap();
    let body = &document["paths"]["/leaves"]["post"]["requestBody"]["content"]["application/json"];
    assert_eq!(body["schema"]["$ref"], "#/components/schemas/Webhook");
    let examples: Vec<&Value> =
        body["examples"].as_object().unwrap().values().map(|example| &example["value"]).collect();
    assert_eq!(examples.len(), 4);
    for example in &examples {
        let mut example = (*example).clone();
        example["timestamp"] = "2026-11-22T10:00:00Z".into();
        LeaveChange::parse(&example, now).unwrap_or_else(|problems| panic!("{example}: {problems:?}"));
        assert_eq!(ignored(&example), [""; 0]);
    }
    // A number is right for none of them, so that whatever reads it says so.
    let fields = described(&document, "Webhook", "");
    let mut wrong = body["examples"]["Whole days"]["value"].clone();
    for (path, _) in &fields {
        let pointer = format!("/{}", path.replace('.', "/"));
        let (above, key) = pointer.rsplit_once('/').unwrap();
        if !["data", "staff"].contains(&key) {
            wrong.pointer_mut(above).unwrap()[key] = 7.into();
        }
    }
    wrong["type"] = "leave.created".into();
    assert_eq!(ignored(&wrong), [""; 0]);
    let problems: BTreeMap<String, String> = LeaveChange::parse(&wrong, now)
        .unwrap_err()
        .into_vec()
        .into_iter()
        .map(|found| (found.field, found.problem))
        .collect();
    for (path, _) in fields {
        let is_read =
            problems.contains_key(&path) || ["type", "data", "data.staff", "data.reason"].contains(&path.as_str());
        assert!(is_read, "{path}: {problems:?}");
    }
}

#[test]
fn the_configuration_is_as_agreed() {
    insta::assert_snapshot!("configuration", config::DEFAULTS);
}

#[test]
fn the_metrics_are_as_agreed() {
    let metrics = Metrics::default();
    metrics.request("GET", "/mappings", 200, 0.01);
    metrics.intake("ess", "accepted");
    metrics.delivery("default", "synced");
    metrics.reply("default", "scheduled");
    metrics.tenant(
        "default",
        TenantFigures {
            due: 1,
            waiting: 2,
            parked: 3,
            oldest_due: Duration::from_secs(4),
            replies_waiting: 7,
            replies_parked: 9,
            is_blocked: true,
        },
    );
    metrics.credential("default", 7);
    let text = metrics.render();
    // The figures as well, but not the buckets: which label means what is part of the contract.
    let mut lines: Vec<_> = text.lines().filter(|line| !line.is_empty() && !line.contains("_bucket{")).collect();
    lines.sort_unstable();
    insta::assert_snapshot!("metrics", lines.join("\n"));
}

#[test]
fn the_document_is_openapi_3_1_and_lists_every_route_with_its_scope() {
    let document = document();
    assert!(document["openapi"].as_str().unwrap().starts_with("3.1"));
    let mut documented = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        for (method, operation) in item.as_object().unwrap() {
            documented.insert((method.as_str(), path.as_str()), operation);
        }
    }
    let expected: Vec<_> = ROUTES.iter().map(|(method, path, _)| (*method, *path)).collect();
    assert_eq!(documented.len(), expected.len(), "{:?}", documented.keys());
    for (method, path, scope) in ROUTES {
        let operation = documented.get(&(method, path)).unwrap_or_else(|| panic!("{method} {path} is not documented"));
        let security = operation["security"].as_array().cloned().unwrap_or_default();
        let scopes: Vec<_> = security.iter().filter_map(|way| way["token"][0].as_str()).collect();
        assert_eq!(scopes, Vec::from_iter(scope), "{method} {path}");
        assert_eq!(security.iter().any(|way| way == &serde_json::json!({})), OPEN.contains(&path), "{method} {path}");
    }
}

#[test]
fn every_route_says_what_it_is_for_and_how_it_refuses() {
    let document = document();
    for (method, path, scope) in ROUTES {
        let operation = &document["paths"][path][method];
        let summary = operation["summary"].as_str().unwrap_or_default();
        assert!(!summary.is_empty(), "{method} {path} has no summary");
        let responses = operation["responses"].as_object().unwrap();
        if scope.is_some() && !OPEN.contains(&path) {
            for status in ["401", "403"] {
                let problem = &responses[status]["content"]["application/problem+json"];
                assert!(problem.is_object(), "{method} {path} does not say how it answers {status}");
            }
        }
    }
}

#[test]
fn nothing_that_the_document_refers_to_is_missing() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"$ref\":\"#").skip(1).filter_map(|rest| rest.split('"').next()) {
        assert!(document.pointer(reference).is_some(), "{reference}");
    }
}

#[test]
fn every_state_and_every_reason_is_documented() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let docs = fs::read_dir(root.join("docs")).unwrap().map(|entry| entry.unwrap().path());
    let pages = docs.chain([root.join("README.md")]).filter(|path| path.extension().is_some_and(|kind| kind == "md"));
    let pages: Vec<_> = pages.map(|path| fs::read_to_string(path).unwrap()).collect();
    for word in STATES.into_iter().chain(Reason::ALL.iter().map(|reason| reason.word())) {
        let is_explained = pages.iter().any(|page| page.contains(&format!("`{word}`")));
        assert!(is_explained, "README.md and docs do not explain `{word}`");
    }
}
