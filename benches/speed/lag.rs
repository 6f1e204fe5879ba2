//! How soon a lone webhook reaches Graph, and how soon it is settled, while nothing else happens.

use std::time::{Duration, Instant};

use anyhow::{Context as _, bail, ensure};
use jiff::Timestamp;
use leavebridge::clock::{Clock as _, Random as _, SystemClock, SystemRandom};
use reqwest::Method;
use tokio::time::sleep;

use crate::{
    load::Connection,
    numbers::percentile,
    report::{Goal, Report},
    service::Service,
    stage::Stage,
};

const SETTLED_WITHIN: Duration = Duration::from_secs(10);

/// The way of many lone webhooks.
#[derive(Debug, Default)]
pub(crate) struct Lag {
    acknowledged: Vec<Duration>,
    requested: Vec<Duration>,
    settled: Vec<Duration>,
    waited: Vec<Duration>,
}

impl Lag {
    /// Milliseconds until the request at Graph, for that share of the webhooks.
    pub(crate) fn requested(&mut self, share: f64) -> f64 {
        percentile(&mut self.requested, share)
    }
}

/// Takes the figures.
pub(crate) async fn measure(stage: &Stage, report: &mut Report, webhooks: usize) -> anyhow::Result<Lag> {
    let _database = stage.database("speed_lag").await?;
    let service = stage.service("speed_lag", 0).await?;
    let mut lag = lone(stage, &service, webhooks).await?;
    service.stop().await?;
    stage.drop_database("speed_lag").await?;
    for (what, times, goals) in [
        ("webhook → acknowledged", &mut lag.acknowledged, [Goal::None; 2]),
        ("webhook → request at Graph", &mut lag.requested, [Goal::AtMost(10.0), Goal::AtMost(40.0)]),
        ("webhook → settled", &mut lag.settled, [Goal::None; 2]),
        ("webhook → answer with `prefer: wait`", &mut lag.waited, [Goal::None; 2]),
    ] {
        for (share, goal) in [50, 99].into_iter().zip(goals) {
            let took = percentile(times, f64::from(share) / 100.0);
            report.figure(&format!("{what}, p{share}"), took, "ms", goal);
        }
    }
    Ok(lag)
}

/// Posts that many webhooks with pauses between them.
pub(crate) async fn lone(stage: &Stage, service: &Service, webhooks: usize) -> anyhow::Result<Lag> {
    let portal = service.portal("LAG")?;
    let waiting = crate::webhooks::Portal { further: "prefer: wait=10\r\n", mark: "WAIT", ..portal.clone() };
    let mut connection = Connection::open(service.address).await?;
    let mut lag = Lag::default();
    // The first ones fetch the token and make plans; they do not count.
    for n in 0..webhooks + 10 {
        // Not in step with any timer of the service.
        sleep(Duration::from_millis(30 + SystemRandom.bits() % 70)).await;
        let before = newest(stage).await?;
        let request = portal.request(n);
        let (posted_at, posted) = (SystemClock.now(), Instant::now());
        let (status, _) = connection.exchange(request.as_bytes()).await?;
        let acknowledged = posted.elapsed();
        ensure!(status == 202, "answered {status}");
        let settled = wait(&mut connection, service, &portal.token, &format!("LAG-{n}"), posted).await?;
        let arrived = arrival(stage, before).await?;

        sleep(Duration::from_millis(30 + SystemRandom.bits() % 70)).await;
        let request = waiting.request(n);
        let posted = Instant::now();
        let (status, answer) = connection.exchange(request.as_bytes()).await?;
        ensure!(status == 202 && answer.windows(6).any(|six| six == b"synced"), "not settled within 10 s");
        if n >= 10 {
            lag.acknowledged.push(acknowledged);
            lag.requested.push(Duration::try_from(arrived.duration_since(posted_at)).unwrap_or_default());
            lag.settled.push(settled);
            lag.waited.push(posted.elapsed());
        }
    }
    Ok(lag)
}

/// Asks until that leave is settled; says how long that was after `posted`.
async fn wait(
    connection: &mut Connection,
    service: &Service,
    token: &str,
    leave: &str,
    posted: Instant,
) -> anyhow::Result<Duration> {
    let request =
        format!("GET /leaves/{leave} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {token}\r\n\r\n", service.address);
    while posted.elapsed() < SETTLED_WITHIN {
        let (status, answer) = connection.exchange(request.as_bytes()).await?;
        ensure!(status == 200, "answered {status}");
        if answer.windows(6).any(|six| six == b"synced") {
            return Ok(posted.elapsed());
        }
        sleep(Duration::from_millis(1)).await;
    }
    bail!("not settled within {SETTLED_WITHIN:?}")
}

/// The number of the newest request that Microsoft has had.
async fn newest(stage: &Stage) -> anyhow::Result<u64> {
    stage.requests().await
}

/// When the first request after that one arrived.
async fn arrival(stage: &Stage, after: u64) -> anyhow::Result<Timestamp> {
    let journal = stage.control(Method::GET, &format!("requests?after={after}"), None).await?;
    let at = journal.as_array().and_then(|entries| entries.iter().find(|entry| entry["method"] == "POST"));
    Ok(at.context("no request at Graph")?["at"].as_str().context("no time")?.parse()?)
}
