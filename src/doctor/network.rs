//! The way to Microsoft: names, proxy, TLS, and whether our clock is theirs.

use jiff::{SignedDuration, Timestamp};
use url::Url;

use super::{explanation::Explanation, tenant::TenantExamination};
use crate::{
    domain::finding::{Finding, Severity},
    graph::{HostAnswer, NetworkFailure, Unreachable, reach_entra, reach_graph},
};

/// More than this and an assertion may be refused.
const CLOCK_WARNING: SignedDuration = SignedDuration::from_secs(30);
/// More than this and tokens and signed webhooks are.
const CLOCK_ERROR: SignedDuration = SignedDuration::from_mins(5);

impl TenantExamination<'_> {
    /// Whether both hosts are there.
    pub(super) async fn hosts(&self) -> Vec<Finding> {
        let microsoft = &self.tenant.microsoft;
        let mut findings = Vec::new();
        let mut dates = Vec::new();
        // A managed identity may have no directory here, and its tokens come from this very machine.
        if !microsoft.directory_id.is_empty() {
            let answer = reach_entra(&self.http, microsoft, self.end()).await;
            let (found, date) = self.host("entra-reachable", "Entra", &microsoft.authority, &answer);
            findings.push(found);
            findings.extend(answer.ok().and_then(|answer| self.directory(&answer)));
            dates.extend(date);
        }
        let answer = reach_graph(&self.http, microsoft, self.end()).await;
        let (found, date) = self.host("graph-reachable", "Graph", &microsoft.graph, &answer);
        findings.push(found);
        dates.extend(date);
        findings.extend(self.clock(&dates));
        findings
    }

    fn host(
        &self,
        id: &'static str,
        name: &str,
        url: &Url,
        answer: &Result<HostAnswer, Unreachable>,
    ) -> (Finding, Option<Timestamp>) {
        let host = url.host_str().unwrap_or_default();
        match answer {
            Ok(answer) => (self.ok(id, format!("{name} answers at {host}.")), answer.date),
            Err(unreachable) => {
                let seen = format!("{name} does not answer at {host}: {}.", unreachable.detail);
                let port = url.port_or_known_default().unwrap_or(443);
                (self.finding(seen, unreachable_explanation(unreachable.failure, host, port), ""), None)
            }
        }
    }

    /// Entra's public document says whose Graph is the directory's own.
    fn directory(&self, answer: &HostAnswer) -> Option<Finding> {
        let own = answer.body["msgraph_host"].as_str()?;
        let ours = self.tenant.microsoft.graph.host_str().unwrap_or_default();
        if own.eq_ignore_ascii_case(ours) {
            return None;
        }
        let seen = format!("The directory's own Graph is {own}; the configuration says {ours}.");
        // Less than a refusal: with cloud = "custom" another name for the same Graph may be meant.
        let explanation = Explanation { severity: Severity::Warning, ..Explanation::of_entra("AADSTS90038")? };
        Some(self.finding(seen, explanation, ""))
    }

    fn clock(&self, dates: &[Timestamp]) -> Option<Finding> {
        let now = self.clock.now();
        let offs = dates.iter().map(|date| now.duration_since(*date));
        let worst = offs.max_by_key(|off| off.abs())?;
        // A Date has whole seconds, and was on its way for a moment.
        let seconds = worst.as_secs();
        let direction = if seconds < 0 { "behind" } else { "ahead of" };
        let seen = format!("This machine's clock is {} seconds {direction} Microsoft's.", seconds.abs());
        let (meaning, next) = (
            "Certificates' assertions, signed webhooks and tokens are refused when clocks differ too much.",
            "Set this machine's clock right, and keep it so (NTP: `timedatectl set-ntp true`, chrony, or the host's own).",
        );
        Some(if worst.abs() > CLOCK_ERROR {
            self.finding(seen, Explanation::error("clock-wrong", meaning, next), "")
        } else if worst.abs() > CLOCK_WARNING {
            self.finding(seen, Explanation::warning("clock-wrong", meaning, next), "")
        } else {
            self.ok("clock", "This machine's clock is Microsoft's, to half a minute.")
        })
    }
}

fn unreachable_explanation(failure: NetworkFailure, host: &str, port: u16) -> Explanation {
    let (id, meaning, next) = match failure {
        NetworkFailure::Dns => (
            "name-unresolved",
            "The name has no address here: no DNS, or one that knows only the inside.",
            format!("Let this machine resolve {host}, or set HTTPS_PROXY to the company's proxy."),
        ),
        NetworkFailure::Connect => (
            "not-connected",
            "Nobody takes connections there: a firewall, or an address that is wrong.",
            format!("Allow outgoing TCP {port} to {host}, or set HTTPS_PROXY to the company's proxy."),
        ),
        NetworkFailure::Tls => (
            "tls-failed",
            "There is no trust between here and there: mostly a company's proxy opens TLS with a certificate of its own.",
            "Put the company's CA certificate (PEM) into http.ca_file.".into(),
        ),
        NetworkFailure::Proxy => (
            "proxy-refuses",
            "The proxy of HTTPS_PROXY does not let us through to Microsoft.",
            format!("Let the proxy allow CONNECT to {host}:{port}; a name and password go into HTTPS_PROXY."),
        ),
        NetworkFailure::Timeout => (
            "no-answer",
            "Nothing comes back in time: mostly a firewall that drops silently.",
            format!("Allow outgoing TCP {port} to {host}, or set HTTPS_PROXY to the company's proxy."),
        ),
        NetworkFailure::Disconnected => (
            "connection-broken",
            "The connection broke off in the middle: something on the way does not like it.",
            format!("Look what a proxy or firewall between here and {host} logs."),
        ),
    };
    Explanation::error(id, meaning, next)
}
