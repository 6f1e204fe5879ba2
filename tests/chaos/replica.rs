//! One process of the service: the ordinary command line, run by this very program under another name.
//!
//! It must never outlive the run, and no signal may go to a process that was not started here.

use std::{
    fs, io,
    path::PathBuf,
    process::{ExitCode, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::Context as _;
use leavebridge_stage::process::{self, Log};

/// The ordinary command that a replica runs; nobody types it for this program.
const COMMAND: &str = "serve";
/// A busy machine is slow to start a debug build.
const START: Duration = Duration::from_mins(1);

/// Whether this process was started to be a replica.
pub(crate) fn is_one() -> bool {
    std::env::args().nth(1).is_some_and(|first| first == COMMAND)
}

/// The service, until it is stopped or the run that started it is gone.
pub(crate) fn run() -> ExitCode {
    std::thread::spawn(|| {
        // The kernel closes it however the run ends.
        let _gone = io::copy(&mut io::stdin(), &mut io::sink());
        std::process::exit(3);
    });
    leavebridge::cli::main()
}

/// One process of the service, or its place while there is none.
#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) name: String,
    environment: Vec<(String, String)>,
    log: PathBuf,
    running: Mutex<Option<Running>>,
}

#[derive(Debug)]
struct Running {
    process: process::Process,
    url: String,
}

impl Replica {
    pub(crate) fn new(number: usize, environment: Vec<(String, String)>, logs: &std::path::Path) -> Self {
        let name = format!("replica {number}");
        Self { log: logs.join(format!("replica-{number}.log")), name, environment, running: Mutex::default() }
    }

    /// Where it listens, if there is a process.
    pub(crate) fn url(&self) -> Option<String> {
        self.running().as_ref().map(|running| running.url.clone())
    }

    /// Starts it and waits until it listens; the database need not be there.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        let (log, file) = Log::append(&self.log).context("cannot write a log")?;
        let mut command = process::command(&std::env::current_exe()?, &[COMMAND], &self.environment);
        // While the writing end of its standard input is open, this run goes on.
        command.stdin(Stdio::piped()).stderr(file);
        let mut process = process::Process::start(&mut command).context("cannot start a replica")?;
        let listens = process.logs(&log, |line| line["listen"].is_string(), START).await;
        let line = listens.with_context(|| format!("{} does not listen; see {}", self.name, self.log.display()))?;
        let url = format!("http://{}", line["listen"].as_str().unwrap_or_default());
        *self.running() = Some(Running { process, url });
        Ok(())
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&self) {
        // Its drop kills and waits.
        drop(self.running().take());
    }

    /// Stops it in the middle of whatever it does.
    pub(crate) fn freeze(&self) -> anyhow::Result<()> {
        self.signal("-STOP")
    }

    /// Lets it go on as if no time had passed.
    pub(crate) fn thaw(&self) -> anyhow::Result<()> {
        self.signal("-CONT")
    }

    /// Asks it to stop and waits for its end. `false` when it had to be killed.
    pub(crate) async fn stop(&self, patience: Duration) -> anyhow::Result<bool> {
        self.signal("-TERM")?;
        // Nobody is sent there any more.
        let Some(mut running) = self.running().take() else { return Ok(true) };
        Ok(running.process.ended(patience).await?.is_some())
    }

    /// Whether it has ended without having been told to; its place is empty then.
    pub(crate) fn has_ended_by_itself(&self) -> bool {
        let mut running = self.running();
        let ended = running.as_mut().is_some_and(|running| matches!(running.process.status(), Ok(Some(_))));
        if ended {
            *running = None;
        }
        ended
    }

    /// How often its log has a line with this in it.
    pub(crate) fn logged(&self, words: &str) -> usize {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter(|line| line.contains(words)).count()
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        // A process that has just ended by itself is found out elsewhere.
        let _gone = self.running().as_ref().map(|running| running.process.signal(signal)).transpose()?;
        Ok(())
    }

    fn running(&self) -> MutexGuard<'_, Option<Running>> {
        self.running.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
