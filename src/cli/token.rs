//! `token`: makes a token for a client.

use anyhow::{Context as _, bail};
use jiff::SignedDuration;
use serde_json::json;

use super::{Ended, print};
use crate::{
    clock::{Clock as _, SystemClock},
    config::{Scope, Settings},
    http,
};

/// Makes a token for a client.
#[derive(Debug, clap::Args)]
pub(super) struct Token {
    /// The client, as in [clients.NAME].
    #[arg(long)]
    client: String,
    /// What it may do; everything that the client may do unless said. May be given several times.
    #[arg(long = "scope", value_delimiter = ',')]
    scopes: Vec<String>,
    /// For how many days it is good.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

impl Token {
    pub(super) fn run(&self, settings: &Settings, json: bool) -> anyhow::Result<Ended> {
        let known = || settings.clients.keys().cloned().collect::<Vec<_>>().join(", ");
        let client = settings
            .clients
            .get(&self.client)
            .with_context(|| format!("there is no client {:?} in [clients]; there are: {}", self.client, known()))?;
        let mut scopes = Vec::new();
        for word in self.scopes.iter().flat_map(|words| words.split_ascii_whitespace()) {
            match Scope::of(word).filter(|scope| client.scopes.contains(scope)) {
                Some(scope) => scopes.push(scope),
                None => bail!("clients.{}.scopes does not hold {word:?}", self.client),
            }
        }
        if scopes.is_empty() {
            scopes.clone_from(&client.scopes);
        }
        let life = SignedDuration::from_hours(24 * i64::from(self.days));
        let now = SystemClock.now();
        let token = http::mint(&settings.auth, &self.client, &scopes, now, life)?;
        if json {
            let scope: Vec<_> = scopes.iter().map(|scope| scope.word()).collect();
            let answer =
                json!({"token": token, "client": self.client, "scope": scope.join(" "), "expires": now + life});
            print(&answer.to_string())?;
        } else {
            print(&token)?;
        }
        Ok(Ended::Good)
    }
}
