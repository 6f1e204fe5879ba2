//! Checks the tenants: their directories, our credentials there, and what they change in the policy.

use std::collections::BTreeMap;

use secrecy::ExposeSecret as _;
use url::Url;
use uuid::Uuid;

use super::{
    Microsoft, Tenant,
    check::{NOT_A_NAME, is_key, secret},
    raw::{self, Cloud, Credential},
};
use crate::domain::{policy::Policy, problem::Problems, zone::Zone};

/// The tenants that can be made out. Every problem is noted under the key where it can be mended.
pub(super) fn check(
    raw: BTreeMap<String, raw::Tenant>,
    base: &raw::Policy,
    p: &mut Problems,
) -> BTreeMap<String, Tenant> {
    if raw.is_empty() {
        p.add("tenants", "is missing: [tenants.default.microsoft] says whose calendars to write to and how to sign in");
    }
    let base = policy("policy", base, &raw::Policy::default(), p);
    let mut tenants = BTreeMap::new();
    for (key, tenant) in raw {
        let field = format!("tenants.{key}");
        if !is_key(&key) {
            p.add(&field, NOT_A_NAME);
        }
        let microsoft = microsoft(&field, tenant.microsoft, p);
        // Only what the tenant changes is checked here, so that each problem stands under the key where it can be mended.
        let policy =
            base.as_ref().and_then(|base| policy(&format!("{field}.policy"), &tenant.policy, &as_raw(base), p));
        if let (Some(microsoft), Some(policy)) = (microsoft, policy) {
            tenants.insert(key, Tenant { microsoft, policy });
        }
    }
    tenants
}

fn microsoft(field: &str, raw: raw::Microsoft, p: &mut Problems) -> Option<Microsoft> {
    let field = |key: &str| format!("{field}.microsoft.{key}");
    let Credential::Secret = raw.credential;
    let (authority, graph) = match raw.cloud {
        Cloud::Global => ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
        Cloud::UsGovHigh => ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
        Cloud::UsGovDod => ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
        Cloud::China => ("https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
        Cloud::Custom => (raw.authority.as_str(), raw.graph.as_str()),
    };
    if raw.cloud != Cloud::Custom && !(raw.authority.is_empty() && raw.graph.is_empty()) {
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
    if raw.directory_id.is_empty() {
        p.add(field("directory_id"), "is missing: \"Directory (tenant) ID\" on the app's overview page in Entra");
    } else if ["common", "organizations", "consumers"].contains(&raw.directory_id.as_str())
        || !raw.directory_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
    {
        p.add(field("directory_id"), "must be the directory's GUID or one of its verified domains");
    }
    if raw.client_id.is_empty() {
        p.add(field("client_id"), "is missing: \"Application (client) ID\" on the app's overview page in Entra");
    } else if Uuid::parse_str(&raw.client_id).is_err() {
        p.add(field("client_id"), "must be a GUID: \"Application (client) ID\" on the app's overview page in Entra");
    }
    let mut secrets = Vec::new();
    let (next, next_file) = (raw.next_client_secret, raw.next_client_secret_file);
    let has_next = !next.expose_secret().is_empty() || !next_file.is_empty();
    let given = [("client_secret", raw.client_secret, raw.client_secret_file)];
    for (key, inline, file) in given.into_iter().chain(has_next.then_some(("next_client_secret", next, next_file))) {
        let Some(secret) = secret(&field(key), inline, &file, p) else { continue };
        if Uuid::parse_str(secret.expose_secret()).is_ok() {
            p.add(field(key), "is a GUID, so it must be the Secret ID: paste the secret's Value instead");
        }
        secrets.push(secret);
    }
    let secret_expires = match raw.secret_expires.as_str() {
        "" => None,
        date => {
            date.parse().inspect_err(|_| p.add(field("secret_expires"), "must be a date such as \"2027-05-15\"")).ok()
        }
    };
    Some(Microsoft {
        authority: authority?,
        graph: graph?,
        directory_id: raw.directory_id,
        client_id: raw.client_id,
        secrets,
        secret_expires,
    })
}

fn policy(field: &str, own: &raw::Policy, base: &raw::Policy, p: &mut Problems) -> Option<Policy> {
    let field = |key: &str| format!("{field}.{key}");
    let zone_of = |name: &String| Zone::parse(name).ok().filter(|zone| zone.outlook_name().is_some());
    let mut time_zone = base.time_zone.as_ref().and_then(zone_of);
    if let Some(name) = &own.time_zone {
        match zone_of(name) {
            Some(zone) => time_zone = Some(zone),
            None => {
                p.add(field("time_zone"), "must be an IANA time zone that Outlook knows, such as \"Europe/London\"");
            }
        }
    }
    let policy = Policy {
        publish: own.publish.or(base.publish)?,
        title: own.title.clone().or_else(|| base.title.clone())?,
        body: own.body.clone().or_else(|| base.body.clone())?,
        show_as: own.show_as.or(base.show_as)?,
        show_as_pending: own.show_as_pending.or(base.show_as_pending)?,
        sensitivity: own.sensitivity.or(base.sensitivity)?,
        // Any will do to find the other problems with.
        time_zone: time_zone.or_else(|| Zone::parse("UTC").ok())?,
        day_start: own.day_start.or(base.day_start)?,
        midday: own.midday.or(base.midday)?,
        day_end: own.day_end.or(base.day_end)?,
    };
    if own.title.as_ref().is_some_and(|title| title.trim().is_empty() || title.chars().any(char::is_control)) {
        p.add(field("title"), "must be one line of text");
    }
    let has_times = own.day_start.or(own.midday).or(own.day_end).is_some();
    if has_times && !(policy.day_start < policy.midday && policy.midday < policy.day_end) {
        p.add(field("midday"), "must lie between day_start and day_end");
    }
    Some(policy)
}

fn as_raw(policy: &Policy) -> raw::Policy {
    raw::Policy {
        publish: Some(policy.publish),
        title: Some(policy.title.clone()),
        body: Some(policy.body.clone()),
        show_as: Some(policy.show_as),
        show_as_pending: Some(policy.show_as_pending),
        sensitivity: Some(policy.sensitivity),
        time_zone: Some(policy.time_zone.name().to_owned()),
        day_start: Some(policy.day_start),
        midday: Some(policy.midday),
        day_end: Some(policy.day_end),
    }
}
