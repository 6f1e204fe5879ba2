//! What is already known: the configuration as far as there is one, and over it what the command line says.
//!
//! It reads leniently, because it has to work before anything is configured. It must never hold, and so can never print,
//! a secret: of the secret it keeps only whether one is set, and it takes over no value that is not of its right form.

use std::{collections::BTreeMap, path::Path};

use ::config::{Config, ConfigError, Environment, File, FileFormat, Value};
use jiff::civil::Date;

use crate::{
    clock::Random,
    config::{DEFAULT_INSTALLATION, is_directory, is_guid, is_installation},
    doctor::microsoft::{self, CLOUDS, Cloud},
    domain::problem::Problems,
};

/// The ways of proving who it is that the configuration has a word for.
const CREDENTIALS: [&str; 4] = ["secret", "certificate", "workload-identity", "managed-identity"];

/// What was said on the command line.
#[derive(Debug, Default, Clone)]
pub(super) struct CommandLineSettings {
    pub(super) tenant: Option<String>,
    pub(super) cloud: Option<String>,
    pub(super) directory_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) group: Option<String>,
    pub(super) secret_expires: Option<String>,
}

/// All that is known of the tenant to be set up.
#[derive(Debug)]
pub(super) struct KnownSettings {
    /// The installation's name: as configured, or a new random one before anything is configured.
    pub(super) installation: String,
    pub(super) tenant: String,
    /// Whether the configuration has this tenant.
    pub(super) configured: bool,
    pub(super) cloud: &'static Cloud,
    pub(super) directory_id: Option<String>,
    pub(super) client_id: Option<String>,
    pub(super) group: Option<String>,
    pub(super) credential: &'static str,
    /// Whether a client secret is configured. Never the secret.
    pub(super) has_secret: bool,
    pub(super) secret_expires: Option<Date>,
    /// What the reader should know of the configuration, as sentences.
    pub(super) notes: Vec<String>,
}

/// One tenant's Microsoft table, as text.
type Table = BTreeMap<String, String>;

/// Puts together what the file, the environment and the command line say.
///
/// # Errors
/// All that is wrong with what was said, and a file that cannot be read.
pub(super) fn known(
    file: Option<&Path>,
    environment: &[(String, String)],
    said: &CommandLineSettings,
    random: &dyn Random,
) -> Result<KnownSettings, Problems> {
    let tree = tree(file, environment)?;
    let mut tenants = tenants(&tree);
    let mut problems = Problems::default();
    let tenant = tenant(&tenants, said, &mut problems);
    check(said, &mut problems);
    problems.or(())?;
    let configured = tenants.contains_key(&tenant);
    let mut notes = Vec::new();
    let installation = installation(&tree, !tenants.is_empty(), &mut notes, random);
    let table = tenants.remove(&tenant).unwrap_or_default();
    let mut configured_value = |key: &str, is_right: &dyn Fn(&str) -> bool, right: &str| {
        let value = table.get(key)?;
        if is_right(value) {
            return Some(value.clone());
        }
        notes.push(format!("tenants.{tenant}.microsoft.{key} is set but {right}, so it is taken as open."));
        None
    };
    let directory_id = configured_value("directory_id", &is_directory, "is neither a GUID nor a domain");
    let client_id = configured_value("client_id", &is_guid, "is not a GUID");
    let expires = configured_value("secret_expires", &|date| date.parse::<Date>().is_ok(), "is not a date");
    let cloud = configured_value(
        "cloud",
        &|word| word == "custom" || microsoft::cloud(word).is_some(),
        "is not one of the words for a cloud",
    );
    let credential =
        configured_value("credential", &|word| CREDENTIALS.contains(&word), "is not one of the words for a credential");
    if said.cloud.is_none() && cloud.as_deref() == Some("custom") {
        notes.push(
            "This tenant's cloud is \"custom\" (the simulator, say), which has no portal: this is written for the \
             global cloud. Say --cloud for another."
                .into(),
        );
    }
    let cloud = said.cloud.clone().or(cloud).and_then(|word| microsoft::cloud(&word)).unwrap_or(&CLOUDS[0]);
    let credential = CREDENTIALS.into_iter().find(|word| credential.as_deref() == Some(word)).unwrap_or("secret");
    let secret_keys = ["client_secret", "client_secret_file"];
    Ok(KnownSettings {
        installation,
        configured,
        cloud,
        directory_id: said.directory_id.clone().or(directory_id),
        client_id: said.client_id.clone().or(client_id),
        group: said.group.clone(),
        credential,
        has_secret: secret_keys.iter().any(|key| table.contains_key(*key)),
        secret_expires: said.secret_expires.clone().or(expires).and_then(|date| date.parse().ok()),
        notes,
        tenant,
    })
}

/// The installation's name. Under another name its events would not be recognised: where the configuration has tenants, there
/// may be events already, so no new name is made up.
fn installation(tree: &Config, has_tenants: bool, notes: &mut Vec<String>, random: &dyn Random) -> String {
    match tree.get_string("installation") {
        Ok(name) if is_installation(&name) => name,
        Ok(_) => {
            notes.push("installation is set but is not a name of A-Z, a-z, 0-9, -, _ and .: correct it first.".into());
            DEFAULT_INSTALLATION.into()
        }
        Err(_) if has_tenants => DEFAULT_INSTALLATION.into(),
        Err(_) => random.uuid().to_string(),
    }
}

/// The tenant that was named, else the only one, else `default`.
fn tenant(tenants: &BTreeMap<String, Table>, said: &CommandLineSettings, p: &mut Problems) -> String {
    const USUAL: &str = "default";
    if let Some(tenant) = &said.tenant {
        let is_key = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c);
        if tenant.is_empty() || tenant.len() > 64 || !tenant.chars().all(is_key) {
            p.add("--tenant", "must be made of a-z, 0-9, - and _, at most 64 characters");
        }
        return tenant.clone();
    }
    let mut names = tenants.keys();
    match (names.next(), names.next()) {
        (Some(only), None) => only.clone(),
        (Some(_), Some(_)) if !tenants.contains_key(USUAL) => {
            let names: Vec<_> = tenants.keys().map(String::as_str).collect();
            p.add("--tenant", format!("is missing: the configuration has several tenants: {}", names.join(", ")));
            USUAL.into()
        }
        _ => USUAL.into(),
    }
}

/// What was said goes into scripts, so it must be exactly what it is meant to be.
fn check(said: &CommandLineSettings, p: &mut Problems) {
    let mut must = |flag: &str, value: &Option<String>, is_right: &dyn Fn(&str) -> bool, right: &str| {
        if value.as_deref().is_some_and(|value| !is_right(value)) {
            p.add(flag, format!("must be {right}"));
        }
    };
    let directory = "the Directory (tenant) ID, a GUID, or one of the directory's verified domains";
    must("--directory-id", &said.directory_id, &is_directory, directory);
    must("--client-id", &said.client_id, &is_guid, "the Application (client) ID, which is a GUID");
    must("--group", &said.group, &is_address, "the group's e-mail address, such as leave-staff@contoso.com");
    let is_date = |date: &str| date.parse::<Date>().is_ok();
    must("--secret-expires", &said.secret_expires, &is_date, "a date such as 2027-05-15");
}

fn is_address(text: &str) -> bool {
    let is_local = |c: char| c.is_ascii_alphanumeric() || "._+-".contains(c);
    text.split_once('@').is_some_and(|(local, domain)| {
        !local.is_empty()
            && local.len() <= 64
            && local.chars().all(is_local)
            && !is_guid(domain)
            && is_directory(domain)
    })
}

/// The configuration as it is written.
fn tree(file: Option<&Path>, environment: &[(String, String)]) -> Result<Config, Problems> {
    let text = file.map(crate::config::text).transpose().map_err(|problem| wrong(file, &problem))?;
    // TOML's own message shows the line, and there may be a secret on it.
    layered(text.as_deref(), environment).map_err(|_| {
        wrong(file, "is not TOML, or an environment variable does not fit it; `leavebridge check-config` says where")
    })
}

/// The Microsoft tables of all tenants; keys that are set to nothing are left out.
fn tenants(tree: &Config) -> BTreeMap<String, Table> {
    let tenants = tree.get_table("tenants").unwrap_or_default();
    tenants.into_iter().map(|(name, tenant)| (name, microsoft_of(tenant))).collect()
}

fn wrong(file: Option<&Path>, what: &str) -> Problems {
    let mut problems = Problems::default();
    let field = file.map_or_else(|| "configuration".into(), |file| file.display().to_string());
    problems.add(field, format!("{what} (leave --config out, or LEAVEBRIDGE_CONFIG empty, to begin without one)"));
    problems
}

/// The file and over it the environment, as for the service itself, but without defaults and unchecked.
fn layered(text: Option<&str>, environment: &[(String, String)]) -> Result<Config, ConfigError> {
    let ours = environment.iter().filter(|(name, _)| name.starts_with("LEAVEBRIDGE__")).cloned().collect();
    let environment = Environment::with_prefix("LEAVEBRIDGE").prefix_separator("__").separator("__").source(Some(ours));
    let file = File::from_str(text.unwrap_or_default(), FileFormat::Toml);
    Config::builder().add_source(file).add_source(environment).build()
}

fn microsoft_of(tenant: Value) -> Table {
    let table = tenant.into_table().unwrap_or_default().remove("microsoft").and_then(|table| table.into_table().ok());
    let texts = table.unwrap_or_default().into_iter().filter_map(|(key, value)| Some((key, value.into_string().ok()?)));
    texts.filter(|(_, value)| !value.is_empty()).collect()
}
