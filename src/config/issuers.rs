//! Checks the issuers of tokens, and which client each subject of theirs is.
//!
//! Keys that come over a line that anybody can write on prove nothing: outside this machine it must be https.

use std::collections::BTreeMap;

use url::{Host, Url};

use super::{
    raw,
    settings::{Client, Issuer, Subject},
    values::{NOT_A_NAME, is_key},
};
use crate::domain::problem::Problems;

const NOT_SAFE: &str = "must be an https address such as \"https://login.microsoftonline.com/GUID/v2.0\"";

/// Whether what comes from there can be believed: https, or this machine itself.
pub(crate) fn is_safe(url: &Url) -> bool {
    match (url.scheme(), url.host()) {
        ("https", Some(_)) => true,
        ("http", Some(Host::Domain(name))) => name == "localhost",
        ("http", Some(Host::Ipv4(address))) => address.is_loopback(),
        ("http", Some(Host::Ipv6(address))) => address.is_loopback(),
        _ => false,
    }
}

pub(super) fn check(raw: BTreeMap<String, raw::TokenIssuer>, p: &mut Problems) -> BTreeMap<String, Issuer> {
    let mut issuers: BTreeMap<String, Issuer> = BTreeMap::new();
    for (name, raw) in raw {
        let field = |key: &str| format!("auth.issuers.{name}.{key}");
        if !is_key(&name) {
            p.add(format!("auth.issuers.{name}"), NOT_A_NAME);
        }
        let safe = |text: &str| Url::parse(text).ok().filter(is_safe);
        match safe(&raw.issuer) {
            _ if raw.issuer.is_empty() => p.add(field("issuer"), "is missing: the iss of its tokens, byte by byte"),
            Some(url) if url.query().is_none() && url.fragment().is_none() => {}
            _ => p.add(field("issuer"), NOT_SAFE),
        }
        if issuers.values().any(|other| other.issuer == raw.issuer) {
            p.add(field("issuer"), "is that of another table of [auth.issuers]");
        }
        if raw.audience.is_empty() {
            p.add(field("audience"), "is missing: the aud of tokens that are meant for us");
        }
        let jwks_url = safe(&raw.jwks_url);
        if !raw.jwks_url.is_empty() && jwks_url.is_none() {
            p.add(field("jwks_url"), NOT_SAFE);
        }
        issuers.insert(name, Issuer { issuer: raw.issuer, audience: raw.audience, jwks_url });
    }
    issuers
}

/// Whose tokens a client's are, if any other issuer's.
pub(super) fn subject(
    field: &impl Fn(&str) -> String,
    issuer: String,
    subject: String,
    issuers: &[String],
    p: &mut Problems,
) -> Option<Subject> {
    match (issuer.is_empty(), subject.is_empty()) {
        (true, true) => return None,
        (true, false) => p.add(field("issuer"), "is missing: a subject means nothing without its issuer"),
        (false, true) => p.add(field("subject"), "is missing: the sub of the client's tokens"),
        (false, false) => {}
    }
    if !issuer.is_empty() && !issuers.contains(&issuer) {
        p.add(field("issuer"), "must name one of [auth.issuers]");
    }
    Some(Subject { issuer, subject })
}

/// A subject must name one client only: it says who calls.
pub(super) fn check_subjects(clients: &BTreeMap<String, Client>, p: &mut Problems) {
    let mut owners = BTreeMap::new();
    for client in clients.values() {
        if let Some(subject) = &client.subject
            && *owners.entry(subject).or_insert(&client.name) != &client.name
        {
            p.add(format!("clients.{}.subject", client.name), "is that of another client with the same issuer");
        }
    }
}
