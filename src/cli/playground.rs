//! `demo` and `simulate`: what the production image leaves out.

use std::net::SocketAddr;

use anyhow::Context as _;
use leavebridge_simulator::Simulator;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{
    process::{CommandOutcome, environment, print},
    run::stop_on_signal,
};
use crate::demo;

/// Shows everything at work on this machine.
pub(super) async fn demo(options: &demo::Options) -> anyhow::Result<CommandOutcome> {
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    let all_right = demo::run(options, &environment(), stop).await?;
    Ok(if all_right { CommandOutcome::Good } else { CommandOutcome::Problems })
}

/// Runs the simulated Microsoft alone.
#[derive(Debug, clap::Args)]
pub(super) struct SimulateCommand {
    /// Where to listen.
    #[arg(long, default_value = "127.0.0.1:8090", value_name = "ADDRESS:PORT")]
    listen: SocketAddr,
}

impl SimulateCommand {
    pub(super) async fn run(&self) -> anyhow::Result<CommandOutcome> {
        let listener =
            TcpListener::bind(self.listen).await.with_context(|| format!("cannot listen on {}", self.listen))?;
        let address = listener.local_addr()?;
        print(&format!(
            "The simulated Microsoft Entra and Graph are at http://{address}; everybody's calendar is at http://{address}/outlook\n\
             Add a user:  curl http://{address}/_sim/users -d '{{\"address\":\"amy.chan@contoso.com\",\"name\":\"Amy Chan\",\"time_zone\":\"Asia/Hong_Kong\"}}'\n\
             Point leavebridge here:\n\
             [tenants.default.microsoft]\n\
             cloud = \"custom\"\n\
             authority = \"http://{address}\"\n\
             graph = \"http://{address}\"\n\
             directory_id = \"{}\"\n\
             client_id = \"{}\"\n\
             client_secret = \"{}\"",
            Simulator::DIRECTORY_ID,
            Simulator::CLIENT_ID,
            Simulator::CLIENT_SECRET
        ))?;
        let stop = CancellationToken::new();
        tokio::spawn(stop_on_signal(stop.clone()));
        Simulator::default().serve(listener, stop).await?;
        Ok(CommandOutcome::Good)
    }
}
