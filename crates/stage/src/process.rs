//! A program as a process of its own, and the log that it writes.
//!
//! It must never outlive its handle, and no signal may go to a process that was not started here.

use std::{
    fs::{File, OpenOptions},
    io::{self, Seek as _, SeekFrom},
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::ensure;
use serde_json::Value;
use tokio::time::sleep;

const POLL: Duration = Duration::from_millis(5);

/// A command that gets nothing but these arguments and this environment, and whose output goes nowhere yet.
#[must_use]
pub fn command(program: &Path, arguments: &[&str], environment: &[(String, String)]) -> Command {
    let mut command = Command::new(program);
    command.args(arguments).env_clear().envs(environment.iter().cloned());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command
}

/// A process. Dropping it kills it.
#[derive(Debug)]
pub struct Process(Child);

impl Process {
    /// Starts one.
    ///
    /// # Errors
    /// When there is no such program.
    pub fn start(command: &mut Command) -> io::Result<Self> {
        command.spawn().map(Self)
    }

    /// Its number.
    #[must_use]
    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Sends it a signal: `-TERM`, `-KILL`, `-STOP`, `-CONT`. `false` when it has just ended.
    ///
    /// # Errors
    /// When `kill` cannot be run.
    pub fn signal(&self, signal: &str) -> io::Result<bool> {
        let sent = Command::new("kill").args([signal, &self.id().to_string()]).stderr(Stdio::null()).status()?;
        Ok(sent.success())
    }

    /// How it ended, if it has.
    ///
    /// # Errors
    /// When the system does not say.
    pub fn status(&mut self) -> io::Result<Option<ExitStatus>> {
        self.0.try_wait()
    }

    /// Waits for its end; `None` when it still runs after `most`.
    ///
    /// # Errors
    /// When the system does not say.
    pub async fn ended(&mut self, most: Duration) -> io::Result<Option<ExitStatus>> {
        let begun = Instant::now();
        loop {
            let status = self.status()?;
            if status.is_some() || begun.elapsed() >= most {
                return Ok(status);
            }
            sleep(POLL).await;
        }
    }

    /// Waits until `log` has a line of JSON that fits, and gives it.
    ///
    /// # Errors
    /// When the process ends without such a line, or there is none after `most`.
    pub async fn logs(&mut self, log: &Log, fits: impl Fn(&Value) -> bool, most: Duration) -> anyhow::Result<Value> {
        let begun = Instant::now();
        loop {
            let ended = self.status()?;
            if let Some(line) = log.lines()?.into_iter().find(&fits) {
                return Ok(line);
            }
            ensure!(ended.is_none(), "it ended, {ended:?}: {}", log.text()?);
            ensure!(begun.elapsed() < most, "not in its log after {most:?}: {}", log.text()?);
            sleep(POLL).await;
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.0.kill();
        let _status = self.0.wait();
    }
}

/// What one process writes into a log file, which may hold the lines of earlier ones.
#[derive(Debug)]
pub struct Log {
    path: PathBuf,
    from: u64,
}

impl Log {
    /// Opens the file at `path` for a process that is about to be started; the file is to be its standard error.
    ///
    /// # Errors
    /// When the file cannot be written.
    pub fn append(path: &Path) -> io::Result<(Self, File)> {
        let file = OpenOptions::new().create(true).append(true).open(path)?;
        let from = file.metadata()?.len();
        Ok((Self { path: path.to_owned(), from }, file))
    }

    /// What it has written so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn text(&self) -> io::Result<String> {
        let mut file = File::open(&self.path)?;
        file.seek(SeekFrom::Start(self.from))?;
        io::read_to_string(file)
    }

    /// Its lines of JSON so far.
    ///
    /// # Errors
    /// When the file cannot be read.
    pub fn lines(&self) -> io::Result<Vec<Value>> {
        Ok(self.text()?.lines().filter_map(|line| serde_json::from_str(line).ok()).collect())
    }
}
