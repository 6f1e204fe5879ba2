//! `cargo bench`: how fast leavebridge is, what it costs, and what of that is the machine's own limit.
//!
//! The service runs as it does in production: the real program as a process of its own, with its default settings and log
//! level, on a PostgreSQL that syncs to disk. The portals and the simulated Microsoft share this process. It must never
//! flatter: whoever measures shares the machine's cores, what a limit is compared with is measured in the same run, and a
//! figure is only good when everything posted has really settled.
//!
//! `cargo bench -- --quick` takes seconds, `--only intake,lag` some parts only; `--json PATH` says where the figures go.

mod delivery;
mod economy;
mod history;
mod intake;
mod lag;
mod load;
mod numbers;
mod report;
mod service;
mod stage;
mod sustained;
mod webhooks;

use std::path::PathBuf;

use clap::Parser;

use crate::{report::Report, stage::Stage};

const PARTS: [&str; 6] = ["intake", "delivery", "sustained", "lag", "economy", "history"];

/// What to measure.
#[derive(Debug, Clone, Parser)]
struct Options {
    /// Seconds instead of minutes: for trying things, not for quoting.
    #[arg(long)]
    quick: bool,
    /// Only these parts: intake, delivery, sustained, lag, economy, history.
    #[arg(long, value_delimiter = ',', value_parser = PARTS)]
    only: Vec<String>,
    /// Where the figures go.
    #[arg(long, default_value = "target/bench/speed.json")]
    json: PathBuf,
    /// Cargo says so; it means nothing here.
    #[arg(long, hide = true)]
    bench: bool,
}

/// How much of everything.
#[derive(Debug, Clone, Copy)]
struct Size {
    /// People in the simulated directory, over whom the leave is spread.
    people: usize,
    /// Seconds that each figure of the intake is taken over.
    intake_seconds: u64,
    /// Leaves that wait to be delivered, answered at once and after 50 ms.
    deliveries: [usize; 2],
    /// Seconds of posting as fast as it goes.
    sustained_seconds: u64,
    /// Webhooks of which the way to Graph is timed.
    lags: usize,
    /// Leaves that have long been settled.
    history: usize,
    /// Leaves that wait while memory is looked at.
    backlog: usize,
    /// Seconds at rest over which processor time is counted.
    rest_seconds: u64,
}

const FULL: Size = Size {
    people: 50_000,
    intake_seconds: 5,
    deliveries: [20_000, 10_000],
    sustained_seconds: 30,
    lags: 300,
    history: 1_000_000,
    backlog: 100_000,
    rest_seconds: 20,
};
const QUICK: Size = Size {
    people: 10_000,
    intake_seconds: 2,
    deliveries: [6_000, 3_000],
    sustained_seconds: 5,
    lags: 40,
    history: 50_000,
    backlog: 10_000,
    rest_seconds: 3,
};

fn main() -> anyhow::Result<()> {
    let options = Options::parse();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build()?;
    runtime.block_on(measure(&options))
}

async fn measure(options: &Options) -> anyhow::Result<()> {
    let size = if options.quick { QUICK } else { FULL };
    let wanted = |part: &str| options.only.is_empty() || options.only.iter().any(|only| only == part);
    let stage = Stage::start(size.people).await?;
    let mut report = Report::new(&stage, options.quick).await?;
    let mut empty = history::Baseline::default();
    for part in ["Intake", "Delivery", "Lag", "Sustained", "Economy", "History"] {
        if !wanted(&part.to_lowercase()) {
            continue;
        }
        report.begin(part, &stage)?;
        match part {
            "Intake" => empty.intake = Some(intake::measure(&stage, &mut report, size.intake_seconds).await?),
            "Delivery" => empty.delivery = Some(delivery::measure(&stage, &mut report, size.deliveries).await?),
            "Lag" => empty.lag = Some(lag::measure(&stage, &mut report, size.lags).await?),
            "Sustained" => sustained::measure(&stage, &mut report, size.sustained_seconds).await?,
            "Economy" => economy::measure(&stage, &mut report, size.backlog).await?,
            _ => history::measure(&stage, &mut report, size, &mut empty).await?,
        }
        report.end(&stage)?;
    }
    report.finish(&options.json)
}
