//! Fills in the texts: every `{{word}}` in them is replaced, by a placeholder where the value is not known.
//!
//! It must never leave a `{{word}}` behind, and never let a value break out of the script that it is put into: values are
//! checked before they come here.

use std::collections::BTreeMap;

use serde_json::json;

use super::known::KnownSettings;
use crate::doctor::microsoft::{
    CALENDARS, EWS, EWS_BLOCKED_FROM, EWS_REMOVED_ON, EXCHANGE_APP, GRAPH_APP, Need, PERMISSIONS, Permission,
};

/// Placeholder of the Directory (tenant) ID.
pub(super) const DIRECTORY_ID: &str = "<DIRECTORY-ID>";
/// Placeholder of the Application (client) ID.
pub(super) const CLIENT_ID: &str = "<CLIENT-ID>";
/// Placeholder of the group's address.
pub(super) const GROUP: &str = "<GROUP-ADDRESS>";
/// Placeholder of the day on which the secret expires.
pub(super) const EXPIRES: &str = "<EXPIRES>";

/// The value of each word in the texts.
pub(super) type Values = BTreeMap<&'static str, String>;

/// Replaces every word; an unknown one stays, and a test finds it.
pub(super) fn fill(text: &str, values: &Values) -> String {
    let mut filled = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, word, after)) = next_word(rest) {
        filled.push_str(before);
        match values.get(word) {
            Some(value) => filled.push_str(value),
            None => filled.extend(["{{", word, "}}"]),
        }
        rest = after;
    }
    filled.push_str(rest);
    filled
}

fn next_word(text: &str) -> Option<(&str, &str, &str)> {
    let (before, rest) = text.split_once("{{")?;
    let (word, after) = rest.split_once("}}")?;
    Some((before, word, after))
}

/// All words that the texts use, for this tenant.
pub(super) fn values(known: &KnownSettings) -> Values {
    let cloud = known.cloud;
    let or = |value: &Option<String>, placeholder: &str| value.clone().unwrap_or_else(|| placeholder.to_owned());
    let (directory_id, client_id) = (or(&known.directory_id, DIRECTORY_ID), or(&known.client_id, CLIENT_ID));
    let group = or(&known.group, GROUP);
    let code = |value: &str| format!("`{value}`");
    let plain = |value: &Option<String>| value.clone().unwrap_or_default();
    let parameter = |kind: &str, name: &str, value: &Option<String>| match value {
        Some(value) => format!("[{kind}] ${name} = '{value}'"),
        None => format!("[Parameter(Mandatory)] [{kind}] ${name}"),
    };
    let mut values: Values = [
        ("installation", known.installation.clone()),
        ("tenant", known.tenant.clone()),
        ("tenant_upper", known.tenant.to_ascii_uppercase()),
        ("cloud_name", cloud.name.into()),
        ("admin_center", cloud.admin_center.into()),
        ("graph", cloud.graph.into()),
        ("exchange_environment", cloud.exchange_environment.into()),
        ("graph_environment", cloud.graph_environment.into()),
        ("az_cloud", cloud.az_cloud.into()),
        ("group_code", code(&group)),
        ("sh_directory_id", plain(&known.directory_id)),
        ("sh_client_id", plain(&known.client_id)),
        ("ps_directory_id", parameter("string", "DirectoryId", &known.directory_id)),
        ("ps_client_id", parameter("guid", "ClientId", &known.client_id)),
        ("ps_group", parameter("string", "Group", &known.group)),
        // Exchange takes at most 64 characters.
        ("scope", format!("leavebridge {}", known.tenant).chars().take(64).collect()),
        // The scripts make a secret only where one is wanted.
        ("script_secret_file", if known.credential == "secret" { secret_file(known) } else { String::new() }),
        ("graph_app", GRAPH_APP.into()),
        ("exchange_app", EXCHANGE_APP.into()),
        ("calendars", CALENDARS.name.into()),
        ("calendars_role", CALENDARS.role_id.into()),
        ("exchange_role", CALENDARS.exchange_role.unwrap_or_default().into()),
        ("ews_role", EWS.role_id.into()),
        ("ews_blocked", EWS_BLOCKED_FROM.into()),
        ("ews_removed", EWS_REMOVED_ON.into()),
        ("permissions", permissions()),
        ("manifest", manifest()),
        ("block", block(known, &directory_id, &client_id)),
    ]
    .into();
    values.extend(links(known, &directory_id, &client_id));
    values.extend(sentences(known));
    values.extend([("directory_id", directory_id), ("client_id", client_id), ("group", group)]);
    values
}

/// The portal's pages of this very app, as far as it is known.
fn links(known: &KnownSettings, directory_id: &str, client_id: &str) -> [(&'static str, String); 4] {
    let center = known.cloud.admin_center;
    let open = |page: &str, title: &str| match &known.client_id {
        Some(id) => format!(
            "Open {center}/#view/Microsoft_AAD_RegisteredApps/ApplicationMenuBlade/~/{page}/appId/{id}/isMSAApp~/false\n   \
             (by hand: your app → *{title}*)"
        ),
        None => {
            format!("In {center}: *App registrations* → *All applications* → `leavebridge` → *{title}*")
        }
    };
    let all = "Microsoft_AAD_RegisteredApps/ApplicationsListBlade/quickStartType~/null/sourceType/Microsoft_AAD_IAM";
    let consent = format!("{}/{directory_id}/adminconsent?client_id={client_id}", known.cloud.sign_in);
    [
        ("apps_link", format!("{center}/#view/{all}")),
        ("open_credentials", open("Credentials", "Certificates & secrets")),
        ("open_permissions", open("CallAnAPI", "API permissions")),
        // As code where it is not complete yet, so that it is not clicked.
        (
            "consent_link",
            if known.directory_id.is_some() && known.client_id.is_some() { consent } else { format!("`{consent}`") },
        ),
    ]
}

/// Sentences that are there only in some cases.
fn sentences(known: &KnownSettings) -> [(&'static str, String); 6] {
    let when = |holds: bool, text: &str| if holds { text.to_owned() } else { String::new() };
    let ids = known.directory_id.is_some() && known.client_id.is_some();
    let credential = match (known.credential, known.has_secret) {
        ("secret", true) => "client secret: is set",
        ("secret", false) => "client secret: is not set yet",
        (other, _) => other,
    };
    let secret = match (known.credential, known.has_secret) {
        ("secret", true) => {
            "\nA secret is configured already: a new one is due only when that one expires or has leaked.".to_owned()
        }
        ("secret", false) => String::new(),
        (other, _) => format!("\nThis tenant is configured for `{other}`: follow its row below, and make no secret."),
    };
    let group = known.group.as_ref();
    let asked = group.map(|group| format!("\nYou named the group `{group}`, so way B is what you are after."));
    [
        ("credential", credential.into()),
        ("have_ids", when(ids, "\nleavebridge has both ids already: compare them with those in the table above.")),
        ("have_secret", secret),
        ("asked_for", asked.unwrap_or_default()),
        ("replaces", when(known.configured, &format!(", over what `[tenants.{}.microsoft]` says there", known.tenant))),
        (
            "next_run",
            when(
                !ids,
                "Run it again with `--directory-id` and `--client-id` once you have them, and the links are complete.",
            ),
        ),
    ]
}

/// Where the secret's file lies under /run/secrets: one for each tenant.
fn secret_file(known: &KnownSettings) -> String {
    match known.tenant.as_str() {
        "default" => "microsoft_client_secret".into(),
        tenant => format!("microsoft_client_secret_{tenant}"),
    }
}

fn permissions() -> String {
    let mut lines = vec!["| permission | id | | what it switches on |".to_owned(), "|---|---|---|---|".to_owned()];
    let offered = PERMISSIONS.iter().filter(|permission| permission.need != Need::Unwanted);
    lines.extend(offered.map(|Permission { name, role_id, gives, need, .. }| {
        format!("| `{name}` | `{role_id}` | {} | {gives} |", need.word())
    }));
    lines.join("\n")
}

/// The manifest's key for way A: the required permission and nothing else.
pub(super) fn manifest() -> String {
    let access = json!([{ "id": CALENDARS.role_id, "type": "Role" }]);
    let manifest = json!({"requiredResourceAccess": [{ "resourceAppId": GRAPH_APP, "resourceAccess": access }]});
    format!("{manifest:#}")
}

/// The configuration to paste.
fn block(known: &KnownSettings, directory_id: &str, client_id: &str) -> String {
    let expires = known.secret_expires.map_or_else(|| EXPIRES.to_owned(), |date| date.to_string());
    let secret = format!("/run/secrets/{}", secret_file(known));
    let mut lines: Vec<(&str, &str, &str)> = vec![
        ("cloud", known.cloud.word, "global | us-gov-high | us-gov-dod | china"),
        ("directory_id", directory_id, "Directory (tenant) ID"),
        ("client_id", client_id, "Application (client) ID"),
    ];
    match known.credential {
        "certificate" => lines.extend([
            ("credential", "certificate", ""),
            ("certificate_file", "/run/secrets/microsoft_certificate", "the certificate and its private key"),
        ]),
        "workload-identity" => lines.extend([
            ("credential", "workload-identity", ""),
            ("federated_token_file", "/var/run/secrets/azure/tokens/azure-identity-token", "Kubernetes keeps it"),
        ]),
        "managed-identity" => lines.extend([
            ("credential", "managed-identity", ""),
            ("managed_identity_client_id", "", "of a user-assigned identity; empty for the machine's own"),
        ]),
        _ => lines.extend([
            ("client_secret_file", secret.as_str(), "holds the secret's Value, nothing else"),
            ("secret_expires", expires.as_str(), "the date that the portal shows"),
        ]),
    }
    let lines = lines.into_iter().map(|(key, value, comment)| {
        let line = format!("{key} = \"{value}\"");
        if comment.is_empty() { line } else { format!("{line:<60}# {comment}") }
    });
    let head = format!("[tenants.{}.microsoft]", known.tenant);
    std::iter::once(head).chain(lines).collect::<Vec<_>>().join("\n")
}
