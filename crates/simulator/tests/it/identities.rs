//! The hosts that hand out tokens of managed identities: who is answered, with what, and who is not.

use std::{fs, path::Path};

use leavebridge_simulator::Simulator;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Answer, Stage, events, finish};

const METADATA: &str = "/metadata/identity/oauth2/token";
const GRAPH: &str = "https://graph.microsoft.com";
const OWN: &str = "5f1a7e00-0000-4000-8000-000000000a55";
const OTHER: &str = "5f1a7e00-0000-4000-8000-000000000b55";

async fn assign(stage: &Stage, identities: &[(&str, &str)]) {
    let identity = |(id, kind): &(&str, &str)| {
        json!({"directory_id": Simulator::DIRECTORY_ID, "client_id": id, "managed_identity": kind,
               "roles": ["Calendars.ReadWrite"]})
    };
    stage.settings(json!({"apps": identities.iter().map(identity).collect::<Vec<_>>()})).await;
}

async fn ask(stage: &Stage, path: &str, query: &[(&str, &str)], headers: &[(&str, &str)]) -> Answer {
    let mut request = stage.client.request(Method::GET, format!("{}{path}", stage.base)).query(query);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    finish(request).await
}

/// What a program on a virtual machine sends, and further parameters.
async fn imds(stage: &Stage, further: &[(&str, &str)]) -> Answer {
    let query = [&[("api-version", "2018-02-01"), ("resource", GRAPH)], further].concat();
    ask(stage, METADATA, &query, &[("metadata", "true")]).await
}

#[tokio::test]
async fn a_machines_identity_gets_a_token_with_numbers_as_text() {
    let mut stage = Stage::new().await;
    assert_eq!(
        imds(&stage, &[]).await.body,
        json!({"error": "invalid_request", "error_description": "Identity not found"})
    );
    assign(&stage, &[(OWN, "system-assigned"), (OTHER, "user-assigned")]).await;
    let answer = imds(&stage, &[]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    let ends = stage.clock.now().as_second() + 3599;
    assert_eq!((&answer.body["expires_in"], &answer.body["expires_on"]), (&json!("3599"), &json!(ends.to_string())));
    assert_eq!((&answer.body["client_id"], &answer.body["resource"]), (&json!(OWN), &json!(GRAPH)));
    assert_eq!(imds(&stage, &[("client_id", OTHER)]).await.body["client_id"], OTHER);
    assert_eq!(imds(&stage, &[("client_id", Simulator::CLIENT_ID)]).await.status, 400);
    // Graph takes it like any other.
    answer.body["access_token"].as_str().unwrap().clone_into(&mut stage.token);
    assert_eq!(stage.get(&events(AMY)).await.status, 200);

    assign(&stage, &[(OTHER, "user-assigned")]).await;
    assert_eq!(imds(&stage, &[]).await.body["client_id"], OTHER, "the only one is meant");
    assign(&stage, &[(OTHER, "user-assigned"), (OWN, "user-assigned")]).await;
    assert_eq!(imds(&stage, &[]).await.status, 400, "which one?");
}

#[tokio::test]
async fn whoever_cannot_be_on_the_machine_or_asks_wrongly_gets_none() {
    let stage = Stage::new().await;
    assign(&stage, &[(OWN, "system-assigned")]).await;
    let good = [("api-version", "2018-02-01"), ("resource", GRAPH)];
    let scope = format!("{GRAPH}/.default");
    for (query, headers) in [
        (&good[..], &[][..]),
        (&good, &[("metadata", "false")]),
        (&good, &[("metadata", "true"), ("x-forwarded-for", "10.0.0.1")]),
        (&good[1..], &[("metadata", "true")]),
        (&good[..1], &[("metadata", "true")]),
        (&[good[0], ("resource", scope.as_str())], &[("metadata", "true")]),
    ] {
        let answer = ask(&stage, METADATA, query, headers).await;
        assert_eq!(answer.status, 400, "{query:?} {headers:?}: {}", answer.body);
    }
    let posted = finish(stage.client.post(format!("{}{METADATA}", stage.base))).await;
    assert_eq!(posted.status, 405);
}

#[tokio::test]
async fn app_service_wants_its_header_and_says_only_when_the_token_ends() {
    let stage = Stage::new().await;
    assign(&stage, &[(OWN, "system-assigned")]).await;
    let query = [("api-version", "2019-08-01"), ("resource", GRAPH)];
    let answer = ask(&stage, "/msi/token", &query, &[("x-identity-header", Simulator::IDENTITY_HEADER)]).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert!(answer.body["expires_on"].is_string() && answer.body["expires_in"].is_null(), "{}", answer.body);
    for (query, header, status) in [
        (&query[..], "wrong", 401),
        (&[("api-version", "2018-02-01"), ("resource", GRAPH)], Simulator::IDENTITY_HEADER, 400),
    ] {
        let answer = ask(&stage, "/msi/token", query, &[("x-identity-header", header)]).await;
        assert_eq!((answer.status, &answer.body["statusCode"]), (status, &json!(status)), "{}", answer.body);
    }
}

#[tokio::test]
async fn arcs_agent_answers_only_who_can_read_its_key() {
    let stage = Stage::new().await;
    assign(&stage, &[(OWN, "system-assigned"), (OTHER, "user-assigned")]).await;
    let folder = tempfile::tempdir().unwrap();
    stage.settings(json!({"arc_key_folder": folder.path()})).await;
    let query = [("api-version", "2020-06-01"), ("resource", GRAPH)];
    let agent = async |key: Option<&str>, further: &[(&str, &str)]| {
        let header = key.map(|key| format!("Basic {key}"));
        let mut headers = vec![("metadata", "true")];
        headers.extend(header.as_deref().map(|header| ("authorization", header)));
        ask(&stage, METADATA, &[&query[..], further].concat(), &headers).await
    };
    let named = |answer: &Answer| {
        assert_eq!(answer.status, 401, "{}", answer.body);
        let path = answer.header("www-authenticate").strip_prefix("Basic realm=").unwrap().to_owned();
        let path = Path::new(&path);
        assert_eq!((path.parent(), path.extension()), (Some(folder.path()), Some("key".as_ref())), "{path:?}");
        fs::read_to_string(path).unwrap()
    };
    named(&agent(None, &[]).await);
    let key = named(&agent(Some("guessed"), &[]).await);
    assert_eq!(agent(Some(&key), &[("client_id", OTHER)]).await.body["client_id"], OTHER);
    // Once only.
    let key = named(&agent(Some(&key), &[]).await);
    stage.settings(json!({"arc_ignores_selector": true})).await;
    assert_eq!(agent(Some(&key), &[("client_id", OTHER)]).await.body["client_id"], OWN);
    // The metadata service's own version is answered as ever.
    assert_eq!(imds(&stage, &[]).await.status, 200);
}

#[tokio::test]
async fn faults_can_be_scripted_and_no_query_is_kept() {
    let stage = Stage::new().await;
    assign(&stage, &[(OWN, "system-assigned")]).await;
    stage.faults(json!([{"method": "GET", "path": METADATA, "times": 2, "status": 410}])).await;
    let mut statuses = Vec::new();
    for _ in 0..3 {
        statuses.push(imds(&stage, &[]).await.status);
    }
    assert_eq!(statuses, [410, 410, 200]);
    let journal = stage.journal().await;
    let last = journal.last().unwrap();
    assert_eq!((&last["path"], &last["query"]), (&json!(METADATA), &Value::Null), "{last}");
}
