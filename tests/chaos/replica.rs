//! One process of the service: the ordinary command line, run by this very program under another name.
//!
//! It must never outlive the run, and no signal may go to a process that was not started here.

use std::{
    fs::{self, File, OpenOptions},
    io,
    path::PathBuf,
    process::{Child, Command, ExitCode, Stdio},
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use anyhow::{Context as _, ensure};
use serde_json::Value;
use tokio::time::Instant;

/// The ordinary command that a replica runs; nobody types it for this program.
const COMMAND: &str = "serve";
/// A busy machine is slow to start a debug build.
const START: Duration = Duration::from_mins(1);
const POLL: Duration = Duration::from_millis(20);

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
    process: Mutex<Option<Process>>,
}

#[derive(Debug)]
struct Process {
    child: Child,
    url: String,
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ended_already = self.child.kill();
        let _status = self.child.wait();
    }
}

impl Replica {
    pub(crate) fn new(number: usize, environment: Vec<(String, String)>, logs: &std::path::Path) -> Self {
        let name = format!("replica {number}");
        Self { log: logs.join(format!("replica-{number}.log")), name, environment, process: Mutex::default() }
    }

    /// Where it listens, if there is a process.
    pub(crate) fn url(&self) -> Option<String> {
        self.process().as_ref().map(|process| process.url.clone())
    }

    /// Starts it and waits until it listens; the database need not be there.
    pub(crate) async fn start(&self) -> anyhow::Result<()> {
        let log = OpenOptions::new().create(true).append(true).open(&self.log).context("cannot write a log")?;
        let from = log.metadata()?.len();
        let child = Command::new(std::env::current_exe()?)
            .arg(COMMAND)
            .env_clear()
            .envs(self.environment.iter().cloned())
            .stdin(Stdio::piped())
            .stdout(Stdio::null())
            .stderr(log)
            .spawn()
            .context("cannot start a replica")?;
        let mut process = Process { child, url: String::new() };
        let end = Instant::now() + START;
        loop {
            if let Some(listen) = self.listens(from)? {
                process.url = format!("http://{listen}");
                break;
            }
            let ended = process.child.try_wait()?;
            ensure!(ended.is_none(), "{} ended at its start; see {}", self.name, self.log.display());
            ensure!(Instant::now() < end, "{} does not listen; see {}", self.name, self.log.display());
            tokio::time::sleep(POLL).await;
        }
        *self.process() = Some(process);
        Ok(())
    }

    /// The address that this process says it listens on.
    fn listens(&self, from: u64) -> anyhow::Result<Option<String>> {
        let mut file = File::open(&self.log)?;
        io::Seek::seek(&mut file, io::SeekFrom::Start(from))?;
        let text = io::read_to_string(file)?;
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        Ok(lines.into_iter().find_map(|line| line["listen"].as_str().map(str::to_owned)))
    }

    /// Ends it without a warning.
    pub(crate) fn kill(&self) {
        // Its drop kills and waits.
        drop(self.process().take());
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
        let Some(mut process) = self.process().take() else { return Ok(true) };
        let end = Instant::now() + patience;
        while Instant::now() < end {
            if process.child.try_wait()?.is_some() {
                return Ok(true);
            }
            tokio::time::sleep(POLL).await;
        }
        Ok(false)
    }

    /// Whether it has ended without having been told to; its place is empty then.
    pub(crate) fn has_ended_by_itself(&self) -> bool {
        let mut process = self.process();
        let ended = process.as_mut().is_some_and(|process| matches!(process.child.try_wait(), Ok(Some(_))));
        if ended {
            *process = None;
        }
        ended
    }

    /// How often its log has a line with this in it.
    pub(crate) fn logged(&self, words: &str) -> usize {
        let text = fs::read(&self.log).unwrap_or_default();
        String::from_utf8_lossy(&text).lines().filter(|line| line.contains(words)).count()
    }

    fn signal(&self, signal: &str) -> anyhow::Result<()> {
        let pid = self.process().as_ref().map(|process| process.child.id());
        let Some(pid) = pid else { return Ok(()) };
        let sent = Command::new("kill").args([signal, &pid.to_string()]).stderr(Stdio::null()).status()?;
        // A process that has just ended by itself is found out elsewhere.
        let _gone = sent.success();
        Ok(())
    }

    fn process(&self) -> MutexGuard<'_, Option<Process>> {
        self.process.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
