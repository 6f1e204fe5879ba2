//! What all handlers share, and how they tell who calls.

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use axum::http::HeaderMap;
use jiff::Timestamp;
use tokio::sync::{Mutex, Semaphore, watch};
use tokio_util::sync::CancellationToken;

use super::{
    auth::{Authenticator, Caller},
    problem::ApiError,
};
use crate::{
    clock::{Clock, Random},
    config::{Scope, Settings},
    doctor::Doctor,
    domain::{credential::CredentialStatus, policy::Policy},
    store::{Store, wake_up::WakeUp},
    telemetry::Metrics,
};

/// How many callers may wait for Outlook (`Prefer: wait`) at once; more would take the database from those who post. Further
/// ones are answered at once, as if they had not asked.
const MOST_WAITING: usize = 200;

/// What the handlers share.
#[derive(Debug, Clone)]
pub struct Api(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) store: Store,
    pub(super) wake_up: WakeUp,
    pub(super) authenticator: Authenticator,
    pub(super) random: Arc<dyn Random>,
    pub(super) metrics: Metrics,
    pub(super) protect_metrics: bool,
    pub(super) request_timeout: Duration,
    pub(super) credential_statuses: BTreeMap<String, watch::Receiver<CredentialStatus>>,
    pub(super) look_first_before: Option<Timestamp>,
    pub(super) directory_fresh_for: Duration,
    /// By tenant: they say to which calendars a leave belongs.
    pub(super) policies: BTreeMap<String, Policy>,
    pub(super) ready: watch::Receiver<bool>,
    pub(super) stop: CancellationToken,
    pub(super) waiting: Semaphore,
    pub(super) doctor: Doctor,
    /// One examination at a time: each writes to the same calendars.
    pub(super) examining: Arc<Mutex<()>>,
}

impl Api {
    /// An API for these settings. `credential_statuses` holds each tenant's, `ready` whether the schema is up to
    /// date; `http` fetches the keys of other issuers; at `stop` waiting callers are answered.
    #[expect(clippy::too_many_arguments, reason = "each is another part of the service, wired in one place")]
    #[must_use]
    pub fn new(
        settings: &Settings,
        http: &reqwest::Client,
        store: Store,
        wake_up: WakeUp,
        clock: Arc<dyn Clock>,
        random: Arc<dyn Random>,
        metrics: Metrics,
        credential_statuses: BTreeMap<String, watch::Receiver<CredentialStatus>>,
        ready: watch::Receiver<bool>,
        stop: CancellationToken,
        doctor: Doctor,
    ) -> Self {
        Self(Arc::new(Inner {
            store,
            wake_up,
            authenticator: Authenticator::new(settings, http, clock),
            random,
            metrics,
            protect_metrics: settings.protect_metrics,
            request_timeout: settings.http.request_timeout,
            credential_statuses,
            look_first_before: settings.sync.look_first_before,
            directory_fresh_for: settings.directory_fresh_for,
            policies: settings.tenants.iter().map(|(name, tenant)| (name.clone(), tenant.policy.clone())).collect(),
            ready,
            stop,
            waiting: Semaphore::new(MOST_WAITING),
            doctor,
            examining: Arc::default(),
        }))
    }

    /// The caller that a token names, with that scope.
    pub(super) async fn caller(&self, headers: &HeaderMap, scope: Scope) -> Result<Caller, ApiError> {
        let caller = self.0.authenticator.by_token(headers).await?;
        caller.require(scope)?;
        Ok(caller)
    }
}
