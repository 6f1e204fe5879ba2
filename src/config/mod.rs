//! The configuration: `config/default.toml` ← a file ← the environment, checked as a whole before anything starts.
//!
//! [`Settings`] holds only what is right: ids are ids, zones exist, secrets are read. All problems come at once, by key,
//! and never repeat a value, which may be a secret.

mod certificate;
mod check;
mod credential;
mod database;
mod file;
mod issuers;
mod load;
mod policy;
mod raw;
mod settings;
mod teams;
mod tenants;
#[cfg(test)]
mod tests;
mod values;

pub use certificate::{Certificate, CertificateError, CertificateFiles};
pub(crate) use check::LEASE_MARGIN;
pub use credential::{Credential, ManagedHost, SecretSource};
pub(crate) use file::text;
pub(crate) use issuers::is_safe;
pub use load::{DEFAULTS, inspect, load};
pub use settings::{Auth, Client, Database, Http, Issuer, Log, Microsoft, Scope, Settings, Subject, Sync, Tenant};
pub(crate) use values::{DEFAULT_INSTALLATION, is_directory, is_guid, is_installation};
