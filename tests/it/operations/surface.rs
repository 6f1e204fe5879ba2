//! The contract and the odd corners: documents, unknown addresses and methods, request ids.

use reqwest::Method;
use serde_json::{Value, json};

use crate::support::{TestApp, answer, assert_refused, leave};

#[tokio::test]
async fn the_contract_names_every_route_with_its_methods() {
    let app = TestApp::new().await;
    let answer = app.get("/openapi.json", None).await;
    assert_eq!(answer.status, 200);
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("application/json"));
    assert!(answer.body["openapi"].as_str().unwrap().starts_with("3.1"), "{}", answer.body["openapi"]);
    let mut routes = Vec::new();
    for (path, methods) in answer.body["paths"].as_object().unwrap() {
        routes.extend(methods.as_object().unwrap().keys().map(|method| format!("{method} {path}")));
    }
    routes.sort_unstable();
    assert_eq!(
        routes,
        [
            "get /health",
            "get /health/live",
            "get /health/ready",
            "get /leaves/{id}",
            "get /mappings",
            "get /mappings/{id}",
            "get /metrics",
            "post /doctor",
            "post /leaves",
            "post /mappings/retry",
            "post /mappings/{id}/retry",
        ]
    );
}

#[tokio::test]
async fn every_reference_in_the_contract_leads_somewhere() {
    fn references(value: &Value, found: &mut Vec<String>) {
        match value {
            Value::Object(object) => {
                found.extend(object.get("$ref").and_then(Value::as_str).map(str::to_owned));
                object.values().for_each(|value| references(value, found));
            }
            Value::Array(array) => array.iter().for_each(|value| references(value, found)),
            _ => {}
        }
    }
    let document = TestApp::new().await.get("/openapi.json", None).await.body;
    let mut found = Vec::new();
    references(&document, &mut found);
    assert!(!found.is_empty());
    for reference in found {
        let pointer = reference.strip_prefix('#').unwrap();
        assert!(document.pointer(pointer).is_some(), "{reference}");
    }
}

#[tokio::test]
async fn the_documentation_is_served_by_us_alone() {
    let app = TestApp::new().await;
    let page = app.get("/docs/", None).await;
    assert_eq!(page.status, 200, "{page:?}");
    let html = page.body.as_str().unwrap();
    assert!(html.contains("swagger-ui"), "{html}");
    assert!(!html.contains("http://") && !html.contains("https://") && !html.contains("\"//"), "{html}");
    let scripts: Vec<_> = html.split("src=\"").skip(1).filter_map(|rest| rest.split('"').next()).collect();
    assert!(!scripts.is_empty());
    for script in scripts {
        let answer = app.get(&format!("/docs/{}", script.trim_start_matches("./")), None).await;
        assert_eq!(answer.status, 200, "{script}");
    }
    assert_eq!(app.get("/docs", None).await.status, 200, "with or without the slash");
}

#[tokio::test]
async fn unknown_addresses_and_methods_are_refused_in_the_usual_form() {
    let app = TestApp::new().await;
    for (method, path, status, kind) in [
        (Method::GET, "/", 404, "not-found"),
        (Method::GET, "/nowhere", 404, "not-found"),
        (Method::GET, "/leaves/", 404, "not-found"),
        (Method::POST, "/leaves/LA-1/LA-2", 404, "not-found"),
        (Method::GET, "/LEAVES/LA-1", 404, "not-found"),
        (Method::GET, "/mappings/x/y/z", 404, "not-found"),
        (Method::GET, "/%00", 404, "not-found"),
        (Method::GET, "/leaves", 405, "method-not-allowed"),
        (Method::PUT, "/leaves", 405, "method-not-allowed"),
        (Method::DELETE, "/leaves/LA-1", 405, "method-not-allowed"),
        (Method::POST, "/mappings", 405, "method-not-allowed"),
        (Method::PATCH, "/mappings/x/retry", 405, "method-not-allowed"),
        (Method::POST, "/health", 405, "method-not-allowed"),
        (Method::POST, "/metrics", 405, "method-not-allowed"),
        (Method::OPTIONS, "/leaves", 405, "method-not-allowed"),
    ] {
        let refused = answer(app.request(method.clone(), path)).await;
        assert_eq!(refused.status, status, "{method} {path}: {refused:?}");
        assert_refused(&refused, status, kind);
        assert_eq!(refused.headers.contains_key("allow"), status == 405, "{method} {path}");
    }
}

#[tokio::test]
async fn a_harmless_request_id_is_taken_over_and_any_other_is_replaced() {
    let app = TestApp::new().await;
    let longest = "x".repeat(64);
    for id in ["1", "portal-42.a_B", "0199a3f0-7d1e-7c3a-9d51-0b6a3c5e8f42", longest.as_str()] {
        let answer = answer(app.request(Method::GET, "/nowhere").header("x-request-id", id)).await;
        assert_refused(&answer, 404, "not-found");
        assert_eq!(answer.headers["x-request-id"], id);
    }
    let too_long = "x".repeat(65);
    let mut made = Vec::new();
    for id in ["", "a b", "a\"b", "a=b", "<script>", "a;b", "é", "{}", "\t", too_long.as_str()] {
        let answer = answer(app.request(Method::GET, "/nowhere").header("x-request-id", id.as_bytes())).await;
        assert_refused(&answer, 404, "not-found");
        made.push(answer.headers["x-request-id"].to_str().unwrap().to_owned());
    }
    made.push(app.get("/nowhere", None).await.body["request_id"].as_str().unwrap().to_owned());
    assert!(made.iter().all(|id| id.len() == 36 && id.chars().all(|c| c.is_ascii_hexdigit() || c == '-')), "{made:?}");
    let count = made.len();
    made.sort_unstable();
    made.dedup();
    assert_eq!(made.len(), count, "each request has its own");
}

#[tokio::test]
async fn every_answer_has_a_request_id() {
    let app = TestApp::new().await;
    for path in ["/health", "/health/live", "/health/ready", "/metrics", "/openapi.json", "/docs/", "/nowhere"] {
        assert!(app.get(path, None).await.headers.contains_key("x-request-id"), "{path}");
    }
    let posted = app.deliver("ess", &leave("LA-1")).await;
    assert_eq!((posted.status, posted.headers["x-request-id"].len()), (202, 36));
    assert_eq!(posted.body["outcome"], json!("accepted"));
}
