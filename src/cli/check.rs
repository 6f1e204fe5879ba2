//! `check-config` and `healthcheck`.

use std::{net::Ipv4Addr, time::Duration};

use anyhow::Context as _;
use serde_json::{Value, json};

use super::{Ended, print, say};
use crate::{config::Settings, domain::problem::Problems, outgoing};

/// Longer than a healthy service takes, shorter than the orchestrator's patience.
const TIMEOUT: Duration = Duration::from_secs(4);
const DEFAULT_PORT: u16 = 8080;

/// Names everything that is wrong, or says what is configured.
pub(super) fn config(loaded: Result<Settings, Problems>, json: bool) -> anyhow::Result<Ended> {
    match (loaded, json) {
        (Ok(settings), true) => {
            let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
            print(
                &json!({
                    "problems": [],
                    "tenants": names(settings.tenants.keys().collect()),
                    "clients": names(settings.clients.keys().collect()),
                })
                .to_string(),
            )?;
            Ok(Ended::Good)
        }
        (Ok(settings), false) => {
            print(&format!(
                "The configuration is right: {} tenant(s), {} client(s), listening on {}.",
                settings.tenants.len(),
                settings.clients.len(),
                settings.http.listen
            ))?;
            Ok(Ended::Good)
        }
        (Err(problems), true) => {
            print(&json!({"problems": problems}).to_string())?;
            Ok(Ended::Usage)
        }
        (Err(problems), false) => {
            say(&format!("The configuration is not right:\n{problems}"));
            Ok(Ended::Usage)
        }
    }
}

/// Asks the service that runs here how it is.
#[derive(Debug, clap::Args)]
pub(super) struct Healthcheck {
    /// Where to ask; /health on this machine unless said.
    url: Option<String>,
}

impl Healthcheck {
    pub(super) async fn run(&self, settings: Option<&Settings>, json: bool) -> anyhow::Result<Ended> {
        let port = settings.map_or(DEFAULT_PORT, |settings| settings.http.listen.port());
        let url = self.url.clone().unwrap_or_else(|| format!("http://{}:{port}/health", Ipv4Addr::LOCALHOST));
        let client = outgoing::client(None, TIMEOUT)?;
        let answer = client.get(&url).send().await.with_context(|| format!("nobody answers at {url}"))?;
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or(Value::Null);
        let word = body["status"].as_str().unwrap_or("unknown");
        if json {
            print(&json!({"http": status.as_u16(), "status": word}).to_string())?;
        } else {
            print(word)?;
        }
        Ok(if status.is_success() { Ended::Good } else { Ended::Problems })
    }
}
