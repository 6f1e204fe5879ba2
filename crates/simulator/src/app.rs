//! App registrations and managed identities: what they may do, and by what they may prove themselves.
//!
//! It must never show a secret's Value again once it was set, as Entra's own pages do not either.

use std::fmt::Write as _;

use aws_lc_rs::digest;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use uuid::Uuid;
use x509_cert::der::Decode as _;

/// Where the real authority answers; tokens name it as their issuer whatever address the simulator has.
pub(crate) const ISSUER: &str = "https://sts.windows.net";

/// An app registration with its admin consent, or the service principal of a managed identity.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct App {
    pub(crate) directory_id: String,
    pub(crate) client_id: String,
    #[serde(default)]
    pub(crate) secrets: Vec<Secret>,
    /// The public halves, as PEM.
    #[serde(default)]
    pub(crate) certificates: Vec<Registered>,
    #[serde(default)]
    pub(crate) federated_credentials: Vec<Federated>,
    /// Set when it is no app registration but an identity that Azure's hosts hand out tokens of.
    #[serde(default)]
    pub(crate) managed_identity: Option<Managed>,
    /// The consented application permissions; they go into the tokens.
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    #[serde(default)]
    pub(crate) display_name: String,
    #[serde(default = "yes")]
    pub(crate) enabled: bool,
    /// The permissions that Exchange itself grants (RBAC for Applications); tokens say nothing of them.
    #[serde(default)]
    pub(crate) exchange_roles: Vec<String>,
}

fn yes() -> bool {
    true
}

/// A client secret.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Secret {
    pub(crate) value: String,
    #[serde(default)]
    pub(crate) expires: Option<Timestamp>,
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Secret").field("expires", &self.expires).finish_non_exhaustive()
    }
}

/// A certificate that was uploaded to an app.
#[derive(Debug, Clone, Deserialize)]
#[serde(try_from = "String")]
pub(crate) struct Registered {
    pub(crate) sha1: Vec<u8>,
    pub(crate) sha256: Vec<u8>,
    /// The RSA key as PKCS #1.
    pub(crate) key: Vec<u8>,
    /// In seconds since 1970.
    pub(crate) expires: u64,
}

impl TryFrom<String> for Registered {
    type Error = &'static str;

    fn try_from(text: String) -> Result<Self, Self::Error> {
        let block = pem::parse(text).map_err(|_| "a certificate is given as PEM")?;
        let certificate =
            x509_cert::Certificate::from_der(block.contents()).map_err(|_| "a certificate is given as X.509")?;
        let tbs = certificate.tbs_certificate();
        let thumbprint = |algorithm| digest::digest(algorithm, block.contents()).as_ref().to_vec();
        Ok(Self {
            sha1: thumbprint(&digest::SHA1_FOR_LEGACY_USE_ONLY),
            sha256: thumbprint(&digest::SHA256),
            key: tbs.subject_public_key_info().subject_public_key.raw_bytes().to_vec(),
            expires: tbs.validity().not_after.to_unix_duration().as_secs(),
        })
    }
}

/// Another issuer whose tokens stand for the app. The real Entra fetches the issuer's key; here the record has it.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Federated {
    pub(crate) issuer: String,
    pub(crate) subject: String,
    #[serde(default = "exchange")]
    pub(crate) audiences: Vec<String>,
    pub(crate) key: Jwk,
}

/// What the portal fills in.
fn exchange() -> Vec<String> {
    vec!["api://AzureADTokenExchange".into()]
}

/// A public RSA key, Base64url as in a JWK.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(crate) struct Jwk {
    pub(crate) n: String,
    pub(crate) e: String,
}

/// What kind of managed identity it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Managed {
    SystemAssigned,
    UserAssigned,
}

impl App {
    /// The object id of its service principal: the `oid` and the `sub` of its own tokens.
    pub(crate) fn principal(&self) -> Uuid {
        Uuid::new_v5(&Uuid::NAMESPACE_URL, format!("{ISSUER}/{}/{}", self.directory_id, self.client_id).as_bytes())
    }

    /// Whether Exchange lets it do one of these without a role in the token.
    pub(crate) fn is_granted_by_exchange(&self, wanted: &[&str]) -> bool {
        self.exchange_roles.iter().any(|role| wanted.contains(&role.as_str()))
    }

    /// As Entra's own pages show it: a secret's Value is shown once, when it is made, and never again.
    pub(crate) fn shown(&self) -> Value {
        let secrets: Vec<Value> = self
            .secrets
            .iter()
            .map(|secret| json!({"hint": secret.value.chars().take(3).collect::<String>(), "expires": secret.expires}))
            .collect();
        let certificates: Vec<Value> = self
            .certificates
            .iter()
            .map(|certificate| {
                let expires = i64::try_from(certificate.expires).ok().and_then(|s| Timestamp::from_second(s).ok());
                json!({"thumbprint": hex(&certificate.sha1), "expires": expires})
            })
            .collect();
        json!({
            "directory_id": self.directory_id, "client_id": self.client_id, "principal_id": self.principal(), "display_name": self.display_name,
            "roles": self.roles, "enabled": self.enabled, "exchange_roles": self.exchange_roles, "secrets": secrets,
            "certificates": certificates, "federated_credentials": self.federated_credentials,
            "managed_identity": self.managed_identity,
        })
    }
}

/// A thumbprint as Entra writes it.
pub(crate) fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _infallible = write!(text, "{byte:02X}");
        text
    })
}
