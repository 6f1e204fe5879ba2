//! `check-config` and `healthcheck`.

use std::{
    net::{IpAddr, Ipv4Addr, SocketAddr},
    time::Duration,
};

use serde_json::{Value, json};

use super::process::{CommandOutcome, print, print_configuration_problems, say};
use crate::{config::Settings, domain::problem::Problems, outgoing};

/// Longer than a healthy service takes, shorter than the orchestrator's patience.
const TIMEOUT: Duration = Duration::from_secs(4);
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080);

/// Names everything that is wrong, or says what is configured.
pub(super) fn config(loaded: Result<Settings, Problems>, json: bool) -> anyhow::Result<CommandOutcome> {
    match (loaded, json) {
        (Ok(settings), true) => {
            let names = |names: Vec<&String>| names.into_iter().cloned().collect::<Vec<_>>();
            print(
                &json!({
                    "problems": [],
                    "installation": settings.installation,
                    "tenants": names(settings.tenants.keys().collect()),
                    "clients": names(settings.clients.keys().collect()),
                })
                .to_string(),
            )?;
            Ok(CommandOutcome::Good)
        }
        (Ok(settings), false) => {
            let names = |names: Vec<&str>| names.join(", ");
            print(&format!(
                "The configuration is right.\n  installation: {}\n  tenants: {}\n  clients: {}\n  listens on {}",
                settings.installation,
                names(settings.tenants.keys().map(String::as_str).collect()),
                names(settings.clients.keys().map(String::as_str).collect()),
                settings.http.listen
            ))?;
            Ok(CommandOutcome::Good)
        }
        (Err(problems), true) => {
            print(&json!({"problems": problems}).to_string())?;
            Ok(CommandOutcome::Usage)
        }
        (Err(problems), false) => {
            print_configuration_problems(&problems);
            Ok(CommandOutcome::Usage)
        }
    }
}

/// Asks the service that runs here how it is.
#[derive(Debug, clap::Args)]
pub(super) struct HealthcheckCommand {
    /// Where to ask; /health on this machine unless said.
    url: Option<String>,
}

impl HealthcheckCommand {
    pub(super) async fn run(&self, settings: Option<&Settings>, json: bool) -> anyhow::Result<CommandOutcome> {
        let listen = settings.map_or(DEFAULT_LISTEN, |settings| settings.http.listen);
        let url = self.url.clone().unwrap_or_else(|| format!("http://{}/health", nearest(listen)));
        let client = outgoing::direct(TIMEOUT)?;
        let answer = match client.get(&url).send().await {
            Ok(answer) => answer,
            Err(error) => {
                if json {
                    print(&json!({"http": null, "status": "unreachable"}).to_string())?;
                }
                // The innermost cause says it best: connection refused, timed out, no such host.
                let error = anyhow::Error::from(error.without_url());
                say(&format!("Nobody answers at {url}: {}.", error.root_cause()));
                return Ok(CommandOutcome::Problems);
            }
        };
        let status = answer.status();
        let body: Value = answer.json().await.unwrap_or(Value::Null);
        let word = body["status"].as_str().unwrap_or("unknown");
        if json {
            print(&json!({"http": status.as_u16(), "status": word}).to_string())?;
        } else {
            print(word)?;
        }
        Ok(if status.is_success() { CommandOutcome::Good } else { CommandOutcome::Problems })
    }
}

/// Where a service that listens there can be reached from this machine.
fn nearest(listen: SocketAddr) -> SocketAddr {
    if listen.ip().is_unspecified() { (Ipv4Addr::LOCALHOST, listen.port()).into() } else { listen }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_service_is_asked_where_it_listens() {
        for (listen, asked) in [
            ("0.0.0.0:8080", "127.0.0.1:8080"),
            ("[::]:9000", "127.0.0.1:9000"),
            ("127.0.0.1:8080", "127.0.0.1:8080"),
            ("10.0.0.5:80", "10.0.0.5:80"),
            ("[::1]:80", "[::1]:80"),
        ] {
            assert_eq!(nearest(listen.parse().unwrap()).to_string(), asked, "{listen}");
        }
    }
}
