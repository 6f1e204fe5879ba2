//! The doctor: looks at the whole connection, from the configuration to an event in a calendar, and says of each thing what
//! was seen, what it means, and the one next step.
//!
//! It asks Microsoft with credentials and tokens of its own, so that what it says is true of now. What a token claims only
//! explains; a real call decides. An unknown code is passed on as Microsoft gave it, and no fix is invented. It
//! must never print a secret, a token or an assertion, and never touch an event but the one that its own test made.

mod access;
mod explanation;
mod local;
mod mailbox;
pub mod microsoft;
mod network;
mod order;
mod rights;
mod tenant;
mod write_test;

use std::{collections::BTreeMap, sync::Arc};

pub use order::Order;

use crate::{
    clock::{Clock, Random},
    config::{self, Settings},
    domain::{
        finding::{Finding, Severity},
        problem::Problems,
    },
    outgoing,
    store::{Store, lists::Filter},
};
use tenant::TenantExamination;

/// Looks at one service's connection.
#[derive(Debug, Clone)]
pub struct Doctor {
    settings: Arc<Settings>,
    store: Store,
    clock: Arc<dyn Clock>,
    random: Arc<dyn Random>,
}

impl Doctor {
    /// A doctor for the service of these settings.
    #[must_use]
    pub fn new(settings: Arc<Settings>, store: Store, clock: Arc<dyn Clock>, random: Arc<dyn Random>) -> Self {
        Self { settings, store, clock, random }
    }

    /// The tenants that can be looked at.
    #[must_use]
    pub fn tenants(&self) -> Vec<&str> {
        self.settings.tenants.keys().map(String::as_str).collect()
    }

    /// Looks at everything, in order. What is about another tenant than those `allowed` is left out.
    pub async fn examine(&self, order: &Order, allowed: impl Fn(&str) -> bool) -> Vec<Finding> {
        let chosen: Vec<_> = self.chosen(order).filter(|(name, _)| allowed(name)).collect();
        let names: Vec<&str> = chosen.iter().map(|(name, _)| *name).collect();
        let mut findings = local::examine(&self.settings, &self.store, &names).await;
        let timeout = self.settings.sync.call_timeout;
        let clients = outgoing::client(self.settings.http.ca_file.as_deref(), timeout)
            .and_then(|http| Ok((http, outgoing::direct(timeout)?)));
        let (http, direct) = match clients {
            Ok(clients) => clients,
            Err(error) => {
                findings.push(no_https(&error.to_string()));
                return findings;
            }
        };
        for (name, tenant) in chosen {
            let examination = TenantExamination {
                name,
                tenant,
                http: http.clone(),
                direct: direct.clone(),
                call_timeout: timeout,
                clock: Arc::clone(&self.clock),
                random: Arc::clone(&self.random),
            };
            let seen = examination.examine(order).await;
            if let Some(mailbox) = order.mailbox.as_ref().filter(|_| seen.iter().any(|found| found.id == "write-test"))
            {
                self.retry_waiting(name, mailbox).await;
            }
            findings.extend(seen);
            findings.extend(local::waiting(&self.store, name).await);
        }
        findings
    }

    /// Leave was just written into that mailbox: nothing of it waits any longer for what was in the way before.
    async fn retry_waiting(&self, tenant: &str, mailbox: &str) {
        let filter = Filter {
            tenants: Some(vec![tenant.to_owned()]),
            mailbox: Some(mailbox.to_lowercase()),
            state: Some(crate::reconcile::state::State::Waiting),
            ..Filter::default()
        };
        if let Err(error) = self.store.retry(None, &filter, "doctor").await {
            tracing::warn!(%error, "leave that waits for a mailbox that works goes on waiting");
        }
    }

    fn chosen<'a>(&'a self, order: &'a Order) -> impl Iterator<Item = (&'a str, &'a config::Tenant)> {
        let tenants: &'a BTreeMap<String, config::Tenant> = &self.settings.tenants;
        let named = move |name: &str| order.tenant.as_ref().is_none_or(|tenant| tenant == name);
        tenants.iter().map(|(name, tenant)| (name.as_str(), tenant)).filter(move |(name, _)| named(name))
    }
}

/// The findings of a configuration that is not right: one per problem.
#[must_use]
pub fn of_configuration(problems: &Problems) -> Vec<Finding> {
    let found = problems.clone().into_vec().into_iter().map(|problem| Finding {
        // It has a word of its own wherever it is noticed.
        id: if problem.problem.contains("Secret ID:") { "secret-id-pasted" } else { "configuration" },
        severity: Severity::Error,
        seen: format!("{} {}", problem.field, problem.problem),
        meaning: "The service does not start with this configuration.".into(),
        next: "Correct this key; config/default.toml explains every one, and `leavebridge check-config` looks again."
            .into(),
        tenant: problem.field.split('.').nth(1).filter(|_| problem.field.starts_with("tenants.")).map(str::to_owned),
    });
    found.collect()
}

fn no_https(seen: &str) -> Finding {
    Finding {
        id: "outgoing",
        severity: Severity::Error,
        seen: seen.to_owned(),
        meaning: "Nothing can be asked of Microsoft from here.".into(),
        next: "Check http.ca_file and the environment variable HTTPS_PROXY.".into(),
        tenant: None,
    }
}
