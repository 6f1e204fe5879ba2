//! Runs the program with nothing but what a test gives it, and insists that it keeps secrets to itself.

use std::{
    fs::{self, File},
    path::PathBuf,
    process::{Child, Command, ExitStatus, Stdio},
};

use leavebridge::simulator::Simulator;
use serde_json::Value;
use tempfile::TempDir;

use super::{BACKSTAGE_SECRET, ESS_NEXT_SECRET, ESS_SECRET, SIGNING_KEY, configuration, until};

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
    let mut command = Command::new(env!("CARGO_BIN_EXE_leavebridge"));
    command.args(arguments).env_clear().envs(environment.iter().cloned()).stdin(Stdio::null());
    command
}

/// Runs it to its end.
pub(crate) async fn run(arguments: &[&str], environment: &[(String, String)]) -> Said {
    let mut command = command(arguments, environment);
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
    child: Child,
    directory: TempDir,
}

impl Running {
    pub(crate) fn start(arguments: &[&str], environment: &[(String, String)]) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str| File::create(directory.path().join(name)).unwrap();
        let (out, err) = (file("out"), file("err"));
        let child = command(arguments, environment).stdout(out).stderr(err).spawn().unwrap();
        Self { child, directory }
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Standard error so far.
    pub(crate) fn err(&self) -> String {
        fs::read_to_string(self.path("err")).unwrap()
    }

    /// Waits for a log line with that message, and gives it.
    pub(crate) async fn logs(&mut self, message: &str) -> Value {
        let find = |text: &str| {
            let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
            lines.into_iter().find(|line| line["message"] == message)
        };
        until(&format!("it logs {message:?}"), async || {
            let ended = self.child.try_wait().unwrap();
            assert!(ended.is_none() || find(&self.err()).is_some(), "{ended:?}: {}", self.err());
            find(&self.err()).is_some()
        })
        .await;
        find(&self.err()).unwrap()
    }

    /// Sends SIGTERM.
    pub(crate) fn terminate(&self) {
        self.signal("-TERM");
    }

    /// Sends it a signal: `-KILL`, `-STOP`, `-CONT`.
    pub(crate) fn signal(&self, signal: &str) {
        let sent = Command::new("kill").args([signal, &self.child.id().to_string()]).status().unwrap();
        assert!(sent.success());
    }

    /// The same, unless it has ended already.
    pub(crate) fn signal_if_alive(&mut self, signal: &str) {
        if !self.has_ended() {
            self.signal(signal);
        }
    }

    /// Whether it has ended.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end.
    pub(crate) async fn ended(&mut self) -> ExitStatus {
        let mut status = None;
        until("the program ends", async || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        })
        .await;
        status.unwrap()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}
