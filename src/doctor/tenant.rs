//! The examination of one tenant: what all of its checks share.

use std::{sync::Arc, time::Duration};

use jiff::{SignedDuration, Timestamp};
use reqwest::Client;
use tokio::time::Instant;

use super::{explanation::Explanation, microsoft::CLOUDS, order::Order, rights::Rights};
use crate::{
    clock::{Clock, Random},
    config,
    domain::finding::{Finding, Severity},
    graph::{Graph, GraphError},
};

/// The gap for the app's pages in the portal.
const REGISTRATION: &str = "{registration}";
/// In the place of whatever leads there: a managed identity has no app registration, and no button for consent.
const OF_IDENTITY: &str = "A managed identity is given its rights by a script: `leavebridge setup --out DIR`, then \
                           ./setup-graph.ps1 -Way A -ManagedIdentityId OBJECT-ID (Azure portal → the identity → Overview), or \
                           way B with rbac.ps1. Azure keeps its tokens, so that a new right may take a day to arrive.";

/// A tenant, and what is needed to ask Microsoft about it.
pub(super) struct TenantExamination<'a> {
    pub(super) name: &'a str,
    pub(super) tenant: &'a config::Tenant,
    pub(super) http: Client,
    pub(super) direct: Client,
    pub(super) call_timeout: Duration,
    pub(super) clock: Arc<dyn Clock>,
    pub(super) random: Arc<dyn Random>,
}

impl TenantExamination<'_> {
    /// Everything about this tenant, in order; what cannot be asked any more after a failure is not asked.
    pub(super) async fn examine(&self, order: &Order) -> Vec<Finding> {
        let mut findings = self.hosts().await;
        let graph = self.graph(&self.tenant.microsoft);
        let mut expiry = self.expiry(&graph).await;
        let (access, rights) = self.access(&graph).await;
        if rights.is_some() && expiry.as_ref().is_some_and(|found| found.id == "expired") {
            expiry = Some(self.outdated());
        }
        findings.extend(expiry);
        findings.extend(access);
        let Some(rights) = rights else { return findings };
        findings.extend(self.mailboxes(&graph, order, &rights).await);
        findings
    }

    pub(super) fn graph(&self, microsoft: &config::Microsoft) -> Graph {
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        Graph::new(self.http.clone(), self.direct.clone(), microsoft, self.call_timeout, clock, random)
    }

    /// When a call that begins now must be over.
    pub(super) fn end(&self) -> Instant {
        Instant::now() + self.call_timeout
    }

    pub(super) fn ok(&self, id: &'static str, seen: impl Into<String>) -> Finding {
        let (meaning, next) = (String::new(), String::new());
        Finding { id, severity: Severity::Ok, seen: seen.into(), meaning, next, tenant: Some(self.name.to_owned()) }
    }

    /// A finding with its gaps filled in.
    pub(super) fn finding(&self, seen: impl Into<String>, explanation: Explanation, mailbox: &str) -> Finding {
        let Explanation { id, severity, meaning, mut next } = explanation;
        if matches!(self.tenant.microsoft.credential, config::Credential::ManagedIdentity { .. })
            && next.contains(REGISTRATION)
        {
            OF_IDENTITY.clone_into(&mut next);
        }
        let (meaning, next) = (self.fill(&meaning, mailbox), self.fill(&next, mailbox));
        Finding { id, severity, seen: seen.into(), meaning, next, tenant: Some(self.name.to_owned()) }
    }

    fn fill(&self, text: &str, mailbox: &str) -> String {
        let microsoft = &self.tenant.microsoft;
        let base = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
        let (authority, graph) = (base(&microsoft.authority), base(&microsoft.graph));
        let cloud = CLOUDS.iter().find(|cloud| cloud.graph == graph).unwrap_or(&CLOUDS[0]);
        text.replace(REGISTRATION, "{admin} → App registrations → the app {app}")
            .replace("{key}", &format!("tenants.{}.microsoft", self.name))
            .replace("{tenant}", self.name)
            .replace("{app}", &microsoft.client_id)
            .replace("{admin}", cloud.admin_center)
            .replace("{authority}", &authority)
            .replace("{graph}", &graph)
            .replace("{mailbox}", mailbox)
    }

    /// Entra gave no token.
    pub(super) fn refused(&self, what: &str, error: &GraphError) -> Finding {
        let explanation = Explanation::of_entra(&error.code).unwrap_or_else(Explanation::unknown);
        self.finding(format!("{what}: {}", describe(error, self.clock.now())), explanation, "")
    }

    /// Graph did not do what it was asked in that mailbox.
    pub(super) fn failed(&self, what: &str, error: &GraphError, rights: &Rights, mailbox: &str) -> Finding {
        let status = error.request_ids.as_ref().and_then(|request_ids| request_ids.status);
        let explanation = Explanation::of_graph(&error.code, status, &error.message, rights);
        let explanation = explanation.unwrap_or_else(Explanation::unknown);
        self.finding(format!("{what}: {}", describe(error, self.clock.now())), explanation, mailbox)
    }
}

/// Microsoft's words, and the ids that its support asks for.
pub(super) fn describe(error: &GraphError, now: Timestamp) -> String {
    let mut said = error.code.clone();
    if !error.message.is_empty() {
        said = format!("{said}: \u{201c}{}\u{201d}", error.message);
    }
    let mut ids = Vec::new();
    let status = error.entra.as_ref().map(|entra| entra.status).or_else(|| error.request_ids.as_ref()?.status);
    if let Some(status) = status.filter(|status| error.code != format!("HTTP {status}")) {
        ids.push(format!("HTTP {status}"));
    }
    if let Some(entra) = &error.entra {
        let known =
            [("Trace ID", &entra.trace_id), ("Correlation ID", &entra.correlation_id), ("at", &entra.timestamp)];
        ids.extend(known.iter().filter(|(_, id)| !id.is_empty()).map(|(name, id)| format!("{name} {id}")));
    }
    if let Some(request_ids) = &error.request_ids {
        ids.extend(request_ids.request_id.as_ref().map(|id| format!("request-id {id}")));
        ids.push(format!("client-request-id {}", request_ids.client_request_id));
        ids.push(format!("at {}", now.round(jiff::Unit::Second).unwrap_or(now)));
    }
    if let Some(wait) =
        error.retry_after.filter(|_| error.request_ids.as_ref().is_some_and(|request_ids| request_ids.status.is_some()))
    {
        ids.push(format!("Retry-After {}", SignedDuration::try_from(wait).map_or(0, |wait| wait.as_secs())));
    }
    if ids.is_empty() { format!("{said}.") } else { format!("{said} ({}).", ids.join(", ")) }
}
