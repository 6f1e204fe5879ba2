//! A simulated Microsoft on a port of its own, and its control plane.

use std::{net::Ipv4Addr, sync::Arc, time::Duration};

use anyhow::{Context as _, ensure};
use leavebridge_simulator::Simulator;
use reqwest::{Client, Method, redirect::Policy};
use serde_json::Value;
use tokio::net::TcpListener;
use tokio_util::sync::{CancellationToken, DropGuard};

/// A busy machine answers late.
const TIMEOUT: Duration = Duration::from_mins(1);

/// A running simulated Microsoft, which ends with its last handle.
#[derive(Debug, Clone)]
pub struct Microsoft {
    /// Its base address, which is the authority and Graph at once.
    pub url: String,
    client: Client,
    _stop: Arc<DropGuard>,
}

impl Microsoft {
    /// Serves `simulator` on a free port of this machine.
    ///
    /// # Errors
    /// When there is no free port.
    pub async fn start(simulator: Simulator) -> anyhow::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let url = format!("http://{}", listener.local_addr()?);
        let stop = CancellationToken::new();
        tokio::spawn(simulator.serve(listener, stop.clone()));
        Ok(Self { url, client: client()?, _stop: Arc::new(stop.drop_guard()) })
    }

    /// Asks the control plane; gives the status and the body.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn ask(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<(u16, Value)> {
        let mut request = self.client.request(method, format!("{}/_sim/{path}", self.url));
        if let Some(body) = body {
            request = request.json(body);
        }
        let answer = request.send().await.context("the simulator does not answer")?;
        let status = answer.status().as_u16();
        let text = answer.text().await?;
        let body =
            if text.is_empty() { Value::Null } else { serde_json::from_str(&text).unwrap_or(Value::String(text)) };
        Ok((status, body))
    }

    /// Asks the control plane and insists on success.
    ///
    /// # Errors
    /// When it does not answer, or refuses.
    pub async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        let (status, answer) = self.ask(method, path, body).await?;
        ensure!((200..300).contains(&status), "the simulator answers {path} with {status}: {answer}");
        Ok(answer)
    }

    /// Everybody, as the control plane shows them.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn users(&self) -> anyhow::Result<Vec<Value>> {
        list(self.control(Method::GET, "users", None).await?)
    }

    /// Gives the user of that object id a further address, and takes it from everybody else.
    ///
    /// # Errors
    /// When it does not answer, or there is no such user.
    pub async fn give_alias(&self, alias: &str, owner: &str) -> anyhow::Result<()> {
        let users = self.users().await?;
        let (owners, others): (Vec<_>, Vec<_>) = users.iter().partition(|user| user["id"] == owner);
        // First taken away: an address has one owner.
        for user in others.into_iter().chain(owners) {
            let mut aliases = list(user["aliases"].clone())?;
            let had_it = aliases.iter().any(|one| *one == alias);
            aliases.retain(|one| *one != alias);
            let id = user["id"].as_str().context("a user has an id")?;
            if id == owner {
                aliases.push(alias.into());
            } else if !had_it {
                continue;
            }
            self.control(Method::PATCH, &format!("users/{id}"), Some(&serde_json::json!({"aliases": aliases}))).await?;
        }
        Ok(())
    }

    /// Everything that was ever in a calendar, deleted events included.
    ///
    /// # Errors
    /// When there is no such person.
    pub async fn stored_events(&self, address: &str) -> anyhow::Result<Vec<Value>> {
        list(self.control(Method::GET, &format!("users/{address}/events"), None).await?)
    }

    /// The requests after number `after`, with what was answered.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn requests(&self, after: u64) -> anyhow::Result<Vec<Value>> {
        list(self.control(Method::GET, &format!("requests?after={after}"), None).await?)
    }

    /// What it has counted.
    ///
    /// # Errors
    /// When it does not answer.
    pub async fn score(&self) -> anyhow::Result<Value> {
        self.control(Method::GET, "score", None).await
    }
}

fn list(answer: Value) -> anyhow::Result<Vec<Value>> {
    match answer {
        Value::Array(list) => Ok(list),
        other => anyhow::bail!("no list: {other}"),
    }
}

#[expect(clippy::disallowed_methods, reason = "the simulator is on this machine: no TLS, no proxy")]
fn client() -> reqwest::Result<Client> {
    Client::builder().no_proxy().redirect(Policy::none()).timeout(TIMEOUT).build()
}
