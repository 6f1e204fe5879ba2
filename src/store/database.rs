//! The handle on the database: its connections, its schema, and whether it answers.

use std::{cmp::Ordering, sync::Arc, time::Duration};

use secrecy::{ExposeSecret, SecretString};
use sqlx::{
    ConnectOptions, Connection as _, PgPool,
    migrate::{MigrateError, Migrator},
    postgres::{PgConnectOptions, PgPoolOptions},
};

use super::{
    batcher::IntakeBatcher,
    error::{StoreError, TOO_OLD},
    partitions, transaction,
};

/// What a newer version has added is no reason not to start.
static MIGRATIONS: Migrator = Migrator { ignore_missing: true, ..sqlx::migrate!() };
/// The first file of `migrations/`: before 0.2.0 it was another one.
const FIRST: i64 = 1;

/// Longer than any statement of ours takes, shorter than callers wait.
const STATEMENT_TIMEOUT: &str = "10s";
/// How long a caller waits for a connection before the database counts as unavailable.
const ACQUIRE_TIMEOUT: Duration = Duration::from_secs(3);
/// A connection that was used within this time is not tested again.
const UNTESTED: Duration = Duration::from_millis(500);

/// A handle on the database; cheap to clone.
#[derive(Debug, Clone)]
pub struct Store {
    /// For what people ask and what runs now and then.
    pub(super) pool: PgPool,
    /// For the short statements of intake, claim and settle: see [`transaction`].
    pub(super) queue: PgPool,
    options: PgConnectOptions,
    pub(super) intake: Arc<IntakeBatcher>,
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
        let queue = max_connections.div_ceil(2);
        let others = max_connections.saturating_sub(queue).max(1);
        Ok(Self {
            pool: pool(others, working.clone()),
            queue: pool(queue, working.options(transaction::SESSION)),
            options,
            intake: Arc::default(),
        })
    }

    /// Brings the schema up to date. Safe for several replicas at once: an advisory lock lets one go first.
    ///
    /// # Errors
    /// When the database is away, or holds a schema that this program does not know.
    pub async fn migrate(&self) -> Result<(), MigrateError> {
        // A connection of its own: a migration may take longer than any other statement. That a table is there already is no
        // news that anybody's log needs.
        let mut connection = self.options.clone().options([("client_min_messages", "warning")]).connect().await?;
        MIGRATIONS.run_direct(None, &mut connection, false).await?;
        partitions::make(&mut connection).await.map_err(MigrateError::Execute)
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

    /// Why no connection can be made, for a person; `None` when one can. The pool itself reports only that it waited.
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
    pub(super) async fn begin(&self) -> Result<sqlx::Transaction<'static, sqlx::Postgres>, StoreError> {
        transaction::begin(&self.queue).await
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
        tokio::join!(self.pool.close(), self.queue.close());
    }
}

fn pool(max_connections: u32, options: PgConnectOptions) -> PgPool {
    PgPoolOptions::new()
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
        .connect_lazy_with(options)
}
