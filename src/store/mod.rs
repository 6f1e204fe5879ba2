//! PostgreSQL: the only module with SQL.
//!
//! It locks, loads, keeps and lists rows; what becomes of them is decided by [`reconcile`](crate::reconcile). One row of
//! `items` is state and queue at once. Nothing that happens after an intake's commit is needed for correctness: a process may
//! die at any line, and whoever looks next finds what is due. Time is PostgreSQL's (`leavebridge_now()`), so that replicas need
//! no common clock. No transaction is ever held across a remote call. Locks are taken in one order everywhere: mailboxes,
//! leaves, items, each by id.

mod accept;
pub mod calendars;
pub mod claim;
pub mod identity;
pub mod intake;
pub mod leases;
pub mod lists;
mod lookup;
mod merge;
pub mod replies;
pub mod resync;
pub mod retention;
mod retry;
mod rows;
mod seats;
pub mod settle;
pub mod stats;
pub mod tenants;
mod transaction;
pub mod views;
pub mod wake_up;

use std::{cmp::Ordering, sync::Arc, time::Duration};

use intake::IntakeBatcher;
use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection as _, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

/// What a newer version has added is no reason not to start.
static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!() };
/// The first file of `migrations/`: before 0.2.0 it was another one.
const FIRST: i64 = 1;
const TOO_OLD: &str = "it holds the tables of a version before 0.2.0, and databases of versions before 0.2.0 cannot be \
                       upgraded: a new, empty database is needed (database.url); the old one stays as it is";

/// Longer than any statement of ours takes, shorter than a caller's patience.
const STATEMENT_TIMEOUT: &str = "10s";
/// How long a caller waits for a connection before it is told that the store is away.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was used so lately is taken to live.
const UNTESTED: Duration = Duration::from_millis(500);

/// Why the store did not do what it was asked, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, overloaded or not migrated: try again later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A statement failed in a way that trying again will not mend: a bug, or data that should not be there.
    #[error("the database refused a statement")]
    Broken(#[source] sqlx::Error),
    /// A newer version wrote what this is about: its replicas can do what is asked.
    #[error("a newer version of leavebridge wrote what this is about")]
    Newer,
    /// Its schema is that of a version before 0.2.0.
    #[error("the database cannot be used")]
    TooOld,
}

impl StoreError {
    /// Something that this program does not know stands in the database.
    fn unknown(what: &str) -> Self {
        Self::Broken(sqlx::Error::Decode(format!("{what} is unknown").into()))
    }

    /// Whether another transaction was quicker with the same rows: what was decided has to be decided again.
    fn is_lost_race(&self) -> bool {
        let (Self::Unavailable(sqlx::Error::Database(error)) | Self::Broken(sqlx::Error::Database(error))) = self
        else {
            return false;
        };
        // Unique and foreign key violations, serialisation failure, deadlock.
        error.code().is_some_and(|code| ["23505", "23503", "40001", "40P01"].contains(&code.as_ref()))
    }

    /// What the database said, without any of the data that it names in its details.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Unavailable(sqlx::Error::Database(error)) | Self::Broken(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                let constraint = error.constraint().map(|name| format!(", constraint {name}")).unwrap_or_default();
                format!("{} (SQLSTATE {code}{constraint})", meaning(&code))
            }
            Self::Unavailable(error) => error.to_string(),
            Self::Broken(sqlx::Error::ColumnDecode { index, .. }) => format!("column {index} cannot be read"),
            Self::Broken(_) => "a row cannot be read".into(),
            Self::Newer => "a newer version wrote this row".into(),
            Self::TooOld => TOO_OLD.into(),
        }
    }
}

/// What the codes say that operators meet (PostgreSQL, appendix A).
fn meaning(code: &str) -> &'static str {
    match code {
        "28000" | "28P01" => "PostgreSQL refuses the user or the password",
        "3D000" => "there is no database of that name",
        "42501" => "the database's user may not do this: let it own the database (CREATE DATABASE … OWNER …)",
        "42P01" => "a table is missing: run `leavebridge migrate`",
        "53300" => "PostgreSQL has no connection left",
        "57P03" => "PostgreSQL is starting or stopping",
        "25006" => "this PostgreSQL only reads: it is a standby",
        _ => "PostgreSQL refused it",
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let passing = match &error {
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                // Connection, transaction rollback, resources, lock not available, operator intervention, system error;
                // read-only (a failover), and tables that the migrations have yet to make.
                ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))
                    || ["25006", "42P01", "42883", "42703"].contains(&code.as_ref())
            }),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        };
        if passing { Self::Unavailable(error) } else { Self::Broken(error) }
    }
}

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    pool: PgPool,
    options: PgConnectOptions,
    intake: Arc<IntakeBatcher>,
}

impl Store {
    /// A store on the database of that URL. Connects when first used, so that a service can start before its database.
    ///
    /// # Errors
    /// When the URL cannot be understood.
    pub fn new(url: &SecretString, max_connections: u32) -> Result<Self, sqlx::Error> {
        let options: PgConnectOptions = url.expose_secret().parse()?;
        let options = options.application_name("leavebridge").disable_statement_logging();
        let working = options.clone().options([
            ("statement_timeout", STATEMENT_TIMEOUT),
            ("idle_in_transaction_session_timeout", STATEMENT_TIMEOUT),
            // Compiling a plan takes longer than any of these runs.
            ("jit", "off"),
        ]);
        let pool = PgPoolOptions::new()
            .max_connections(max_connections)
            .acquire_timeout(ACQUIRE_TIMEOUT)
            // Asking a connection whether it lives costs a round trip: only one that has been idle may have died unnoticed.
            .test_before_acquire(false)
            .before_acquire(|connection, idle| {
                Box::pin(async move {
                    if idle.idle_for > UNTESTED {
                        connection.ping().await?;
                    }
                    Ok(true)
                })
            })
            .connect_lazy_with(working);
        Ok(Self { pool, options, intake: Arc::default() })
    }

    /// Brings the schema up to date. Safe for several replicas at once: an advisory lock lets one go first.
    ///
    /// # Errors
    /// When the database is away, or holds a schema that this program does not know.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        // A connection of its own: a migration may take longer than any other statement. That a table is there already is no
        // news that anybody's log needs.
        let mut connection = self.options.clone().options([("client_min_messages", "warning")]).connect().await?;
        MIGRATIONS.run_direct(None, &mut connection, false).await
    }

    /// What keeps the schema from being brought up to date, for a person.
    #[must_use]
    pub fn why_not_migrated(error: MigrateError) -> String {
        match error {
            MigrateError::Execute(error) | MigrateError::ExecuteMigration(error, _) => StoreError::from(error).cause(),
            MigrateError::VersionMismatch(FIRST) => TOO_OLD.into(),
            error => error.to_string(),
        }
    }

    /// Whether the database answers and has the schema of this program, or a newer one.
    ///
    /// # Errors
    /// When it does not answer, or is that of a version before 0.2.0.
    pub async fn is_ready(&self) -> Result<bool, StoreError> {
        Ok(self.schema().await?.is_ge())
    }

    /// How the schema compares with the one that this program knows.
    ///
    /// # Errors
    /// When the database does not answer, or is that of a version before 0.2.0.
    pub async fn schema(&self) -> Result<Ordering, StoreError> {
        let first = MIGRATIONS.iter().find(|migration| migration.version == FIRST).map(|first| &first.checksum);
        let newest = MIGRATIONS.iter().map(|migration| migration.version).max().unwrap_or(0);
        // Not a checked query: the table is the migrator's own.
        let found: Vec<(i64, Vec<u8>)> =
            sqlx::query_as("SELECT version, checksum FROM _sqlx_migrations WHERE success ORDER BY version")
                .fetch_all(&self.pool)
                .await?;
        if found.iter().any(|(version, checksum)| *version == FIRST && first.is_some_and(|first| **first != **checksum))
        {
            return Err(StoreError::TooOld);
        }
        Ok(found.last().map_or(0, |(version, _)| *version).cmp(&newest))
    }

    /// Why no connection can be made, for a person; `None` when one can. The pool itself tells only that it waited.
    pub async fn obstacle(&self) -> Option<String> {
        match tokio::time::timeout(ACQUIRE_TIMEOUT, self.options.connect()).await {
            Ok(Ok(connection)) => {
                // Whether it closes in good order does not matter: nothing was done on it.
                let _closed = connection.close().await;
                None
            }
            Ok(Err(error)) => Some(StoreError::from(error).cause()),
            Err(_) => Some("nothing comes back in time".into()),
        }
    }

    /// Begins a short transaction of the queue.
    async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, StoreError> {
        transaction::begin_with(&self.pool, None).await
    }

    /// Which generation of this database it is: part of every transactionId.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn generation(&self) -> Result<uuid::Uuid, StoreError> {
        Ok(sqlx::query_scalar!("SELECT generation FROM installation").fetch_one(&self.pool).await?)
    }

    /// Closes all connections in good order.
    pub async fn close(&self) {
        self.pool.close().await;
    }
}

/// Milliseconds as PostgreSQL multiplies intervals with them.
fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
