//! `token`: makes a token for a client.

use jiff::{SignedDuration, Timestamp};
use serde_json::json;

use super::process::{CommandOutcome, print, say};
use crate::{
    clock::{Clock as _, SystemClock},
    config::{Scope, Settings},
    http::{self, MintError},
};

/// Makes a token for a client.
#[derive(Debug, clap::Args)]
pub(super) struct TokenCommand {
    /// The client, as in [clients.NAME].
    #[arg(long, value_name = "NAME")]
    client: String,
    /// What it may do; everything that the client may do unless said. May be given several times.
    #[arg(long = "scope", value_name = "SCOPE", value_delimiter = ',')]
    scopes: Vec<String>,
    /// For how many days it is good.
    #[arg(long, default_value_t = 90, value_parser = clap::value_parser!(u16).range(1..=3650))]
    days: u16,
}

impl TokenCommand {
    pub(super) fn run(&self, settings: &Settings, json: bool) -> anyhow::Result<CommandOutcome> {
        let Some(client) = settings.clients.get(&self.client) else {
            let known: Vec<_> = settings.clients.keys().map(String::as_str).collect();
            say(&format!("There is no client {:?} in [clients]; there are: {}.", self.client, known.join(", ")));
            return Ok(CommandOutcome::Usage);
        };
        let mut scopes = Vec::new();
        for word in self.scopes.iter().flat_map(|words| words.split_ascii_whitespace()) {
            let Some(scope) = Scope::of(word).filter(|scope| client.scopes.contains(scope)) else {
                let own: Vec<_> = client.scopes.iter().map(|scope| scope.word()).collect();
                let own = own.join(", ");
                say(&format!("clients.{}.scopes does not hold {word:?}; it holds: {own}.", self.client));
                return Ok(CommandOutcome::Usage);
            };
            scopes.push(scope);
        }
        if scopes.is_empty() {
            scopes.clone_from(&client.scopes);
        }
        let life = SignedDuration::from_hours(24 * i64::from(self.days));
        // Tokens count in whole seconds.
        let now = Timestamp::from_second(SystemClock.now().as_second())?;
        let token = match http::mint(&settings.auth, &self.client, &scopes, now, life) {
            Err(MintError::NoKey) => {
                let keys: Vec<_> = settings.auth.keys.keys().map(String::as_str).collect();
                say(&match keys.as_slice() {
                    [] => "There is no key to sign with: set auth.keys.NAME.secret or its file.".into(),
                    keys => format!("Say which key signs: set auth.signing_key to one of {}.", keys.join(", ")),
                });
                return Ok(CommandOutcome::Usage);
            }
            minted => minted?,
        };
        if json {
            let scope: Vec<_> = scopes.iter().map(|scope| scope.word()).collect();
            let answer =
                json!({"token": token, "client": self.client, "scope": scope.join(" "), "expires": now + life});
            print(&answer.to_string())?;
        } else {
            print(&token)?;
            // Not on standard output, which goes into a variable.
            say(&format!("Good until {} (--days says for how long); make the next one in time.", now + life));
        }
        Ok(CommandOutcome::Good)
    }
}
