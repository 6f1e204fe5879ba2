//! A database of its own for every test, on one private PostgreSQL per run (or on the server that `DATABASE_URL` names).

use std::sync::atomic::{AtomicU32, Ordering};

use jiff::Timestamp;
use leavebridge::store::Store;
use leavebridge_stage::postgres::{Durability, PrivatePostgres};
use secrecy::SecretString;
use sqlx::{AssertSqlSafe, ConnectOptions as _, Connection as _, PgConnection, postgres::PgConnectOptions};
use tokio::sync::OnceCell;

static SERVER: OnceCell<Server> = OnceCell::const_new();
static NEXT: AtomicU32 = AtomicU32::new(0);

struct Server {
    /// Kept for the whole run; its watchdog ends it with this process.
    private: Option<PrivatePostgres>,
    given: Option<String>,
    template: String,
}

/// One test's database.
#[derive(Debug, Clone)]
pub(crate) struct Database {
    pub(crate) url: String,
}

impl Database {
    /// A migrated, empty database in which it is `now`.
    pub(crate) async fn new(now: Timestamp) -> Self {
        let server = SERVER.get_or_init(Server::start).await;
        let database = Self::create(server, &server.template).await;
        database.set_time(now).await;
        database
    }

    /// A database without a schema, in which time passes.
    pub(crate) async fn empty() -> Self {
        Self::create(SERVER.get_or_init(Server::start).await, "template0").await
    }

    /// Gives it the schema.
    pub(crate) async fn migrate(&self) {
        let store = Store::new(&SecretString::from(self.url.clone()), 1).unwrap();
        store.migrate().await.unwrap();
        store.close().await;
    }

    /// A database as [`Database::new`] gives it, on a server of its own, which may be stopped.
    pub(crate) async fn on_its_own_server(now: Timestamp) -> (Self, PrivatePostgres) {
        let environment: Vec<(String, String)> = std::env::vars().collect();
        let server = PrivatePostgres::start(&environment, Durability::Process).await.unwrap();
        let database = Self { url: server.url("postgres") };
        database.migrate().await;
        database.set_time(now).await;
        (database, server)
    }

    async fn create(server: &Server, template: &str) -> Self {
        let name = format!("it_{}_{}", std::process::id(), NEXT.fetch_add(1, Ordering::Relaxed));
        let mut connection = server.connect("postgres").await;
        execute(&mut connection, &format!("CREATE DATABASE {name} TEMPLATE {template}")).await;
        connection.close().await.unwrap();
        Self { url: server.url(&name) }
    }

    /// Sets PostgreSQL's idea of the time, and rings for everybody to look.
    pub(crate) async fn set_time(&self, now: Timestamp) {
        let sql = format!(
            "CREATE OR REPLACE FUNCTION leavebridge_now() RETURNS timestamptz LANGUAGE sql STABLE
             AS $$ SELECT timestamptz '{now}' $$"
        );
        self.execute(&sql).await;
        self.execute("SELECT pg_notify('leavebridge_due', '')").await;
    }

    /// Runs a statement.
    pub(crate) async fn execute(&self, sql: &str) {
        let mut connection = self.connect().await;
        execute(&mut connection, sql).await;
        connection.close().await.unwrap();
    }

    /// The one number that a query gives.
    pub(crate) async fn number(&self, sql: &str) -> i64 {
        let mut connection = self.connect().await;
        let number = sqlx::query_scalar(AssertSqlSafe(sql.to_owned())).fetch_one(&mut connection).await.unwrap();
        connection.close().await.unwrap();
        number
    }

    /// Takes the database away, with whoever is still connected.
    pub(crate) async fn forget(self) {
        let mut connection = SERVER.get_or_init(Server::start).await.connect("postgres").await;
        let name = self.url.parse::<PgConnectOptions>().unwrap().get_database().unwrap().to_owned();
        execute(&mut connection, &format!("DROP DATABASE {name} WITH (FORCE)")).await;
        connection.close().await.unwrap();
    }

    /// Everything in every table, as text.
    pub(crate) async fn dump(&self) -> String {
        let mut connection = self.connect().await;
        let mut dump = String::new();
        for table in ["leaves", "mailboxes", "addresses", "calendars", "items", "deliveries", "timeline", "tenants"] {
            let rows: Vec<String> = sqlx::query_scalar(AssertSqlSafe(format!("SELECT t::text FROM {table} t")))
                .fetch_all(&mut connection)
                .await
                .unwrap();
            dump.push_str(&rows.join("\n"));
        }
        connection.close().await.unwrap();
        dump
    }

    /// Begins a transaction with that statement, and keeps it open.
    pub(crate) async fn lock(&self, sql: &str) -> Lock {
        let mut connection = self.connect().await;
        execute(&mut connection, "BEGIN").await;
        execute(&mut connection, sql).await;
        Lock(connection)
    }

    /// A connection of one's own, for whoever asks often.
    pub(crate) async fn connect(&self) -> PgConnection {
        self.url.parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
    }
}

/// A transaction that holds others up.
pub(crate) struct Lock(PgConnection);

impl Lock {
    /// Ends the transaction.
    pub(crate) async fn give_back(&mut self) {
        execute(&mut self.0, "COMMIT").await;
    }
}

impl Server {
    async fn start() -> Self {
        let environment: Vec<(String, String)> = std::env::vars().collect();
        let given = std::env::var("DATABASE_URL").ok();
        let private = match given {
            Some(_) => None,
            None => Some(PrivatePostgres::start(&environment, Durability::Process).await.unwrap()),
        };
        let template = format!("it_{}_template", std::process::id());
        let server = Self { private, given, template };
        let mut connection = server.connect("postgres").await;
        execute(&mut connection, &format!("CREATE DATABASE {}", server.template)).await;
        connection.close().await.unwrap();
        Database { url: server.url(&server.template) }.migrate().await;
        server
    }

    fn url(&self, database: &str) -> String {
        match (&self.private, &self.given) {
            (Some(private), _) => private.url(database),
            (None, Some(given)) => {
                let mut url: url::Url = given.parse().unwrap();
                url.set_path(database);
                url.into()
            }
            (None, None) => unreachable!("a server is given or private"),
        }
    }

    async fn connect(&self, database: &str) -> PgConnection {
        self.url(database).parse::<PgConnectOptions>().unwrap().connect().await.unwrap()
    }
}

async fn execute(connection: &mut PgConnection, sql: &str) {
    sqlx::raw_sql(AssertSqlSafe(sql.to_owned())).execute(connection).await.unwrap();
}
