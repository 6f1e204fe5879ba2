//! A private PostgreSQL: started in a temporary directory, gone without a trace when it is dropped or we are killed.
//!
//! It must never take a TCP port, be reachable by another user (root excepted), or hold data that anybody wants to keep.

mod programs;

use std::{
    fs,
    io::{self, Write as _},
    os::unix::{
        fs::{MetadataExt, PermissionsExt, chown},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    time::Duration,
};

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use sqlx::{Connection, PgConnection};
use tempfile::TempDir;
use tokio::time::{sleep, timeout};

/// Generous: a busy machine is slow to set up a server, and one that cannot start says so at once.
const START: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);
/// How much of the server's log an error quotes.
const LOG_LINES: usize = 15;
/// A path in `sockaddr_un` has room for 104 to 108 bytes, and `/.s.PGSQL.5432` must fit behind the directory.
const LONGEST_DIRECTORY: usize = 85;

/// What a commit has to outlast.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Durability {
    /// The server's own crash, as all that matters to data that nobody keeps.
    Process,
    /// The machine's crash as well: what a production server does, and pays for.
    Machine,
}

/// A PostgreSQL server that is ours alone. Dropping it stops the server and removes its directory.
#[derive(Debug)]
pub struct PrivatePostgres {
    watchdog: Child,
    directory: TempDir,
    /// How often it was told to stop.
    stopped: usize,
}

/// Why there is no private PostgreSQL.
#[derive(Debug, thiserror::Error)]
pub enum PostgresError {
    /// No server programs on this machine.
    #[error(
        "PostgreSQL's server programs were not found: install them (Debian and Ubuntu: apt-get install postgresql; macOS: \
         brew install postgresql@17), or set PG_BIN_DIR to the folder that holds them or DATABASE_URL to a server"
    )]
    NotFound,
    /// The person said where they are, and they are not.
    #[error("PG_BIN_DIR is {}, but there are no initdb and postgres in it", directory.display())]
    NotInBinDir {
        /// What `PG_BIN_DIR` says.
        directory: PathBuf,
    },
    /// Root must hand over to somebody, and there is nobody.
    #[error(
        "PostgreSQL refuses to run as root, and there is neither a user `postgres` nor a user `nobody` to run it as"
    )]
    NoUser,
    /// The temporary directory could not be made.
    #[error("cannot make a directory for PostgreSQL: {0}")]
    Directory(#[source] io::Error),
    /// The shell that runs the server could not be started.
    #[error("cannot run PostgreSQL: {0}")]
    Run(#[source] io::Error),
    /// It ended or did not answer in time.
    #[error("PostgreSQL did not start; its log ends with:\n{log}")]
    NotReady {
        /// The last lines of its log.
        log: String,
    },
}

impl PrivatePostgres {
    /// Starts a server and waits until it answers. `environment` may say where to look: `PG_BIN_DIR`, `PATH`, `TMPDIR`.
    ///
    /// # Errors
    /// When there are no server programs, or they fail.
    pub async fn start(environment: &[(String, String)], durability: Durability) -> Result<Self, PostgresError> {
        let programs = programs::find(environment, Path::new("/"))?;
        let directory = make_directory(environment).map_err(PostgresError::Directory)?;
        let mut command = Command::new("/bin/sh");
        command
            .args(["-c", include_str!("postgres/server.sh"), "leavebridge-postgres"])
            .args([&programs, directory.path()])
            .arg(if durability == Durability::Machine { "on" } else { "off" })
            .current_dir(directory.path())
            // The user's locale may be one that the server's user or the system lacks.
            .env("LC_ALL", "C")
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            // Ctrl-C goes to the terminal's process group, and the server has to outlast our own last words.
            .process_group(0);
        if fs::metadata(directory.path()).map_err(PostgresError::Directory)?.uid() == 0 {
            let (uid, gid) = ["postgres", "nobody"].into_iter().find_map(look_up).ok_or(PostgresError::NoUser)?;
            chown(directory.path(), Some(uid), Some(gid)).map_err(PostgresError::Directory)?;
            command.uid(uid).gid(gid);
        }
        let watchdog = command.spawn().map_err(PostgresError::Run)?;
        let mut server = Self { watchdog, directory, stopped: 0 };
        server.ready().await?;
        Ok(server)
    }

    /// Stops the server at once, as a crash would, and keeps its data.
    ///
    /// # Errors
    /// When its watchdog is gone.
    pub async fn stop(&mut self) -> Result<(), PostgresError> {
        self.stopped += 1;
        self.order("stop")?;
        while self.ends() < self.stopped && matches!(self.watchdog.try_wait(), Ok(None)) {
            sleep(POLL).await;
        }
        Ok(())
    }

    /// Starts it again after [`PrivatePostgres::stop`] and waits until it answers.
    ///
    /// # Errors
    /// When it does not come back.
    pub async fn start_again(&mut self) -> Result<(), PostgresError> {
        self.order("start")?;
        self.ready().await
    }

    fn order(&mut self, order: &str) -> Result<(), PostgresError> {
        let mut told =
            self.watchdog.stdin.as_ref().ok_or(io::ErrorKind::BrokenPipe.into()).map_err(PostgresError::Run)?;
        writeln!(told, "{order}").map_err(PostgresError::Run)
    }

    async fn ready(&mut self) -> Result<(), PostgresError> {
        if timeout(START, self.answers()).await == Ok(true) {
            Ok(())
        } else {
            Err(PostgresError::NotReady { log: self.log() })
        }
    }

    /// The address of one of its databases; `postgres` is always there. Its user may do everything.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        let socket = self.directory.path().to_string_lossy();
        let [socket, database] = [&*socket, database].map(|part| utf8_percent_encode(part, NON_ALPHANUMERIC));
        format!("postgres://postgres@{socket}:5432/{database}")
    }

    /// Where it keeps its data, its socket and its `log`.
    #[must_use]
    pub fn directory(&self) -> &Path {
        self.directory.path()
    }

    /// Waits until it answers; false when it has ended instead.
    async fn answers(&mut self) -> bool {
        let url = self.url("postgres");
        loop {
            if let Ok(connection) = PgConnection::connect(&url).await {
                // It answers all the same when a goodbye fails.
                let _ = connection.close().await;
                return true;
            }
            if !self.runs() {
                return false;
            }
            sleep(POLL).await;
        }
    }

    /// The watchdog itself ends only when `initdb` fails; of the server's end it leaves a word.
    fn runs(&mut self) -> bool {
        matches!(self.watchdog.try_wait(), Ok(None)) && self.ends() <= self.stopped
    }

    /// How often it has ended.
    fn ends(&self) -> usize {
        self.whole_log().lines().filter(|line| *line == "PostgreSQL has ended").count()
    }

    fn log(&self) -> String {
        let log = self.whole_log();
        let lines: Vec<_> = log.lines().collect();
        lines[lines.len().saturating_sub(LOG_LINES)..].join("\n")
    }

    fn whole_log(&self) -> String {
        let log = fs::read(self.directory.path().join("log")).unwrap_or_default();
        String::from_utf8_lossy(&log).into_owned()
    }
}

impl Drop for PrivatePostgres {
    fn drop(&mut self) {
        drop(self.watchdog.stdin.take());
        // The watchdog ends when the server has. If somebody killed the watchdog there is nothing to wait for, and the server
        // stops by itself within a minute, as it watches over its pid file, which goes now.
        let _ = self.watchdog.wait();
    }
}

fn make_directory(environment: &[(String, String)]) -> io::Result<TempDir> {
    let make = |parent: &Path| {
        tempfile::Builder::new().prefix("lb-pg-").permissions(fs::Permissions::from_mode(0o700)).tempdir_in(parent)
    };
    let chosen = programs::value(environment, "TMPDIR").filter(|chosen| chosen.starts_with('/'));
    if let Some(chosen) = chosen {
        let directory = make(Path::new(chosen))?;
        // Root's own temporary folder may be closed to the user that it hands over to.
        if directory.path().as_os_str().len() <= LONGEST_DIRECTORY && fs::metadata(directory.path())?.uid() != 0 {
            return Ok(directory);
        }
    }
    make(Path::new("/tmp"))
}

/// The numbers of a user; asked of `id`, as not every user is in `/etc/passwd`.
fn look_up(user: &str) -> Option<(u32, u32)> {
    let ask = |what: &str| {
        let answer = Command::new("id").args([what, user]).stderr(Stdio::null()).output().ok()?;
        String::from_utf8(answer.stdout).ok()?.trim().parse().ok()
    };
    Some((ask("-u")?, ask("-g")?))
}

#[cfg(test)]
mod tests {
    use std::env;

    use super::*;

    fn environment() -> Vec<(String, String)> {
        env::vars().collect()
    }

    async fn ask(server: &PrivatePostgres, sql: &'static str) -> String {
        let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
        sqlx::query_scalar(sql).fetch_one(&mut connection).await.unwrap()
    }

    #[tokio::test]
    async fn two_servers_stand_side_by_side_and_take_no_port() {
        let environment = environment();
        let (one, two) = tokio::join!(
            PrivatePostgres::start(&environment, Durability::Process),
            PrivatePostgres::start(&environment, Durability::Process)
        );
        let (one, two) = (one.unwrap(), two.unwrap());
        assert_ne!(one.directory(), two.directory());
        let name = "SELECT current_setting('unix_socket_directories')";
        assert_eq!(ask(&one, name).await, one.directory().to_str().unwrap());
        assert_eq!(ask(&two, name).await, two.directory().to_str().unwrap());
        assert_eq!(ask(&one, "SELECT current_setting('listen_addresses')").await, "");
        assert_eq!(ask(&one, "SELECT pg_encoding_to_char(encoding) FROM pg_database LIMIT 1").await, "UTF8");
    }

    #[tokio::test]
    async fn dropping_it_removes_the_process_and_the_directory() {
        let server = PrivatePostgres::start(&environment(), Durability::Process).await.unwrap();
        let directory = server.directory().to_owned();
        let postmaster = fs::read_to_string(directory.join("data/postmaster.pid")).unwrap();
        let pid = postmaster.lines().next().unwrap().to_owned();
        let alive = || Command::new("kill").args(["-0", &pid]).stderr(Stdio::null()).status().unwrap().success();
        assert!(alive());
        // A client that stays connected does not hold it up.
        let _client = PgConnection::connect(&server.url("postgres")).await.unwrap();
        drop(server);
        assert!(!alive());
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn what_was_committed_is_there_when_it_is_started_again() {
        let mut server = PrivatePostgres::start(&environment(), Durability::Process).await.unwrap();
        for n in 0..3 {
            let mut connection = PgConnection::connect(&server.url("postgres")).await.unwrap();
            sqlx::raw_sql("CREATE TABLE IF NOT EXISTS kept (n int); INSERT INTO kept VALUES (1)")
                .execute(&mut connection)
                .await
                .unwrap();
            server.stop().await.unwrap();
            assert!(PgConnection::connect(&server.url("postgres")).await.is_err(), "it is away");
            server.start_again().await.unwrap();
            assert_eq!(ask(&server, "SELECT count(*)::text FROM kept").await, (n + 1).to_string());
        }
    }

    #[tokio::test]
    async fn a_panic_stops_it_too() {
        let server = PrivatePostgres::start(&environment(), Durability::Process).await.unwrap();
        let directory = server.directory().to_owned();
        let outcome = tokio::spawn(async move {
            let _server = server;
            panic!("on purpose");
        });
        assert!(outcome.await.unwrap_err().is_panic());
        assert!(!directory.exists());
    }

    #[tokio::test]
    async fn a_server_that_cannot_start_says_why() {
        let fine = "exit 0";
        let broken = "echo out of order; exit 1";
        for (initdb, postgres, log) in
            [(broken, fine, "out of order"), (fine, broken, "out of order\nPostgreSQL has ended")]
        {
            let programs = tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap();
            for (program, body) in [("initdb", initdb), ("postgres", postgres)] {
                let path = programs.path().join(program);
                fs::write(&path, format!("#!/bin/sh\n{body}\n")).unwrap();
                fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
            }
            let environment = [("PG_BIN_DIR".to_owned(), programs.path().to_str().unwrap().to_owned())];
            let error = PrivatePostgres::start(&environment, Durability::Process).await.unwrap_err();
            assert!(error.to_string().ends_with(log), "{error}");
        }
    }
}
