//! Wires everything together and runs it: the only module that sees all the others.
//!
//! The service answers before its database does: it listens at once, refuses webhooks with 503 until the schema is up to
//! date, and begins to deliver then. A part that ends by itself takes the whole process down, so that an orchestrator
//! starts it anew; half a service that looks healthy would be worse.

use std::{sync::Arc, time::Duration};

use sqlx::migrate::MigrateError;
use tokio::{net::TcpListener, sync::watch, task::JoinSet};
use tokio_util::sync::CancellationToken;

use crate::{
    clock::{Clock, Random},
    config::Settings,
    doctor::Doctor,
    engine::{AtWork, ConnectedTenant, Engine},
    graph::Graph,
    http::Api,
    outgoing::{self, OutgoingError},
    store::{Store, StoreError, wake_up::WakeUp},
    telemetry::Metrics,
};

/// How long calls under way may take after the request to stop; then another replica takes over.
const SHUTDOWN_LIMIT: Duration = Duration::from_secs(26);
/// For one request for another issuer's keys.
const KEYS_TIMEOUT: Duration = Duration::from_secs(5);
/// How often to look for a database that is away at start.
const DATABASE_RETRY: Duration = Duration::from_millis(500);
/// Every how many attempts (about a minute) it is logged again.
const LOG_EVERY: u32 = 100;
const PRUNE_EVERY: Duration = Duration::from_hours(1);

/// Why the service does not run.
#[derive(Debug, thiserror::Error)]
pub enum AppError {
    /// No outgoing HTTPS.
    #[error(transparent)]
    Outgoing(#[from] OutgoingError),
    /// The database URL cannot be used.
    #[error("database.url cannot be used")]
    Database(#[source] sqlx::Error),
    /// The schema is not one that this program can bring up to date.
    #[error("the database cannot be migrated: {0}")]
    Migration(String),
    /// A part of the service ended by itself.
    #[error("{0} ended by itself; the log says why")]
    Ended(&'static str),
    /// Serving failed.
    #[error("cannot serve")]
    Serve(#[source] std::io::Error),
}

/// Runs the service on `listener` until `stop`.
///
/// # Errors
/// When a part of it cannot start or ends by itself.
pub async fn serve(
    settings: &Settings,
    listener: TcpListener,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
    stop: CancellationToken,
) -> Result<(), AppError> {
    let store = Store::new(&settings.database.url, settings.database.max_connections).map_err(AppError::Database)?;
    let wake_up = WakeUp::default();
    let metrics = Metrics::default();
    let (is_ready, ready) = watch::channel(false);
    let engine = Arc::new(engine(settings, &store, &wake_up, &clock, &random, &metrics)?);
    let credential_statuses =
        engine.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.graph.credential_status())).collect();
    let doctor = Doctor::new(Arc::new(settings.clone()), store.clone(), Arc::clone(&clock), Arc::clone(&random));
    let http = outgoing::without_redirects(settings.http.ca_file.as_deref(), KEYS_TIMEOUT)?;
    let stopping = stop.clone();
    let api = Api::new(
        settings,
        &http,
        store.clone(),
        wake_up.clone(),
        clock,
        random,
        metrics,
        credential_statuses,
        ready,
        stopping,
        doctor,
    );

    let mut parts: JoinSet<Result<&'static str, AppError>> = JoinSet::new();
    // Notifications go on until the engine has given its leases back, so that other replicas hear of them.
    let stop_notifications = CancellationToken::new();
    let listening = {
        let stop = stop.clone();
        axum::serve(listener, api.router()).with_graceful_shutdown(async move { stop.cancelled().await })
    };
    parts.spawn(async move { listening.await.map(|()| "the API").map_err(AppError::Serve) });
    // Also while the database is away.
    parts.spawn({
        let (engine, stop) = (Arc::clone(&engine), stop.clone());
        async move {
            engine.count_down(&stop).await;
            Ok("the countdown of credentials")
        }
    });
    parts.spawn({
        let (store, stop, migrate) = (store.clone(), stop.clone(), settings.database.migrate);
        async move {
            if !prepare(&store, migrate, &stop).await? {
                return Ok("the preparation of the database");
            }
            is_ready.send_replace(true);
            tracing::info!("ready");
            tokio::join!(Arc::clone(&engine).run(stop.clone()), prune(&store, &stop), engine.resync(&stop));
            Ok("the delivery engine")
        }
    });
    let notifications = tokio::spawn({
        let (wake_up, store, stop_notifications) = (wake_up.clone(), store.clone(), stop_notifications.clone());
        async move { wake_up.carry(store, stop_notifications).await }
    });

    let ended = tokio::select! {
        () = stop.cancelled() => Ok(()),
        Some(part) = parts.join_next() => match part {
            Ok(Ok(_)) if stop.is_cancelled() => Ok(()),
            Ok(Ok(part)) => Err(AppError::Ended(part)),
            Ok(Err(error)) => Err(error),
            Err(_panicked) => Err(AppError::Ended("a part of the service")),
        },
    };
    stop.cancel();
    tracing::info!("stopping: finishing what is under way");
    let finished = tokio::time::timeout(SHUTDOWN_LIMIT, async { while parts.join_next().await.is_some() {} }).await;
    if finished.is_err() {
        tracing::warn!("some calls did not end in time; the replica that takes over looks them up");
        parts.abort_all();
    }
    stop_notifications.cancel();
    let _ended = notifications.await;
    let _closed = tokio::time::timeout(Duration::from_secs(1), store.close()).await;
    tracing::info!("stopped");
    ended
}

fn engine(
    settings: &Settings,
    store: &Store,
    wake_up: &WakeUp,
    clock: &Arc<dyn Clock>,
    random: &Arc<dyn Random>,
    metrics: &Metrics,
) -> Result<Engine, AppError> {
    let http = outgoing::client(settings.http.ca_file.as_deref(), settings.sync.call_timeout)?;
    let direct = outgoing::direct(settings.sync.call_timeout)?;
    let tenants = settings
        .tenants
        .iter()
        .map(|(name, tenant)| {
            let graph = Graph::new(
                http.clone(),
                direct.clone(),
                &tenant.microsoft,
                settings.sync.call_timeout,
                Arc::clone(clock),
                Arc::clone(random),
            );
            (name.clone(), ConnectedTenant::new(graph, tenant.policy.clone()))
        })
        .collect();
    Ok(Engine {
        store: store.clone(),
        wake_up: wake_up.clone(),
        tenants,
        settings: settings.sync.clone(),
        clock: Arc::clone(clock),
        random: Arc::clone(random),
        metrics: metrics.clone(),
        directory_fresh_for: settings.directory_fresh_for,
        installation: settings.installation.clone(),
        generation: std::sync::OnceLock::new(),
        at_work: AtWork::default(),
    })
}

/// Waits for the database and its schema, bringing it up to date if that is wished. `false` when stopped meanwhile.
async fn prepare(store: &Store, migrate: bool, stop: &CancellationToken) -> Result<bool, AppError> {
    for tries in 0_u32.. {
        let trouble = if migrate {
            match store.migrate().await {
                Ok(()) => return Ok(true),
                Err(MigrateError::Execute(error)) => StoreError::from(error).passing()?,
                Err(error) => return Err(AppError::Migration(Store::why_not_migrated(error))),
            }
        } else {
            match store.is_ready().await {
                Ok(true) => return Ok(true),
                Ok(false) => "its schema is older than this program: run `leavebridge migrate`".to_owned(),
                Err(error) => error.passing()?,
            }
        };
        if tries % LOG_EVERY == 0 {
            let cause = store.obstacle().await.unwrap_or(trouble);
            tracing::warn!(cause, "the database is not ready yet; waiting for it");
        }
        tokio::select! {
            () = stop.cancelled() => break,
            () = tokio::time::sleep(DATABASE_RETRY) => {}
        }
    }
    Ok(false)
}

impl StoreError {
    /// What is in the way, when waiting may help.
    fn passing(self) -> Result<String, AppError> {
        match self {
            Self::Unavailable(_) => Ok(self.cause()),
            Self::Broken(_) | Self::Newer | Self::TooOld => Err(AppError::Migration(self.cause())),
        }
    }
}

/// Once an hour: makes room for the months to come, and forgets old delivery ids.
async fn prune(store: &Store, stop: &CancellationToken) {
    loop {
        if let Err(error) = store.make_partitions().await {
            // What is written goes into the default partition then; nothing stops.
            tracing::info!(%error, cause = error.cause(), "partitions for the next months were not made; run `leavebridge migrate`");
        }
        loop {
            match store.prune().await {
                Ok(true) if !stop.is_cancelled() => {}
                Ok(_) => break,
                Err(error) => {
                    tracing::warn!(%error, "old delivery ids could not be forgotten; trying again in an hour");
                    break;
                }
            }
        }
        tokio::select! {
            () = stop.cancelled() => return,
            () = tokio::time::sleep(PRUNE_EVERY) => {}
        }
    }
}
