//! Runs the program with nothing but what a test gives it, and insists that it keeps secrets to itself.

use std::{
    fs::File,
    path::Path,
    process::{Command, ExitStatus, Stdio},
    time::Duration,
};

use leavebridge_simulator::Simulator;
use leavebridge_stage::process::{self, Log, Process};
use serde_json::Value;
use tempfile::TempDir;

use super::{BACKSTAGE_SECRET, ESS_NEXT_SECRET, ESS_SECRET, SIGNING_KEY, configuration};

/// Late, so that it is over only for what will never happen.
const PATIENCE: Duration = Duration::from_mins(1);

/// What a run said and how it ended.
#[derive(Debug)]
pub(crate) struct Said {
    pub(crate) code: i32,
    pub(crate) out: String,
    pub(crate) err: String,
}

impl Said {
    /// Standard output as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_str(&self.out).unwrap_or_else(|error| panic!("{error} in {self:?}"))
    }
}

/// A configuration that is right; its Microsoft is not there.
pub(crate) fn configured(database: &str) -> Vec<(String, String)> {
    configuration(database, "http://127.0.0.1:1", &[("LOG__FILTER", "info")])
}

/// The same for commands that use no database.
pub(crate) fn configured_without_database() -> Vec<(String, String)> {
    configured("postgres://leave:hush-hush@127.0.0.1:1/leave")
}

fn command(arguments: &[&str], environment: &[(String, String)]) -> Command {
    process::command(Path::new(env!("CARGO_BIN_EXE_leavebridge")), arguments, environment)
}

/// Runs it to its end.
pub(crate) async fn run(arguments: &[&str], environment: &[(String, String)]) -> Said {
    let mut command = command(arguments, environment);
    command.stdout(Stdio::piped()).stderr(Stdio::piped());
    let output = tokio::task::spawn_blocking(move || command.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    let code = output.status.code().unwrap_or(-1);
    let said = Said { code, out: text(output.stdout), err: text(output.stderr) };
    keeps_secrets(&format!("{}{}", said.out, said.err));
    said
}

/// Insists that nothing secret was said.
pub(crate) fn keeps_secrets(text: &str) {
    let secrets = [SIGNING_KEY, ESS_SECRET, ESS_NEXT_SECRET, BACKSTAGE_SECRET, Simulator::CLIENT_SECRET, "hush-hush"];
    for secret in secrets {
        assert!(!text.contains(secret), "{secret} in {text}");
    }
}

/// A program that runs until it is told to stop; ended with the test in any case.
pub(crate) struct Running {
    process: Process,
    log: Log,
    _directory: TempDir,
}

impl Running {
    pub(crate) fn start(arguments: &[&str], environment: &[(String, String)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let out = File::create(directory.path().join("out")).unwrap();
        let (log, err) = Log::append(&directory.path().join("err")).unwrap();
        let process = Process::start(command(arguments, environment).stdout(out).stderr(err)).unwrap();
        Self { process, log, _directory: directory }
    }

    /// Standard error so far.
    pub(crate) fn err(&self) -> String {
        self.log.text().unwrap()
    }

    /// Waits for a log line with that message, and gives it.
    pub(crate) async fn logs(&mut self, message: &str) -> Value {
        let line = self.process.logs(&self.log, |line| line["message"] == message, PATIENCE).await;
        line.unwrap_or_else(|error| panic!("{message:?} is not in its log: {error}"))
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal: `-KILL`, `-STOP`, `-CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        assert!(self.process.signal(signal).unwrap());
    }

    /// The same, unless it has ended already.
    pub(crate) fn signal_if_alive(&mut self, signal: &str) {
        if !self.has_ended() {
            self.signal(signal);
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.process.status().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        self.process.ended(PATIENCE).await.unwrap().expect("the program ends")
    }
}
