//! Checks the tenants: their directories, our credentials there, and what they change in the policy.

use std::collections::BTreeMap;

use url::Url;

use super::{
    credential::{self, Credential, Variables},
    policy,
    raw::{self, Cloud, Kind},
    settings::{Microsoft, Tenant},
    teams,
    values::{NOT_A_NAME, is_directory, is_guid, is_key},
};
use crate::domain::{credential::Expiry, policy::Policy, problem::Problems};

/// The tenants that can be made out. Every problem is noted under the key where it can be mended.
pub(super) fn check(
    raw: BTreeMap<String, raw::Tenant>,
    base: &raw::Policy,
    around: Variables<'_>,
    p: &mut Problems,
) -> BTreeMap<String, Tenant> {
    if raw.is_empty() {
        p.add("tenants", "is missing: [tenants.default.microsoft] says whose calendars to write to and how to sign in");
    }
    // Once for all tenants, so that its problems are reported under its own key.
    policy::check("policy", base, &raw::Policy::default(), p);
    let mut tenants = BTreeMap::new();
    for (key, tenant) in raw {
        let field = format!("tenants.{key}");
        if !is_key(&key) {
            p.add(&field, NOT_A_NAME);
        }
        let microsoft = microsoft(&field, tenant.microsoft, around, p);
        let policy = policy::check(&format!("{field}.policy"), &tenant.policy, base, p);
        if policy.is_none() && p.is_empty() {
            // Never seen; but a tenant must not be left out in silence.
            p.add(format!("{field}.policy"), "cannot be used");
        }
        let team_calendars = teams::check(&format!("{field}.team_calendars"), &tenant.team_calendars, p);
        if let (Some(microsoft), Some(policy), Some(team_calendars)) = (microsoft, policy, team_calendars) {
            let policy = Policy { team_calendars, ..policy };
            tenants.insert(key, Tenant { microsoft, policy });
        }
    }
    tenants
}

fn microsoft(field: &str, mut raw: raw::Microsoft, around: Variables<'_>, p: &mut Problems) -> Option<Microsoft> {
    let field = |key: &str| format!("{field}.microsoft.{key}");
    let kind = raw.credential;
    if kind == Kind::WorkloadIdentity {
        around.fill(&mut raw.directory_id, "AZURE_TENANT_ID");
        around.fill(&mut raw.client_id, "AZURE_CLIENT_ID");
        fill_cloud(&field, &mut raw, around, p);
    }
    let credential = credential::check(&field, &mut raw, around, p);
    let cloud = raw.cloud.unwrap_or_default();
    let (authority, graph) = match cloud.addresses() {
        Some(addresses) => addresses,
        None => (raw.authority.as_str(), raw.graph.as_str()),
    };
    if cloud != Cloud::Custom && !(raw.authority.is_empty() && raw.graph.is_empty()) {
        p.add(field("cloud"), "must be \"custom\" for authority and graph to be used");
    }
    let mut base_url = |key: &str, text: &str| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        if url.is_none() {
            p.add(field(key), "must be a base URL such as \"https://graph.microsoft.com\"");
        }
        url
    };
    let (authority, graph) = (base_url("authority", authority), base_url("graph", graph));
    let is_told = kind != Kind::ManagedIdentity;
    if raw.directory_id.is_empty() {
        if is_told {
            p.add(field("directory_id"), "is missing: \"Directory (tenant) ID\" on the app's overview page in Entra");
        }
    } else if !is_directory(&raw.directory_id) {
        p.add(field("directory_id"), "must be the directory's GUID or one of its verified domains");
    }
    if raw.client_id.is_empty() {
        if is_told {
            p.add(field("client_id"), "is missing: \"Application (client) ID\" on the app's overview page in Entra");
        }
    } else if is_told && !is_guid(&raw.client_id) {
        p.add(field("client_id"), "must be a GUID: \"Application (client) ID\" on the app's overview page in Entra");
    } else if is_told && raw.client_id.eq_ignore_ascii_case(&raw.directory_id) {
        p.add(field("client_id"), "is the same as directory_id: the overview page shows two different ones");
    }
    let told = match raw.secret_expires.as_str() {
        "" => None,
        date => {
            date.parse().inspect_err(|_| p.add(field("secret_expires"), "must be a date such as \"2027-05-15\"")).ok()
        }
    };
    let credential = credential?;
    let expires = match &credential {
        Credential::Certificate { expires, .. } => Some(*expires),
        _ => told.map(Expiry::Day),
    };
    Some(Microsoft {
        authority: authority?,
        graph: graph?,
        directory_id: raw.directory_id,
        client_id: raw.client_id,
        credential,
        expires,
    })
}

/// Kubernetes says which authority it means; where the configuration says nothing, that decides the cloud.
fn fill_cloud(field: &impl Fn(&str) -> String, raw: &mut raw::Microsoft, around: Variables<'_>, p: &mut Problems) {
    let Some(host) = around.get("AZURE_AUTHORITY_HOST") else { return };
    match raw.cloud {
        Some(Cloud::Custom) => around.fill(&mut raw.authority, "AZURE_AUTHORITY_HOST"),
        Some(_) => {}
        None => {
            let named = Url::parse(host).ok().and_then(|url| url.host_str().map(str::to_owned)).unwrap_or_default();
            raw.cloud = match named.as_str() {
                "login.microsoftonline.com" => Some(Cloud::Global),
                "login.chinacloudapi.cn" | "login.partner.microsoftonline.cn" => Some(Cloud::China),
                "login.microsoftonline.us" => {
                    let both = "is missing: AZURE_AUTHORITY_HOST is shared by \"us-gov-high\" and \"us-gov-dod\"";
                    p.add(field("cloud"), both);
                    None
                }
                _ => {
                    let unknown = "is missing: AZURE_AUTHORITY_HOST is of no known cloud; set \"custom\", and graph";
                    p.add(field("cloud"), unknown);
                    None
                }
            };
        }
    }
}

impl Cloud {
    /// Base URLs of the token endpoint and of Graph.
    const fn addresses(self) -> Option<(&'static str, &'static str)> {
        match self {
            Self::Global => Some(("https://login.microsoftonline.com", "https://graph.microsoft.com")),
            Self::UsGovHigh => Some(("https://login.microsoftonline.us", "https://graph.microsoft.us")),
            Self::UsGovDod => Some(("https://login.microsoftonline.us", "https://dod-graph.microsoft.us")),
            Self::China => Some(("https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn")),
            Self::Custom => None,
        }
    }
}
