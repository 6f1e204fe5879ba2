//! What Entra's refusals mean for a person: one row per meaning, by AADSTS number.
//!
//! Microsoft asks programs not to depend on the numbers, and ours does not: they only choose the words here. A number that
//! is not in the table is unknown, and no fix is invented for it. Source: Microsoft's page of error codes, and what others
//! have seen from the live service.

use super::Explanation;

/// The portal's page of the app.
const SECRETS: &str = "{registration} → Certificates & secrets";

/// Why no token came, by the AADSTS number or by our own word.
pub(super) fn explain(code: &str) -> Option<Explanation> {
    let number = code.strip_prefix("AADSTS").and_then(|number| number.parse::<u32>().ok());
    let (id, meaning, next) = match number {
        Some(number) => of_credential(number).or_else(|| of_app(number)).or_else(|| of_service(number))?,
        None => by_word(code)?,
    };
    Some(Explanation::error(id, meaning, next))
}

/// The configured secret has the form of a Secret ID.
pub(super) fn secret_id() -> Explanation {
    Explanation::error(
        "secret-id-pasted",
        "What is configured has the form of a Secret ID (a GUID). Entra wants the secret's Value, which the portal shows \
         only once, right after the secret was made.",
        format!("{SECRETS} → New client secret: copy the column Value into {{key}}.client_secret_file."),
    )
}

/// What chooses an explanation: its id, the meaning, the next step.
type Row = (&'static str, &'static str, String);

/// The proof is not taken.
fn of_credential(number: u32) -> Option<Row> {
    Some(match number {
        7_000_215 => (
            "secret-wrong",
            "Entra knows the app, but not this secret: mostly the Secret ID was pasted instead of the Value, or the secret \
             was deleted.",
            format!("{SECRETS} → New client secret: copy the column Value (not Secret ID) into {{key}}.client_secret_file."),
        ),
        7_000_222 => (
            "secret-expired",
            "The secret was right once; its time is over. No leave of this tenant reaches Outlook until there is a new \
             one. Webhooks are still accepted, and nothing is lost.",
            format!(
                "{SECRETS} → New client secret: copy its Value into {{key}}.client_secret_file (a file needs no restart) \
                 and its date into {{key}}.secret_expires (which counts from the next start on)."
            ),
        ),
        7_000_216 | 7_000_218 => (
            "credential-not-sent",
            "Entra found neither a secret nor an assertion in the request: something on the way takes it out, or \
             leavebridge has a fault.",
            "Look whether a proxy rewrites requests to {authority}; if none does, report this with the ids above.".into(),
        ),
        700_027 => (
            "certificate-unknown",
            "The app has no certificate with which this signature can be checked: it was never uploaded there, was \
             removed, or belongs to another app.",
            format!(
                "{SECRETS} → Certificates: upload the public half of {{key}}.certificate_file; the thumbprint shown there \
                 must be that of the file."
            ),
        ),
        700_024 => (
            "assertion-time",
            "The assertion came too early or too late by Microsoft's clock: this machine's clock is wrong, or the token in \
             the file is an old one.",
            "Set this machine's clock right (NTP), then run the doctor again.".into(),
        ),
        7_000_214 | 7_000_277 => (
            "certificate-revoked",
            "Entra takes the certificate as revoked, or does not trust it any more.",
            format!("Make a new certificate, then {SECRETS} → Certificates: upload its public half, and put it into {{key}}.certificate_file."),
        ),
        7_000_274 => (
            "certificate-signature",
            "The signature does not hold: mostly the private key is not that of the uploaded certificate.",
            "Check that {key}.certificate_key_file belongs to {key}.certificate_file, and that it is this certificate that \
             was uploaded to the app."
                .into(),
        ),
        1_000_502 => (
            "certificate-expired",
            "The certificate is outside its validity: not valid yet, or over.",
            format!("Make a new certificate, then {SECRETS} → Certificates: upload its public half, and put it into {{key}}.certificate_file."),
        ),
        70_021 | 70_025 => (
            "federated-none",
            "The app has no federated credential that fits this token, or none at all.",
            federated("Issuer, Subject and Audience must equal iss, sub and aud of the token"),
        ),
        700_211 => (
            "federated-issuer",
            "No federated credential of the app has this token's issuer.",
            federated("Issuer must equal iss of the token"),
        ),
        700_212 => (
            "federated-audience",
            "No federated credential of the app has this token's audience.",
            federated("Audience must equal aud of the token, mostly api://AzureADTokenExchange"),
        ),
        700_213 | 7_002_137 | 7_002_138 => (
            "federated-subject",
            "No federated credential of the app has this token's subject: mostly the namespace or the service account is \
             another one, or differs in upper and lower case.",
            federated("Subject must equal sub of the token"),
        ),
        _ => return None,
    })
}

/// The app, the directory or the cloud is not the right one, or a policy is in the way.
fn of_app(number: u32) -> Option<Row> {
    Some(match number {
        7_000_229 => (
            "service-principal-missing",
            "The app is registered, but has no service principal in this directory: made by a script that makes none, or its \
             Enterprise app was deleted.",
            "az ad sp create --id {app} (or {admin} → App registrations → the app → Create service principal).".into(),
        ),
        700_016 => (
            "app-not-found",
            "This directory has no app with that Application (client) ID: one of the two ids is wrong, or they are of \
             different directories.",
            "{admin} → App registrations → the app → Overview: compare Application (client) ID (not Object ID) with \
             {key}.client_id, and Directory (tenant) ID with {key}.directory_id."
                .into(),
        ),
        7_000_112 => (
            "app-disabled",
            "The app is there, but somebody has switched it off.",
            "{admin} → Enterprise applications → the app {app} → Properties → Enabled for users to sign-in? → Yes.".into(),
        ),
        90_002 => (
            "tenant-not-found",
            "This cloud has no such directory: the id is wrong, or the directory lives in another national cloud.",
            "{admin} → Overview: compare Tenant ID with {key}.directory_id (is that the Application (client) ID, perhaps?); if they \
             are equal, {key}.cloud is wrong."
                .into(),
        ),
        900_023 | 9_001_023 => (
            "tenant-malformed",
            "That is no Directory (tenant) ID: a GUID or one of the directory's own domains is needed, not `common` and \
             its like.",
            "{admin} → Overview: copy Tenant ID into {key}.directory_id.".into(),
        ),
        90_038 | 500_011 | 50_001 => (
            "wrong-cloud",
            "The directory does not know Microsoft Graph under the address that was asked for: mostly it lives in another \
             national cloud than the configuration says.",
            "Set {key}.cloud to the cloud of the directory: global, us-gov-high, us-gov-dod or china.".into(),
        ),
        530_000..=530_099 | 53_000..=53_011 => (
            "conditional-access",
            "A Conditional Access policy for workload identities keeps the app out, mostly by the address from which this \
             machine is seen, or by risk.",
            "{admin} → Sign-in logs → Service principal sign-ins: find the Correlation ID above, open Conditional Access, \
             and let that policy allow the app from here."
                .into(),
        ),
        _ => return None,
    })
}

/// The request itself, or Entra's own trouble.
fn of_service(number: u32) -> Option<Row> {
    Some(match number {
        70_011 | 28_002 | 1_002_012 | 700_022 => (
            "scope-wrong",
            "Entra does not take the scope {graph}/.default, the only one that leavebridge asks for.",
            "If {key}.cloud is \"custom\", correct {key}.graph; else report this with the ids above.".into(),
        ),
        70_003 | 900_144 | 900_561 | 90_014 | 50_034 => (
            "request-malformed",
            "Entra does not understand the request: something on the way changes it, or leavebridge has a fault.",
            "Look whether a proxy rewrites requests to {authority}; if none does, report this with the ids above."
                .into(),
        ),
        90_006 | 90_012 | 90_024 | 90_033 | 90_090 => unavailable(),
        90_055 => throttled(),
        50_196 => (
            "loop-detected",
            "Entra has seen too many token requests of this app and takes it for a program that runs in circles. \
             leavebridge itself asks once a minute at most while it is refused.",
            "Find out what else signs in as the app {app}, stop it, and wait ten minutes.".into(),
        ),
        _ => return None,
    })
}

fn by_word(word: &str) -> Option<Row> {
    Some(match word {
        "entra-no-answer" => (
            "entra-unreachable",
            "The token endpoint gave no answer that can be understood: it is not reached, or something in between answers \
             in its place.",
            "If {authority} is reachable, as told above, something answers in its place: a proxy, a portal page, a firewall. Let \
             this machine through to it, or correct {key}.authority where {key}.cloud is \"custom\"."
                .into(),
        ),
        "secret-unreadable" | "credential-unreadable" | "certificate-unusable" | "no-secret" => (
            "credential-unusable",
            "leavebridge has nothing to prove itself with: the file above cannot be used as it is.",
            "Mend the file, and let the user that leavebridge runs as read it; no restart is needed.".into(),
        ),
        "identity-no-answer" => (
            "identity-unreachable",
            "Nobody here hands out tokens of a managed identity: this machine is not on Azure, or has no identity.",
            "Azure portal → this machine → Identity: switch it on; elsewhere choose another {key}.credential.".into(),
        ),
        "identity-mismatch" => (
            "identity-other",
            "The host gives tokens of another identity than the configuration names; older Azure Arc agents always do.",
            "Compare {key}.managed_identity_client_id with the identity's own Client ID; with Arc, leave it empty."
                .into(),
        ),
        "arc-key" => (
            "identity-key",
            "Azure Arc's agent asks for a key that cannot be read to it.",
            "Put the user that leavebridge runs as into the group himds, and start leavebridge anew.".into(),
        ),
        "HTTP 429" => throttled(),
        "temporarily_unavailable" | "server_error" | "HTTP 500" | "HTTP 502" | "HTTP 503" | "HTTP 504" => unavailable(),
        _ => return None,
    })
}

fn unavailable() -> Row {
    (
        "entra-unavailable",
        "Entra has trouble of its own. leavebridge tries again by itself, and leave waits meanwhile.",
        "Wait a few minutes and run the doctor again; Microsoft 365 admin center → Health → Service health tells of longer trouble.".into(),
    )
}

fn throttled() -> Row {
    (
        "entra-throttled",
        "Entra gets too many requests of this directory and asks everybody to wait. leavebridge waits as long as it is told.",
        "Wait a few minutes and run the doctor again.".into(),
    )
}

fn federated(what: &str) -> String {
    format!("{SECRETS} → Federated credentials: {what}, letter by letter.")
}
