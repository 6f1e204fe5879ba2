//! Everything that can be wrong is named at once, where it can be mended, in words that help.

use super::{GUID, MARK, MINIMAL, WEBHOOK, environment, file, load, told, with};

const BROKEN: &str = r#"
    surprise = 1
    [http]
    listen = "8080"
    request_timeout = "10"
    ca_file = "/nowhere/ca.pem"
    port = 8080
    [database]
    max_connections = "many"
    url = "mysql://localhost"
    [log]
    format = "xml"
    filter = "leavebridge=loud"
    [metrics]
    protect = "perhaps"
    [auth]
    signing_key = "missing"
    [auth.keys.short]
    secret = "short"
    hint = "x"
    [sync]
    mailboxes = 0
    per_mailbox = 5
    call_timeout = "0s"
    lease = "soon"
    [policy]
    publish = "always"
    title = " "
    show_as = "away"
    time_zone = "Mars/Olympus"
    midday = "19:00"
    day_start = "nine"
    colour = "red"
    [tenants.Acme.microsoft]
    cloud = "moon"
    directory_id = "common"
    client_id = "acme"
    secret_expires = "soon"
    [tenants.acme.policy]
    day_end = "08:00"
    time_zone = "Factory"
    sensitivity = "hidden"
    [clients."E S S"]
    source = "E S S"
    tenants = ["nobody"]
    scopes = ["leaves:all"]
    webhook_secrets = ["whsec_short"]
    password = "x"
    [clients.ops]
    scopes = 5
"#;

#[test]
fn a_thoroughly_broken_configuration_is_told_in_one_go() {
    let (_kept, path) = file(BROKEN);
    let problems = told(load(Some(&path), &[]));
    let keys: Vec<_> = problems.iter().filter_map(|problem| problem.split(": ").next()).collect();
    assert_eq!(
        keys,
        [
            "auth.keys.short.hint",
            "auth.keys.short.secret",
            "auth.signing_key",
            "clients.E S S",
            "clients.E S S.password",
            "clients.E S S.scopes",
            "clients.E S S.source",
            "clients.E S S.tenants",
            "clients.E S S.webhook_secrets",
            "clients.E S S.webhook_secrets",
            "clients.ops.scopes",
            "clients.ops.tenants",
            "database.max_connections",
            "database.url",
            "http.ca_file",
            "http.listen",
            "http.port",
            "http.request_timeout",
            "log.filter",
            "log.format",
            "metrics.protect",
            "policy.colour",
            "policy.day_start",
            "policy.midday",
            "policy.publish",
            "policy.show_as",
            "policy.time_zone",
            "policy.title",
            "surprise",
            "sync.call_timeout",
            "sync.lease",
            "sync.mailboxes",
            "sync.per_mailbox",
            "tenants.Acme",
            "tenants.Acme.microsoft.client_id",
            "tenants.Acme.microsoft.client_secret",
            "tenants.Acme.microsoft.cloud",
            "tenants.Acme.microsoft.directory_id",
            "tenants.Acme.microsoft.secret_expires",
            "tenants.acme.microsoft.client_id",
            "tenants.acme.microsoft.client_secret",
            "tenants.acme.microsoft.directory_id",
            "tenants.acme.policy.midday",
            "tenants.acme.policy.sensitivity",
            "tenants.acme.policy.time_zone",
        ],
        "{problems:#?}"
    );
}

#[test]
fn each_problem_says_what_would_be_right() {
    let secret = "TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET";
    let missing_file = [(secret, ""), ("TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET_FILE", "/nowhere/secret")];
    let twice = [("TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET_FILE", "/nowhere/secret")];
    let shared = [
        ("CLIENTS__ESS__WEBHOOK_SECRETS", WEBHOOK),
        ("CLIENTS__FAR__SOURCE", "far"),
        ("CLIENTS__FAR__TENANTS", "*"),
        ("CLIENTS__FAR__SCOPES", "leaves:write"),
        ("CLIENTS__FAR__WEBHOOK_SECRETS", WEBHOOK),
    ];
    let table: &[(&[(&str, &str)], &str)] = &[
        (
            &[("DATABASE__URL", "postgres://u:p@ss/w@host/db")],
            "database.url: must be a URL such as postgres://user:password@",
        ),
        (&[("LOG__FORMAT", "xml")], "log.format: must be `json` or `text`"),
        (&[("DATABASE__MIGRATE", "perhaps")], "database.migrate: must be a boolean"),
        (&[("SYNC__LEASE", "30")], "sync.lease: must be a duration with its unit, such as \"30s\" or \"2m\""),
        (&[("SYNC__CALL_TIMEOUT", "-1s")], "sync.call_timeout: must be longer than nothing"),
        (&[("SYNC__LEASE", "29s")], "sync.lease: must be at least sync.call_timeout + 10s: else another"),
        (
            &[("INSTALLATION", "contoso"), ("SYNC__LOOK_FIRST_BEFORE", "2026-11-22")],
            "sync.look_first_before: must be a date and time with an offset, such as \"2026-11-22T09:30:00+08:00\"",
        ),
        (
            &[("SYNC__LOOK_FIRST_BEFORE", "2026-11-22T09:30:00Z")],
            "sync.look_first_before: needs an installation with a name of its own: events are found",
        ),
        (&[("DIRECTORY__FRESH_FOR", "0s")], "directory.fresh_for: must be longer than nothing"),
        (&[("SYNC__PER_MAILBOX", "0")], "sync.per_mailbox: must be 1 to 4: Graph refuses more"),
        (&[("SYNC__PER_MAILBOX", "5")], "sync.per_mailbox: must be 1 to 4: Graph refuses more"),
        (&[("HTTP__LISTEN", "localhost")], "http.listen: must be an address and a port such as"),
        (&[("HTTP__PORT", "1")], "http.port: is not a known key; expected one of `listen`, `request_timeout`"),
        (&[("HTTP__CA_FILE", "/nowhere/ca")], "http.ca_file: cannot be read: there is no such file"),
        (&[("LOG__FILTER", "a=loud")], "log.filter: must be a level such as \"info\", or levels per module"),
        (&[("DATABASE__URL", "")], "database.url: is missing: give it here or as url_file"),
        (&[("DATABASE__URL", "mysql://x/y")], "database.url: must be a URL such as postgres://"),
        (&[("DATABASE__MAX_CONNECTIONS", "1")], "database.max_connections: must be at least 2"),
        (&[("AUTH__KEYS__MAIN__SECRET", "short")], "auth.keys.main.secret: is too short: HS256 needs at least 32"),
        (&[("AUTH__SIGNING_KEY", "other")], "auth.signing_key: must name one of [auth.keys]"),
        (&[(secret, GUID)], "tenants.default.microsoft.client_secret: is a GUID, so it must be the Secret ID"),
        (
            &[("TENANTS__DEFAULT__MICROSOFT__NEXT_CLIENT_SECRET", GUID)],
            "tenants.default.microsoft.next_client_secret: is a GUID, so it must be the Secret ID",
        ),
        (&[(secret, "")], "tenants.default.microsoft.client_secret: is missing: give it here or as client_secret_file"),
        (&twice, "tenants.default.microsoft.client_secret: is given twice: here and as a file"),
        (&missing_file, "tenants.default.microsoft.client_secret_file: cannot be read: there is no such file"),
        (
            &[("TENANTS__DEFAULT__MICROSOFT__CLIENT_ID", "")],
            "tenants.default.microsoft.client_id: is missing: \"Application (client) ID\"",
        ),
        (
            &[("TENANTS__DEFAULT__MICROSOFT__DIRECTORY_ID", "")],
            "tenants.default.microsoft.directory_id: is missing: \"Directory (tenant) ID\"",
        ),
        (
            &[("TENANTS__DEFAULT__MICROSOFT__AUTHORITY", "https://x")],
            "tenants.default.microsoft.cloud: must be \"custom\" for authority and graph to be used",
        ),
        (
            &[("TENANTS__DEFAULT__MICROSOFT__CREDENTIAL", "password")],
            "tenants.default.microsoft.credential: must be one of `secret`, `certificate`, `workload-identity`, `managed-id",
        ),
        (&[("TENANTS__DEFAULT__POLICY__MIDDAY", "19:00")], "tenants.default.policy.midday: must lie between day_start"),
        (&[("TENANTS__DEFAULT__POLICY__MIDDAY", "noon")], "tenants.default.policy.midday: must be a time of day such"),
        (
            &[("POLICY__SHOW_AS", "away")],
            "policy.show_as: must be one of `free`, `tentative`, `busy`, `oof`, `workingElsewhere`",
        ),
        (&[("POLICY__TIME_ZONE", "GMT Standard Time")], "policy.time_zone: must be an IANA time zone"),
        (&[("POLICY__TITLE", "two\nlines")], "policy.title: must be one line of text"),
        (
            &[("POLICY__MIDDAY", "08:00")],
            "policy.midday: must lie between day_start (09:00) and day_end (18:00), and is 08:00",
        ),
        (&[("CLIENTS__ESS__SOURCE", "")], "clients.ess.source: is missing: leave needs a source such as \"ess\""),
        (&[("CLIENTS__ESS__TENANTS", "")], "clients.ess.tenants: is missing: name the tenants"),
        (&[("CLIENTS__ESS__TENANTS", "acme")], "clients.ess.tenants: names a tenant that is not in [tenants]"),
        (
            &[("CLIENTS__ESS__SCOPES", "leaves:write admin")],
            "clients.ess.scopes: must be of leaves:write, leaves:read, ops:read, ops:write",
        ),
        (
            &[("CLIENTS__ESS__WEBHOOK_SECRETS", "whsec_c2hvcnQ=")],
            "clients.ess.webhook_secrets: must be whsec_ and the Base64 of at least 24 bytes",
        ),
        (
            &[("CLIENTS__ESS__WEBHOOK_SECRETS_FILE", "/nowhere/hooks")],
            "clients.ess.webhook_secrets_file: cannot be read: there is no such file",
        ),
        (&shared, "clients.far.webhook_secrets: holds a secret of another client"),
    ];
    for (variables, expected) in table {
        let problems = told(with(variables));
        assert!(matches!(problems.as_slice(), [one] if one.starts_with(expected)), "{variables:?}: {problems:#?}");
    }
}

#[test]
fn every_wrong_key_of_every_table_is_named() {
    let tables = [
        "",
        "HTTP__",
        "DATABASE__",
        "LOG__",
        "METRICS__",
        "AUTH__",
        "AUTH__KEYS__MAIN__",
        "AUTH__ISSUERS__HR__",
        "SYNC__",
        "POLICY__",
    ];
    let deeper =
        ["TENANTS__DEFAULT__", "TENANTS__DEFAULT__MICROSOFT__", "TENANTS__DEFAULT__POLICY__", "CLIENTS__ESS__"];
    let tables: Vec<String> = tables.iter().chain(&deeper).map(|table| format!("{table}TYPO")).collect();
    let mut variables: Vec<(&str, &str)> = tables.iter().map(|name| (name.as_str(), MARK)).collect();
    variables.extend([("AUTH__ISSUERS__HR__ISSUER", "https://hr.example"), ("AUTH__ISSUERS__HR__AUDIENCE", "x")]);
    let problems = told(with(&variables));
    assert_eq!(problems.len(), tables.len(), "{problems:#?}");
    for table in &tables {
        let field = format!("{}: is not a known key", table.to_lowercase().replace("__", "."));
        assert!(problems.iter().any(|problem| problem.starts_with(&field)), "{field}: {problems:#?}");
    }
}

#[test]
fn nothing_at_all_names_the_four_things_that_are_needed() {
    let problems = told(load(None, &[]));
    let keys: Vec<_> = problems.iter().filter_map(|problem| problem.split(": ").next()).collect();
    assert_eq!(keys, ["auth.keys", "clients", "database.url", "tenants"]);
}

#[test]
fn a_wrong_policy_hides_no_problem_of_a_tenant_and_is_not_told_again_for_each() {
    let broken = [("POLICY__TIME_ZONE", "Mars/Olympus"), ("POLICY__MIDDAY", "19:00"), ("POLICY__TITLE", "")];
    let problems = told(with(&[&broken[..], &[("TENANTS__DEFAULT__MICROSOFT__CLIENT_ID", "x")]].concat()));
    assert_eq!(problems.len(), 4, "{problems:#?}");
    assert!(problems[3].starts_with("tenants.default.microsoft.client_id"), "{problems:#?}");
}

#[test]
fn an_empty_file_is_told_and_a_table_in_place_of_a_value_too() {
    let (_kept, path) = file("\n");
    let path = path.to_str().unwrap();
    let problems = told(with(&[("DATABASE__URL", ""), ("DATABASE__URL_FILE", path)]));
    assert_eq!(problems, ["database.url_file: is empty"]);
    let problems = told(with(&[("HTTP__CA_FILE", path)]));
    assert_eq!(problems, ["http.ca_file: must hold certificates as PEM (-----BEGIN CERTIFICATE-----)"]);
    for (name, key) in
        [("HTTP", "http"), ("TENANTS__DEFAULT", "tenants.default"), ("AUTH__KEYS__MAIN", "auth.keys.main")]
    {
        let mut environment = environment(&[]);
        environment.retain(|(variable, _)| !variable.starts_with(&format!("LEAVEBRIDGE__{name}__")));
        environment.push((format!("LEAVEBRIDGE__{name}"), MARK.into()));
        let problems = told(load(None, &environment));
        let expected = format!("{key}: must be");
        assert!(problems.iter().any(|problem| problem.starts_with(&expected)), "{problems:#?}");
    }
    let (_kept, path) = file("[policy.title]\nx = 1\n[log.format]\njson = 1");
    let problems = told(load(Some(&path), &environment(&[])));
    assert_eq!(problems.len(), 2, "{problems:#?}");
}

#[test]
fn a_file_that_cannot_be_read_is_told_by_place_and_never_by_content() {
    let (_kept, path) = file(&format!("[auth.keys.main]\nsecret = \"{MARK}\n"));
    let problems = told(load(Some(&path), &[]));
    assert!(matches!(problems.as_slice(), [one] if one.contains("is not TOML: look at line 2")), "{problems:?}");
    assert!(!problems[0].contains("hush"), "{problems:?}");
    let problems = told(load(Some("/nowhere/leavebridge.toml".as_ref()), &[]));
    assert!(
        matches!(problems.as_slice(), [one] if one.starts_with("/nowhere/leavebridge.toml: cannot be read: there is no such file"))
    );
}

#[test]
fn a_secret_in_the_wrong_place_is_never_repeated() {
    let keys = [
        "HTTP",
        "HTTP__LISTEN",
        "HTTP__REQUEST_TIMEOUT",
        "HTTP__CA_FILE",
        "HTTP__TYPO",
        "DATABASE",
        "DATABASE__URL",
        "DATABASE__MAX_CONNECTIONS",
        "DATABASE__MIGRATE",
        "LOG__FORMAT",
        "LOG__FILTER",
        "METRICS__PROTECT",
        "AUTH__SIGNING_KEY",
        "AUTH__KEYS",
        "AUTH__KEYS__MAIN",
        "AUTH__KEYS__MAIN__SECRET_FILE",
        "SYNC__MAILBOXES",
        "SYNC__PER_MAILBOX",
        "SYNC__CALL_TIMEOUT",
        "SYNC__LEASE",
        "POLICY__PUBLISH",
        "POLICY__SHOW_AS",
        "POLICY__SENSITIVITY",
        "POLICY__TIME_ZONE",
        "POLICY__DAY_START",
        "TENANTS",
        "TENANTS__DEFAULT",
        "TENANTS__DEFAULT__MICROSOFT",
        "TENANTS__DEFAULT__MICROSOFT__CLOUD",
        "TENANTS__DEFAULT__MICROSOFT__CREDENTIAL",
        "TENANTS__DEFAULT__MICROSOFT__DIRECTORY_ID",
        "TENANTS__DEFAULT__MICROSOFT__CLIENT_ID",
        "TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET_FILE",
        "TENANTS__DEFAULT__MICROSOFT__SECRET_EXPIRES",
        "TENANTS__DEFAULT__MICROSOFT__CERTIFICATE_FILE",
        "TENANTS__DEFAULT__MICROSOFT__CERTIFICATE_KEY_FILE",
        "TENANTS__DEFAULT__MICROSOFT__FEDERATED_TOKEN_FILE",
        "TENANTS__DEFAULT__MICROSOFT__MANAGED_IDENTITY_CLIENT_ID",
        "TENANTS__DEFAULT__MICROSOFT__AUTHORITY",
        "TENANTS__DEFAULT__POLICY",
        "TENANTS__DEFAULT__POLICY__PUBLISH",
        "CLIENTS",
        "CLIENTS__ESS",
        "CLIENTS__ESS__SOURCE",
        "CLIENTS__ESS__TENANTS",
        "CLIENTS__ESS__SCOPES",
        "CLIENTS__ESS__WEBHOOK_SECRETS",
        "CLIENTS__ESS__WEBHOOK_SECRETS_FILE",
    ];
    // A key has no `_FILE` twin that would make the marked value a good one, so each of these is a mistake.
    let marked = format!("{MARK}=! ");
    for key in keys {
        let mut environment: Vec<(String, String)> = environment(&[(key, &marked)]);
        environment.retain(|(name, _)| !name.starts_with(&format!("LEAVEBRIDGE__{key}__")));
        let problems = load(None, &environment).unwrap_err();
        let text = format!("{problems} {problems:?} {}", serde_json::to_string(&problems).unwrap());
        assert!(!text.contains("hush"), "{key}: {text}");
    }
    assert!(MINIMAL.iter().any(|(_, value)| *value == MARK));
}

proptest::proptest! {
    #[test]
    fn whatever_is_set_is_answered_without_breaking_down_or_repeating_it(
        table in proptest::sample::select(vec!["", "HTTP__", "LOG__", "SYNC__", "POLICY__", "CLIENTS__", "TENANTS__X__"]),
        key in "[A-Z_.-]{0,12}",
        tail in "\\PC{0,40}",
    ) {
        let name = format!("{table}{key}");
        if let Err(problems) = with(&[(&name, &format!("{MARK}{tail}"))]) {
            proptest::prop_assert!(!problems.is_empty() && !format!("{problems}").contains("hush"), "{}", problems);
        }
    }
}
