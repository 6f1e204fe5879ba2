//! The simulated Microsoft of the run, through its control plane.

use jiff::{SignedDuration, Timestamp};
use leavebridge::clock::{Clock as _, Random as _, SeededRandom, SystemClock};
use leavebridge_simulator::Simulator;
use leavebridge_stage::microsoft;
use reqwest::Method;
use serde_json::{Value, json};

use super::tally::Tally;

/// Named properties by which the service's own events are told from all others; what it says in Outlook is public.
const MARKER: &str = "LeavebridgeMapping";

/// A simulated Microsoft that ends with its handle.
#[derive(Debug)]
pub(crate) struct Microsoft {
    pub(crate) url: String,
    simulated: microsoft::Microsoft,
}

impl Microsoft {
    pub(crate) async fn start(seed: u64) -> anyhow::Result<Self> {
        let random = SeededRandom::new(seed);
        let simulator = Simulator::new(|| SystemClock.now(), move || random.bits());
        let simulated = microsoft::Microsoft::start(simulator).await?;
        Ok(Self { url: simulated.url.clone(), simulated })
    }

    /// Calls the control plane and insists on success.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.simulated.control(method, path, body).await
    }

    /// Gives somebody a further address, and takes it from everybody else.
    pub(crate) async fn give_alias(&self, alias: &str, owner: &str) -> anyhow::Result<()> {
        self.simulated.give_alias(alias, owner).await
    }

    /// Adds rules behind those in force.
    pub(crate) async fn fault(&self, rules: &Value) -> anyhow::Result<()> {
        self.control(Method::POST, "faults", Some(rules)).await.map(drop)
    }

    /// Makes somebody's mailbox reachable, or not, in one of Microsoft's ways.
    pub(crate) async fn person(&self, address: &str, change: &Value) -> anyhow::Result<()> {
        self.control(Method::PATCH, &format!("users/{address}"), Some(change)).await.map(drop)
    }

    /// What is in a calendar now and carries the marker of a mapping, with that marker.
    pub(crate) async fn events(&self, address: &str) -> anyhow::Result<Vec<(String, Value)>> {
        let events = self.simulated.stored_events(address).await?;
        let living = events.into_iter().filter(|event| event["deleted"] != true);
        Ok(living.map(|event| (marker(&event).unwrap_or_default(), event)).collect())
    }

    /// Everything that was ever in a calendar under one of these markers, for people.
    pub(crate) async fn history(&self, address: &str, markers: &[String]) -> anyhow::Result<Vec<Value>> {
        let events = self.simulated.stored_events(address).await?;
        let ours = |event: &&Value| marker(event).is_some_and(|marker| markers.contains(&marker));
        let brief = |event: &Value| {
            let fields =
                ["id", "transactionId", "createdDateTime", "lastModifiedDateTime", "start", "end", "showAs", "deleted"];
            Value::Object(fields.iter().map(|name| ((*name).to_owned(), event[*name].clone())).collect())
        };
        Ok(events.iter().filter(ours).map(brief).collect())
    }

    /// What the simulator has counted.
    pub(crate) async fn score(&self) -> anyhow::Result<Value> {
        self.simulated.score().await
    }

    /// Counts the requests that came after number `after`, with the faults they met; gives the newest number.
    pub(crate) async fn journal(&self, after: u64, tally: &Tally) -> anyhow::Result<u64> {
        let mut newest = after;
        for entry in self.simulated.requests(after).await? {
            newest = entry["n"].as_u64().unwrap_or(newest);
            let is_token = entry["path"].as_str().is_some_and(|path| path.ends_with("/token"));
            let method = if is_token { "token" } else { entry["method"].as_str().unwrap_or("?") };
            tally.count(&format!("request {method}"));
            if let Some(fault) = entry["fault"].as_str() {
                tally.count(&format!("fault {method} {fault}"));
            } else if [403, 404, 429].contains(&entry["status"].as_u64().unwrap_or(0)) {
                tally.count(&format!("fault {method} {} by itself", entry["status"]));
            }
        }
        Ok(newest)
    }

    /// The requests that came before a `Retry-After` had passed: when they came, when it was handed out, and all of it.
    pub(crate) async fn too_early(&self) -> anyhow::Result<Vec<(Timestamp, Timestamp, String)>> {
        let entries = self.simulated.requests(0).await?;
        let mut found = Vec::new();
        for (place, entry) in entries.iter().enumerate() {
            let Some(known_for) = entry["too_early_ms"].as_i64() else { continue };
            let at: Timestamp = entry["at"].as_str().unwrap_or_default().parse()?;
            // What the mailbox was asked for just before, for people.
            let before = entries.iter().take(place);
            let same = before.filter(|other| other["mailbox"] == entry["mailbox"]).map(brief).collect::<Vec<_>>();
            let story = [&same[same.len().saturating_sub(8)..], &[brief(entry)]].concat().join("\n      ");
            found.push((
                at,
                at - SignedDuration::from_millis(known_for),
                format!("{known_for} ms after\n      {story}"),
            ));
        }
        Ok(found)
    }

    /// Everybody's requests about these events, for people.
    pub(crate) async fn requests_about(&self, event_ids: &[String]) -> anyhow::Result<Vec<String>> {
        let all = self.simulated.requests(0).await?;
        let about = |entry: &&Value| {
            let text = |name: &str| entry[name].as_str().unwrap_or_default().to_owned();
            let (path, query) = (text("path"), text("query"));
            event_ids.iter().any(|id| path.contains(id) || query.contains(id))
        };
        Ok(all.iter().filter(about).map(brief).collect())
    }
}

/// One line of the journal, for people.
fn brief(entry: &Value) -> String {
    json!([entry["n"], entry["at"], entry["method"], entry["status"], entry["fault"], entry["mailbox"]]).to_string()
}

/// The mapping whose event it is.
fn marker(event: &Value) -> Option<String> {
    let properties = event["singleValueExtendedProperties"].as_array()?;
    let ours = properties.iter().find(|property| property["id"].as_str().is_some_and(|id| id.ends_with(MARKER)))?;
    ours["value"].as_str().map(str::to_owned)
}
