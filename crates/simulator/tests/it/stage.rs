//! A simulator on a port of its own, with a clock that stands, and a caller that is no Graph client.

use jiff::SignedDuration;
use leavebridge_simulator::Simulator;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use reqwest::{Client, Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

use super::clock::{ManualClock, seeded_bits};

pub(crate) const MARKER: &str = "String {66f5a359-4659-4830-9070-00040ec6ac6e} Name LeaveBridgeKey";
pub(crate) const AMY: &str = "amy.chan@contoso.com";
const IMMUTABLE: &str = "IdType=\"ImmutableId\"";

pub(crate) struct Stage {
    pub(crate) base: String,
    pub(crate) client: Client,
    pub(crate) token: String,
    pub(crate) clock: ManualClock,
    _stop: DropGuard,
}

pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: reqwest::header::HeaderMap,
    pub(crate) body: Value,
}

#[expect(
    clippy::disallowed_methods,
    reason = "the simulator is tested from outside, by a client it shares nothing with"
)]
fn client() -> Client {
    Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap()
}

impl Stage {
    /// A simulator with Amy in it, and a token.
    pub(crate) async fn new() -> Self {
        let clock = ManualClock::at("2026-11-22T03:00:50.7579581Z".parse().unwrap());
        let now = clock.clone();
        let simulator = Simulator::new(move || now.now(), seeded_bits(7));
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let base = format!("http://{}", listener.local_addr().unwrap());
        let stop = CancellationToken::new();
        tokio::spawn(simulator.serve(listener, stop.clone()));
        let mut stage = Self { base, client: client(), token: String::new(), clock, _stop: stop.drop_guard() };
        stage
            .person(json!({"address": AMY, "name": "Amy Chan", "time_zone": "Asia/Shanghai", "employee_id": "10042"}))
            .await;
        stage.renew_token().await;
        stage
    }

    pub(crate) async fn renew_token(&mut self) {
        let answer = self.ask_token(&[]).await;
        let token = answer.body["access_token"].as_str().unwrap_or_else(|| panic!("{}", answer.body));
        token.clone_into(&mut self.token);
    }

    /// Asks for a token with some fields of the form replaced, or left out when empty.
    pub(crate) async fn ask_token(&self, changes: &[(&str, &str)]) -> Answer {
        self.ask_token_of(Simulator::DIRECTORY_ID, changes).await
    }

    pub(crate) async fn ask_token_of(&self, tenant: &str, changes: &[(&str, &str)]) -> Answer {
        let own_scope = format!("{}/.default", self.base);
        let mut form = vec![
            ("grant_type", "client_credentials"),
            ("client_id", Simulator::CLIENT_ID),
            ("client_secret", Simulator::CLIENT_SECRET),
            ("scope", &own_scope),
        ];
        for (name, value) in changes {
            form.retain(|(known, _)| known != name);
            if !value.is_empty() {
                form.push((name, value));
            }
        }
        let url = format!("{}/{tenant}/oauth2/v2.0/token", self.base);
        finish(self.client.post(url).form(&form)).await
    }

    /// A Graph request with token and immutable ids, to be completed.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let url = if path.starts_with("http") { path.to_owned() } else { format!("{}/v1.0{path}", self.base) };
        self.client.request(method, url).bearer_auth(&self.token).header("prefer", IMMUTABLE)
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        finish(self.request(Method::GET, path)).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> Answer {
        finish(self.request(Method::POST, path).json(body)).await
    }

    pub(crate) async fn patch(&self, path: &str, body: &Value) -> Answer {
        finish(self.request(Method::PATCH, path).json(body)).await
    }

    pub(crate) async fn delete(&self, path: &str) -> Answer {
        finish(self.request(Method::DELETE, path)).await
    }

    /// A control-plane request that has to succeed.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Value) -> Value {
        let answer = self.try_control(method, path, body).await;
        assert!(answer.status < 300, "{path}: {} {}", answer.status, answer.body);
        answer.body
    }

    pub(crate) async fn try_control(&self, method: Method, path: &str, body: Value) -> Answer {
        let request = self.client.request(method, format!("{}/_sim{path}", self.base));
        finish(if body.is_null() { request } else { request.json(&body) }).await
    }

    pub(crate) async fn person(&self, person: Value) -> Value {
        self.control(Method::POST, "/users", person).await
    }

    pub(crate) async fn settings(&self, change: Value) {
        self.control(Method::POST, "/settings", change).await;
    }

    pub(crate) async fn faults(&self, rules: Value) {
        self.control(Method::POST, "/faults", rules).await;
    }

    pub(crate) async fn journal(&self) -> Vec<Value> {
        self.control(Method::GET, "/requests", Value::Null).await.as_array().unwrap().clone()
    }

    pub(crate) async fn score(&self) -> Value {
        self.control(Method::GET, "/score", Value::Null).await
    }

    pub(crate) async fn stored(&self, address: &str) -> Vec<Value> {
        self.control(Method::GET, &format!("/users/{address}/events"), Value::Null).await.as_array().unwrap().clone()
    }

    /// Creates Amy's leave and gives its immutable id.
    pub(crate) async fn leave(&self, body: &Value) -> String {
        let answer = self.post(&events(AMY), body).await;
        assert_eq!(answer.status, 201, "{}", answer.body);
        answer.body["id"].as_str().unwrap().to_owned()
    }

    pub(crate) fn advance(&self, seconds: i64) {
        self.clock.advance(SignedDuration::from_secs(seconds));
    }
}

impl Answer {
    pub(crate) fn code(&self) -> &str {
        self.body["error"]["code"].as_str().unwrap_or_default()
    }

    pub(crate) fn message(&self) -> &str {
        self.body["error"]["message"].as_str().unwrap_or_default()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default()
    }

    /// Status and code in one, for tables.
    pub(crate) fn refusal(&self) -> (u16, &str) {
        (self.status, self.code())
    }
}

pub(crate) async fn finish(request: RequestBuilder) -> Answer {
    let response = request.send().await.unwrap();
    let (status, headers) = (response.status().as_u16(), response.headers().clone());
    let text = response.text().await.unwrap();
    Answer { status, headers, body: serde_json::from_str(&text).unwrap_or(Value::String(text)) }
}

pub(crate) fn events(user: &str) -> String {
    format!("/users/{user}/events")
}

pub(crate) fn event(user: &str, id: &str) -> String {
    format!("/users/{user}/events/{}", encoded(id))
}

/// Text as one segment of a path.
pub(crate) fn encoded(text: &str) -> String {
    utf8_percent_encode(text, NON_ALPHANUMERIC).to_string()
}

/// Three days of leave in the mailbox's own zone.
pub(crate) fn leave() -> Value {
    json!({
        "subject": "Annual leave",
        "body": {"contentType": "text", "content": "Recorded by leave bridge."},
        "isAllDay": true,
        "start": {"dateTime": "2026-12-21T00:00:00", "timeZone": "Asia/Shanghai"},
        "end": {"dateTime": "2026-12-24T00:00:00", "timeZone": "Asia/Shanghai"},
        "showAs": "oof", "sensitivity": "private", "isReminderOn": false, "responseRequested": false,
        "categories": ["Leave"],
        "singleValueExtendedProperties": [{"id": MARKER, "value": "ess:10042"}],
    })
}

/// The same with other properties.
pub(crate) fn leave_with(changes: Value) -> Value {
    let mut leave = leave();
    let Value::Object(changes) = changes else { panic!("changes are an object") };
    for (name, value) in changes {
        leave[name] = value;
    }
    leave
}

/// A timed event of one hour on that day, in UTC.
pub(crate) fn hour(subject: &str, date: &str) -> Value {
    json!({
        "subject": subject,
        "start": {"dateTime": format!("{date}T09:00:00"), "timeZone": "UTC"},
        "end": {"dateTime": format!("{date}T10:00:00"), "timeZone": "UTC"},
    })
}
