//! `/metrics`: figures for Prometheus, without anything about anybody.

use serde_json::Value;

use crate::support::{AMY, TestApp, answer, assert_refused, leave, until};

async fn metrics(app: &TestApp) -> String {
    let answer = app.get("/metrics", None).await;
    assert_eq!(answer.status, 200, "{answer:?}");
    assert!(answer.headers["content-type"].to_str().unwrap().starts_with("text/plain; version=0.0.4"));
    let Value::String(text) = answer.body else { panic!("{answer:?}") };
    text
}

/// The value of the line that begins with that name and those labels.
fn value(text: &str, series: &str) -> Option<f64> {
    text.lines().find_map(|line| line.strip_prefix(series)?.trim().parse().ok())
}

#[tokio::test]
async fn the_figures_move_with_what_happens() {
    let app = TestApp::new().await;
    let accepted = r#"leavebridge_intake_total{client="ess",outcome="accepted"}"#;
    let unchanged = r#"leavebridge_intake_total{client="ess",outcome="unchanged"}"#;
    let synced = r#"leavebridge_deliveries_total{tenant="default",outcome="synced"}"#;
    let posted = r#"leavebridge_http_requests_total{method="POST",route="/leaves",status="202"}"#;
    let refused = r#"leavebridge_http_requests_total{method="POST",route="/leaves",status="422"}"#;
    let timed = r#"leavebridge_http_request_seconds_count{method="POST",route="/leaves"}"#;
    let parked = r#"leavebridge_backlog{tenant="default",state="parked"}"#;
    let blocked = r#"leavebridge_tenant_blocked{tenant="default"}"#;
    let before = metrics(&app).await;
    for series in [accepted, unchanged, synced, posted, refused, timed] {
        assert_eq!(value(&before, series), None, "{series}");
    }
    assert_eq!((value(&before, parked), value(&before, blocked)), (Some(0.0), Some(0.0)), "{before}");

    app.deliver("ess", &leave("LA-1")).await;
    app.deliver("ess", &leave("LA-2")).await;
    app.deliver("ess", &leave("LA-2")).await;
    app.post("ess", &leave("")).await;
    super::refuse_events(&app, 400).await;
    app.deliver("ess", &leave("LA-3")).await;
    // A delivery is counted just after it is stored, and whoever waits is answered at once.
    let ended = r#"leavebridge_deliveries_total{tenant="default",outcome="parked"}"#;
    until("the last delivery is counted", async || value(&metrics(&app).await, ended) == Some(1.0)).await;
    let after = metrics(&app).await;
    for (series, expected) in [
        (accepted, 3.0),
        (unchanged, 1.0),
        (synced, 2.0),
        (posted, 3.0),
        (refused, 1.0),
        (timed, 5.0),
        (parked, 1.0),
        (blocked, 0.0),
        (r#"leavebridge_oldest_due_seconds{tenant="default"}"#, 0.0),
        (r#"leavebridge_backlog{tenant="acme",state="due"}"#, 0.0),
    ] {
        assert_eq!(value(&after, series), Some(expected), "{series}\n{after}");
    }
}

#[tokio::test]
async fn no_address_no_leave_and_no_path_is_in_them() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-secret")).await;
    app.get("/leaves/LA-secret", Some("ess")).await;
    app.get("/mappings?leave=LA-secret", Some("ops")).await;
    app.get("/nowhere/LA-secret?x=LA-secret", None).await;
    let mapping = app.mapping("LA-secret").await;
    let text = metrics(&app).await;
    for private in ["LA-secret", "contoso", "amy", AMY, mapping["id"].as_str().unwrap(), "nowhere"] {
        assert!(!text.to_lowercase().contains(&private.to_lowercase()), "{private}\n{text}");
    }
    assert!(text.contains(r#"route="/leaves/{id}""#) && text.contains(r#"route="none",status="404""#), "{text}");
}

#[tokio::test]
async fn a_caller_cannot_make_up_series_by_odd_methods_or_paths() {
    let app = TestApp::new().await;
    for n in 0..20 {
        let method = reqwest::Method::from_bytes(format!("ODD{n}").as_bytes()).unwrap();
        assert_eq!(answer(app.request(method, "/leaves")).await.status, 405);
        app.get(&format!("/nowhere/{n}"), None).await;
    }
    let text = metrics(&app).await;
    assert!(!text.contains("ODD"), "{text}");
    let others = r#"leavebridge_http_requests_total{method="other",route="/leaves",status="405"}"#;
    assert_eq!(value(&text, others), Some(20.0), "{text}");
    assert_eq!(value(&text, r#"leavebridge_http_requests_total{method="GET",route="none",status="404"}"#), Some(20.0));
}

#[tokio::test]
async fn protected_figures_need_ops_read() {
    let app = TestApp::with(&[("METRICS__PROTECT", "true")]).await;
    assert_refused(&app.get("/metrics", None).await, 401, "unauthorized");
    assert_refused(&app.get("/metrics", Some("ess")).await, 403, "forbidden");
    assert_eq!(app.get("/metrics", Some("ops")).await.status, 200);
}
