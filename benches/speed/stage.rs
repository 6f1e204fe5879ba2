//! What everything is measured on: a PostgreSQL that syncs to disk, databases to start from, a simulated Microsoft.
//!
//! All of it is private, on loopback or a Unix socket, and gone when the run ends.

use std::{
    fs,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use leavebridge::store::Store;
use leavebridge_simulator::Simulator;
use leavebridge_stage::{
    microsoft::Microsoft,
    postgres::{Durability, PrivatePostgres},
};
use reqwest::Method;
use secrecy::SecretString;
use serde_json::{Value, json};
use sqlx::{AssertSqlSafe, ConnectOptions as _, PgConnection, postgres::PgConnectOptions};
use tokio::time::sleep;

use crate::{
    service::{Service, machine, processor},
    webhooks::address,
};

/// Longer than anything here takes to settle.
const SETTLED_WITHIN: Duration = Duration::from_mins(5);
/// A database with the schema and nothing else.
const EMPTY: &str = "speed_empty";

/// The servers of one run.
#[derive(Debug)]
pub(crate) struct Stage {
    postgres: PrivatePostgres,
    microsoft: Microsoft,
    pub(crate) people: usize,
}

/// Processor time used so far, in seconds.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Used {
    pub(crate) service: f64,
    pub(crate) postgres: f64,
    pub(crate) harness: f64,
}

impl Stage {
    pub(crate) async fn start(people: usize) -> anyhow::Result<Self> {
        let environment: Vec<(String, String)> = std::env::vars().collect();
        let postgres = PrivatePostgres::start(&environment, Durability::Machine).await?;
        let microsoft = Microsoft::start(Simulator::default()).await?;
        let stage = Self { postgres, microsoft, people };
        // The one permission that is asked for: with User.Read.All each person is looked up once as well.
        let app = json!({
            "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID,
            "secrets": [{"value": Simulator::CLIENT_SECRET}], "roles": ["Calendars.ReadWrite"],
        });
        stage.control(Method::POST, "settings", Some(&json!({"apps": [app]}))).await?;
        for n in 0..people {
            let person = json!({"address": address(n), "name": "Amy Chan", "time_zone": "Asia/Hong_Kong"});
            stage.control(Method::POST, "users", Some(&person)).await?;
        }
        execute(&mut stage.connect("postgres").await?, &format!("CREATE DATABASE {EMPTY}")).await?;
        let store = Store::new(&SecretString::from(stage.postgres.url(EMPTY)), 1)?;
        store.migrate().await?;
        store.close().await;
        Ok(stage)
    }

    /// A new database with the schema.
    pub(crate) async fn database(&self, name: &str) -> anyhow::Result<PgConnection> {
        let mut server = self.connect("postgres").await?;
        execute(&mut server, &format!("CREATE DATABASE {name} TEMPLATE {EMPTY}")).await?;
        // What the last part left to be written must not be charged to the next.
        execute(&mut server, "CHECKPOINT").await?;
        self.connect(name).await
    }

    /// Away with a database.
    pub(crate) async fn drop_database(&self, name: &str) -> anyhow::Result<()> {
        execute(&mut self.connect("postgres").await?, &format!("DROP DATABASE {name} WITH (FORCE)")).await
    }

    pub(crate) async fn connect(&self, database: &str) -> anyhow::Result<PgConnection> {
        Ok(self.postgres.url(database).parse::<PgConnectOptions>()?.disable_statement_logging().connect().await?)
    }

    /// Where that database is.
    pub(crate) fn url(&self, database: &str) -> SecretString {
        SecretString::from(self.postgres.url(database))
    }

    /// A service on that database, and an empty Microsoft that answers after `delay_ms`.
    pub(crate) async fn service(&self, database: &str, delay_ms: u64) -> anyhow::Result<Service> {
        self.control(Method::POST, "reset", None).await?;
        self.control(Method::POST, "settings", Some(&json!({"answer_delay_ms": delay_ms}))).await?;
        // Where Microsoft takes its time, so few that the waiting is the limit and not the processors.
        let mailboxes = if delay_ms == 0 { None } else { Some(64) };
        Service::start(&self.postgres.url(database), &self.microsoft.url, self.people, mailboxes).await
    }

    /// Asks the simulator's control plane.
    pub(crate) async fn control(&self, method: Method, path: &str, body: Option<&Value>) -> anyhow::Result<Value> {
        self.microsoft.control(method, path, body).await
    }

    /// How many requests Microsoft has had since it was last emptied.
    pub(crate) async fn requests(&self) -> anyhow::Result<u64> {
        self.microsoft.score().await?["requests"].as_u64().context("no count of requests")
    }

    pub(crate) async fn server_version(&self) -> anyhow::Result<String> {
        Ok(sqlx::query_scalar("SHOW server_version").fetch_one(&mut self.connect("postgres").await?).await?)
    }

    /// Processor time of everybody.
    pub(crate) fn used(&self, service: &Service) -> anyhow::Result<Used> {
        let postgres = self.postgres_used()?;
        Ok(Used { service: service.processor()?, postgres, harness: processor(std::process::id())? })
    }

    /// Processor time that this whole machine has used, and how much of it was ours; while no service runs.
    pub(crate) fn shared(&self) -> anyhow::Result<(f64, f64)> {
        Ok((machine()?, self.postgres_used()? + processor(std::process::id())?))
    }

    fn postgres_used(&self) -> anyhow::Result<f64> {
        let pid = fs::read_to_string(self.postgres.directory().join("data/postmaster.pid"))?;
        let postmaster: u32 = pid.lines().next().context("no pid")?.parse()?;
        let mut postgres = processor(postmaster)?;
        for entry in fs::read_dir("/proc")? {
            let Some(pid) = entry?.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
            let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
            let parent = stat.rsplit_once(')').and_then(|(_, fields)| fields.split_whitespace().nth(1)?.parse().ok());
            if parent == Some(postmaster) {
                postgres += processor(pid).unwrap_or(0.0);
            }
        }
        Ok(postgres)
    }
}

/// Waits until nothing of `database` is due any more, and every leave has its event.
pub(crate) async fn settled(database: &mut PgConnection) -> anyhow::Result<()> {
    let begun = Instant::now();
    while begun.elapsed() < SETTLED_WITHIN {
        let open: bool = sqlx::query_scalar(
            "SELECT EXISTS (SELECT FROM items WHERE kind = 'event' AND state IN ('pending', 'waiting'))",
        )
        .fetch_one(&mut *database)
        .await?;
        if !open {
            let parked: i64 =
                sqlx::query_scalar("SELECT count(*) FROM items WHERE state = 'parked'").fetch_one(database).await?;
            ensure!(parked == 0, "{parked} mappings are parked");
            return Ok(());
        }
        sleep(Duration::from_millis(20)).await;
    }
    bail!("not everything has settled after {SETTLED_WITHIN:?}")
}

/// Runs statements that give nothing back.
pub(crate) async fn execute(database: &mut PgConnection, sql: &str) -> anyhow::Result<()> {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(database).await?;
    Ok(())
}
