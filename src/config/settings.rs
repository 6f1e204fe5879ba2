//! The settings as the rest of the program uses them.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, time::Duration};

use jiff::Timestamp;
use secrecy::SecretString;
use url::Url;

use super::credential::Credential;
use crate::domain::{credential::Expiry, policy::Policy};

/// Everything that is configured.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Incoming and outgoing HTTP.
    pub http: Http,
    /// PostgreSQL.
    pub database: Database,
    /// What is logged and how.
    pub log: Log,
    /// The name of this installation: a part of the marker of every event that it writes.
    pub installation: String,
    /// Whether `GET /metrics` needs `ops:read`.
    pub protect_metrics: bool,
    /// Whose tokens are taken.
    pub auth: Auth,
    /// The delivery engine.
    pub sync: Sync,
    /// For how long the directory's answer about an address counts.
    pub directory_fresh_for: Duration,
    /// The tenants by key.
    pub tenants: BTreeMap<String, Tenant>,
    /// The callers of the API by name.
    pub clients: BTreeMap<String, Client>,
}

/// Incoming and outgoing HTTP.
#[derive(Debug, Clone)]
pub struct Http {
    /// Where the API listens.
    pub listen: SocketAddr,
    /// For one request.
    pub request_timeout: Duration,
    /// Further CA certificates for outgoing TLS.
    pub ca_file: Option<PathBuf>,
}

/// PostgreSQL.
#[derive(Debug, Clone)]
pub struct Database {
    /// Where it is, with its password.
    pub url: SecretString,
    /// Connections of this replica.
    pub max_connections: u32,
    /// Whether to bring the schema up to date at start.
    pub migrate: bool,
}

/// What is logged and how.
#[derive(Debug, Clone)]
pub struct Log {
    /// As JSON lines instead of text.
    pub json: bool,
    /// Which events.
    pub filter: String,
}

/// Whose tokens are taken.
#[derive(Debug, Clone)]
pub struct Auth {
    /// HS256 keys by `kid`.
    pub keys: BTreeMap<String, SecretString>,
    /// The one that `leavebridge token` signs with.
    pub signing_key: Option<String>,
    /// Other issuers, by the name that clients use for them.
    pub issuers: BTreeMap<String, Issuer>,
}

/// Another issuer of tokens for our API, such as a customer's Entra.
#[derive(Debug, Clone)]
pub struct Issuer {
    /// The `iss` of its tokens, byte by byte.
    pub issuer: String,
    /// The `aud` of its tokens that are meant for us.
    pub audience: String,
    /// Where its keys are; else its `openid-configuration` says so.
    pub jwks_url: Option<Url>,
}

/// A caller as another issuer knows it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Subject {
    /// Which of [`Auth::issuers`].
    pub issuer: String,
    /// The `sub` of its tokens.
    pub subject: String,
}

/// The delivery engine.
#[derive(Debug, Clone)]
pub struct Sync {
    /// Mailboxes at once.
    pub mailboxes: usize,
    /// Requests in flight per mailbox.
    pub per_mailbox: usize,
    /// For one call to Graph.
    pub call_timeout: Duration,
    /// How long a mailbox stays with a replica that died.
    pub lease: Duration,
    /// Leave whose webhook is of before may be in a calendar already: its event is looked for before one is created.
    pub look_first_before: Option<Timestamp>,
}

/// One customer organisation.
#[derive(Debug, Clone)]
pub struct Tenant {
    /// Its directory and our credentials there.
    pub microsoft: Microsoft,
    /// How its leave looks in Outlook.
    pub policy: Policy,
}

/// A directory and our credentials there.
#[derive(Debug, Clone)]
pub struct Microsoft {
    /// Base URL of the token endpoint, without a slash at the end.
    pub authority: Url,
    /// Base URL of Graph.
    pub graph: Url,
    /// Directory (tenant) ID; may be empty with a managed identity, which belongs to one directory only.
    pub directory_id: String,
    /// Application (client) ID; empty with a managed identity.
    pub client_id: String,
    /// How we prove who we are.
    pub credential: Credential,
    /// When that ends, as far as it is known.
    pub expires: Option<Expiry>,
}

/// A caller of the API.
#[derive(Debug, Clone)]
pub struct Client {
    /// Its name: the `sub` of its tokens.
    pub name: String,
    /// Which system its leave comes from.
    pub source: Option<String>,
    /// The tenants that it may speak for.
    pub tenants: Vec<String>,
    /// What it may do.
    pub scopes: Vec<Scope>,
    /// Standard Webhooks keys.
    pub webhook_keys: Vec<SecretString>,
    /// Whose tokens of another issuer are its own.
    pub subject: Option<Subject>,
}

/// Something that a client may do.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Scope {
    /// Post leave.
    LeavesWrite,
    /// See the state of its own leave.
    LeavesRead,
    /// See mappings, health and metrics.
    OpsRead,
    /// Try again.
    OpsWrite,
}

impl Scope {
    /// All there are.
    pub const ALL: [Self; 4] = [Self::LeavesWrite, Self::LeavesRead, Self::OpsRead, Self::OpsWrite];

    /// The word for it in tokens and configuration.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::LeavesWrite => "leaves:write",
            Self::LeavesRead => "leaves:read",
            Self::OpsRead => "ops:read",
            Self::OpsWrite => "ops:write",
        }
    }

    /// The scope of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|scope| scope.word() == word)
    }
}
