//! The service as an orchestrator runs it, and the health check that it asks with.

use std::net::{Ipv4Addr, TcpListener};

use leavebridge::outgoing;
use serde_json::json;
use tokio::net::TcpSocket;

use crate::support::program::{Running, configured, configured_without_database, keeps_secrets, run};
use crate::support::{TestApp, answer, database::Database, until};

/// A port where nobody listens, and that nobody else can take meanwhile.
fn closed_port() -> TcpSocket {
    let socket = TcpSocket::new_v4().unwrap();
    socket.bind((Ipv4Addr::LOCALHOST, 0).into()).unwrap();
    socket
}

#[tokio::test]
async fn the_service_becomes_ready_and_ends_well_on_sigterm() {
    let database = Database::empty().await;
    let mut service = Running::start(&["serve"], &configured(&database.url));
    let started = service.logs("leavebridge").await;
    let address = started["listen"].as_str().unwrap();
    assert!(!address.ends_with(":0"), "the log names the port that was found: {address}");
    assert_eq!(started["version"], env!("CARGO_PKG_VERSION"));

    let http = outgoing::client(None, std::time::Duration::from_secs(30)).unwrap();
    let url = format!("http://{address}/health");
    until("it is ready", async || answer(http.get(format!("{url}/ready"))).await.status == 200).await;
    let said = run(&["healthcheck", &url], &[]).await;
    assert_eq!((said.code, said.out.trim()), (0, "ok"), "{said:?}");

    service.terminate();
    let status = service.ended().await;
    assert_eq!(status.code(), Some(0), "{}", service.err());
    service.logs("stopped").await;
    keeps_secrets(&service.err());
}

#[tokio::test]
async fn a_port_in_use_is_told_by_its_key() {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let mut environment = configured_without_database();
    environment.retain(|(name, _)| name != "LEAVEBRIDGE__HTTP__LISTEN");
    environment.push(("LEAVEBRIDGE__HTTP__LISTEN".into(), address.clone()));
    let said = run(&["serve"], &environment).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains(&format!("cannot listen on {address} (http.listen)")), "{}", said.err);
}

#[tokio::test]
async fn a_health_check_tells_how_the_service_is() {
    let app = TestApp::new().await;
    let url = format!("{}/health", app.url);
    let said = run(&["healthcheck", &url], &[]).await;
    assert_eq!((said.code, said.out.trim(), said.err.as_str()), (0, "ok", ""));
    let said = run(&["healthcheck", &url, "--json"], &[]).await;
    assert_eq!((said.code, said.json()), (0, json!({"http": 200, "status": "ok"})));
    let proxy = ("HTTP_PROXY".to_owned(), "http://127.0.0.1:1".to_owned());
    let said = run(&["healthcheck", &url], &[proxy]).await;
    assert_eq!((said.code, said.out.trim()), (0, "ok"), "a proxy is not in its way: {said:?}");
    let said = run(&["healthcheck", &format!("{}/nowhere", app.url)], &[]).await;
    assert_eq!(said.code, 1, "{said:?}");
}

#[tokio::test]
async fn a_health_check_of_nobody_ends_with_1_and_a_sentence() {
    let closed = closed_port();
    let url = format!("http://{}/health", closed.local_addr().unwrap());
    let said = run(&["healthcheck", &url], &[]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.starts_with(&format!("Nobody answers at {url}: ")), "{}", said.err);
    assert!(said.err.contains("Connection refused"), "{}", said.err);
    let said = run(&["healthcheck", &url, "--json"], &[]).await;
    assert_eq!((said.code, said.json()), (1, json!({"http": null, "status": "unreachable"})));
}
