//! The credential and what it gives access to: expiry, token, permissions, and what is left over from EWS.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use secrecy::ExposeSecret as _;
use serde_json::Value;
use uuid::Uuid;

use super::{
    explanation::Explanation,
    microsoft::{CALENDARS, EWS, EWS_REMOVED_ON, PERMISSIONS},
    rights::Rights,
    tenant::{TenantExamination, describe},
};
use crate::{
    config::{Credential, Microsoft, SecretSource},
    domain::{credential::NOTICE_DAYS, finding::Finding},
    graph::{Graph, GraphError, codes, exchange_rights},
};

/// What to do in good time, or too late.
const NEW_CERTIFICATE: &str = "Make a new certificate; {registration} → Certificates & secrets → Certificates: upload its \
                               public half; then put it, with its key, into the file that {key}.certificate_file names. It \
                               counts within a minute.";
const NEW_SECRET: &str = "{registration} → Certificates & secrets: make a new one, and put its Value into the file that \
                          {key}.client_secret_file names; it counts within a minute. Its date goes into \
                          {key}.secret_expires and counts from the next start on. ({key}.next_client_secret_file can hold it \
                          while the old one still works.)";
/// The permission that is taken for enough now and then.
const READING: &str = "Calendars.Read";
/// From here on it is time to act.
const ACT_WITHIN_DAYS: i32 = NOTICE_DAYS[4];

impl TenantExamination<'_> {
    /// For how long the credential is good, as far as that is known.
    pub(super) async fn expiry(&self, graph: &Graph) -> Option<Finding> {
        graph.check_credential().await;
        let status = graph.credential_status().borrow().clone();
        let Some(expires) = status.expires else {
            return matches!(self.tenant.microsoft.credential, Credential::Secret { .. }).then(|| {
                let explanation = Explanation::warning(
                    "expiry-unknown",
                    "Nobody will be warned before the secret expires.",
                    "{registration} → Certificates & secrets: write the date under Expires \
                     into {key}.secret_expires.",
                );
                self.finding("secret_expires is not set.", explanation, "")
            });
        };
        let days = expires.days_left(self.clock.now());
        let (what, renew) = match status.kind {
            "certificate" => ("certificate", NEW_CERTIFICATE),
            _ => ("secret", NEW_SECRET),
        };
        if expires.is_over(self.clock.now()) {
            let meaning = "By its date it is over; whether Microsoft still takes it is seen below.";
            let explanation = Explanation::error("expired", meaning, renew);
            return Some(self.finding(format!("The {what} expired on {}.", expires.date()), explanation, ""));
        }
        let seen = format!("The {what} is good until {} ({days} days).", expires.date());
        if days > ACT_WITHIN_DAYS {
            return Some(self.ok("expiry", seen));
        }
        let meaning = "After that day no leave of this tenant reaches Outlook until it is renewed.";
        Some(self.finding(seen, Explanation::warning("expires-soon", meaning, renew), ""))
    }

    /// Entra gives a token for a secret that is over by the date in the configuration: it is the date that is not right.
    pub(super) fn outdated(&self) -> Finding {
        let explanation = Explanation::warning(
            "expiry-outdated",
            "The date is not that of the secret that works, so nobody will be warned before that one expires.",
            "{registration} → Certificates & secrets: write the date under Expires into \
             {key}.secret_expires. It counts from the next start on.",
        );
        self.finding("By secret_expires the secret is over, and Entra takes it all the same.", explanation, "")
    }

    /// A token, what it says of itself, and what the app may do besides. No rights without a token.
    pub(super) async fn access(&self, graph: &Graph) -> (Vec<Finding>, Option<Rights>) {
        let mut findings = Vec::new();
        let claims = match graph.claims(self.end()).await {
            Ok(claims) => claims,
            Err(error) => {
                findings.push(self.no_token(&self.tenant.microsoft, &error).await);
                return (findings, None);
            }
        };
        findings.extend(self.secrets(graph).await);
        let Some(claims) = claims else {
            findings.push(self.ok("token", "Entra gives a token. It cannot be read from here, which is no fault."));
            return (findings, Some(Rights::default()));
        };
        findings.push(self.ok("token", describe_claims(&claims)));
        findings.extend(self.directory_of(&claims));
        let rights = Rights { roles: words(&claims["roles"]) };
        findings.extend(self.rights(&rights));
        findings.extend(self.ews().await);
        (findings, Some(rights))
    }

    async fn no_token(&self, microsoft: &Microsoft, error: &GraphError) -> Finding {
        let what = "No token from Entra";
        match &microsoft.credential {
            Credential::Secret { current, .. } if error.code == "AADSTS7000215" && is_secret_id(current).await => self
                .finding(
                    format!("{what}: {}", describe(error, self.clock.now())),
                    Explanation::of(codes::entra::SECRET_ID),
                    "",
                ),
            Credential::WorkloadIdentity { token_file } if is_of_federation(&error.code) => {
                let mut found = self.refused(what, error);
                let claims = read(&SecretSource::File(token_file.clone())).await.as_deref().and_then(claims_of);
                if let Some([issuer, subject, audience]) = claims {
                    let token = format!("The token in the file says iss {issuer}, sub {subject}, aud {audience}.");
                    found.seen = format!("{} {token}", found.seen);
                }
                found
            }
            _ => self.refused(what, error),
        }
    }

    /// Whether both secrets work while rotating: one that is wrong is better found before it is needed.
    async fn secrets(&self, graph: &Graph) -> Option<Finding> {
        let Credential::Secret { next: Some(next), .. } = &self.tenant.microsoft.credential else { return None };
        if graph.credential_status().borrow().in_use == Some("next_client_secret") {
            let explanation = Explanation::warning(
                "rotation-unfinished",
                "Leave goes on arriving with the second secret; there is none to fall back on.",
                "Make it the first: put its Value into the file that {key}.client_secret_file names, take next_client_secret_file \
                 out of the configuration, set {key}.secret_expires to its date, and start leavebridge anew. Only then the \
                 second file may go.",
            );
            return Some(self.finding("client_secret is refused, next_client_secret works.", explanation, ""));
        }
        let alone = Credential::Secret { current: next.clone(), next: None };
        let microsoft = Microsoft { credential: alone, ..self.tenant.microsoft.clone() };
        match self.graph(&microsoft).sign_in(self.end()).await {
            Ok(()) => Some(self.ok("next-secret", "next_client_secret works too.")),
            Err(error) => {
                let explanation = Explanation::warning(
                    "next-secret-refused",
                    "The second secret does not work, so it will be no help when the first one expires.",
                    "{registration} → Certificates & secrets: put the Value of the new secret \
                     into {key}.next_client_secret_file.",
                );
                let seen = format!("next_client_secret: {}", describe(&error, self.clock.now()));
                Some(self.finding(seen, explanation, ""))
            }
        }
    }

    fn directory_of(&self, claims: &Value) -> Option<Finding> {
        let (wanted, given) = (&self.tenant.microsoft.directory_id, claims["tid"].as_str()?);
        if Uuid::parse_str(wanted).is_err() || wanted.eq_ignore_ascii_case(given) {
            return None;
        }
        let explanation = Explanation::warning(
            "directory-differs",
            "The token is of another directory than the configuration names.",
            "Compare {key}.directory_id with {admin} → Overview → Tenant ID.",
        );
        Some(self.finding(format!("The token is of the directory {given}."), explanation, ""))
    }

    /// What the token names; it explains, and decides nothing.
    fn rights(&self, rights: &Rights) -> Vec<Finding> {
        let only_reads = rights.name(READING) && !rights.write_calendars();
        let first = if only_reads {
            let explanation = Explanation::warning(
                "rights-read-only",
                "With it no leave can be written: only if Exchange grants the rest (RBAC for Applications) does any arrive.",
                "{registration} → API permissions → Add a permission → Microsoft Graph → \
                 Application permissions → Calendars.ReadWrite → Grant admin consent; then remove Calendars.Read.",
            );
            self.finding(format!("The token names {READING}, but not {}.", CALENDARS.name), explanation, "")
        } else if rights.write_calendars() {
            let seen =
                format!("The token names {}: consent for all mailboxes, unless a policy limits it.", CALENDARS.name);
            self.ok("rights", seen)
        } else {
            let seen = format!(
                "The token does not name {}: right if Exchange grants it for a group of mailboxes (RBAC for Applications); \
                 only a real call tells.",
                CALENDARS.name
            );
            self.ok("rights", seen)
        };
        let known = |role: &String| PERMISSIONS.iter().any(|permission| permission.name == role);
        let is_more = |role: &&String| !(known(role) || only_reads && *role == READING);
        let more: Vec<_> = rights.roles.iter().filter(is_more).cloned().collect();
        let further = (!more.is_empty()).then(|| {
            let explanation = Explanation::warning(
                "more-than-needed",
                "leavebridge uses none of these. Whoever gets hold of the secret could.",
                "{registration} → API permissions: Revoke admin consent of these, then Remove \
                 permission.",
            );
            self.finding(format!("The token also names {}.", more.join(", ")), explanation, "")
        });
        std::iter::once(first).chain(further).collect()
    }

    /// A remnant of EWS shows in a token for Exchange itself. A managed identity has never had it.
    async fn ews(&self) -> Option<Finding> {
        if matches!(self.tenant.microsoft.credential, Credential::ManagedIdentity { .. }) {
            return None;
        }
        let (clock, random) = (Arc::clone(&self.clock), Arc::clone(&self.random));
        let microsoft = &self.tenant.microsoft;
        let rights =
            exchange_rights(self.http.clone(), self.direct.clone(), microsoft, clock, random, self.end()).await;
        let Some(rights) = rights else {
            let explanation = Explanation::warning(
                "ews-unknown",
                "Whether something is left of EWS cannot be seen from here.",
                "{registration} → API permissions: full_access_as_app should not be there.",
            );
            return Some(self.finding("No token for Exchange itself could be had and read.", explanation, ""));
        };
        if !rights.iter().any(|right| right == EWS.name) {
            return Some(self.ok("ews", "Nothing is left of EWS: the app has no full_access_as_app."));
        }
        let meaning = format!(
            "A remnant of the old way. Until EWS is removed on {EWS_REMOVED_ON}, whoever holds the secret can read \
             everything in every mailbox with it. leavebridge uses none of it."
        );
        let explanation = Explanation::warning(
            "ews-leftover",
            meaning,
            "{registration} → API permissions → Office 365 Exchange Online → full_access_as_app: \
             Revoke admin consent, then Remove permission (once nothing else uses this registration).",
        );
        Some(self.finding(format!("The app has {} at Exchange Online.", rights.join(", ")), explanation, ""))
    }
}

/// Whether what the token says of itself helps to see what is wrong.
fn is_of_federation(code: &str) -> bool {
    Explanation::of_entra(code).is_some_and(|explanation| explanation.id.starts_with("federated-"))
}

/// Who the token is for, in its own words.
fn describe_claims(claims: &Value) -> String {
    let text = |names: [&str; 2]| {
        let mut texts = names.iter().filter_map(|name| claims[*name].as_str()).filter(|text| !text.is_empty());
        texts.next().unwrap_or("unknown").to_owned()
    };
    let roles = words(&claims["roles"]);
    let roles = if roles.is_empty() { "no roles".into() } else { format!("the roles {}", roles.join(", ")) };
    format!(
        "Entra gives a token for the app {} ({}) in the directory {}, for {}, with {roles}.",
        text(["app_displayname", "appid"]),
        text(["appid", "azp"]),
        text(["tid", "tid"]),
        text(["aud", "aud"]),
    )
}

fn words(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_owned).collect()
}

async fn read(source: &SecretSource) -> Option<String> {
    let source = source.clone();
    let read = tokio::task::spawn_blocking(move || source.read());
    read.await.ok()?.ok().map(|secret| secret.expose_secret().to_owned())
}

/// Whether what is configured has the form of a Secret ID. A Value never has it.
async fn is_secret_id(source: &SecretSource) -> bool {
    read(source).await.is_some_and(|secret| Uuid::parse_str(secret.trim()).is_ok())
}

/// What a federated token claims about whose it is, to be compared with the app's record. Never the token.
fn claims_of(token: &str) -> Option<[String; 3]> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?.trim_end_matches('=')).ok()?;
    let claims: Value = serde_json::from_slice(&payload).ok()?;
    Some(["iss", "sub", "aud"].map(|name| match &claims[name] {
        Value::Array(many) => words(&Value::Array(many.clone())).join(" "),
        one => one.as_str().unwrap_or_default().to_owned(),
    }))
    .map(|claims| claims.map(|claim| claim.chars().filter(|c| !c.is_control()).take(200).collect()))
}
