//! What operators can watch: logs and metrics. Never a secret, a name, an address or anything about a leave.

use std::{io::IsTerminal as _, sync::Arc, time::Duration};

use metrics::{counter, gauge, histogram, with_local_recorder};
use metrics_exporter_prometheus::{Matcher, PrometheusBuilder, PrometheusHandle, PrometheusRecorder};
use tracing_subscriber::{EnvFilter, layer::SubscriberExt as _, util::SubscriberInitExt as _};

use crate::config::Log;

/// Sends events to standard error, once per process.
pub fn install_log(log: &Log) {
    let filter = EnvFilter::try_new(&log.filter).unwrap_or_else(|_| EnvFilter::new("info"));
    let registry = tracing_subscriber::registry().with(filter);
    let lines = tracing_subscriber::fmt::layer().with_writer(std::io::stderr);
    // A second installation (several commands in one test process) changes nothing.
    let _already = if log.json {
        registry.with(lines.json().flatten_event(true)).try_init()
    } else {
        registry.with(lines.with_target(false).with_ansi(std::io::stderr().is_terminal())).try_init()
    };
}

const REQUESTS: &str = "leavebridge_http_requests_total";
const REQUEST_SECONDS: &str = "leavebridge_http_request_seconds";
const INTAKE: &str = "leavebridge_intake_total";
const DELIVERIES: &str = "leavebridge_deliveries_total";
const REPLIES: &str = "leavebridge_automatic_replies_total";
const HELD_REPLIES: &str = "leavebridge_automatic_replies_held";
const BACKLOG: &str = "leavebridge_backlog";
const OLDEST: &str = "leavebridge_oldest_due_seconds";
const TENANT_BLOCKED: &str = "leavebridge_tenant_blocked";
const CREDENTIAL_EXPIRES: &str = "leavebridge_credential_expires_seconds";

/// What is measured of one tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct TenantFigures {
    /// Mappings that are due and not blocked.
    pub due: i64,
    /// Mappings that are tried again later, or whose mailbox or tenant is blocked.
    pub waiting: i64,
    /// Mappings that need a person.
    pub parked: i64,
    /// For how long the oldest of the due ones has been due.
    pub oldest_due: Duration,
    /// Automatic replies that are tried again later.
    pub replies_waiting: i64,
    /// Automatic replies that need a person.
    pub replies_parked: i64,
    /// Whether Microsoft refuses to serve the tenant.
    pub is_blocked: bool,
}

/// The figures of one running service; cheap to clone. Not global, so that several can run in one test process.
#[derive(Clone)]
pub struct Metrics(Arc<(PrometheusRecorder, PrometheusHandle)>);

impl std::fmt::Debug for Metrics {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Metrics").finish_non_exhaustive()
    }
}

impl Default for Metrics {
    fn default() -> Self {
        let recorder = PrometheusBuilder::new()
            .set_buckets_for_metric(
                Matcher::Full(REQUEST_SECONDS.into()),
                &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0],
            )
            .map_or_else(|_| PrometheusBuilder::new().build_recorder(), PrometheusBuilder::build_recorder);
        let handle = recorder.handle();
        with_local_recorder(&recorder, || {
            metrics::describe_counter!(REQUESTS, "HTTP requests by method, route and status.");
            metrics::describe_histogram!(REQUEST_SECONDS, "Seconds from a request to its answer, by method and route.");
            metrics::describe_counter!(INTAKE, "Webhooks by client and what became of them.");
            metrics::describe_counter!(DELIVERIES, "Deliveries by tenant and how they ended.");
            metrics::describe_counter!(
                REPLIES,
                "Looks at a mailbox's automatic reply by tenant and how it stands since."
            );
            metrics::describe_gauge!(HELD_REPLIES, "Automatic replies that are waiting or parked, by tenant.");
            metrics::describe_gauge!(BACKLOG, "Mappings that are due, waiting or parked, by tenant.");
            metrics::describe_gauge!(OLDEST, "For how long the oldest due mapping has been due, by tenant.");
            metrics::describe_gauge!(TENANT_BLOCKED, "1 while Microsoft refuses to serve the tenant, else 0.");
            metrics::describe_gauge!(
                CREDENTIAL_EXPIRES,
                "Seconds until the tenant's credential expires, where that is known; below 0 afterwards."
            );
        });
        Self(Arc::new((recorder, handle)))
    }
}

impl Metrics {
    /// One HTTP request was answered. `route` is the pattern that matched, never the path.
    pub fn request(&self, method: &str, route: &str, status: u16, seconds: f64) {
        let labels = [("method", method.to_owned()), ("route", route.to_owned())];
        with_local_recorder(&self.0.0, || {
            counter!(REQUESTS, "method" => method.to_owned(), "route" => route.to_owned(), "status" => status.to_string())
                .increment(1);
            histogram!(REQUEST_SECONDS, &labels).record(seconds);
        });
    }

    /// A webhook was taken in.
    pub fn intake(&self, client: &str, outcome: &'static str) {
        with_local_recorder(&self.0.0, || {
            counter!(INTAKE, "client" => client.to_owned(), "outcome" => outcome).increment(1);
        });
    }

    /// A delivery ended.
    pub fn delivery(&self, tenant: &str, outcome: &'static str) {
        with_local_recorder(&self.0.0, || {
            counter!(DELIVERIES, "tenant" => tenant.to_owned(), "outcome" => outcome).increment(1);
        });
    }

    /// A mailbox's automatic reply was looked at.
    pub fn reply(&self, tenant: &str, state: &'static str) {
        with_local_recorder(&self.0.0, || {
            counter!(REPLIES, "tenant" => tenant.to_owned(), "state" => state).increment(1);
        });
    }

    /// The figures of one tenant, as they are now.
    pub fn tenant(&self, tenant: &str, figures: TenantFigures) {
        with_local_recorder(&self.0.0, || {
            for (name, state, count) in [
                (BACKLOG, "due", figures.due),
                (BACKLOG, "waiting", figures.waiting),
                (BACKLOG, "parked", figures.parked),
                (HELD_REPLIES, "waiting", figures.replies_waiting),
                (HELD_REPLIES, "parked", figures.replies_parked),
            ] {
                #[expect(clippy::cast_precision_loss, reason = "a count of rows fits a f64")]
                gauge!(name, "tenant" => tenant.to_owned(), "state" => state).set(count as f64);
            }
            gauge!(OLDEST, "tenant" => tenant.to_owned()).set(figures.oldest_due.as_secs_f64());
            gauge!(TENANT_BLOCKED, "tenant" => tenant.to_owned()).set(if figures.is_blocked { 1.0 } else { 0.0 });
        });
    }

    /// When a tenant's credential ends.
    pub fn credential(&self, tenant: &str, seconds_left: i64) {
        with_local_recorder(&self.0.0, || {
            #[expect(clippy::cast_precision_loss, reason = "seconds of some thousand years fit a f64")]
            gauge!(CREDENTIAL_EXPIRES, "tenant" => tenant.to_owned()).set(seconds_left as f64);
        });
    }

    /// All figures as Prometheus text.
    #[must_use]
    pub fn render(&self) -> String {
        self.0.1.run_upkeep();
        self.0.1.render()
    }
}
