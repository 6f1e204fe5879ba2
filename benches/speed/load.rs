//! Senders that keep one connection each and send one request after the other: cheap, as they share the cores with what they
//! measure.
//!
//! They must never count what was not acknowledged, and never wait for ever.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context as _, bail, ensure};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
    task::JoinSet,
    time::timeout,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(40);
const LONGEST_ANSWER: usize = 1 << 20;

/// Somebody who sends the `n`th of something and waits for the answer.
pub(crate) trait Sender: Send + 'static {
    fn send(&mut self, n: usize) -> impl Future<Output = anyhow::Result<()>> + Send;
}

/// What came of a load.
#[derive(Debug)]
pub(crate) struct Load {
    pub(crate) took: Duration,
    pub(crate) latencies: Vec<Duration>,
}

impl Load {
    pub(crate) fn per_second(&self) -> f64 {
        crate::numbers::count(self.latencies.len()) / self.took.as_secs_f64()
    }
}

/// Lets all `senders` send, numbers from `first`, until `time` is over.
pub(crate) async fn drive<S: Sender>(senders: Vec<S>, first: usize, time: Duration) -> anyhow::Result<Load> {
    let next = Arc::new(AtomicUsize::new(first));
    let begun = Instant::now();
    let mut working = JoinSet::new();
    for mut sender in senders {
        let next = Arc::clone(&next);
        working.spawn(async move {
            let mut latencies = Vec::new();
            while begun.elapsed() < time {
                let sent = Instant::now();
                timeout(ANSWER_WITHIN, sender.send(next.fetch_add(1, Ordering::Relaxed)))
                    .await
                    .context("no answer")??;
                latencies.push(sent.elapsed());
            }
            anyhow::Ok(latencies)
        });
    }
    let mut latencies = Vec::new();
    while let Some(sender) = working.join_next().await {
        latencies.extend(sender??);
    }
    Ok(Load { took: begun.elapsed(), latencies })
}

/// A connection that is kept, with just as much HTTP/1.1 as the service's answers need.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TcpStream,
    received: Vec<u8>,
}

impl Connection {
    pub(crate) async fn open(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Ok(Self { stream, received: Vec::with_capacity(4096) })
    }

    /// Sends a whole request; gives the status and the body.
    pub(crate) async fn exchange(&mut self, request: &[u8]) -> anyhow::Result<(u16, &[u8])> {
        self.stream.write_all(request).await?;
        self.received.clear();
        loop {
            let read = self.stream.read_buf(&mut self.received).await?;
            ensure!(read > 0, "the service hung up");
            ensure!(self.received.len() < LONGEST_ANSWER, "the answer never ends");
            if let Some((status, head, length)) = head(&self.received)?
                && self.received.len() >= head + length
            {
                return Ok((status, &self.received[head..head + length]));
            }
        }
    }
}

/// Status, length of the head and length of the body, once the head is complete.
fn head(received: &[u8]) -> anyhow::Result<Option<(u16, usize, usize)>> {
    let Some(end) = received.windows(4).position(|four| four == b"\r\n\r\n") else { return Ok(None) };
    let head = std::str::from_utf8(&received[..end])?;
    let status = head.get(9..12).context("no status")?.parse()?;
    let length = head.lines().find_map(|line| {
        let (name, value) = line.split_once(':')?;
        name.eq_ignore_ascii_case("content-length").then(|| value.trim().parse::<usize>())
    });
    match length {
        Some(length) => Ok(Some((status, end + 4, length?))),
        None if status == 204 => Ok(Some((status, end + 4, 0))),
        None => bail!("an answer without a length: {head}"),
    }
}
