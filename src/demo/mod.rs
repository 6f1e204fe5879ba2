//! `leavebridge demo`: from nothing to leave in Outlook with one command.
//!
//! It must never be part of a production build: it starts throw-away servers that trust everybody who can reach them.

mod acts;
mod portal;
mod scene;
mod story;

use std::{
    fs::OpenOptions, io::Write as _, net::Ipv4Addr, os::unix::fs::OpenOptionsExt as _, path::PathBuf, sync::Arc,
};

use anyhow::Context as _;
use leavebridge_simulator::Simulator;
use leavebridge_stage::postgres::{Durability, PrivatePostgres};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::scene::Scene;
use crate::{
    app,
    clock::{SystemClock, SystemRandom},
    config, outgoing, telemetry,
};

const DEFAULT_PORT: u16 = 8080;
const DEFAULT_SIMULATOR_PORT: u16 = 8090;

/// What the demonstration is asked for.
#[derive(Debug, Clone, clap::Args)]
pub struct Options {
    /// Port of the service; another free one is taken if this is the default and in use.
    #[arg(long, default_value_t = DEFAULT_PORT)]
    port: u16,
    /// Port of the simulated Microsoft; likewise.
    #[arg(long, default_value_t = DEFAULT_SIMULATOR_PORT)]
    simulator_port: u16,
    /// Writes addresses, tokens and secrets to this file, for scripts.
    #[arg(long, value_name = "PATH")]
    env_file: Option<PathBuf>,
    /// Ends after the story, with 0 only if every event is right.
    #[arg(long)]
    exit: bool,
}

/// Runs the demonstration until `stop`, or to the end of the story. `true` when everything was as it should be.
///
/// # Errors
/// When something that it stands on cannot be started.
pub async fn run(options: &Options, environment: &[(String, String)], stop: CancellationToken) -> anyhow::Result<bool> {
    let given = environment.iter().find(|(name, _)| name == "DATABASE_URL").map(|(_, url)| url.clone());
    let private = match given {
        Some(_) => None,
        None => Some(PrivatePostgres::start(environment, Durability::Process).await?),
    };
    let database_url = given.unwrap_or_else(|| private.as_ref().map_or_else(String::new, |p| p.url("postgres")));
    let api = listen(options.port, DEFAULT_PORT).await?;
    let simulator = listen(options.simulator_port, DEFAULT_SIMULATOR_PORT).await?;
    let scene = Scene::new(
        &SystemClock,
        &SystemRandom,
        database_url,
        private.is_some(),
        api.local_addr()?,
        simulator.local_addr()?,
    );
    let mut file = tempfile::NamedTempFile::new()?;
    file.write_all(scene::FILE.as_bytes())?;
    let settings = config::load(Some(file.path()), &scene.configuration())?;
    telemetry::install_log(&settings.log);

    let ended = stop.child_token();
    let microsoft = tokio::spawn({
        // It stays until the service has finished its calls.
        let gone = CancellationToken::new();
        let leave = gone.clone();
        let serving = Simulator::default().serve(simulator, gone);
        let ended = ended.clone();
        async move {
            let serving = tokio::spawn(serving);
            ended.cancelled().await;
            (leave, serving)
        }
    });
    let service = tokio::spawn({
        let (settings, ended) = (settings.clone(), ended.clone());
        async move { app::serve(&settings, api, Arc::new(SystemClock), Arc::new(SystemRandom), ended).await }
    });

    let http = outgoing::client(None, std::time::Duration::from_secs(40))?;
    let told = tokio::select! {
        told = tell(&scene, &http, &settings, options) => told,
        () = stop.cancelled() => Ok(true),
    };
    if !options.exit && told.is_ok() {
        scene::print(&scene.invitation(&settings)?);
        stop.cancelled().await;
    }
    ended.cancel();
    let served = service.await.context("the service broke down")?;
    if let Ok((leave, serving)) = microsoft.await {
        leave.cancel();
        let _ended = serving.await;
    }
    served?;
    told
}

async fn tell(
    scene: &Scene,
    http: &reqwest::Client,
    settings: &config::Settings,
    options: &Options,
) -> anyhow::Result<bool> {
    if let Some(path) = &options.env_file {
        let text = scene.env_file(settings)?;
        // There are tokens in it: only its owner may read it.
        let file = OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path);
        file.and_then(|mut file| file.write_all(text.as_bytes()))
            .with_context(|| format!("cannot write {}", path.display()))?;
    }
    story::tell(scene, http, settings).await
}

/// That port of this machine, or any free one where the usual one is taken.
async fn listen(port: u16, usual: u16) -> anyhow::Result<TcpListener> {
    match TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await {
        Ok(listener) => Ok(listener),
        Err(error) if error.kind() == std::io::ErrorKind::AddrInUse && port == usual => {
            Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?)
        }
        Err(error) => Err(error).with_context(|| format!("cannot listen on port {port}; choose another one")),
    }
}
