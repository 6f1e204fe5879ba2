//! `serve` and `migrate`.

use std::sync::Arc;

use anyhow::Context as _;
use tokio::{
    net::TcpListener,
    signal::unix::{SignalKind, signal},
};
use tokio_util::sync::CancellationToken;

use super::process::{CommandOutcome, print};
use crate::{
    app,
    clock::{SystemClock, SystemRandom},
    config::Settings,
    store::Store,
    telemetry,
};

/// Runs the service until it is asked to stop.
pub(super) async fn serve(settings: &Settings) -> anyhow::Result<CommandOutcome> {
    telemetry::install_log(&settings.log);
    let listen = settings.http.listen;
    let listener =
        TcpListener::bind(listen).await.with_context(|| format!("cannot listen on {listen} (http.listen)"))?;
    // Port 0 means any free one: the log says which it was.
    let listen = listener.local_addr().context("the listener has no address")?;
    tracing::info!(%listen, version = env!("CARGO_PKG_VERSION"), tenants = settings.tenants.len(), "leavebridge");
    for (tenant, settings) in &settings.tenants {
        let microsoft = &settings.microsoft;
        if microsoft.graph.scheme() == "http" || microsoft.authority.scheme() == "http" {
            tracing::warn!(tenant, "this tenant is reached without TLS: right for the simulator, never for Microsoft");
        }
    }
    let stop = CancellationToken::new();
    tokio::spawn(stop_on_signal(stop.clone()));
    app::serve(settings, listener, Arc::new(SystemClock), Arc::new(SystemRandom), stop).await?;
    Ok(CommandOutcome::Good)
}

/// The first signal asks everybody to finish; the second ends the process at once.
pub(super) async fn stop_on_signal(stop: CancellationToken) {
    let (Ok(mut terminate), Ok(mut interrupt)) = (signal(SignalKind::terminate()), signal(SignalKind::interrupt()))
    else {
        tracing::error!("signals cannot be heard; stop it with SIGKILL");
        return;
    };
    for patient in [true, false] {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        if patient {
            stop.cancel();
        } else {
            std::process::exit(130);
        }
    }
}

/// Brings the schema up to date.
pub(super) async fn migrate(settings: &Settings, json: bool) -> anyhow::Result<CommandOutcome> {
    let store = Store::new(&settings.database.url, 1).context("database.url cannot be used")?;
    if let Err(error) = store.migrate().await {
        anyhow::bail!("the database could not be migrated: {}", Store::why_not_migrated(error));
    }
    print(if json { r#"{"migrated":true}"# } else { "The schema is up to date." })?;
    Ok(CommandOutcome::Good)
}
