//! Turns the configuration as written into settings that hold, noting everything that does not.

use std::{collections::BTreeMap, fs, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::SignedDuration;
use secrecy::{ExposeSecret as _, SecretString};
use url::Url;
use uuid::Uuid;

use super::{
    Auth, Client, Database, Http, Log, Microsoft, Scope, Settings, Sync, Tenant,
    raw::{self, Cloud, Credential, LogFormat, Raw},
};
use crate::domain::{policy::Policy, problem::Problems, zone::Zone};

/// A call must be over before its mailbox may go to another replica: time for the answer to be written down.
pub(crate) const LEASE_MARGIN: Duration = Duration::from_secs(5);
const SHORTEST_KEY: usize = 32;
const SHORTEST_WEBHOOK_KEY: usize = 24;

/// The settings, as far as they could be made out, and all that is wrong. They hold only when nothing is.
pub(super) fn check(raw: Raw) -> (Option<Settings>, Problems) {
    let mut problems = Problems::default();
    let p = &mut problems;
    let http = http(raw.http, p);
    let database = database(raw.database, p);
    let log = Log { json: raw.log.format == LogFormat::Json, filter: raw.log.filter };
    if tracing_subscriber::EnvFilter::try_new(&log.filter).is_err() {
        p.add(
            "log.filter",
            "must be a level such as \"info\", or levels per module such as \"info,leavebridge=debug\"",
        );
    }
    let auth = auth(raw.auth, p);
    let sync = sync(&raw.sync, p);
    let tenants = tenants(raw.tenants, &raw.policy, p);
    let clients = clients(raw.clients, &tenants.keys().cloned().collect::<Vec<_>>(), p);
    if auth.keys.is_empty() && clients.values().all(|client| client.webhook_keys.is_empty()) {
        p.add("auth.keys", "is missing: without a key (or a client's webhook_secrets) nobody can call");
    }
    let settings = http.zip(database).map(|(http, database)| Settings {
        http,
        database,
        log,
        protect_metrics: raw.metrics.protect,
        auth,
        sync,
        tenants,
        clients,
    });
    (settings, problems)
}

fn http(raw: raw::Http, p: &mut Problems) -> Option<Http> {
    let request_timeout = positive("http.request_timeout", raw.request_timeout, p);
    let ca_file = Some(raw.ca_file).filter(|path| !path.is_empty()).map(PathBuf::from);
    if ca_file.as_ref().is_some_and(|path| fs::read(path).is_err()) {
        p.add("http.ca_file", "cannot be read");
    }
    match raw.listen.parse() {
        Ok(listen) => Some(Http { listen, request_timeout, ca_file }),
        Err(_) => {
            p.add("http.listen", "must be an address and a port such as \"0.0.0.0:8080\"");
            None
        }
    }
}

fn database(raw: raw::Database, p: &mut Problems) -> Option<Database> {
    if raw.max_connections < 2 {
        p.add("database.max_connections", "must be at least 2: one is kept for listening to the other replicas");
    }
    let url = secret("database.url", raw.url, &raw.url_file, p)?;
    if crate::store::Store::is_url(&url) {
        return Some(Database { url, max_connections: raw.max_connections, migrate: raw.migrate });
    }
    p.add("database.url", "must be a URL such as postgres://user:password@host/database");
    None
}

fn auth(raw: raw::Auth, p: &mut Problems) -> Auth {
    let mut keys = BTreeMap::new();
    for (name, key) in raw.keys {
        let field = format!("auth.keys.{name}.secret");
        let Some(secret) = secret(&field, key.secret, &key.secret_file, p) else { continue };
        if secret.expose_secret().len() < SHORTEST_KEY {
            p.add(field, "is too short: HS256 needs at least 32 bytes, such as `openssl rand -base64 48` gives");
        }
        keys.insert(name, secret);
    }
    let named = Some(raw.signing_key).filter(|name| !name.is_empty());
    if named.as_ref().is_some_and(|name| !keys.contains_key(name)) {
        p.add("auth.signing_key", "must name one of [auth.keys]");
    }
    let only = (keys.len() == 1).then(|| keys.keys().next().cloned()).flatten();
    Auth { signing_key: named.or(only), keys }
}

fn sync(raw: &raw::Sync, p: &mut Problems) -> Sync {
    if raw.mailboxes == 0 {
        p.add("sync.mailboxes", "must be at least 1");
    }
    if !(1..=4).contains(&raw.per_mailbox) {
        p.add("sync.per_mailbox", "must be 1 to 4: Graph refuses more than 4 requests in flight per mailbox");
    }
    let call_timeout = positive("sync.call_timeout", raw.call_timeout, p);
    let lease = positive("sync.lease", raw.lease, p);
    if lease <= call_timeout + LEASE_MARGIN {
        p.add(
            "sync.lease",
            "must be longer than sync.call_timeout + 5s: else another replica could write to a mailbox while a call of \
             this one is still under way",
        );
    }
    Sync { mailboxes: raw.mailboxes, per_mailbox: raw.per_mailbox, call_timeout, lease }
}

fn tenants(raw: BTreeMap<String, raw::Tenant>, base: &raw::Policy, p: &mut Problems) -> BTreeMap<String, Tenant> {
    if raw.is_empty() {
        p.add("tenants", "is missing: [tenants.default.microsoft] says whose calendars to write to and how to sign in");
    }
    let mut tenants = BTreeMap::new();
    if let Some(base) = policy("policy", base, &raw::Policy::default(), p) {
        for (key, tenant) in raw {
            let field = format!("tenants.{key}");
            if !is_key(&key) {
                p.add(&field, "must be made of a-z, 0-9, - and _, at most 64 characters");
            }
            let microsoft = microsoft(&field, tenant.microsoft, p);
            // Checked by itself, so that each problem stands under the key where it can be mended.
            let policy = policy(&format!("{field}.policy"), &tenant.policy, &as_raw(&base), p);
            if let (Some(microsoft), Some(policy)) = (microsoft, policy) {
                tenants.insert(key, Tenant { microsoft, policy });
            }
        }
    }
    tenants
}

fn microsoft(field: &str, raw: raw::Microsoft, p: &mut Problems) -> Option<Microsoft> {
    let field = |key: &str| format!("{field}.microsoft.{key}");
    let Credential::Secret = raw.credential;
    let (authority, graph) = match raw.cloud {
        Cloud::Global => ("https://login.microsoftonline.com", "https://graph.microsoft.com"),
        Cloud::UsGovHigh => ("https://login.microsoftonline.us", "https://graph.microsoft.us"),
        Cloud::UsGovDod => ("https://login.microsoftonline.us", "https://dod-graph.microsoft.us"),
        Cloud::China => ("https://login.chinacloudapi.cn", "https://microsoftgraph.chinacloudapi.cn"),
        Cloud::Custom => (raw.authority.as_str(), raw.graph.as_str()),
    };
    if raw.cloud != Cloud::Custom && !(raw.authority.is_empty() && raw.graph.is_empty()) {
        p.add(field("cloud"), "must be \"custom\" for authority and graph to be used");
    }
    let mut base_url = |key: &str, text: &str| {
        let url = Url::parse(text).ok().filter(|url| matches!(url.scheme(), "https" | "http") && url.has_host());
        if url.is_none() {
            p.add(field(key), "must be a base URL such as \"https://graph.microsoft.com\"");
        }
        url
    };
    let (authority, graph) = (base_url("authority", authority), base_url("graph", graph));
    if raw.directory_id.is_empty() {
        p.add(field("directory_id"), "is missing: \"Directory (tenant) ID\" on the app's overview page in Entra");
    } else if ["common", "organizations", "consumers"].contains(&raw.directory_id.as_str())
        || !raw.directory_id.chars().all(|c| c.is_ascii_alphanumeric() || c == '-' || c == '.')
    {
        p.add(field("directory_id"), "must be the directory's GUID or one of its verified domains");
    }
    if raw.client_id.is_empty() {
        p.add(field("client_id"), "is missing: \"Application (client) ID\" on the app's overview page in Entra");
    } else if Uuid::parse_str(&raw.client_id).is_err() {
        p.add(field("client_id"), "must be a GUID: \"Application (client) ID\" on the app's overview page in Entra");
    }
    let mut secrets = Vec::new();
    secrets.extend(secret(&field("client_secret"), raw.client_secret, &raw.client_secret_file, p));
    if !raw.next_client_secret.expose_secret().is_empty() || !raw.next_client_secret_file.is_empty() {
        secrets.extend(secret(&field("next_client_secret"), raw.next_client_secret, &raw.next_client_secret_file, p));
    }
    if secrets.iter().any(|secret| Uuid::parse_str(secret.expose_secret()).is_ok()) {
        p.add(field("client_secret"), "is a GUID, so it must be the Secret ID: paste the secret's Value instead");
    }
    let secret_expires = match raw.secret_expires.as_str() {
        "" => None,
        date => {
            date.parse().inspect_err(|_| p.add(field("secret_expires"), "must be a date such as \"2027-05-15\"")).ok()
        }
    };
    Some(Microsoft {
        authority: authority?,
        graph: graph?,
        directory_id: raw.directory_id,
        client_id: raw.client_id,
        secrets,
        secret_expires,
    })
}

fn policy(field: &str, own: &raw::Policy, base: &raw::Policy, p: &mut Problems) -> Option<Policy> {
    let field = |key: &str| format!("{field}.{key}");
    let zone_name = own.time_zone.clone().or_else(|| base.time_zone.clone());
    let time_zone = zone_name.and_then(|name| Zone::parse(&name).ok()).filter(|zone| zone.outlook_name().is_some());
    if time_zone.is_none() {
        p.add(field("time_zone"), "must be an IANA time zone that Outlook knows, such as \"Europe/London\"");
    }
    let policy = Policy {
        publish: own.publish.or(base.publish)?,
        title: own.title.clone().or_else(|| base.title.clone())?,
        body: own.body.clone().or_else(|| base.body.clone())?,
        show_as: own.show_as.or(base.show_as)?,
        show_as_pending: own.show_as_pending.or(base.show_as_pending)?,
        sensitivity: own.sensitivity.or(base.sensitivity)?,
        time_zone: time_zone?,
        day_start: own.day_start.or(base.day_start)?,
        midday: own.midday.or(base.midday)?,
        day_end: own.day_end.or(base.day_end)?,
    };
    if policy.title.trim().is_empty() || policy.title.chars().any(char::is_control) {
        p.add(field("title"), "must be one line of text");
    }
    if !(policy.day_start < policy.midday && policy.midday < policy.day_end) {
        p.add(field("midday"), "must lie between day_start and day_end");
    }
    Some(policy)
}

fn as_raw(policy: &Policy) -> raw::Policy {
    raw::Policy {
        publish: Some(policy.publish),
        title: Some(policy.title.clone()),
        body: Some(policy.body.clone()),
        show_as: Some(policy.show_as),
        show_as_pending: Some(policy.show_as_pending),
        sensitivity: Some(policy.sensitivity),
        time_zone: Some(policy.time_zone.name().to_owned()),
        day_start: Some(policy.day_start),
        midday: Some(policy.midday),
        day_end: Some(policy.day_end),
    }
}

fn clients(raw: BTreeMap<String, raw::Client>, tenants: &[String], p: &mut Problems) -> BTreeMap<String, Client> {
    if raw.is_empty() {
        p.add("clients", "is missing: [clients.NAME] says who may call and as which source");
    }
    raw.into_iter().map(|(name, client)| (name.clone(), self::client(name, client, tenants, p))).collect()
}

fn client(name: String, raw: raw::Client, tenants: &[String], p: &mut Problems) -> Client {
    let field = |key: &str| format!("clients.{name}.{key}");
    if !is_key(&name) {
        p.add(format!("clients.{name}"), "must be made of a-z, 0-9, - and _, at most 64 characters");
    }
    let mut scopes = Vec::new();
    for word in &raw.scopes {
        match Scope::of(word) {
            Some(scope) => scopes.push(scope),
            None => p.add(field("scopes"), format!("must be of {}", Scope::ALL.map(Scope::word).join(", "))),
        }
    }
    if raw.scopes.is_empty() {
        p.add(field("scopes"), "is missing: without a scope the client can do nothing");
    }
    let source = Some(raw.source).filter(|source| !source.is_empty());
    match &source {
        Some(source) if !is_key(source) => {
            p.add(field("source"), "must be made of a-z, 0-9, - and _, at most 64 characters");
        }
        None if scopes.iter().any(|scope| matches!(scope, Scope::LeavesRead | Scope::LeavesWrite)) => {
            p.add(field("source"), "is missing: leave needs a source such as \"ess\"");
        }
        _ => {}
    }
    let every_tenant = raw.tenants.iter().any(|tenant| tenant == "*");
    if raw.tenants.is_empty() {
        p.add(field("tenants"), "is missing: name the tenants that the client may speak for, or \"*\" for all");
    } else if !every_tenant && raw.tenants.iter().any(|tenant| !tenants.contains(tenant)) {
        p.add(field("tenants"), "names a tenant that is not in [tenants]");
    }
    let mut texts: Vec<String> = raw.webhook_secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect();
    if !raw.webhook_secrets_file.is_empty() {
        match fs::read_to_string(&raw.webhook_secrets_file) {
            Ok(text) => texts.extend(text.lines().map(str::trim).filter(|line| !line.is_empty()).map(str::to_owned)),
            Err(error) => p.add(field("webhook_secrets_file"), format!("cannot be read: {}", error.kind())),
        }
    }
    if !texts.is_empty() && !scopes.contains(&Scope::LeavesWrite) {
        p.add(field("webhook_secrets"), "needs the scope leaves:write: signed webhooks can do nothing else");
    }
    let is_webhook_key = |text: &String| {
        let key = text.strip_prefix("whsec_").and_then(|base64| STANDARD.decode(base64).ok());
        key.is_some_and(|key| key.len() >= SHORTEST_WEBHOOK_KEY)
    };
    if !texts.iter().all(is_webhook_key) {
        p.add(field("webhook_secrets"), "must be whsec_ and the Base64 of at least 24 bytes");
    }
    let tenants = if every_tenant { tenants.to_vec() } else { raw.tenants };
    let webhook_keys = texts.into_iter().map(SecretString::from).collect();
    Client { name, source, tenants, scopes, webhook_keys }
}

/// The secret itself or the content of its file. Exactly one of the two must be given.
fn secret(field: &str, inline: SecretString, file: &str, p: &mut Problems) -> Option<SecretString> {
    match (inline.expose_secret().is_empty(), file.is_empty()) {
        (true, true) => {
            p.add(field, format!("is missing: give it here or as {}_file", field.rsplit('.').next().unwrap_or(field)));
            None
        }
        (false, false) => {
            p.add(field, "is given twice: here and as a file");
            None
        }
        (false, true) => Some(inline),
        (true, false) => match fs::read_to_string(file) {
            Ok(text) if !text.trim().is_empty() => Some(SecretString::from(text.trim())),
            Ok(_) => {
                p.add(format!("{field}_file"), "is empty");
                None
            }
            Err(error) => {
                p.add(format!("{field}_file"), format!("cannot be read: {}", error.kind()));
                None
            }
        },
    }
}

fn positive(field: &str, duration: SignedDuration, p: &mut Problems) -> Duration {
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => duration,
        _ => {
            p.add(field, "must be longer than nothing");
            Duration::from_secs(1)
        }
    }
}

fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 64
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
}
