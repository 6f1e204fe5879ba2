//! The real program as a process of its own, and what the kernel says about it.
//!
//! It must never outlive the measuring: dropping it ends it.

use std::{
    fs,
    net::{Ipv4Addr, SocketAddr, TcpListener},
    path::Path,
    sync::Arc,
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use jiff::SignedDuration;
use leavebridge::{
    clock::{Clock as _, SystemClock},
    config::{self, Settings},
    http,
};
use leavebridge_stage::{
    environment::{Variables, portal, simulated_tenant, variables},
    process::{self, Process},
};
use tokio::time::sleep;

use crate::{load::Connection, webhooks::Portal};

const START: Duration = Duration::from_secs(30);
const SIGNING_KEY: &str = "a-signing-key-that-is-for-measuring-only-01";
/// The kernel's unit of processor time on every Linux there is: 1/100 s.
const TICK: f64 = 0.01;

/// A running service.
#[derive(Debug)]
pub(crate) struct Service {
    process: Process,
    pub(crate) address: SocketAddr,
    pub(crate) settings: Settings,
    /// From the start of the process until it was ready.
    pub(crate) start: Duration,
    people: usize,
}

impl Service {
    /// Starts one on that database and Microsoft, with the settings that an operator begins with.
    pub(crate) async fn start(
        database: &str,
        microsoft: &str,
        people: usize,
        mailboxes: Option<usize>,
    ) -> anyhow::Result<Self> {
        // Free at this moment; nobody else takes ports on purpose here.
        let address = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?;
        let mut environment = environment(database, microsoft, &address.to_string());
        if let Some(most) = mailboxes {
            environment.extend(variables(&[("SYNC__MAILBOXES", &most.to_string())]));
        }
        let settings = config::load(None, &environment)?;
        let begun = Instant::now();
        let program = Path::new(env!("CARGO_BIN_EXE_leavebridge"));
        let process = Process::start(&mut process::command(program, &[], &environment))?;
        let mut service = Self { process, address, settings, start: Duration::ZERO, people };
        service.wait(begun).await?;
        service.start = begun.elapsed();
        Ok(service)
    }

    async fn wait(&mut self, begun: Instant) -> anyhow::Result<()> {
        let request = format!("GET /health/ready HTTP/1.1\r\nhost: {}\r\n\r\n", self.address);
        while begun.elapsed() < START {
            if let Some(status) = self.process.status()? {
                bail!("the service ended: {status}");
            }
            if let Ok(mut connection) = Connection::open(self.address).await
                && let Ok((200, _)) = connection.exchange(request.as_bytes()).await
            {
                return Ok(());
            }
            sleep(Duration::from_millis(1)).await;
        }
        bail!("the service is not ready after {START:?}")
    }

    /// A portal that posts to it.
    pub(crate) fn portal(&self, mark: &'static str) -> anyhow::Result<Portal> {
        let token: Arc<str> = self.token("ess")?.into();
        Ok(Portal { service: self.address, token, mark, people: self.people, further: "" })
    }

    fn token(&self, client: &str) -> anyhow::Result<String> {
        let scopes = &self.settings.clients.get(client).context("no such client")?.scopes;
        Ok(http::mint(&self.settings.auth, client, scopes, SystemClock.now(), SignedDuration::from_hours(2))?)
    }

    /// Megabytes of memory that it holds now.
    pub(crate) fn memory(&self) -> anyhow::Result<f64> {
        let status = fs::read_to_string(format!("/proc/{}/status", self.process.id()))?;
        let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).context("no VmRSS")?;
        let kilobytes: f64 = line.trim().trim_end_matches(" kB").parse()?;
        Ok(kilobytes / 1024.0)
    }

    /// The most megabytes that it holds while `work` is done.
    pub(crate) async fn most_memory<T>(&self, work: impl Future<Output = T>) -> anyhow::Result<(f64, T)> {
        let mut work = std::pin::pin!(work);
        let mut most = self.memory()?;
        loop {
            tokio::select! {
                done = &mut work => return Ok((most.max(self.memory()?), done)),
                () = sleep(Duration::from_millis(50)) => most = most.max(self.memory()?),
            }
        }
    }

    /// Seconds of processor time that it has used.
    pub(crate) fn processor(&self) -> anyhow::Result<f64> {
        processor(self.process.id())
    }

    /// Ends it in good order.
    pub(crate) async fn stop(mut self) -> anyhow::Result<()> {
        ensure!(self.process.signal("-TERM")?, "cannot send SIGTERM to the service");
        ensure!(self.process.ended(START).await?.is_some(), "the service does not stop");
        Ok(())
    }
}

/// Seconds of processor time that a process has used.
pub(crate) fn processor(pid: u32) -> anyhow::Result<f64> {
    let stat = fs::read_to_string(format!("/proc/{pid}/stat"))?;
    // The name in brackets may hold anything.
    let (_, fields) = stat.rsplit_once(')').context("no name in stat")?;
    let fields: Vec<&str> = fields.split_whitespace().collect();
    let ticks = |at: usize| fields.get(at).and_then(|field| field.parse::<f64>().ok()).unwrap_or(0.0);
    // utime and stime, and those of children that have ended.
    Ok((ticks(11) + ticks(12) + ticks(13) + ticks(14)) * TICK)
}

/// Seconds of processor time that all of this machine has used.
pub(crate) fn machine() -> anyhow::Result<f64> {
    let stat = fs::read_to_string("/proc/stat")?;
    let first = stat.lines().next().context("no line in /proc/stat")?;
    let ticks: Vec<f64> = first.split_whitespace().skip(1).filter_map(|field| field.parse().ok()).collect();
    // user, nice, system, and after idle and iowait what interrupts took.
    Ok([0, 1, 2, 5, 6].iter().filter_map(|at| ticks.get(*at)).sum::<f64>() * TICK)
}

fn environment(database: &str, microsoft: &str, listen: &str) -> Variables {
    let own = variables(&[
        ("DATABASE__URL", database),
        ("HTTP__LISTEN", listen),
        ("AUTH__KEYS__MAIN__SECRET", SIGNING_KEY),
        ("POLICY__TIME_ZONE", "Europe/London"),
    ]);
    [own, simulated_tenant("default", microsoft), portal("ess", "default")].concat()
}
