//! Turns the configuration as written into settings that hold, noting everything that does not.

use std::{collections::BTreeMap, path::PathBuf, time::Duration};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use secrecy::{ExposeSecret as _, SecretString};

use super::{
    credential::Variables,
    database, file, issuers,
    raw::{self, LogFormat, Raw},
    settings::{Auth, Client, Http, Log, Scope, Settings, Sync},
    tenants,
    values::{
        DEFAULT_INSTALLATION, NOT_A_NAME, NOT_AN_INSTALLATION, instant, is_installation, is_key, positive, secret,
    },
};
use crate::domain::problem::Problems;

/// A call must be over so long before its mailbox may go to another replica: time for the answer to be written down.
pub(crate) const LEASE_MARGIN: Duration = Duration::from_secs(5);
const SHORTEST_KEY: usize = 32;
const SHORTEST_WEBHOOK_KEY: usize = 24;

/// The settings, as far as they could be made out, and all that is wrong. They hold only when nothing is.
pub(super) fn check(raw: Raw, environment: &[(String, String)]) -> (Option<Settings>, Problems) {
    let mut problems = Problems::default();
    let p = &mut problems;
    let http = http(raw.http, p);
    let database = database::check(raw.database, p);
    let log = Log { json: raw.log.format == LogFormat::Json, filter: raw.log.filter };
    if tracing_subscriber::EnvFilter::try_new(&log.filter).is_err() {
        p.add(
            "log.filter",
            "must be a level such as \"info\", or levels per module such as \"info,leavebridge=debug\"",
        );
    }
    if !is_installation(&raw.installation) {
        p.add("installation", NOT_AN_INSTALLATION);
    }
    let issuer_names: Vec<String> = raw.auth.issuers.keys().cloned().collect();
    // Also those that cannot be used: then that is what is wrong.
    let has_keys = !raw.auth.keys.is_empty();
    let has_callers = raw.clients.values().any(|client| {
        !client.webhook_secrets.is_empty() || !client.webhook_secrets_file.is_empty() || !client.issuer.is_empty()
    });
    let auth = auth(raw.auth, p);
    let sync = sync(&raw.sync, &raw.installation, p);
    let directory_fresh_for = positive("directory.fresh_for", raw.directory.fresh_for, p);
    // Also those that are not right yet: a client that names one of them is no second problem.
    let tenant_names: Vec<String> = raw.tenants.keys().cloned().collect();
    let tenants = tenants::check(raw.tenants, &raw.policy, Variables(environment), p);
    let clients = clients(raw.clients, &tenant_names, &issuer_names, p);
    if !has_keys && !has_callers {
        p.add("auth.keys", "is missing: without a key (or a client's webhook_secrets or issuer) nobody can call");
    }
    let settings = http.zip(database).map(|(http, database)| Settings {
        http,
        database,
        log,
        installation: raw.installation,
        protect_metrics: raw.metrics.protect,
        auth,
        sync,
        directory_fresh_for,
        tenants,
        clients,
    });
    (settings, problems)
}

fn http(raw: raw::Http, p: &mut Problems) -> Option<Http> {
    let request_timeout = positive("http.request_timeout", raw.request_timeout, p);
    let ca_file = Some(raw.ca_file).filter(|path| !path.is_empty()).map(PathBuf::from);
    match ca_file.as_ref().map(file::text) {
        Some(Err(problem)) => p.add("http.ca_file", problem),
        // Else it would be taken for an empty list, and TLS would fail without a visible cause.
        Some(Ok(text)) if !text.contains("-----BEGIN CERTIFICATE-----") => {
            p.add("http.ca_file", "must hold certificates as PEM (-----BEGIN CERTIFICATE-----)");
        }
        _ => {}
    }
    let Ok(listen) = raw.listen.parse() else {
        p.add("http.listen", "must be an address and a port such as \"0.0.0.0:8080\"");
        return None;
    };
    Some(Http { listen, request_timeout, ca_file })
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
    Auth { signing_key: named.or(only), keys, issuers: issuers::check(raw.issuers, p) }
}

fn sync(raw: &raw::Sync, installation: &str, p: &mut Problems) -> Sync {
    if raw.mailboxes == 0 {
        p.add("sync.mailboxes", "must be at least 1");
    }
    if !(1..=4).contains(&raw.per_mailbox) {
        p.add("sync.per_mailbox", "must be 1 to 4: Graph refuses more than 4 requests in flight per mailbox");
    }
    let call_timeout = positive("sync.call_timeout", raw.call_timeout, p);
    let lease = positive("sync.lease", raw.lease, p);
    // Twice: with less, no lease would last long enough for a call to begin, however quickly it was renewed.
    if lease < call_timeout + 2 * LEASE_MARGIN {
        p.add(
            "sync.lease",
            "must be at least sync.call_timeout + 10s: else another replica could write to a mailbox while a call of \
             this one is still under way",
        );
    }
    let look_first_before = instant("sync.look_first_before", &raw.look_first_before, p);
    if look_first_before.is_some() && installation == DEFAULT_INSTALLATION {
        p.add(
            "sync.look_first_before",
            "needs an installation with a name of its own: events are found by a marker that the name is a part of",
        );
    }
    Sync { mailboxes: raw.mailboxes, per_mailbox: raw.per_mailbox, call_timeout, lease, look_first_before }
}

fn clients(
    raw: BTreeMap<String, raw::Client>,
    tenants: &[String],
    issuers: &[String],
    p: &mut Problems,
) -> BTreeMap<String, Client> {
    if raw.is_empty() {
        p.add("clients", "is missing: [clients.NAME] says who may call and as which source");
    }
    let clients: BTreeMap<_, _> =
        raw.into_iter().map(|(name, client)| (name.clone(), self::client(name, client, tenants, issuers, p))).collect();
    issuers::check_subjects(&clients, p);
    let mut owners = BTreeMap::new();
    for client in clients.values() {
        for key in &client.webhook_keys {
            if *owners.entry(key.expose_secret()).or_insert(&client.name) != &client.name {
                let field = format!("clients.{}.webhook_secrets", client.name);
                p.add(field, "holds a secret of another client: every client needs its own, for it says who calls");
            }
        }
    }
    clients
}

fn client(name: String, raw: raw::Client, tenants: &[String], issuers: &[String], p: &mut Problems) -> Client {
    let field = |key: &str| format!("clients.{name}.{key}");
    if !is_key(&name) {
        p.add(format!("clients.{name}"), NOT_A_NAME);
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
            p.add(field("source"), NOT_A_NAME);
        }
        None if scopes.iter().any(|scope| matches!(scope, Scope::LeavesRead | Scope::LeavesWrite)) => {
            p.add(field("source"), "is missing: leave needs a source such as \"ess\"");
        }
        _ => {}
    }
    let every_tenant = raw.tenants.iter().any(|tenant| tenant == "*");
    if raw.tenants.is_empty() {
        p.add(field("tenants"), "is missing: name the tenants that the client may speak for, or \"*\" for all");
    } else if let Some(at) = raw.tenants.iter().position(|tenant| !every_tenant && !tenants.contains(tenant)) {
        p.add(field("tenants"), format!("names a tenant that is not in [tenants]: entry {}", at + 1));
    }
    let mut texts: Vec<String> = raw.webhook_secrets.iter().map(|secret| secret.expose_secret().to_owned()).collect();
    if !raw.webhook_secrets_file.is_empty() {
        match file::text(&raw.webhook_secrets_file) {
            Ok(text) => texts.extend(
                text.trim_start_matches(file::BYTE_ORDER_MARK)
                    .lines()
                    .map(str::trim)
                    .filter(|line| !line.is_empty())
                    .map(str::to_owned),
            ),
            Err(problem) => p.add(field("webhook_secrets_file"), problem),
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
    let subject = issuers::subject(&field, raw.issuer, raw.subject, issuers, p);
    Client { name, source, tenants, scopes, webhook_keys, subject }
}
