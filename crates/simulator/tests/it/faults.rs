//! Scripted trouble.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Stage, events, finish, leave, leave_with};

#[tokio::test]
async fn a_rule_before_the_work_leaves_nothing_behind() {
    let stage = Stage::new().await;
    stage.faults(json!([{"method": "post", "path": "/v1.0/users/*/events", "times": 1, "status": 503, "headers": {"Retry-After": "5"}}])).await;
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
    let refused = stage.post(&events(AMY), &leave()).await;
    assert_eq!((refused.refusal(), refused.header("retry-after")), ((503, "serviceNotAvailable"), "5"));
    assert!(stage.stored(AMY).await.is_empty());
    assert_eq!(stage.post(&events(AMY), &leave()).await.status, 201);
    let faults: Vec<Value> =
        stage.journal().await.iter().map(|entry| entry["fault"].clone()).filter(|fault| !fault.is_null()).collect();
    assert_eq!(faults, ["status 503 before"]);
}

#[tokio::test]
async fn a_rule_after_the_commit_loses_only_the_answer() {
    let stage = Stage::new().await;
    stage
        .faults(json!([{"method": "POST", "path": "/v1.0/*", "times": 1, "status": 504, "when": "after-commit"}]))
        .await;
    let body = leave_with(json!({"transactionId": "t"}));
    assert_eq!(stage.post(&events(AMY), &body).await.status, 504);
    assert_eq!(stage.stored(AMY).await.len(), 1);
    assert_eq!(stage.post(&events(AMY), &body).await.status, 201);
    assert_eq!(stage.stored(AMY).await.len(), 1);
}

#[tokio::test]
async fn a_drop_closes_the_connection_without_an_answer() {
    let stage = Stage::new().await;
    for (when, events_after) in [("before", 0), ("after-commit", 1)] {
        stage.faults(json!([{"method": "POST", "path": "*/events", "times": 1, "drop": true, "when": when}])).await;
        let error = stage.request(Method::POST, &events(AMY)).json(&leave()).send().await.unwrap_err();
        assert!(error.is_request() && error.status().is_none() && !error.is_timeout(), "{error:?}");
        assert_eq!(stage.stored(AMY).await.len(), events_after, "{when}");
        let last = stage.journal().await.pop().unwrap();
        assert_eq!((&last["status"], &last["fault"]), (&json!(0), &json!(format!("drop {when}"))));
    }
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
}

#[tokio::test]
async fn the_token_endpoint_has_trouble_too() {
    let stage = Stage::new().await;
    stage
        .faults(json!([
            {"path": "*/token", "times": 1, "status": 200, "body": "<html>proxy</html>"},
            {"path": "*/token", "times": 1, "status": 503},
            {"path": "*/token", "times": 1, "status": 400, "body": {"error": "odd"}},
        ]))
        .await;
    let garbage = stage.ask_token(&[]).await;
    assert_eq!((garbage.status, garbage.body), (200, json!("<html>proxy</html>")));
    assert_eq!(stage.ask_token(&[]).await.body["error"], "temporarily_unavailable");
    assert_eq!(stage.ask_token(&[]).await.body, json!({"error": "odd"}));
    assert_eq!(stage.ask_token(&[]).await.status, 200);
}

#[tokio::test]
async fn paths_are_matched_decoded_and_rules_last_until_cleared() {
    let stage = Stage::new().await;
    stage.faults(json!([{"path": "/v1.0/users/amy.chan@contoso.com/events", "status": 500, "times": null}])).await;
    for _ in 0..3 {
        assert_eq!(stage.get("/users/amy.chan%40contoso.com/events?$top=1").await.status, 500);
    }
    // By whatever name the mailbox is called.
    let id = stage.control(Method::GET, "/users", Value::Null).await[0]["id"].as_str().unwrap().to_owned();
    assert_eq!(stage.get(&events(&id)).await.status, 500);
    let rules = stage.control(Method::GET, "/faults", Value::Null).await;
    assert_eq!((&rules[0]["status"], &rules[0]["times"]), (&json!(500), &Value::Null));
    stage.control(Method::DELETE, "/faults", Value::Null).await;
    assert_eq!(stage.get(&events(AMY)).await.status, 200);
}

#[tokio::test]
async fn a_rule_may_only_delay() {
    let stage = Stage::new().await;
    stage.faults(json!([{"delay_ms": 30, "times": 1}])).await;
    let answer = finish(stage.request(Method::GET, &events(AMY))).await;
    assert_eq!(answer.status, 200);
    assert_eq!(stage.journal().await.pop().unwrap()["fault"], "delay 30 ms before");
}

/// AADSTS numbers with the word and status beside them.
const OF_ENTRA: [(&str, &[u32]); 10] = [
    ("401 invalid_client", &[7_000_215, 7_000_222, 7_000_216, 7_000_218, 700_027, 700_024, 7_000_214, 7_000_274]),
    ("401 invalid_client", &[7_000_277, 1_000_502, 70_021, 70_025, 700_211, 700_212, 700_213, 7_000_229, 7_002_138]),
    ("400 unauthorized_client", &[700_016, 7_000_112]),
    ("400 invalid_request", &[90_002, 900_023, 90_038, 9_001_023, 900_144, 90_014, 900_561]),
    ("400 invalid_scope", &[70_011, 28_002, 1_002_012, 700_022]),
    ("400 invalid_resource", &[500_011, 50_001]),
    ("400 unsupported_grant_type", &[70_003]),
    ("400 invalid_grant", &[53_003, 50_034, 50_196]),
    ("503 temporarily_unavailable", &[90_024, 90_033, 90_090]),
    ("429 temporarily_unavailable", &[90_055]),
];
const OF_ENTRA_ALONE: [(&str, &str); 3] = [
    ("AADSTS530032", "400 access_denied"),
    ("AADSTS90006", "400 server_error"),
    ("AADSTS90012", "504 temporarily_unavailable"),
];

/// Graph's codes by status.
const OF_GRAPH: [(u16, &str); 20] = [
    (
        400,
        "ErrorInvalidIdMalformed ErrorDuplicateTransactionId ErrorInvalidRequest ErrorInvalidRequest/end \
         ErrorInvalidRequest/duration ErrorPropertyValidationFailure ErrorInvalidParameter ErrorInvalidPropertySet \
         ErrorCalendarDurationIsTooLong TimeZoneNotSupportedException RequestBodyRead UnableToDeserializePostBody \
         BadRequest Request_BadRequest Request_UnsupportedQuery invalidRequest ErrorInvalidTimeSettings \
         InvalidArguments InvalidTimeZone",
    ),
    (
        401,
        "InvalidAuthenticationToken InvalidAuthenticationToken/audience InvalidAuthenticationToken/malformed \
         InvalidAuthenticationToken/claims",
    ),
    (
        403,
        "ErrorAccessDenied ErrorAccessDenied/policy Authorization_RequestDenied extensionError QuotaExceeded \
         ErrorQuotaExceeded/403",
    ),
    (
        404,
        "ErrorInvalidUser MailboxNotEnabledForRESTAPI MailboxNotEnabledForRESTAPI/older \
         MailboxNotHostedInExchangeOnline ErrorNonExistentMailbox ResourceNotFound Request_ResourceNotFound \
         ErrorItemNotFound",
    ),
    (405, "methodNotAllowed"),
    (406, "notAcceptable"),
    (409, "ErrorIrresolvableConflict ConcurrentItemSave ErrorStaleObject ErrorDuplicateTransactionId/409"),
    (410, "syncStateNotFound SyncStateInvalid resyncRequired"),
    (412, "preconditionFailed ErrorIrresolvableConflict/412"),
    (413, "requestEntityTooLarge"),
    (415, "unsupportedMediaType"),
    (423, "locked"),
    (429, "ApplicationThrottled TooManyRequests activityLimitReached ErrorExceededConnectionCount"),
    (500, "ErrorInternalServerError ErrorInternalServerTransientError generalException"),
    (501, "notImplemented"),
    (502, "BadGateway"),
    (
        503,
        "serviceNotAvailable ErrorServerBusy ErrorMailboxStoreUnavailable ErrorMailboxMoveInProgress \
         ErrorMailboxFailover ErrorConnectionFailed ErrorTimeoutExpired ErrorADUnavailable ErrorInsufficientResources \
         ErrorTooManyObjectsOpened",
    ),
    (504, "GatewayTimeout UnknownError"),
    (507, "ErrorQuotaExceeded"),
    (509, "bandwidthLimitExceeded"),
];

#[tokio::test]
async fn every_refusal_of_entra_can_be_had_by_its_number() {
    let stage = Stage::new().await;
    let by_word = OF_ENTRA
        .iter()
        .flat_map(|(answer, numbers)| numbers.iter().map(move |number| (format!("AADSTS{number}"), *answer)));
    let alone = OF_ENTRA_ALONE.iter().map(|(name, answer)| ((*name).to_owned(), *answer));
    let expected: Vec<_> = by_word.chain(alone).collect();
    for (name, answer) in &expected {
        stage.faults(json!([{"path": "/*/oauth2/v2.0/token", "times": 1, "error": name}])).await;
        let refused = stage.ask_token(&[]).await;
        assert_eq!(format!("{} {}", refused.status, refused.body["error"].as_str().unwrap()), *answer, "{name}");
        let number: u32 = name.strip_prefix("AADSTS").unwrap().parse().unwrap();
        assert_eq!(refused.body["error_codes"], json!([number]));
        let lines: Vec<&str> = refused.body["error_description"].as_str().unwrap().split("\r\n").collect();
        let begins = [&format!("{name}: "), "Trace ID: ", "Correlation ID: ", "Timestamp: 2026-11-22 03:00:50Z"];
        assert_eq!(lines.len(), begins.len(), "{lines:?}");
        assert!(lines.iter().zip(begins).all(|(line, begin)| line.starts_with(begin)), "{lines:?}");
        assert!(lines[0].ends_with(['.', ']']) && !lines[0].contains('{'), "{lines:?}");
        assert!(refused.body["trace_id"].is_string() && refused.body["correlation_id"].is_string());
        assert_eq!(refused.body["timestamp"], "2026-11-22 03:00:50Z");
        assert!(refused.body["error_uri"].as_str().unwrap().ends_with(&format!("?code={number}")));
        assert_eq!(refused.header("retry-after"), if refused.status == 429 { "10" } else { "" });
    }
    assert_eq!(stage.ask_token(&[]).await.status, 200);
    assert_all_are_expected(&stage, "entra", expected.into_iter().map(|(name, _)| name)).await;
}

#[tokio::test]
async fn every_refusal_of_graph_can_be_had_by_its_code() {
    let mut stage = Stage::new().await;
    let expected: Vec<_> =
        OF_GRAPH.iter().flat_map(|(status, names)| names.split_whitespace().map(move |name| (*status, name))).collect();
    for (status, name) in &expected {
        stage.faults(json!([{"times": 1, "error": name}])).await;
        // A token is no part of Graph: the rule waits for a call that its refusal belongs to.
        stage.renew_token().await;
        let refused = stage.get(&events(AMY)).await;
        assert_eq!(refused.refusal(), (*status, name.split('/').next().unwrap()), "{name}");
        assert_eq!(refused.message().is_empty(), *name == "UnknownError", "{name}: {}", refused.message());
        let inner = &refused.body["error"]["innerError"];
        assert_eq!(inner["date"], "2026-11-22T03:00:50");
        assert_eq!(inner["request-id"], refused.header("request-id"));
        assert!(inner["client-request-id"].is_string());
        assert_eq!(inner["code"].is_string(), *name == "TooManyRequests");
        assert_eq!(refused.header("retry-after"), if *status == 429 { "10" } else { "" }, "{name}");
        let challenge = refused.header("www-authenticate");
        assert_eq!(challenge.starts_with("Bearer realm"), *status == 401, "{name}: {challenge}");
        assert_eq!(challenge.contains(r#"error="insufficient_claims", claims="ey"#), name.ends_with("/claims"));
        stage.control(Method::POST, "/reset", Value::Null).await;
    }
    assert_all_are_expected(&stage, "graph", expected.into_iter().map(|(_, name)| name.to_owned())).await;
}

/// What the control plane lists is what the tables above hold, no more and no less, and can be asked for as listed.
async fn assert_all_are_expected(stage: &Stage, service: &str, expected: impl Iterator<Item = String>) {
    let listed = stage.control(Method::GET, "/errors", Value::Null).await;
    let listed = listed.as_array().unwrap().iter().filter(|row| row["service"] == service);
    let mut listed: Vec<_> = listed.map(|row| row["error"].as_str().unwrap().to_owned()).collect();
    let mut expected: Vec<_> = expected.collect();
    listed.sort();
    expected.sort();
    assert_eq!(listed, expected);
}

#[tokio::test]
async fn what_a_rule_says_itself_stands_above_the_named_error() {
    let stage = Stage::new().await;
    let rule = |more: Value| {
        let mut rule = json!({"error": "ApplicationThrottled", "times": 1});
        rule.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        json!([rule])
    };
    stage.faults(rule(json!({"status": 503, "headers": {"Retry-After": "2.5"}}))).await;
    let refused = stage.get(&events(AMY)).await;
    assert_eq!((refused.refusal(), refused.header("retry-after")), ((503, "ApplicationThrottled"), "2.5"));
    stage.advance(60);
    stage.faults(rule(json!({"body": {"odd": true}}))).await;
    let refused = stage.get(&events(AMY)).await;
    assert_eq!((refused.status, &refused.body), (429, &json!({"odd": true})));
    assert_eq!(refused.header("retry-after"), "10");
    stage.advance(60);
    stage.faults(rule(json!({"when": "after-commit", "method": "POST"}))).await;
    assert_eq!(stage.post(&events(AMY), &leave()).await.refusal(), (429, "ApplicationThrottled"));
    assert_eq!(stage.stored(AMY).await.len(), 1);
    assert_eq!(stage.journal().await.pop().unwrap()["fault"], "ApplicationThrottled after-commit");
}

#[tokio::test]
async fn an_unknown_error_is_refused_with_all_that_there_are() {
    let stage = Stage::new().await;
    for unknown in ["AADSTS1", "AADSTS07000215", "NoSuchCode", ""] {
        let answer = stage.try_control(Method::POST, "/faults", json!([{"error": unknown}])).await;
        assert_eq!(answer.status, 400, "{unknown}");
        let sentence = answer.body["error"].as_str().unwrap();
        assert!(sentence.contains("AADSTS7000215, ") && sentence.contains(", ErrorAccessDenied, "), "{sentence}");
    }
    assert_eq!(stage.control(Method::GET, "/faults", Value::Null).await, json!([]));
}

#[tokio::test]
async fn rules_that_cannot_be_meant_are_refused() {
    let stage = Stage::new().await;
    for rules in [
        json!([{}]),
        json!([{"status": 429, "colour": 1}]),
        json!({"status": 1}),
        json!([{"status": 700}]),
        json!([{"when": "later", "drop": true}]),
    ] {
        let answer = stage.try_control(Method::POST, "/faults", rules.clone()).await;
        assert_eq!(answer.status, 400, "{rules}");
        assert!(answer.body["error"].as_str().unwrap().ends_with('.'), "{}", answer.body);
    }
}
