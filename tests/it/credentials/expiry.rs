//! The countdown: in health, in the figures and in the log. And that a log keeps every secret to itself.

use jiff::SignedDuration;
use leavebridge_simulator::Simulator;
use serde_json::{Value, json};

use super::{delivered, refused, register};
use crate::support::{
    TestApp, leave,
    logs::Logs,
    proofs::{Certified, Issuer},
    scene::Scene,
    until,
};

const ABOUT_TO: &str = "a credential is about to expire";
const EXPIRED: &str = "a credential has expired: renew it";

#[tokio::test]
async fn the_log_says_once_per_step_that_a_secret_is_about_to_expire_and_daily_that_it_has() {
    let logs = Logs::capture();
    let app = TestApp::with(&[("TENANTS__DEFAULT__MICROSOFT__SECRET_EXPIRES", "2027-01-22")]).await;
    let said = || -> Vec<(String, i64)> {
        let line = |line: &Value| (line["level"].as_str().unwrap().to_owned(), line["days"].as_i64().unwrap());
        logs.lines(ABOUT_TO).iter().map(line).collect()
    };
    let mut expected = Vec::new();
    // 61 days are left at the start.
    let mut left = 61;
    for step in [60, 30, 14, 7, 3, 1] {
        app.advance(SignedDuration::from_hours(24 * (left - step))).await;
        left = step;
        expected.push((if step > 7 { "WARN" } else { "ERROR" }.to_owned(), step));
        until(&format!("{step} days are told"), async || said() == expected).await;
    }
    for days in 1..3 {
        app.advance(SignedDuration::from_hours(24 * (left + 1))).await;
        left = 0;
        until(&format!("day {days} after the end is told"), async || logs.lines(EXPIRED).len() == days).await;
    }
    assert_eq!(said(), expected);
    let line = &logs.lines(EXPIRED)[0];
    assert_eq!(
        (&line["tenant"], &line["credential"], &line["expires"]),
        (&json!("default"), &json!("secret"), &json!("2027-01-22"))
    );
    assert!(logs.lines(ABOUT_TO).iter().all(|line| line["tenant"] == "default"), "acme's date is not known");
}

#[tokio::test]
async fn no_secret_no_assertion_no_key_and_no_token_is_in_any_log_answer_or_row() {
    let logs = Logs::capture();
    let (certified, issuer) = (Certified::until(2026, 12, 1), Issuer::new());
    let federated = issuer.token("2026-11-22T01:00:00Z".parse().unwrap());
    let mut texts = Vec::new();
    for kind in ["secret", "certificate", "workload-identity", "managed-identity"] {
        let scene = Scene::new().await;
        let proofs = json!({
            "secrets": [{"value": "MARK~secret"}], "certificates": [certified.public],
            "federated_credentials": [issuer.record()],
        });
        let mut own = super::app(&proofs);
        let file = |name: &str, content: &str| scene.file(name, content);
        let (secret, next) = (file("secret", "MARK~secret"), file("next", "MARK~next"));
        let (cert, token) = (file("app.pem", &certified.file()), file("token", &federated));
        let keys = match kind {
            "secret" => vec![("CLIENT_SECRET_FILE", next.as_str()), ("NEXT_CLIENT_SECRET_FILE", secret.as_str())],
            "certificate" => vec![("CERTIFICATE_FILE", cert.as_str())],
            "workload-identity" => vec![("FEDERATED_TOKEN_FILE", token.as_str())],
            _ => vec![("CLIENT_ID", "")],
        };
        let endpoint = format!("{}/msi/token", scene.microsoft.url);
        let environment = [("IDENTITY_ENDPOINT", endpoint.as_str()), ("IDENTITY_HEADER", Simulator::IDENTITY_HEADER)];
        if kind == "managed-identity" {
            own["managed_identity"] = json!("system-assigned");
        }
        scene.microsoft.settings(json!({"apps": [own]})).await;
        let (app, _folder) = scene.start_in(&[&keys[..], &[("CREDENTIAL", kind)]].concat(), &environment, |_| ()).await;
        delivered(&app, "LA-1").await;
        // And then nothing of it is good any more.
        register(&app.microsoft, &json!({})).await;
        app.advance(SignedDuration::from_mins(65)).await;
        texts.push(refused(&app, "LA-2").await);
        for path in ["/health", "/metrics", "/mappings"] {
            texts.push(format!("{:?}", app.get(path, Some("ops")).await.body));
        }
        texts.push(app.database.dump().await);
        texts.push(format!("{:?}", app.settings));
        texts.push(Value::from(app.microsoft.journal().await).to_string());
        texts.push(app.microsoft.control(reqwest::Method::GET, "settings", None).await.to_string());
    }
    texts.push(logs.text());
    assert!(logs.text().contains("Graph answered"), "the log is heard");
    let private = certified.private();
    let line = private.lines().nth(3).unwrap();
    for text in texts {
        // Every JWT begins with eyJ.
        for secret in ["MARK~", "eyJ", line, "PRIVATE KEY", Simulator::IDENTITY_HEADER] {
            let at = text.find(secret).map(|at| text[at.saturating_sub(200)..].chars().take(400).collect::<String>());
            assert!(at.is_none(), "{secret}: {at:?}");
        }
    }
}

#[tokio::test]
async fn the_log_says_once_why_nothing_is_delivered_with_microsofts_code_and_when_it_goes_on() {
    let logs = Logs::capture();
    let app = TestApp::new().await;
    let refusal = json!([
        {"path": "/*/oauth2/v2.0/token", "times": 3, "error": "AADSTS7000215"},
        {"method": "POST", "path": "/v1.0/users/*/events", "times": 1, "error": "ErrorAccessDenied"},
    ]);
    app.microsoft.faults(refusal).await;
    app.post("ess", &leave("LA-1")).await;
    until("it goes on, and this mailbox does not", async || {
        app.advance(SignedDuration::from_secs(61)).await;
        app.mapping("LA-1").await["reason"] == "access-denied"
    })
    .await;
    until("it is told that it goes on", async || logs.lines("Microsoft serves this tenant again").len() == 1).await;
    let blocked = logs.lines("Microsoft does not serve this tenant; `leavebridge doctor` says what to do");
    assert_eq!((blocked.len(), &blocked[0]["code"]), (1, &json!("AADSTS7000215")), "{blocked:?}");
    let waits = logs.lines("a mailbox cannot be written to; its leave waits, and GET /mappings/ID says why");
    assert_eq!((waits.len(), &waits[0]["code"]), (1, &json!("ErrorAccessDenied")), "{waits:?}");
    assert!(!format!("{waits:?}{blocked:?}").contains("amy.chan"), "{waits:?}");
}

#[tokio::test]
async fn a_date_that_is_over_while_the_secret_works_is_no_expired_credential() {
    let logs = Logs::capture();
    let app = TestApp::with(&[("TENANTS__DEFAULT__MICROSOFT__SECRET_EXPIRES", "2026-11-20")]).await;
    delivered(&app, "LA-1").await;
    app.advance(SignedDuration::from_hours(24)).await;
    let works = "by secret_expires a credential is over, and Microsoft takes it: set its new date, which counts from the next start on";
    until("it is told", async || !logs.lines(works).is_empty()).await;
}
