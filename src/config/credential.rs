//! How a tenant proves to Microsoft that it is us: what the configuration says of it, checked.
//!
//! Whatever comes from a file is read here only to name what is wrong with it; it is read again whenever a token is
//! fetched. A key that the chosen kind does not use is a problem: it was set in the belief that it is used.

use std::path::PathBuf;

use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use uuid::Uuid;

use super::{
    certificate::CertificateFiles,
    file,
    raw::{self, Kind},
    values::secret,
};
use crate::domain::{credential::Expiry, problem::Problems};

const IMDS: &str = "http://169.254.169.254";
/// Where Azure Arc's agent puts the keys that it asks its callers to read.
const ARC_KEYS: &str = "/var/opt/azcmagent/tokens";

/// A secret, or the file that holds it.
#[derive(Debug, Clone)]
pub enum SecretSource {
    /// As it was given.
    Inline(SecretString),
    /// The file, which may be replaced while the service runs.
    File(PathBuf),
}

impl SecretSource {
    /// The secret as it is now.
    ///
    /// # Errors
    /// What is wrong with the file, to be read after its name.
    pub fn read(&self) -> Result<SecretString, String> {
        match self {
            Self::Inline(secret) => Ok(secret.clone()),
            Self::File(path) => file::secret(path),
        }
    }
}

/// How a tenant proves to Microsoft that it is us.
#[derive(Debug, Clone)]
pub enum Credential {
    /// A client secret, and a second one while rotating.
    Secret {
        /// `client_secret`.
        current: SecretSource,
        /// `next_client_secret`.
        next: Option<SecretSource>,
    },
    /// A certificate.
    Certificate {
        /// Where it is.
        files: CertificateFiles,
        /// Its own date when it was checked.
        expires: Expiry,
    },
    /// Another issuer's token, which Entra is told to trust.
    WorkloadIdentity {
        /// The file in which that issuer keeps a fresh one.
        token_file: PathBuf,
    },
    /// An identity that the Azure machine itself vouches for.
    ManagedIdentity {
        /// Who hands out its tokens.
        host: ManagedHost,
        /// Which identity, when the machine has several.
        client_id: Option<String>,
    },
}

/// Who hands out a managed identity's tokens.
#[derive(Debug, Clone)]
pub enum ManagedHost {
    /// App Service, Functions and Container Apps.
    AppService {
        /// `IDENTITY_ENDPOINT`.
        endpoint: Url,
        /// `IDENTITY_HEADER`, which proves that we run inside.
        header: SecretString,
    },
    /// Azure Arc's agent on a machine elsewhere.
    Arc {
        /// `IDENTITY_ENDPOINT`.
        endpoint: Url,
        /// The only folder in which it may name a key.
        keys: PathBuf,
    },
    /// The metadata service of a virtual machine.
    Imds {
        /// Its base address.
        endpoint: Url,
    },
}

/// The environment variables by which Azure's hosts tell programs about themselves.
#[derive(Clone, Copy)]
pub(super) struct Variables<'a>(pub(super) &'a [(String, String)]);

impl<'a> Variables<'a> {
    /// The variable's value unless it is empty.
    pub(super) fn get(self, name: &str) -> Option<&'a str> {
        self.0
            .iter()
            .find(|(known, _)| known == name)
            .map(|(_, value)| value.as_str())
            .filter(|value| !value.is_empty())
    }

    /// Fills in what the configuration leaves empty.
    pub(super) fn fill(self, value: &mut String, name: &str) {
        if value.is_empty() {
            self.get(name).unwrap_or_default().clone_into(value);
        }
    }
}

/// The credential, if it can be made out.
pub(super) fn check(
    field: &impl Fn(&str) -> String,
    raw: &mut raw::Microsoft,
    around: Variables<'_>,
    p: &mut Problems,
) -> Option<Credential> {
    unused(field, raw, p);
    match raw.credential {
        Kind::Secret => {
            let (inline, file) = (std::mem::take(&mut raw.client_secret), std::mem::take(&mut raw.client_secret_file));
            let current = source(&field("client_secret"), inline, file, p);
            let inline = std::mem::take(&mut raw.next_client_secret);
            let file = std::mem::take(&mut raw.next_client_secret_file);
            let is_given = !inline.expose_secret().is_empty() || !file.is_empty();
            let next = is_given.then(|| source(&field("next_client_secret"), inline, file, p)).flatten();
            Some(Credential::Secret { current: current?, next })
        }
        Kind::Certificate => certificate(field, raw, p),
        Kind::WorkloadIdentity => {
            around.fill(&mut raw.federated_token_file, "AZURE_FEDERATED_TOKEN_FILE");
            let token_file = PathBuf::from(&raw.federated_token_file);
            if raw.federated_token_file.is_empty() {
                p.add(
                    field("federated_token_file"),
                    "is missing: the file that holds the other issuer's token; AZURE_FEDERATED_TOKEN_FILE is not set either",
                );
                return None;
            }
            match SecretSource::File(token_file.clone()).read() {
                Err(problem) => p.add(field("federated_token_file"), problem),
                Ok(token) if token.expose_secret().split('.').count() != 3 => {
                    p.add(field("federated_token_file"), "must hold a token (JWT)");
                }
                Ok(_) => {}
            }
            Some(Credential::WorkloadIdentity { token_file })
        }
        Kind::ManagedIdentity => {
            let client_id = Some(std::mem::take(&mut raw.managed_identity_client_id)).filter(|id| !id.is_empty());
            if client_id.as_ref().is_some_and(|id| Uuid::parse_str(id).is_err()) {
                p.add(field("managed_identity_client_id"), "must be a GUID: \"Client ID\" on the identity's own page");
            }
            let host = managed_host(around).map_err(|problem| p.add(field("credential"), problem)).ok()?;
            Some(Credential::ManagedIdentity { host, client_id })
        }
    }
}

/// Names the keys that are given although the chosen kind does not use them.
fn unused(field: &impl Fn(&str) -> String, raw: &raw::Microsoft, p: &mut Problems) {
    let is_secret = |secret: &SecretString| !secret.expose_secret().is_empty();
    for (key, is_given, kind) in [
        ("client_secret", is_secret(&raw.client_secret), Kind::Secret),
        ("client_secret_file", !raw.client_secret_file.is_empty(), Kind::Secret),
        ("next_client_secret", is_secret(&raw.next_client_secret), Kind::Secret),
        ("next_client_secret_file", !raw.next_client_secret_file.is_empty(), Kind::Secret),
        ("secret_expires", !raw.secret_expires.is_empty(), Kind::Secret),
        ("certificate_file", !raw.certificate_file.is_empty(), Kind::Certificate),
        ("certificate_key_file", !raw.certificate_key_file.is_empty(), Kind::Certificate),
        ("federated_token_file", !raw.federated_token_file.is_empty(), Kind::WorkloadIdentity),
        ("managed_identity_client_id", !raw.managed_identity_client_id.is_empty(), Kind::ManagedIdentity),
    ] {
        if is_given && raw.credential != kind {
            let (chosen, other) = (raw.credential.word(), kind.word());
            p.add(
                field(key),
                format!("is not used with credential = \"{chosen}\": take it out, or set credential = \"{other}\""),
            );
        }
    }
    if raw.credential == Kind::ManagedIdentity && !raw.client_id.is_empty() {
        p.add(
            field("client_id"),
            "is not used with credential = \"managed-identity\": take it out; managed_identity_client_id says which of \
             several identities is meant",
        );
    }
}

fn source(field: &str, inline: SecretString, file: String, p: &mut Problems) -> Option<SecretSource> {
    let read = secret(field, inline, &file, p)?;
    if Uuid::parse_str(read.expose_secret()).is_ok() {
        let field = if file.is_empty() { field.to_owned() } else { format!("{field}_file") };
        p.add(field, "is a GUID, so it must be the Secret ID: paste the secret's Value instead");
    }
    Some(if file.is_empty() { SecretSource::Inline(read) } else { SecretSource::File(file.into()) })
}

fn certificate(field: &impl Fn(&str) -> String, raw: &raw::Microsoft, p: &mut Problems) -> Option<Credential> {
    if raw.certificate_file.is_empty() {
        p.add(field("certificate_file"), "is missing: a PEM file that holds the certificate and its private key");
        return None;
    }
    let key = Some(&raw.certificate_key_file).filter(|file| !file.is_empty()).map(PathBuf::from);
    let files = CertificateFiles { certificate: PathBuf::from(&raw.certificate_file), key };
    match files.read() {
        Ok(certificate) => Some(Credential::Certificate { expires: Expiry::Moment(certificate.expires()), files }),
        Err(unusable) => {
            p.add(
                field(if unusable.in_key_file { "certificate_key_file" } else { "certificate_file" }),
                unusable.problem,
            );
            None
        }
    }
}

/// Microsoft's libraries tell the hosts apart by the same variables.
fn managed_host(around: Variables<'_>) -> Result<ManagedHost, &'static str> {
    if around.get("IDENTITY_SERVER_THUMBPRINT").is_some() {
        return Err("cannot be used on Service Fabric: use a certificate or workload-identity");
    }
    let url =
        |text: &str| Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
    let (endpoint, imds) = (around.get("IDENTITY_ENDPOINT"), around.get("IMDS_ENDPOINT"));
    let Some(endpoint) = endpoint else {
        let endpoint = url(imds.unwrap_or(IMDS)).ok_or("cannot be used: IMDS_ENDPOINT in the environment is no URL")?;
        return Ok(ManagedHost::Imds { endpoint });
    };
    let endpoint = url(endpoint).ok_or("cannot be used: IDENTITY_ENDPOINT in the environment is no URL")?;
    match (around.get("IDENTITY_HEADER"), imds) {
        (Some(header), _) if header.chars().all(|c| c.is_ascii_graphic()) => {
            Ok(ManagedHost::AppService { endpoint, header: SecretString::from(header) })
        }
        (Some(_), _) => Err("cannot be used: IDENTITY_HEADER in the environment is no header"),
        (None, Some(_)) => Ok(ManagedHost::Arc { endpoint, keys: ARC_KEYS.into() }),
        (None, None) => Err(
            "cannot be used: IDENTITY_ENDPOINT is set in the environment, but neither IDENTITY_HEADER nor IMDS_ENDPOINT",
        ),
    }
}
