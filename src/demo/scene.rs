//! Where the demonstration plays: addresses, people, secrets made for this one run, and the configuration from them.

use std::{fmt::Write as _, io::Write as _, net::SocketAddr};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::{
    SignedDuration, Timestamp, ToSpan as _,
    civil::{Date, Weekday},
    tz::TimeZone,
};
use leavebridge_stage::environment::{operator, portal, simulated_tenant, variables};

use crate::{
    clock::{Clock, Random},
    config::Settings,
    http::{self, MintError},
};

/// Who works here: address, name, time zone.
pub(super) const PEOPLE: [(&str, &str, &str); 4] = [
    ("amy.chan@contoso.com", "Amy Chan", "Asia/Hong_Kong"),
    ("ben.okafor@contoso.com", "Ben Okafor", "Europe/London"),
    ("carla.rossi@contoso.com", "Carla Rossi", "Europe/Rome"),
    ("dev.patel@contoso.com", "Dev Patel", "Asia/Kolkata"),
];

/// The shared mailbox in whose calendar the sales team sees who is away.
pub(super) const TEAM: &str = "sales-team@contoso.com";
/// The demonstration's name: always the same, and never that of an installation that somebody relies on.
const INSTALLATION: &str = "demo";
/// What of the configuration is no plain value, as a file.
pub(super) const FILE: &str = r#"
[[tenants.default.team_calendars]]
mailbox = "sales-team@contoso.com"
calendar = "Who is away"
departments = ["Sales"]
"#;

/// Where the demonstration plays.
#[derive(Debug)]
pub(super) struct Scene {
    pub(super) api: String,
    pub(super) microsoft: String,
    /// The Monday of the week in which everybody is away.
    pub(super) monday: Date,
    pub(super) now: Timestamp,
    pub(super) ess_secret: String,
    pub(super) backstage_secret: String,
    database_url: String,
    signing_key: String,
    /// Behind every leave's id: a database that is not ours alone may remember an earlier run.
    mark: String,
}

impl Scene {
    pub(super) fn new(
        clock: &dyn Clock,
        random: &dyn Random,
        database_url: String,
        is_database_ours: bool,
        api: SocketAddr,
        microsoft: SocketAddr,
    ) -> Self {
        let secret = || STANDARD.encode([random.bytes(), random.bytes()].concat());
        let now = clock.now();
        let today = now.to_zoned(TimeZone::UTC).date();
        let monday = today.nth_weekday(1, Weekday::Monday).unwrap_or(today);
        Self {
            api: format!("http://{api}"),
            microsoft: format!("http://{microsoft}"),
            monday,
            now,
            ess_secret: format!("whsec_{}", secret()),
            backstage_secret: format!("whsec_{}", secret()),
            database_url,
            signing_key: secret(),
            mark: if is_database_ours { String::new() } else { format!("-{}", now.as_second()) },
        }
    }

    /// That leave's id in this run.
    pub(super) fn id(&self, id: &str) -> String {
        format!("{id}{}", self.mark)
    }

    /// That day of the week in which everybody is away; 0 is Monday.
    pub(super) fn day(&self, n: i32) -> Date {
        self.monday.saturating_add(n.days())
    }

    /// The configuration as environment variables: what an operator would set.
    pub(super) fn configuration(&self) -> Vec<(String, String)> {
        [
            variables(&[
                ("INSTALLATION", INSTALLATION),
                ("DATABASE__URL", &self.database_url),
                ("LOG__FORMAT", "text"),
                ("LOG__FILTER", "error"),
                ("AUTH__KEYS__DEMO__SECRET", &self.signing_key),
                ("POLICY__TIME_ZONE", "Europe/London"),
                ("CLIENTS__ESS__WEBHOOK_SECRETS", &self.ess_secret),
                ("CLIENTS__BACKSTAGE__WEBHOOK_SECRETS", &self.backstage_secret),
            ]),
            simulated_tenant("default", &self.microsoft),
            portal("ess", "default"),
            portal("backstage", "default"),
            operator(),
        ]
        .concat()
    }

    /// A token for one of the clients, good for a week.
    pub(super) fn token(&self, settings: &Settings, client: &str) -> Result<String, MintError> {
        let scopes = settings.clients.get(client).map(|client| client.scopes.clone()).unwrap_or_default();
        http::mint(&settings.auth, client, &scopes, self.now, SignedDuration::from_hours(7 * 24))
    }

    /// Everything that a script needs.
    pub(super) fn env_file(&self, settings: &Settings) -> Result<String, MintError> {
        let mut text = String::new();
        for (name, value) in [
            ("LEAVEBRIDGE_URL", self.api.as_str()),
            ("SIMULATOR_URL", &self.microsoft),
            ("ESS_TOKEN", &self.token(settings, "ess")?),
            ("BACKSTAGE_TOKEN", &self.token(settings, "backstage")?),
            ("ESS_SECRET", &self.ess_secret),
            ("BACKSTAGE_SECRET", &self.backstage_secret),
            ("OPS_TOKEN", &self.token(settings, "ops")?),
            ("DATABASE_URL", &self.database_url),
        ] {
            // Writing to a String cannot fail.
            let _infallible = writeln!(text, "{name}={value}");
        }
        Ok(text)
    }

    /// What to try next, ready to be pasted.
    pub(super) fn invitation(&self, settings: &Settings) -> Result<String, MintError> {
        let (ess, ops) = (self.token(settings, "ess")?, self.token(settings, "ops")?);
        let Self { api, microsoft, monday, .. } = self;
        let friday = self.day(4);
        let stamp = self.now.round(jiff::Unit::Second).unwrap_or(self.now);
        Ok(format!(
            r#"
Now you. Everybody's calendar:  {microsoft}/outlook?view=week&date={monday}
         The API, to try out:   {api}/docs
         The operator's console: {api}/console
         Sign in there with this token: {ops}

  # File a leave as ESS and wait until it is in Outlook:
  ESS_TOKEN={ess}
  curl {api}/leaves -H "authorization: Bearer $ESS_TOKEN" -H 'content-type: application/json' -H 'prefer: wait=10' -d '{{
    "type": "leave.created", "timestamp": "{stamp}",
    "data": {{"id": "MINE-1", "staff": {{"email": "ben.okafor@contoso.com"}}, "start": "{friday}", "end": "{friday}"}}}}'

  # See what was written where, what waits and why:
  OPS_TOKEN={ops}
  curl {api}/mappings -H "authorization: Bearer $OPS_TOKEN"

Everything is gone when you press Ctrl-C."#
        ))
    }
}

/// A line of the story. Nobody listening (`| head`) does not end it.
pub(super) fn print(line: &str) {
    let _nobody_listens = writeln!(std::io::stdout(), "{line}");
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        clock::{ManualClock, SeededRandom},
        config,
    };

    #[test]
    fn the_demonstration_has_an_installation_of_its_own() {
        let clock = ManualClock::at("2026-11-22T00:00:00Z".parse().unwrap());
        let (api, microsoft) = ("127.0.0.1:1".parse().unwrap(), "127.0.0.1:2".parse().unwrap());
        let database = "postgres://leave:hush-hush@127.0.0.1:1/leave".to_owned();
        let scene = Scene::new(&clock, &SeededRandom::new(7), database, true, api, microsoft);
        let settings = config::load(None, &scene.configuration()).unwrap();
        assert_eq!(settings.installation, "demo");
    }
}
