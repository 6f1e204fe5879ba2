//! A customer's own API: an app registration that other apps ask tokens for, with app roles that they are assigned.
//!
//! It must never give an app a role that was not assigned to it. A token without any it does give, as Entra does: whoever
//! takes every token of the right audience lets the whole directory in.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::app::App;

/// An API and who may do what there.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Api {
    pub(crate) directory_id: String,
    pub(crate) client_id: String,
    /// The Application ID URI, such as `api://leavebridge`.
    pub(crate) identifier_uri: String,
    /// What its manifest asks for as `requestedAccessTokenVersion`.
    #[serde(default)]
    pub(crate) token_version: Version,
    /// The assigned app roles, by the client id of the calling app.
    #[serde(default)]
    pub(crate) assignments: BTreeMap<String, Vec<String>>,
}

/// The form of an API's tokens; new registrations have the first unless their manifest says otherwise.
#[derive(Debug, Default, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Version {
    #[default]
    #[serde(rename = "1.0")]
    One,
    #[serde(rename = "2.0")]
    Two,
}

impl Api {
    /// "Office 365 Exchange Online", which is in every directory; nobody has a right there by himself.
    pub(crate) fn exchange(directory_id: &str) -> Self {
        Self {
            directory_id: directory_id.to_owned(),
            client_id: "00000002-0000-0ff1-ce00-000000000000".into(),
            identifier_uri: "https://outlook.office365.com".into(),
            token_version: Version::One,
            assignments: BTreeMap::new(),
        }
    }

    /// Whether a token for `resource` is one for this API.
    pub(crate) fn is(&self, resource: &str) -> bool {
        [&self.identifier_uri, &self.client_id].iter().any(|name| name.eq_ignore_ascii_case(resource))
    }

    /// What a token for `caller` says that asked for `resource`, on top of times and opaque claims.
    pub(crate) fn claims(&self, caller: &App, resource: &str, issuers: [&str; 2], proven_by: &str) -> Value {
        let principal = caller.principal();
        let mut claims = json!({"idtyp": "app", "oid": principal, "sub": principal, "tid": caller.directory_id});
        let own = match self.token_version {
            Version::One => json!({
                "aud": resource, "iss": issuers[0], "idp": issuers[0], "appid": caller.client_id, "appidacr": proven_by,
                "ver": "1.0",
            }),
            Version::Two => json!({
                "aud": self.client_id, "iss": issuers[1], "azp": caller.client_id, "azpacr": proven_by, "ver": "2.0",
            }),
        };
        extend(&mut claims, own);
        let assigned = self.assignments.iter().find(|(app, _)| app.eq_ignore_ascii_case(&caller.client_id));
        if let Some((_, roles)) = assigned {
            claims["roles"] = json!(roles);
        }
        claims
    }
}

/// The times of a token that is issued now.
pub(crate) fn times(now: Timestamp, lifetime: u32) -> Value {
    let now = now.as_second();
    json!({"iat": now, "nbf": now, "exp": now + i64::from(lifetime)})
}

/// Adds to an object what another holds.
pub(crate) fn extend(claims: &mut Value, more: Value) {
    if let (Value::Object(claims), Value::Object(more)) = (claims, more) {
        claims.extend(more);
    }
}
