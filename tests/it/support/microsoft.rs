//! The simulated Microsoft of one test, through its control plane.

use leavebridge::clock::{Clock as _, ManualClock, Random as _, SeededRandom};
use leavebridge_simulator::Simulator;
use leavebridge_stage::microsoft;
use reqwest::Method;
use serde_json::{Value, json};

use super::{AMY, BEN};

/// A simulated Microsoft that ends with its last handle.
#[derive(Debug, Clone)]
pub(crate) struct Microsoft {
    pub(crate) url: String,
    pub(super) simulator: Simulator,
    simulated: microsoft::Microsoft,
}

impl Microsoft {
    pub(crate) async fn new(clock: &ManualClock) -> Self {
        let (clock, random) = (clock.clone(), SeededRandom::new(5));
        let simulator = Simulator::new(move || clock.now(), move || random.bits());
        let simulated = microsoft::Microsoft::start(simulator.clone()).await.unwrap();
        let microsoft = Self { url: simulated.url.clone(), simulator, simulated };
        microsoft.person(json!({"address": AMY, "name": "Amy Chan", "time_zone": "Asia/Hong_Kong"})).await;
        microsoft.person(json!({"address": BEN, "name": "Ben Okafor", "time_zone": "Europe/London"})).await;
        microsoft
    }

    /// Calls the control plane and insists on success.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> Value {
        self.simulated.control(method, path, body).await.unwrap()
    }

    /// The object ids of the people with these addresses.
    pub(crate) async fn ids(&self, addresses: &[&str]) -> Vec<String> {
        let users = self.simulated.users().await.unwrap();
        let id = |address: &&str| users.iter().find(|user| user["address"] == **address).unwrap()["id"].as_str();
        addresses.iter().map(|address| id(address).unwrap().to_owned()).collect()
    }

    /// Gives somebody a further address, and takes it from everybody else.
    pub(crate) async fn give_alias(&self, alias: &str, owner: &str) {
        self.simulated.give_alias(alias, owner).await.unwrap();
    }

    pub(crate) async fn person(&self, person: Value) {
        self.control(Method::POST, "users", Some(&person)).await;
    }

    /// Everything that was ever in a calendar, deleted events included.
    pub(crate) async fn stored_events(&self, address: &str) -> Vec<Value> {
        self.simulated.stored_events(address).await.unwrap()
    }

    /// What is in a calendar now.
    pub(crate) async fn events(&self, address: &str) -> Vec<Value> {
        let mut events = self.stored_events(address).await;
        events.retain(|event| event["deleted"] != true);
        events
    }

    /// Scripts faults; see the simulator.
    pub(crate) async fn faults(&self, rules: Value) {
        self.control(Method::POST, "faults", Some(&rules)).await;
    }

    pub(crate) async fn clear_faults(&self) {
        self.control(Method::DELETE, "faults", None).await;
    }

    pub(crate) async fn settings(&self, settings: Value) {
        self.control(Method::POST, "settings", Some(&settings)).await;
    }

    /// The app registration with these permissions; they take effect with the next token.
    pub(crate) async fn consent(&self, roles: &[&str]) {
        let registered = json!({
            "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID,
            "secrets": [{"value": Simulator::CLIENT_SECRET}], "roles": roles,
        });
        self.settings(json!({"apps": [registered]})).await;
    }

    /// The requests to calendars so far, as `METHOD status`; tokens, settings and look-ups in the directory left out.
    pub(crate) async fn calls(&self) -> Vec<String> {
        self.asked(|segments| segments.len() > 3 && segments[3] != "mailboxSettings").await
    }

    /// The readings of mailboxes' settings so far, as `METHOD status`.
    pub(crate) async fn settings_reads(&self) -> Vec<String> {
        self.asked(|segments| segments.len() > 3 && segments[3] == "mailboxSettings").await
    }

    /// The look-ups in the directory so far, as `METHOD status`.
    pub(crate) async fn look_ups(&self) -> Vec<String> {
        self.asked(|segments| segments.len() <= 3).await
    }

    async fn asked(&self, wanted: impl Fn(&[&str]) -> bool) -> Vec<String> {
        let mut asked = self.journal().await;
        asked.retain(|entry| {
            let segments: Vec<&str> = entry["path"].as_str().unwrap().trim_matches('/').split('/').collect();
            segments[0] == "v1.0" && wanted(&segments)
        });
        asked.iter().map(|entry| format!("{} {}", entry["method"].as_str().unwrap(), entry["status"])).collect()
    }

    /// Deletes an event as its owner does; `false` when there is none any more.
    pub(crate) async fn delete(&self, path: &str) -> bool {
        let (status, answer) = self.simulated.ask(Method::DELETE, path, None).await.unwrap();
        assert!([204, 404].contains(&status), "{path}: {status} {answer}");
        status == 204
    }

    /// Whether every request that has arrived is answered.
    pub(crate) async fn is_idle(&self) -> bool {
        let arrived = self.score().await["requests"].as_u64().unwrap();
        let Some(before) = arrived.checked_sub(1) else { return true };
        !self.simulated.requests(before).await.unwrap().is_empty()
    }

    /// The whole journal.
    pub(crate) async fn journal(&self) -> Vec<Value> {
        self.simulated.requests(0).await.unwrap()
    }

    pub(crate) async fn score(&self) -> Value {
        self.simulated.score().await.unwrap()
    }
}
