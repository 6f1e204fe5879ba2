//! Real processes of leavebridge, which can be killed and frozen, on one database and one simulated Microsoft.
//!
//! The processes live in real time, because that is the only one they have; the database's time, and with it leases and
//! retries, stands still until it is moved.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use leavebridge::{
    clock::{Clock as _, ManualClock, SystemClock},
    config, http, outgoing,
};
use reqwest::{Client, Method};
use serde_json::{Value, json};

use super::{Answer, configuration, database::Database, leave, microsoft::Microsoft, program::Running, until};

/// What all processes share.
pub(crate) struct Fleet {
    pub(crate) database: Database,
    pub(crate) microsoft: Microsoft,
    clock: ManualClock,
    client: Client,
    start: Timestamp,
}

/// One process.
pub(crate) struct Replica {
    pub(crate) program: Running,
    url: String,
    token: String,
    client: Client,
}

impl Fleet {
    pub(crate) async fn new() -> Self {
        Self::on(Database::new(SystemClock.now()).await).await
    }

    /// The same, but the database's time passes: for what happens to processes that lose time.
    pub(crate) async fn in_real_time() -> Self {
        let database = Database::empty().await;
        database.migrate().await;
        Self::on(database).await
    }

    async fn on(database: Database) -> Self {
        let start = SystemClock.now();
        let clock = ManualClock::at(start);
        let microsoft = Microsoft::new(&clock).await;
        Self { database, microsoft, clock, client: outgoing::client(None, Duration::from_mins(1)).unwrap(), start }
    }

    /// One more process, ready, with that further configuration and environment.
    pub(crate) async fn start(&self, further: &[(&str, &str)], environment: &[(&str, &str)]) -> Replica {
        let mut all =
            configuration(&self.database.url, &self.microsoft.url, &[&[("LOG__FILTER", "info")], further].concat());
        let settings = config::load(None, &all).unwrap();
        let scopes = &settings.clients["ess"].scopes;
        let hour = SignedDuration::from_hours(1);
        let token = http::mint(&settings.auth, "ess", scopes, SystemClock.now(), hour).unwrap();
        all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        let mut program = Running::start(&["serve"], &all);
        let started = program.logs("leavebridge").await;
        let url = format!("http://{}", started["listen"].as_str().unwrap());
        program.logs("ready").await;
        Replica { program, url, token, client: self.client.clone() }
    }

    /// Lets the database's and Microsoft's time pass.
    pub(crate) async fn advance(&self, by: SignedDuration) {
        self.clock.advance(by);
        self.database.set_time(self.clock.now()).await;
    }

    /// A webhook about LA-1 that happened `minutes` after the first, with these fields of `data` changed; a cancellation
    /// without any.
    pub(crate) fn webhook(&self, minutes: i64, changes: Option<&Value>) -> Value {
        let mut body = leave("LA-1");
        let first = self.start - SignedDuration::from_hours(1);
        body["timestamp"] = json!(first + SignedDuration::from_mins(minutes));
        if let Some(changes) = changes {
            for (name, value) in changes.as_object().unwrap() {
                body["data"][name] = value.clone();
            }
        } else {
            body["type"] = json!("leave.cancelled");
            body["data"] = json!({"id": "LA-1"});
        }
        body
    }

    /// How many mappings are like this.
    pub(crate) async fn mappings(&self, like: &str) -> i64 {
        self.database.number(&format!("SELECT count(*) FROM items WHERE kind = 'event' AND ({like})")).await
    }
}

impl Replica {
    /// Posts a webhook; `None` when nobody answers.
    pub(crate) async fn post(&self, body: &Value) -> Option<Answer> {
        let request = self.client.request(Method::POST, format!("{}/leaves", self.url)).bearer_auth(&self.token);
        let response = request.json(body).send().await.ok()?;
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let body = response.json().await.ok()?;
        Some(Answer { status, headers, body })
    }

    /// Kills it, and waits until it is gone.
    pub(crate) async fn kill(mut self) {
        self.program.signal("-KILL");
        until("it is gone", async || self.program.has_ended()).await;
    }
}
