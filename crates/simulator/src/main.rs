//! The simulated Microsoft as a program of its own.

use std::{io::Write as _, net::SocketAddr};

use anyhow::Context as _;
use clap::Parser;
use leavebridge_simulator::Simulator;
use tokio::{
    net::TcpListener,
    signal::unix::{Signal, SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

/// A simulated Microsoft Entra and Microsoft Graph calendar on one port, in memory.
#[derive(Debug, Parser)]
#[command(version, about)]
struct Options {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

#[tokio::main]
async fn main() -> anyhow::Result<()> {
    let Options { listen } = Options::parse();
    let listener = TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen}"))?;
    let address = listener.local_addr()?;
    // A reader that has gone (`| head`) does not end it.
    let _nobody_reads = writeln!(
        std::io::stdout(),
        "Entra (authority) and Graph: http://{address}\n\
         Directory (tenant) ID:       {}\n\
         Application (client) ID:     {}\n\
         Client secret:               {}\n\
         Everybody's calendar:        http://{address}/outlook\n\
         Add a user:  curl http://{address}/_sim/users -d '{{\"address\":\"amy.chan@contoso.com\",\"name\":\"Amy Chan\",\"time_zone\":\"Asia/Hong_Kong\"}}'",
        Simulator::DIRECTORY_ID,
        Simulator::CLIENT_ID,
        Simulator::CLIENT_SECRET
    );
    let stop = CancellationToken::new();
    let (terminate, interrupt) = (signal(SignalKind::terminate())?, signal(SignalKind::interrupt())?);
    tokio::spawn(stop_on_signal(stop.clone(), terminate, interrupt));
    Simulator::default().serve(listener, stop).await.context("the listener broke")
}

/// The first signal lets answers under way be finished; the second ends the process at once.
async fn stop_on_signal(stop: CancellationToken, mut terminate: Signal, mut interrupt: Signal) {
    loop {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if stop.is_cancelled() {
            std::process::exit(130);
        }
        stop.cancel();
    }
}
