//! What is told, what is refused, and that no secret is ever repeated.

use std::{fs, path::PathBuf, time::Duration};

use secrecy::ExposeSecret as _;
use tempfile::TempDir;

use super::{Credential, Scope, Settings, load};
use crate::domain::{
    appearance::{Publish, ShowAs},
    problem::Problems,
    template::Template,
};

mod contract;
mod credentials;
mod issuers;
mod pasted;
mod policies;
mod problems;
mod teams;

/// A secret that must never be seen again.
const MARK: &str = "hush-hush-hush-hush-hush-hush-hush-hush";
const WEBHOOK: &str = "whsec_aHVzaC1odXNoLWh1c2gtaHVzaC1odXNoLWh1c2gtMQ==";
const GUID: &str = "0f6b2b2c-6f4e-4a37-9a3f-0c0f6f1f2a11";

/// The least that is enough.
const MINIMAL: [(&str, &str); 8] = [
    ("DATABASE__URL", "postgres://leave:hush-hush@localhost/leave"),
    ("AUTH__KEYS__MAIN__SECRET", MARK),
    ("TENANTS__DEFAULT__MICROSOFT__DIRECTORY_ID", "contoso.onmicrosoft.com"),
    ("TENANTS__DEFAULT__MICROSOFT__CLIENT_ID", GUID),
    ("TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET", MARK),
    ("CLIENTS__ESS__SOURCE", "ess"),
    ("CLIENTS__ESS__TENANTS", "default"),
    ("CLIENTS__ESS__SCOPES", "leaves:write leaves:read"),
];

/// The least, with these variables over it.
fn environment(further: &[(&str, &str)]) -> Vec<(String, String)> {
    let all = MINIMAL.iter().filter(|(name, _)| further.iter().all(|(other, _)| other != name)).chain(further);
    all.map(|(name, value)| (format!("LEAVEBRIDGE__{name}"), (*value).to_owned())).collect()
}

fn with(further: &[(&str, &str)]) -> Result<Settings, Problems> {
    load(None, &environment(further))
}

/// A file of that content, which lives as long as what is given with it.
fn file(content: &str) -> (TempDir, PathBuf) {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("leavebridge.toml");
    fs::write(&path, content).unwrap();
    (directory, path)
}

/// The client secrets of the tenant `default`, in the order in which they are tried.
fn secrets(settings: &Settings) -> Vec<String> {
    let Credential::Secret { current, next } = &settings.tenants["default"].microsoft.credential else {
        panic!("no secret: {settings:?}")
    };
    let secrets = std::iter::once(current).chain(next).map(|source| source.read().unwrap());
    secrets.map(|secret| secret.expose_secret().to_owned()).collect()
}

/// The problems as `key: what`.
fn told(outcome: Result<Settings, Problems>) -> Vec<String> {
    let problems = outcome.map_or_else(Problems::into_vec, |_| Vec::new());
    problems.into_iter().map(|problem| format!("{}: {}", problem.field, problem.problem)).collect()
}

#[test]
fn the_defaults_and_the_least_environment_are_enough() {
    let settings = with(&[]).unwrap();
    assert_eq!(settings.http.listen.to_string(), "0.0.0.0:8080");
    assert_eq!(settings.sync.call_timeout, Duration::from_secs(20));
    assert_eq!(settings.sync.per_mailbox, 3);
    assert!(settings.log.json && settings.database.migrate && !settings.protect_metrics);
    assert_eq!(settings.auth.signing_key.as_deref(), Some("main"), "the only key signs");
    let tenant = &settings.tenants["default"];
    assert_eq!(tenant.microsoft.graph.as_str(), "https://graph.microsoft.com/");
    assert_eq!(tenant.microsoft.authority.as_str(), "https://login.microsoftonline.com/");
    assert_eq!((tenant.policy.appearance.publish, tenant.policy.appearance.show_as), (Publish::OnRequest, ShowAs::Oof));
    let client = &settings.clients["ess"];
    assert_eq!(client.scopes, [Scope::LeavesWrite, Scope::LeavesRead]);
    assert_eq!((client.name.as_str(), client.source.as_deref()), ("ess", Some("ess")));
    assert!(client.webhook_keys.is_empty());
}

#[test]
fn the_environment_beats_the_file_and_the_file_beats_the_defaults() {
    let (_kept, path) = file("[sync]\nmailboxes = 5\nper_mailbox = 2\n[log]\nformat = \"text\"");
    let settings = load(Some(&path), &environment(&[("SYNC__MAILBOXES", "7")])).unwrap();
    assert_eq!(settings.sync.mailboxes, 7, "the environment's");
    assert_eq!(settings.sync.per_mailbox, 2, "the file's");
    assert_eq!(settings.sync.lease, Duration::from_secs(30), "the default");
    assert!(!settings.log.json);
}

#[test]
fn a_list_may_come_with_commas_spaces_or_lines_between() {
    for scopes in ["leaves:read,ops:read", "leaves:read ops:read", " leaves:read ,\n ops:read, "] {
        let settings = with(&[("CLIENTS__ESS__SCOPES", scopes)]).unwrap();
        assert_eq!(settings.clients["ess"].scopes, [Scope::LeavesRead, Scope::OpsRead], "{scopes:?}");
    }
    let (_kept, path) = file("[clients.ops]\ntenants = [\"*\"]\nscopes = [\"ops:read\", \"ops:write\"]");
    let settings = load(Some(&path), &environment(&[])).unwrap();
    assert_eq!(settings.clients["ops"].scopes, [Scope::OpsRead, Scope::OpsWrite]);
    assert_eq!(settings.clients["ops"].tenants, ["default"], "* is all there are");
}

#[test]
fn text_that_looks_like_a_number_or_a_truth_stays_text() {
    let digits = "00123456789012345678901234567890123456789012";
    let settings = with(&[
        ("AUTH__KEYS__MAIN__SECRET", digits),
        ("TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET", "0042"),
        ("POLICY__TITLE", "007"),
        ("POLICY__BODY", "true"),
        ("CLIENTS__ESS__SOURCE", "1"),
    ])
    .unwrap();
    assert_eq!(settings.auth.keys["main"].expose_secret(), digits);
    assert_eq!(secrets(&settings), ["0042"]);
    let policy = &settings.tenants["default"].policy;
    assert_eq!((filled(&policy.appearance.title), filled(&policy.appearance.body)), ("007".into(), "true".into()));
    assert_eq!(settings.clients["ess"].source.as_deref(), Some("1"));
}

#[test]
fn secrets_come_from_files_without_the_line_end() {
    let (directory, path) = file("");
    fs::write(&path, format!("{MARK}\n")).unwrap();
    let webhooks = directory.path().join("webhooks");
    fs::write(&webhooks, format!("{WEBHOOK}\n\n")).unwrap();
    let path = path.to_str().unwrap();
    let settings = with(&[
        ("AUTH__KEYS__MAIN__SECRET", ""),
        ("AUTH__KEYS__MAIN__SECRET_FILE", path),
        ("TENANTS__DEFAULT__MICROSOFT__NEXT_CLIENT_SECRET_FILE", path),
        ("CLIENTS__ESS__WEBHOOK_SECRETS_FILE", webhooks.to_str().unwrap()),
    ])
    .unwrap();
    assert_eq!(settings.auth.keys["main"].expose_secret(), MARK);
    assert_eq!(secrets(&settings)[1], MARK);
    assert_eq!(settings.clients["ess"].webhook_keys[0].expose_secret(), WEBHOOK);
}

/// A text without gaps.
fn filled(template: &Template) -> String {
    template.fill(|_| String::new())
}

#[test]
fn a_tenant_overrides_what_it_names_and_inherits_the_rest() {
    let settings = with(&[
        ("POLICY__TITLE", "Away"),
        ("TENANTS__DEFAULT__POLICY__PUBLISH", "on-approval"),
        ("TENANTS__DEFAULT__POLICY__TIME_ZONE", "europe/london"),
        ("TENANTS__DEFAULT__POLICY__MIDDAY", "12:30"),
    ])
    .unwrap();
    let policy = &settings.tenants["default"].policy;
    assert_eq!((policy.appearance.publish, filled(&policy.appearance.title)), (Publish::OnApproval, "Away".into()));
    assert_eq!(policy.time_zone.name(), "Europe/London");
    assert_eq!(policy.hours.usual.midday.to_string(), "12:30:00");
}

#[test]
fn the_variable_that_names_the_file_is_no_key() {
    let mut environment = environment(&[]);
    environment.push(("LEAVEBRIDGE_CONFIG".into(), "/etc/leavebridge.toml".into()));
    environment.push(("LEAVEBRIDGE_URL".into(), "http://localhost".into()));
    assert!(load(None, &environment).is_ok());
}

#[test]
fn settings_never_show_a_secret_in_debug() {
    let settings = with(&[
        ("CLIENTS__ESS__WEBHOOK_SECRETS", WEBHOOK),
        ("TENANTS__DEFAULT__MICROSOFT__NEXT_CLIENT_SECRET", "hush-hush-too"),
    ])
    .unwrap();
    let shown = format!("{settings:?} {settings:#?}");
    assert!(shown.contains("REDACTED"));
    assert!(!shown.contains("hush") && !shown.contains(WEBHOOK), "{shown}");
}
