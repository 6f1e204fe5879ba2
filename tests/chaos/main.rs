//! The chaos run: minutes of traffic while everything that can break does, then a count of what went wrong.
//!
//! `cargo run --release --example chaos -- --minutes 5`. Three real processes of the service share one PostgreSQL; they are
//! killed, frozen past their leases and restarted, the database crashes, Microsoft fails in every way it is known to fail,
//! people tidy up in their calendars, get new addresses, and pass one on. In the end every calendar, a team's too, must hold what the acknowledged webhooks say.
//!
//! It must never forgive: whatever is lost, doubled, wrong, out of order or over a limit, once in a run, ends it with 1.

mod dice;
mod faults;
mod leave;
mod microsoft;
mod names;
mod operator;
mod portal;
mod quiet;
mod replica;
mod report;
mod staff;
mod stage;
mod tally;
mod traffic;
mod trouble;
mod verdict;

use std::{process::ExitCode, sync::Arc, time::Duration};

use clap::Parser as _;
use tokio_util::sync::CancellationToken;

use self::{portal::Portals, stage::Stage};

/// Everything that can break does, for minutes; then a count of what went wrong.
#[derive(Debug, Clone, clap::Parser)]
#[command(name = "chaos")]
pub(crate) struct Options {
    /// For how long there is traffic and trouble.
    #[arg(long, default_value_t = 5.0)]
    minutes: f64,
    /// How many processes of the service there are.
    #[arg(long, default_value_t = 3)]
    replicas: usize,
    /// Decides what is done when; without it another one is taken each time.
    #[arg(long)]
    seed: Option<u64>,
    /// Webhooks a second, about.
    #[arg(long, default_value_t = 20)]
    rate: u64,
    /// Microsoft carries no request out after the service has given up waiting for it.
    #[arg(long)]
    no_late_commits: bool,
    /// When all is quiet, moves the database's clock past the waits that are left instead of sitting them out.
    #[arg(long)]
    hurry: bool,
    /// Keeps the replicas' logs in this folder; else they are kept only when something is wrong.
    #[arg(long, value_name = "DIRECTORY")]
    logs: Option<std::path::PathBuf>,
}

fn main() -> ExitCode {
    if replica::is_one() {
        return replica::run();
    }
    let options = Options::parse();
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => {
            report::say(&format!("cannot start: {error}"));
            return ExitCode::from(2);
        }
    };
    let ended = runtime.block_on(async {
        tokio::select! {
            ended = run(options) => ended,
            // Whatever was started ends with what is dropped here.
            _ = tokio::signal::ctrl_c() => Err(anyhow::anyhow!("interrupted")),
        }
    });
    match ended {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::from(1),
        Err(error) => {
            report::say(&format!("the run could not be brought to its end: {error:#}"));
            ExitCode::from(2)
        }
    }
}

async fn run(options: Options) -> anyhow::Result<bool> {
    let seed =
        options.seed.unwrap_or_else(|| leavebridge::clock::Random::bits(&leavebridge::clock::SystemRandom) >> 32);
    let stage = Stage::set(options.clone(), seed).await?;
    stage.tell(&format!(
        "seed {seed}: {} replicas, {} people, {} minutes; logs in {}",
        stage.replicas.len(),
        stage.people.len(),
        options.minutes,
        stage.logs.display()
    ));

    let portals = Portals::new(Arc::clone(&stage));
    traffic::introduce(&stage, &portals).await?;
    let over = CancellationToken::new();
    let mut working = tokio::task::JoinSet::new();
    working.spawn(traffic::flow(Arc::clone(&stage), portals.clone(), over.clone()));
    working.spawn(staff::tidy_up(Arc::clone(&stage), portals.clone(), over.clone()));
    working.spawn(names::change(Arc::clone(&stage), over.clone()));
    working.spawn(faults::script(Arc::clone(&stage), over.clone()));
    trouble::brew(&stage, &over, &mut working);
    let progress = tokio::spawn(report::progress(Arc::clone(&stage)));

    tokio::time::sleep(Duration::from_secs_f64(options.minutes * 60.0)).await;
    over.cancel();
    while let Some(ended) = working.join_next().await {
        ended??;
    }
    let verdict = async {
        quiet::restore(&stage, &portals).await?;
        let unsettled = quiet::settle(&stage).await?;
        verdict::find(&stage, &unsettled).await
    };
    let verdict = verdict.await;
    progress.abort();
    let good = report::table(&stage, verdict?, seed).await?;
    if good && options.logs.is_none() {
        std::fs::remove_dir_all(&stage.logs)?;
    }
    Ok(good)
}
