//! Where the run plays: the database, the simulated Microsoft, the replicas, the people, and what everybody needs to know.

use std::{
    path::PathBuf,
    sync::{Arc, atomic::AtomicBool},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use jiff::{SignedDuration, Timestamp};
use leavebridge::{
    clock::{Clock as _, SystemClock},
    config::{self, Settings},
    http, outgoing,
};
use leavebridge_stage::{
    environment::{Variables, operator, portal, simulated_tenant, variables},
    postgres::{Durability, PrivatePostgres},
};
use reqwest::{Client, Method};
use serde_json::json;
use tokio::sync::Mutex;

use super::{
    Options,
    dice::Dice,
    leave::{Book, ZONES},
    microsoft::Microsoft,
    names::{self, Names},
    replica::Replica,
    report,
    tally::Tally,
};

const PEOPLE: usize = 16;
/// The shared mailbox in whose calendar leave from Backstage is copied: busier than anybody's own.
pub(crate) const TEAM: &str = "team@contoso.com";
pub(crate) const TEAM_CALENDAR: &str = "Who is away";
/// What the environment cannot say. The title tells whose copy it is.
const FILE: &str = r#"
    [[tenants.default.team_calendars]]
    mailbox = "team@contoso.com"
    calendar = "Who is away"
    sources = ["backstage"]
    title = "{id}"
"#;
/// How long a call to Graph may take; short, so that slow answers are slower.
pub(crate) const CALL_TIMEOUT: Duration = Duration::from_secs(1);
/// The shortest that the configuration allows: the call timeout and ten seconds.
pub(crate) const LEASE: Duration = Duration::from_secs(11);
/// Requests in flight per mailbox, over all replicas.
pub(crate) const PER_MAILBOX: u64 = 3;
pub(crate) const ESS_SECRET: &str = "whsec_Y2hhb3MtZXNzLXNlY3JldC1mb3ItdGVzdHMtMDAx";
const SIGNING_KEY: &str = "a-signing-key-for-the-chaos-run-only-000001";

/// Where the run plays.
pub(crate) struct Stage {
    pub(crate) options: Options,
    pub(crate) seed: u64,
    pub(crate) begun: Instant,
    /// When the first version of every leave is said to have happened; the others follow second by second.
    pub(crate) origin: Timestamp,
    /// The address that each has at first.
    pub(crate) people: Vec<String>,
    pub(crate) names: Names,
    pub(crate) book: Book,
    pub(crate) tally: Tally,
    pub(crate) microsoft: Microsoft,
    pub(crate) replicas: Vec<Arc<Replica>>,
    pub(crate) postgres: Mutex<PrivatePostgres>,
    pub(crate) database_url: String,
    pub(crate) logs: PathBuf,
    pub(crate) client: Client,
    /// The portals give up what is not acknowledged: the run is as good as over.
    pub(crate) give_up: AtomicBool,
    settings: Settings,
}

impl Stage {
    /// Starts everything and waits until it is ready.
    pub(crate) async fn set(options: Options, seed: u64) -> anyhow::Result<Arc<Self>> {
        let postgres = PrivatePostgres::start(&std::env::vars().collect::<Vec<_>>(), Durability::Process).await?;
        let database_url = postgres.url("postgres");
        let microsoft = Microsoft::start(seed).await?;
        let mut ids = Vec::new();
        let people: Vec<String> = (0..PEOPLE).map(|number| format!("person{number}@contoso.com")).collect();
        for (number, address) in people.iter().enumerate() {
            let zone = ZONES[number % ZONES.len()].0;
            let person = json!({"address": address, "name": format!("Person {number}"), "time_zone": zone});
            let added = microsoft.control(Method::POST, "users", Some(&person)).await?;
            ids.push(added["id"].as_str().context("a person has an id")?.to_owned());
        }
        let team = json!({"address": TEAM, "name": "The team", "time_zone": "UTC", "kind": "shared"});
        microsoft.control(Method::POST, "users", Some(&team)).await?;
        // Tokens that die often, and answers that leave time to be killed in.
        let settings = json!({"token_lifetime_seconds": 45, "answer_delay_ms": 60});
        microsoft.control(Method::POST, "settings", Some(&settings)).await?;
        let logs = match &options.logs {
            Some(given) => given.clone(),
            None => tempfile::Builder::new().prefix("leavebridge-chaos-").tempdir()?.keep(),
        };
        std::fs::create_dir_all(&logs)?;
        let file = logs.join("leavebridge.toml");
        std::fs::write(&file, FILE)?;
        let mut environment = configuration(&database_url, &microsoft.url);
        let settings =
            config::load(Some(&file), &environment).context("the configuration of the replicas is not right")?;
        environment.push(("LEAVEBRIDGE_CONFIG".to_owned(), file.display().to_string()));
        let replicas = (1..=options.replicas.max(1))
            .map(|number| Arc::new(Replica::new(number, environment.clone(), &logs)))
            .collect::<Vec<_>>();
        for replica in &replicas {
            replica.start().await?;
        }
        let stage = Arc::new(Self {
            options,
            seed,
            begun: Instant::now(),
            origin: SystemClock.now() - SignedDuration::from_hours(24),
            people,
            names: Names::new(ids),
            book: Book::default(),
            tally: Tally::default(),
            microsoft,
            replicas,
            postgres: Mutex::new(postgres),
            database_url,
            logs,
            client: outgoing::direct(Duration::from_secs(5))?,
            give_up: AtomicBool::new(false),
            settings,
        });
        names::give(&stage).await?;
        Ok(stage)
    }

    /// Dice of one part of the run.
    pub(crate) fn dice(&self, part: &str) -> Dice {
        Dice::new(self.seed, part)
    }

    /// The base address of any replica that has a process.
    pub(crate) fn any_url(&self, dice: &Dice) -> Option<String> {
        let urls: Vec<String> = self.replicas.iter().filter_map(|replica| replica.url()).collect();
        urls.get(dice.below(urls.len())).cloned()
    }

    /// A token of that client, good for an hour.
    pub(crate) fn token(&self, client: &str) -> anyhow::Result<String> {
        let scopes = self.settings.clients.get(client).map(|client| client.scopes.clone()).unwrap_or_default();
        Ok(http::mint(&self.settings.auth, client, &scopes, SystemClock.now(), SignedDuration::from_hours(1))?)
    }

    /// The object id of a person, or the team's address.
    pub(crate) fn owner<'a>(&'a self, address: &'a str) -> &'a str {
        let person = self.people.iter().position(|known| known == address);
        person.map_or(address, |person| &self.names.ids[person])
    }

    /// A short run does everything more often, so that all of it happens.
    pub(crate) fn paced(&self, wait: Duration) -> Duration {
        wait.mul_f64((self.options.minutes / 4.0).clamp(0.4, 1.0))
    }

    /// A line with the time into the run.
    pub(crate) fn tell(&self, what: &str) {
        let seconds = self.begun.elapsed().as_secs();
        report::say(&format!("{:02}:{:02}  {what}", seconds / 60, seconds % 60));
    }

    /// Counts something that was done, and says so.
    pub(crate) fn done(&self, count: &str, who: &str) {
        self.tally.count(&format!("done {count}"));
        self.tell(&if who.is_empty() { count.to_owned() } else { format!("{who}: {count}") });
    }
}

fn configuration(database: &str, microsoft: &str) -> Variables {
    let millis = |duration: Duration| format!("{}ms", duration.as_millis());
    let own = variables(&[
        ("DATABASE__URL", database),
        ("HTTP__LISTEN", "127.0.0.1:0"),
        ("LOG__FORMAT", "json"),
        ("LOG__FILTER", "info"),
        ("AUTH__KEYS__CHAOS__SECRET", SIGNING_KEY),
        // So that the directory is asked again and again, amid all the trouble.
        ("DIRECTORY__FRESH_FOR", "5s"),
        ("SYNC__CALL_TIMEOUT", &millis(CALL_TIMEOUT)),
        ("SYNC__LEASE", &millis(LEASE)),
        ("SYNC__PER_MAILBOX", &PER_MAILBOX.to_string()),
        ("CLIENTS__ESS__WEBHOOK_SECRETS", ESS_SECRET),
    ]);
    let clients = [portal("ess", "default"), portal("backstage", "default"), operator()].concat();
    [own, simulated_tenant("default", microsoft), clients].concat()
}
