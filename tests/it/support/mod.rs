//! A whole leavebridge for one test: its own database, its own simulated Microsoft, its own clock, free ports.
//!
//! Time stands still until [`TestApp::advance`] moves it, for the service, the simulator and PostgreSQL alike. Nothing
//! sleeps: [`until`] waits for a level to be reached, looks often and gives up very late.

pub(crate) mod barrier;
pub(crate) mod browser;
pub(crate) mod database;
pub(crate) mod fleet;
pub(crate) mod issuer;
pub(crate) mod logs;
pub(crate) mod microsoft;
pub(crate) mod program;
pub(crate) mod proofs;
pub(crate) mod scene;
pub(crate) mod service;

use std::{
    net::Ipv4Addr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use leavebridge::{
    app,
    clock::{Clock as _, ManualClock, SeededRandom},
    config::{self, Settings},
    http, outgoing,
};
use leavebridge_stage::environment::{operator, portal, simulated_tenant, variables};
use reqwest::{Client, Method, RequestBuilder, header::HeaderMap};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::{
    database::Database,
    microsoft::Microsoft,
    service::{Home, Service},
};

pub(crate) const AMY: &str = "amy.chan@contoso.com";
pub(crate) const BEN: &str = "ben.okafor@contoso.com";
pub(crate) const ESS_SECRET: &str = "whsec_ZXNzLXNlY3JldC1mb3ItdGVzdHMtb25seS0wMDE=";
pub(crate) const ESS_NEXT_SECRET: &str = "whsec_ZXNzLXNlY3JldC1mb3ItdGVzdHMtb25seS0wMDI=";
pub(crate) const BACKSTAGE_SECRET: &str = "whsec_YmFja3N0YWdlLXNlY3JldC1mb3ItdGVzdHMtMDE=";
pub(crate) const SIGNING_KEY: &str = "a-signing-key-that-is-for-tests-only-000001";
static SEED: AtomicU64 = AtomicU64::new(11);
const START: &str = "2026-11-22T01:30:00Z";

/// A running service and everything around it.
pub(crate) struct TestApp {
    pub(crate) url: String,
    pub(crate) client: Client,
    pub(crate) clock: ManualClock,
    pub(crate) microsoft: Microsoft,
    pub(crate) database: Database,
    pub(crate) settings: Settings,
    stop: CancellationToken,
    home: Home,
    service: Option<Service>,
}

/// An answer, read.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Value,
}

impl TestApp {
    /// A service that is ready, with Amy and Ben in its Microsoft.
    pub(crate) async fn new() -> Self {
        Self::with(&[]).await
    }

    /// The same with further configuration: `("SYNC__PER_MAILBOX", "1")`.
    pub(crate) async fn with(further: &[(&str, &str)]) -> Self {
        Self::at_home(Home::Here, "", further).await
    }

    /// The same with what no environment variable can say, as a file says it.
    pub(crate) async fn with_file(toml: &str) -> Self {
        Self::at_home(Home::Here, toml, &[]).await
    }

    /// Goes on with another file, as after a change of the configuration.
    pub(crate) async fn restart_with_file(&mut self, toml: &str) {
        self.stop().await;
        self.settings = file_settings(toml, &configuration(&self.database.url, &self.microsoft.url, &[]));
        self.restart().await;
    }

    /// The same with a file and further configuration, where [`TestApp::crash`] can kill it.
    pub(crate) async fn apart(toml: &str, further: &[(&str, &str)]) -> Self {
        Self::at_home(Home::Apart, toml, further).await
    }

    async fn at_home(home: Home, toml: &str, further: &[(&str, &str)]) -> Self {
        let clock = ManualClock::at(START.parse().unwrap());
        let (database, microsoft) = (Database::new(clock.now()).await, Microsoft::new(&clock).await);
        let settings = file_settings(toml, &configuration(&database.url, &microsoft.url, further));
        Self::told(settings, database, microsoft, clock, home).await
    }

    async fn told(
        settings: Settings,
        database: Database,
        microsoft: Microsoft,
        clock: ManualClock,
        home: Home,
    ) -> Self {
        let client = outgoing::client(None, Duration::from_mins(1)).unwrap();
        let stop = CancellationToken::new();
        let mut app =
            Self { url: String::new(), client, clock, microsoft, database, settings, stop, home, service: None };
        app.restart().await;
        app
    }

    /// One more replica on the same database and Microsoft.
    pub(crate) async fn replica(&self) -> Self {
        self.replica_told(self.settings.clone()).await
    }

    /// One more replica with another configuration, which asks Microsoft at its own address.
    pub(crate) async fn replica_with(&self, further: &[(&str, &str)]) -> Self {
        self.replica_told(file_settings("", &configuration(&self.database.url, &self.microsoft.url, further))).await
    }

    async fn replica_told(&self, settings: Settings) -> Self {
        let (url, service, stop, home) = (String::new(), None, CancellationToken::new(), self.home);
        let (client, clock, microsoft) = (self.client.clone(), self.clock.clone(), self.microsoft.clone());
        let database = self.database.clone();
        let mut other = Self { url, client, clock, microsoft, database, settings, stop, home, service };
        other.restart().await;
        other
    }

    /// Starts the service anew after its end, on another port, and waits until it is ready.
    pub(crate) async fn restart(&mut self) {
        assert!(self.service.is_none(), "it is still running");
        let listener = std::net::TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        listener.set_nonblocking(true).unwrap();
        self.url = format!("http://{}", listener.local_addr().unwrap());
        self.stop = CancellationToken::new();
        // Two replicas must not throw the same dice.
        let random = Arc::new(SeededRandom::new(SEED.fetch_add(1, Ordering::Relaxed)));
        let (settings, clock, stop) = (self.settings.clone(), Arc::new(self.clock.clone()), self.stop.clone());
        self.service = Some(Service::start(self.home, async move {
            let listener = TcpListener::from_std(listener).unwrap();
            app::serve(&settings, listener, clock, random, stop).await
        }));
        until("the service is ready", async || self.get("/health/ready", None).await.status == 200).await;
    }

    /// A token for a client with all its scopes, good for an hour.
    pub(crate) fn token(&self, client: &str) -> String {
        let scopes = self.settings.clients[client].scopes.clone();
        http::mint(&self.settings.auth, client, &scopes, self.clock.now(), SignedDuration::from_hours(1)).unwrap()
    }

    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.url))
    }

    /// Asks as that client.
    pub(crate) async fn get(&self, path: &str, client: Option<&str>) -> Answer {
        let mut request = self.request(Method::GET, path);
        if let Some(client) = client {
            request = request.bearer_auth(self.token(client));
        }
        answer(request).await
    }

    /// Posts a webhook with that client's token.
    pub(crate) async fn post(&self, client: &str, body: &Value) -> Answer {
        answer(self.request(Method::POST, "/leaves").bearer_auth(self.token(client)).json(body)).await
    }

    /// Posts a webhook and waits until its mappings are settled (or 30 s are over, which no test should need).
    pub(crate) async fn deliver(&self, client: &str, body: &Value) -> Answer {
        let request = self.request(Method::POST, "/leaves").bearer_auth(self.token(client)).header("prefer", "wait=30");
        answer(request.json(body)).await
    }

    /// All mappings, newest change first.
    pub(crate) async fn mappings(&self) -> Vec<Value> {
        let answer = self.get("/mappings", Some("ops")).await;
        assert_eq!(answer.status, 200, "{answer:?}");
        answer.body["mappings"].as_array().unwrap().clone()
    }

    /// The only mapping of that leave.
    pub(crate) async fn mapping(&self, leave: &str) -> Value {
        let answer = self.get(&format!("/mappings?leave={leave}"), Some("ops")).await;
        let mappings = answer.body["mappings"].as_array().unwrap();
        assert_eq!(mappings.len(), 1, "{answer:?}");
        mappings[0].clone()
    }

    /// Waits until the only mapping of that leave is in that state, and gives it.
    pub(crate) async fn mapping_in(&self, leave: &str, state: &str) -> Value {
        let what = format!("{leave} is {state}");
        until(&what, async || self.mapping(leave).await["state"] == state).await;
        self.mapping(leave).await
    }

    /// Lets time pass for everybody, and lets the engine look.
    pub(crate) async fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
        self.database.set_time(self.clock.now()).await;
    }

    pub(crate) fn now(&self) -> Timestamp {
        self.clock.now()
    }

    /// Stops it as SIGTERM does, and waits for the end.
    pub(crate) async fn stop(&mut self) {
        self.stop.cancel();
        if let Some(service) = self.service.take() {
            service.end().await;
        }
    }

    /// Kills it: whatever it was doing stays half done, its leases stay held, its connections are cut.
    pub(crate) async fn crash(&mut self) {
        self.service.take().expect("it is running").kill().await;
    }
}

impl Drop for TestApp {
    fn drop(&mut self) {
        self.stop.cancel();
    }
}

/// What a test's service is told: tenants `default` and `acme`, clients `ess`, `backstage`, `ops`, and `group`, which
/// speaks for both tenants.
pub(crate) fn configuration(database: &str, microsoft: &str, further: &[(&str, &str)]) -> Vec<(String, String)> {
    let ess_secrets = format!("{ESS_SECRET},{ESS_NEXT_SECRET}");
    let own = variables(&[
        ("DATABASE__URL", database),
        ("DATABASE__MAX_CONNECTIONS", "6"),
        ("HTTP__LISTEN", "127.0.0.1:0"),
        ("LOG__FILTER", "error"),
        ("AUTH__KEYS__MAIN__SECRET", SIGNING_KEY),
        ("POLICY__TIME_ZONE", "Europe/London"),
        ("CLIENTS__ESS__WEBHOOK_SECRETS", &ess_secrets),
        ("CLIENTS__BACKSTAGE__WEBHOOK_SECRETS", BACKSTAGE_SECRET),
    ]);
    let clients = [portal("ess", "default"), portal("backstage", "default"), portal("group", "*"), operator()];
    let tenants = [simulated_tenant("default", microsoft), simulated_tenant("acme", microsoft)];
    let further = variables(further);
    let mut all = [own, clients.concat(), tenants.concat()].concat();
    all.retain(|(name, _)| further.iter().all(|(other, _)| other != name));
    all.extend(further);
    all
}

fn file_settings(toml: &str, environment: &[(String, String)]) -> Settings {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leavebridge.toml");
    std::fs::write(&file, toml).unwrap();
    config::load(Some(&file), environment).unwrap()
}

/// Sends a request and reads the answer.
pub(crate) async fn answer(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    let body = serde_json::from_str(&text).unwrap_or(Value::String(text));
    Answer { status, headers, body }
}

/// Insists on a refusal of that status and kind, in the form of RFC 9457 and with the id that the log has.
#[track_caller]
pub(crate) fn assert_refused(answer: &Answer, status: u16, kind: &str) {
    assert_eq!(answer.status, status, "{answer:?}");
    assert_eq!(answer.headers["content-type"], "application/problem+json");
    let Value::Object(problem) = &answer.body else { panic!("no problem: {answer:?}") };
    assert_eq!(problem["type"], format!("urn:leavebridge:problem:{kind}"));
    assert_eq!(problem["status"], status);
    assert_eq!(problem["request_id"], answer.headers["x-request-id"].to_str().unwrap());
    for text in ["title", "detail", "request_id"] {
        assert!(problem[text].as_str().is_some_and(|text| !text.is_empty()), "{text}: {answer:?}");
    }
    assert_eq!(problem.contains_key("errors"), status == 422, "{answer:?}");
}

/// The fields that a refusal with 422 names, in its order.
#[track_caller]
pub(crate) fn fields(answer: &Answer) -> Vec<&str> {
    assert_refused(answer, 422, "invalid");
    answer.body["errors"].as_array().unwrap().iter().map(|error| error["field"].as_str().unwrap()).collect()
}

/// Text as one segment of a path, or as a value in a query.
pub(crate) fn encoded(text: &str) -> String {
    percent_encoding::utf8_percent_encode(text, percent_encoding::NON_ALPHANUMERIC).to_string()
}

/// Waits until something holds. Late, so that it fails only when it never will.
pub(crate) async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    for _ in 0..12_000 {
        if holds().await {
            return;
        }
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("never: {what}");
}

/// A webhook about a whole day of Amy's, 2026-12-21, approved; change it as needed.
pub(crate) fn leave(id: &str) -> Value {
    json!({
        "type": "leave.created",
        "timestamp": "2026-11-22T01:00:00Z",
        "data": {
            "id": id, "staff": {"email": AMY, "employee_id": "10042", "name": "Amy Chan"}, "leave_type": "ANNUAL",
            "start": "2026-12-21", "end": "2026-12-21", "time_zone": "Asia/Hong_Kong", "reason": "family trip",
        }
    })
}

/// The same as an `updated` that happened `minutes` after the first, with these fields of `data` changed.
pub(crate) fn updated(id: &str, minutes: i64, changes: &Value) -> Value {
    let mut body = leave(id);
    body["type"] = json!("leave.updated");
    body["timestamp"] = json!(at(minutes));
    for (name, value) in changes.as_object().unwrap() {
        body["data"][name] = value.clone();
    }
    body
}

/// A cancellation that happened `minutes` after the first webhook.
pub(crate) fn cancelled(id: &str, minutes: i64) -> Value {
    json!({"type": "leave.cancelled", "timestamp": at(minutes), "data": {"id": id}})
}

/// That many minutes after the first webhook happened.
pub(crate) fn at(minutes: i64) -> Timestamp {
    "2026-11-22T01:00:00Z".parse::<Timestamp>().unwrap() + SignedDuration::from_mins(minutes)
}
