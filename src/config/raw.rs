//! The configuration as it is written, before it is checked.

use std::collections::BTreeMap;

use jiff::{SignedDuration, civil::Time};
use secrecy::SecretString;
use serde::{
    Deserialize, Deserializer,
    de::{Error as _, IgnoredAny, IntoDeserializer as _},
};

use crate::domain::appearance::{Audience, Publish, Sensitivity, ShowAs};

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Raw {
    pub(super) installation: String,
    pub(super) http: Http,
    pub(super) database: Database,
    pub(super) log: Log,
    pub(super) metrics: Metrics,
    pub(super) auth: Auth,
    pub(super) sync: Sync,
    pub(super) directory: Directory,
    pub(super) policy: Policy,
    #[serde(default)]
    pub(super) tenants: BTreeMap<String, Tenant>,
    #[serde(default)]
    pub(super) clients: BTreeMap<String, Client>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Http {
    pub(super) listen: String,
    #[serde(deserialize_with = "duration")]
    pub(super) request_timeout: SignedDuration,
    pub(super) ca_file: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Database {
    pub(super) url: SecretString,
    pub(super) url_file: String,
    pub(super) max_connections: u32,
    pub(super) migrate: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Log {
    #[serde(deserialize_with = "word")]
    pub(super) format: LogFormat,
    pub(super) filter: String,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum LogFormat {
    Json,
    Text,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Metrics {
    pub(super) protect: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Auth {
    pub(super) signing_key: String,
    #[serde(default)]
    pub(super) keys: BTreeMap<String, Key>,
    #[serde(default)]
    pub(super) issuers: BTreeMap<String, TokenIssuer>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Key {
    pub(super) secret: SecretString,
    pub(super) secret_file: String,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TokenIssuer {
    pub(super) issuer: String,
    pub(super) audience: String,
    pub(super) jwks_url: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Sync {
    pub(super) mailboxes: usize,
    pub(super) per_mailbox: usize,
    #[serde(deserialize_with = "duration")]
    pub(super) call_timeout: SignedDuration,
    #[serde(deserialize_with = "duration")]
    pub(super) lease: SignedDuration,
    pub(super) look_first_before: String,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Directory {
    #[serde(deserialize_with = "duration")]
    pub(super) fresh_for: SignedDuration,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Tenant {
    pub(super) microsoft: Microsoft,
    pub(super) policy: Policy,
    pub(super) team_calendars: Vec<TeamCalendar>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct TeamCalendar {
    pub(super) mailbox: String,
    pub(super) calendar: String,
    #[serde(deserialize_with = "words")]
    pub(super) departments: Vec<String>,
    #[serde(deserialize_with = "words")]
    pub(super) sources: Vec<String>,
    #[serde(deserialize_with = "words")]
    pub(super) types: Vec<String>,
    pub(super) title: Option<String>,
    pub(super) body: String,
    #[serde(deserialize_with = "some_word")]
    pub(super) show_as: Option<ShowAs>,
    #[serde(deserialize_with = "some_word")]
    pub(super) sensitivity: Option<Sensitivity>,
    /// Known only to say why it cannot be.
    pub(super) group: Option<IgnoredAny>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Microsoft {
    #[serde(deserialize_with = "some_word")]
    pub(super) cloud: Option<Cloud>,
    pub(super) authority: String,
    pub(super) graph: String,
    pub(super) directory_id: String,
    pub(super) client_id: String,
    #[serde(deserialize_with = "word")]
    pub(super) credential: Kind,
    pub(super) client_secret: SecretString,
    pub(super) client_secret_file: String,
    pub(super) next_client_secret: SecretString,
    pub(super) next_client_secret_file: String,
    pub(super) secret_expires: String,
    pub(super) certificate_file: String,
    pub(super) certificate_key_file: String,
    pub(super) federated_token_file: String,
    pub(super) managed_identity_client_id: String,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Cloud {
    #[default]
    Global,
    UsGovHigh,
    UsGovDod,
    China,
    Custom,
}

#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Kind {
    #[default]
    Secret,
    Certificate,
    WorkloadIdentity,
    ManagedIdentity,
}

impl Kind {
    pub(super) const fn word(self) -> &'static str {
        match self {
            Self::Secret => "secret",
            Self::Certificate => "certificate",
            Self::WorkloadIdentity => "workload-identity",
            Self::ManagedIdentity => "managed-identity",
        }
    }
}

/// A policy, or what a tenant changes in it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Policy {
    #[serde(deserialize_with = "some_word")]
    pub(super) publish: Option<Publish>,
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
    #[serde(deserialize_with = "some_word")]
    pub(super) show_as: Option<ShowAs>,
    #[serde(deserialize_with = "some_word")]
    pub(super) show_as_pending: Option<ShowAs>,
    #[serde(deserialize_with = "some_word")]
    pub(super) sensitivity: Option<Sensitivity>,
    pub(super) time_zone: Option<String>,
    #[serde(deserialize_with = "time")]
    pub(super) day_start: Option<Time>,
    #[serde(deserialize_with = "time")]
    pub(super) midday: Option<Time>,
    #[serde(deserialize_with = "time")]
    pub(super) day_end: Option<Time>,
    pub(super) hours: BTreeMap<String, String>,
    pub(super) link: Option<String>,
    pub(super) category: Option<String>,
    pub(super) reminder: Option<String>,
    pub(super) automatic_replies: Replies,
    pub(super) types: BTreeMap<String, Appearance>,
}

impl Policy {
    /// What of it a kind of leave may have otherwise.
    pub(super) fn appearance(&self) -> Appearance {
        Appearance {
            publish: self.publish,
            title: self.title.clone(),
            body: self.body.clone(),
            show_as: self.show_as,
            show_as_pending: self.show_as_pending,
            sensitivity: self.sensitivity,
            category: self.category.clone(),
            reminder: self.reminder.clone(),
            automatic_replies: self.automatic_replies.clone(),
        }
    }
}

/// How leave of one kind looks, or what is otherwise about it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Appearance {
    #[serde(deserialize_with = "some_word")]
    pub(super) publish: Option<Publish>,
    pub(super) title: Option<String>,
    pub(super) body: Option<String>,
    #[serde(deserialize_with = "some_word")]
    pub(super) show_as: Option<ShowAs>,
    #[serde(deserialize_with = "some_word")]
    pub(super) show_as_pending: Option<ShowAs>,
    #[serde(deserialize_with = "some_word")]
    pub(super) sensitivity: Option<Sensitivity>,
    pub(super) category: Option<String>,
    pub(super) reminder: Option<String>,
    pub(super) automatic_replies: Replies,
}

/// The automatic reply during leave, or what is otherwise about it.
#[derive(Debug, Default, Clone, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Replies {
    pub(super) enabled: Option<bool>,
    pub(super) inside: Option<String>,
    pub(super) outside: Option<String>,
    #[serde(deserialize_with = "some_word")]
    pub(super) audience: Option<Audience>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Client {
    pub(super) source: String,
    #[serde(deserialize_with = "list")]
    pub(super) tenants: Vec<String>,
    #[serde(deserialize_with = "list")]
    pub(super) scopes: Vec<String>,
    #[serde(deserialize_with = "secret_list")]
    pub(super) webhook_secrets: Vec<SecretString>,
    pub(super) webhook_secrets_file: String,
    pub(super) issuer: String,
    pub(super) subject: String,
}

/// A list, or one string with commas or white space between: environment variables have no lists.
fn list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    #[derive(Deserialize)]
    #[serde(untagged)]
    enum OneOrMany {
        Many(Vec<String>),
        One(String),
    }
    let separates = |c: char| c == ',' || c.is_whitespace();
    match OneOrMany::deserialize(deserializer) {
        Ok(OneOrMany::Many(words)) => Ok(words),
        Ok(OneOrMany::One(words)) => {
            Ok(words.split(separates).filter(|word| !word.is_empty()).map(str::to_owned).collect())
        }
        Err(_) => Err(D::Error::custom("must be a list of strings, or one string with commas or spaces between")),
    }
}

/// A list of words that may have spaces in them.
fn words<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<String>, D::Error> {
    Vec::deserialize(deserializer).map_err(|_| D::Error::custom("must be a list of strings"))
}

fn secret_list<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Vec<SecretString>, D::Error> {
    Ok(list(deserializer)?.into_iter().map(SecretString::from).collect())
}

/// One of a few words. Read as text first, so that a wrong one is answered with those that are right.
fn word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<T, D::Error> {
    T::deserialize(String::deserialize(deserializer)?.into_deserializer())
}

fn some_word<'de, D: Deserializer<'de>, T: Deserialize<'de>>(deserializer: D) -> Result<Option<T>, D::Error> {
    word(deserializer).map(Some)
}

fn duration<'de, D: Deserializer<'de>>(deserializer: D) -> Result<SignedDuration, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map_err(|_| D::Error::custom("must be a duration with its unit, such as \"30s\" or \"2m\""))
}

fn time<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Time>, D::Error> {
    let text = String::deserialize(deserializer)?;
    text.parse().map(Some).map_err(|_| D::Error::custom("must be a time of day such as \"09:00\""))
}
