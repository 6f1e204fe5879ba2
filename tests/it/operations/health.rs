//! `/health`: it says when it is blind, to whom it may, and goes on accepting webhooks.

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::refuse_events;
use crate::support::{AMY, TestApp, answer, assert_refused, database::Database, leave, until, updated};

async fn health(app: &TestApp, client: Option<&str>) -> Value {
    let answer = app.get("/health", client).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    answer.body
}

/// The checks that are not ok.
fn troubles(health: &Value) -> Vec<&str> {
    let checks = health["checks"].as_object().unwrap().iter();
    checks.filter(|(_, check)| check["status"] != "ok").map(|(name, _)| name.as_str()).collect()
}

/// Insists that who has no token learns the same words and nothing more.
async fn assert_no_details_without_a_token(app: &TestApp) {
    let (open, full) = (health(app, None).await, health(app, Some("ops")).await);
    assert_eq!(open["status"], full["status"]);
    for (name, check) in open["checks"].as_object().unwrap() {
        assert_eq!(check, &json!({"status": full["checks"][name]["status"]}));
    }
    assert_eq!(open["checks"].as_object().unwrap().len(), full["checks"].as_object().unwrap().len());
}

#[tokio::test]
async fn a_service_that_is_well_says_so() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let served = "/checks/microsoft/tenants/default/last_success";
    until("the success is noted", async || {
        health(&app, Some("ops")).await.pointer(served).is_some_and(Value::is_string)
    })
    .await;
    let full = health(&app, Some("ops")).await;
    assert_eq!((&full["status"], troubles(&full)), (&json!("ok"), vec![]), "{full}");
    assert_eq!(
        full["checks"]["deliveries"],
        json!({"status": "ok", "due": 0, "waiting": 0, "oldest_due_seconds": 0, "failing_for_seconds": 0, "access_denied": 0})
    );
    let tenant = &full["checks"]["microsoft"]["tenants"]["default"];
    assert_eq!((&tenant["status"], &tenant["reason"]), (&json!("ok"), &json!(null)));
    assert_no_details_without_a_token(&app).await;
    for (path, text) in [("/health/live", "ok\n"), ("/health/ready", "ok\n")] {
        let answer = app.get(path, None).await;
        assert_eq!((answer.status, &answer.body), (200, &json!(text)), "{path}");
    }
}

#[tokio::test]
async fn details_are_for_ops_only_and_a_bad_token_gets_no_answer_at_all() {
    let app = TestApp::new().await;
    assert_refused(&app.get("/health", Some("ess")).await, 403, "forbidden");
    let request = app.request(reqwest::Method::GET, "/health").bearer_auth("x.y.z");
    assert_refused(&answer(request).await, 401, "unauthorized");
}

#[tokio::test]
async fn something_parked_degrades_it_until_it_is_mended() {
    let app = TestApp::new().await;
    refuse_events(&app, 400).await;
    app.deliver("ess", &leave("LA-1")).await;
    let ill = health(&app, Some("ops")).await;
    assert_eq!((&ill["status"], troubles(&ill)), (&json!("degraded"), vec!["parked"]), "{ill}");
    assert_eq!(ill["checks"]["parked"]["parked"], 1);
    assert_no_details_without_a_token(&app).await;
    app.microsoft.clear_faults().await;
    super::post(&app, "/mappings/retry", "ops").await;
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(health(&app, None).await["status"], "ok");
}

#[tokio::test]
async fn refused_credentials_degrade_it_and_webhooks_are_accepted_all_the_same() {
    let app = TestApp::with(&[("TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET", "WRONG~secret")]).await;
    assert_eq!(app.post("ess", &leave("LA-1")).await.status, 202);
    let mapping = app.mapping_in("LA-1", "waiting").await;
    assert_eq!((&mapping["reason"], &mapping["attempts"]), (&json!("credentials"), &json!(0)), "{mapping}");
    let ill = health(&app, Some("ops")).await;
    assert_eq!((&ill["status"], troubles(&ill)), (&json!("degraded"), vec!["microsoft"]), "{ill}");
    let tenants = &ill["checks"]["microsoft"]["tenants"];
    assert_eq!((&tenants["default"]["reason"], &tenants["acme"]["reason"]), (&json!("credentials"), &json!(null)));
    assert!(tenants["default"]["detail"].as_str().unwrap().contains("AADSTS7000215"), "{ill}");
    assert!(!ill.to_string().contains("WRONG~secret"), "{ill}");
    assert_no_details_without_a_token(&app).await;
    assert_eq!(app.post("ess", &leave("LA-2")).await.status, 202);
    assert_eq!(app.microsoft.calls().await, [] as [String; 0], "without a token nothing is asked of Graph");
}

#[tokio::test]
async fn a_secret_that_is_about_to_expire_degrades_it_30_days_ahead() {
    let key = "TENANTS__DEFAULT__MICROSOFT__SECRET_EXPIRES";
    for (expires, days, status) in [
        ("2026-12-23", 31, "ok"),
        ("2026-12-22", 30, "degraded"),
        ("2026-11-22", 0, "degraded"),
        ("2026-11-21", -1, "degraded"),
    ] {
        let app = TestApp::with(&[(key, expires)]).await;
        let health = health(&app, Some("ops")).await;
        assert_eq!(health["status"], status, "{expires}");
        let tenant = &health["checks"]["microsoft"]["tenants"]["default"];
        assert_eq!((&tenant["secret_expires"], &tenant["secret_expires_in_days"]), (&json!(expires), &json!(days)));
    }
}

#[tokio::test]
async fn a_backlog_that_does_not_move_degrades_it() {
    let app = TestApp::new().await;
    app.microsoft.faults(json!([{"method": "POST", "path": format!("*{AMY}*"), "delay_ms": 60_000}])).await;
    app.post("ess", &leave("LA-1")).await;
    until("it is being delivered", async || health(&app, Some("ops")).await["checks"]["deliveries"]["due"] == 1).await;
    assert_eq!(health(&app, None).await["status"], "ok");
    app.advance(SignedDuration::from_secs(301)).await;
    let ill = health(&app, Some("ops")).await;
    assert_eq!((&ill["status"], troubles(&ill)), (&json!("degraded"), vec!["deliveries"]), "{ill}");
    assert_eq!(ill["checks"]["deliveries"]["oldest_due_seconds"], 301);
}

#[tokio::test]
async fn without_its_database_it_is_down_tells_the_portals_to_come_back_and_recovers_by_itself() {
    let app = TestApp::new().await;
    let mut url: url::Url = app.database.url.parse().unwrap();
    let name = percent_encoding::percent_decode_str(&url.path()[1..]).decode_utf8().unwrap().into_owned();
    url.set_path("postgres");
    let server = Database { url: url.into() };
    server.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS false")).await;
    server.execute(&format!("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = '{name}'")).await;

    let down = app.get("/health", Some("ops")).await;
    assert_eq!((down.status, &down.body["status"]), (503, &json!("down")), "{down:?}");
    assert_eq!(troubles(&down.body), ["database"]);
    for path in ["/health/live", "/metrics", "/openapi.json"] {
        assert_eq!(app.get(path, None).await.status, 200, "{path}");
    }
    for refused in [
        app.post("ess", &leave("LA-1")).await,
        app.get("/leaves/LA-1", Some("ess")).await,
        app.get("/mappings", Some("ops")).await,
        app.get("/health/ready", None).await,
        super::post(&app, "/mappings/retry", "ops").await,
    ] {
        assert_refused(&refused, 503, "unavailable");
        assert_eq!(refused.headers["retry-after"], "5");
        let text = refused.body.to_string().to_lowercase();
        for inner in [name.as_str(), "postgres", "sql", "connection", "55000"] {
            assert!(!text.contains(inner), "{inner}: {text}");
        }
    }
    assert_refused(&app.post("ess", &json!({})).await, 422, "invalid");

    server.execute(&format!("ALTER DATABASE {name} ALLOW_CONNECTIONS true")).await;
    until("it is ready again", async || app.get("/health/ready", None).await.status == 200).await;
    assert_eq!(app.deliver("ess", &leave("LA-1")).await.body["leave"]["mappings"][0]["state"], "synced");
    assert_eq!(health(&app, None).await["status"], "ok");
}

#[tokio::test]
async fn whoever_speaks_for_one_tenant_is_told_of_that_one() {
    let app = TestApp::new().await;
    app.microsoft.faults(json!([{"path": "/*/oauth2/v2.0/token", "times": 1, "error": "AADSTS7000215"}])).await;
    app.post("group", &updated("LG-1", 0, &json!({"tenant": "acme"}))).await;
    until("it is degraded", async || health(&app, None).await["status"] == "degraded").await;
    // `ops` speaks for the tenant `default`.
    let told = health(&app, Some("ops")).await;
    assert_eq!(told["status"], "ok", "{told}");
    let tenants = told["checks"]["microsoft"]["tenants"].as_object().unwrap();
    assert_eq!(tenants.keys().collect::<Vec<_>>(), ["default"]);
    assert_eq!(told["checks"]["deliveries"]["due"], 0, "{told}");
}
