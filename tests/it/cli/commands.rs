//! Commands that answer and end.

use std::{collections::BTreeMap, fs, os::unix::fs::PermissionsExt as _};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Value, json};

use crate::support::database::Database;
use crate::support::program::{configured, configured_without_database, run};

/// The claims of a token, unverified.
fn claims(token: &str) -> Value {
    let payload = token.trim().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(payload).unwrap()).unwrap()
}

#[tokio::test]
async fn help_shows_every_command_and_where_to_start() {
    let said = run(&["--help"], &[]).await;
    assert_eq!(said.code, 0);
    for word in
        ["serve", "demo", "simulate", "setup", "token", "migrate", "check-config", "healthcheck", "openapi", "--config"]
    {
        assert!(said.out.contains(word), "{word} in {}", said.out);
    }
    assert!(said.out.contains("leavebridge demo"), "a newcomer sees what to try first");
    assert!(said.out.contains("LEAVEBRIDGE_CONFIG") && said.out.contains("Exit codes"));
    let said = run(&["--version"], &[]).await;
    assert_eq!((said.code, said.out.trim()), (0, concat!("leavebridge ", env!("CARGO_PKG_VERSION"))));
}

#[tokio::test]
async fn a_wrong_usage_ends_with_2_and_says_what_is_known() {
    for arguments in [&["fly"][..], &["token"], &["serve", "--fast"], &["token", "--client", "ess", "--days", "0"]] {
        let said = run(arguments, &configured_without_database()).await;
        assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
        assert!(said.out.is_empty() && said.err.contains("error: "), "{said:?}");
    }
}

#[tokio::test]
async fn without_a_configuration_every_command_that_needs_one_says_what_is_missing() {
    for arguments in [&[][..], &["serve"], &["migrate"], &["check-config"], &["token", "--client", "ess"]] {
        let said = run(arguments, &[]).await;
        assert_eq!(said.code, 2, "{arguments:?}: {said:?}");
        assert!(said.out.is_empty(), "{said:?}");
        for words in [
            "The configuration is not right:",
            "database.url: is missing",
            "tenants: is missing",
            "clients: is missing",
            "auth.keys: is missing",
            "--config FILE",
            "LEAVEBRIDGE__DATABASE__URL",
            "config/default.toml",
        ] {
            assert!(said.err.contains(words), "{words}: {}", said.err);
        }
    }
}

#[tokio::test]
async fn check_config_says_that_all_is_right_and_for_whom() {
    let said = run(&["check-config"], &configured_without_database()).await;
    assert_eq!(said.code, 0, "{said:?}");
    for words in ["The configuration is right.", "installation: default", "tenants: acme, default"] {
        assert!(said.out.contains(words), "{words} in {}", said.out);
    }
    let said = run(&["check-config", "--json"], &configured_without_database()).await;
    let clients = ["backstage", "ess", "group", "ops"];
    let expected =
        json!({"problems": [], "installation": "default", "tenants": ["acme", "default"], "clients": clients});
    assert_eq!((said.code, said.json()), (0, expected));
}

#[tokio::test]
async fn an_empty_name_of_the_file_means_that_there_is_none() {
    let mut environment = configured_without_database();
    environment.push(("LEAVEBRIDGE_CONFIG".into(), String::new()));
    let said = run(&["check-config"], &environment).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
}

#[tokio::test]
async fn check_config_lists_all_problems_whichever_way_the_file_is_named() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("leavebridge.toml");
    fs::write(&file, "[sync]\nper_mailbox = 9\n[log]\nformat = \"hush-hush\"\n[http]\nport = 1").unwrap();
    let file = file.to_str().unwrap().to_owned();
    let mut named = configured_without_database();
    named.push(("LEAVEBRIDGE_CONFIG".into(), file.clone()));
    let plain = configured_without_database();
    let keys = ["http.port", "log.format", "sync.per_mailbox"];
    for (arguments, environment) in [(vec!["check-config", "--config", &file], &plain), (vec!["check-config"], &named)]
    {
        let said = run(&arguments, environment).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""));
        assert!(keys.iter().all(|key| said.err.contains(&format!("  {key}: "))), "{}", said.err);
        let said = run(&[&arguments[..], &["--json"]].concat(), environment).await;
        let problems = said.json()["problems"].clone();
        let fields: Vec<_> = problems.as_array().unwrap().iter().map(|problem| &problem["field"]).collect();
        assert_eq!((said.code, fields), (2, keys.iter().map(|key| json!(key)).collect::<Vec<_>>().iter().collect()));
    }
}

#[tokio::test]
async fn a_token_names_its_client_and_holds_no_more_than_the_client_may() {
    let environment = configured_without_database();
    let said = run(&["token", "--client", "ess"], &environment).await;
    assert!(said.code == 0 && said.err.starts_with("Good until 20"), "{said:?}");
    let token = claims(&said.out);
    assert_eq!((&token["sub"], &token["scope"]), (&json!("ess"), &json!("leaves:write leaves:read")));
    let life = token["exp"].as_i64().unwrap() - token["iat"].as_i64().unwrap();
    assert_eq!(life, 90 * 24 * 3600);

    let said = run(&["token", "--client", "ops", "--scope", "ops:read", "--days", "1", "--json"], &environment).await;
    let answer = said.json();
    assert_eq!((&answer["client"], &answer["scope"]), (&json!("ops"), &json!("ops:read")));
    let token = claims(answer["token"].as_str().unwrap());
    assert_eq!(token["scope"], "ops:read");
    let expires: jiff::Timestamp = answer["expires"].as_str().unwrap().parse().unwrap();
    assert_eq!(token["exp"], expires.as_second());
}

#[tokio::test]
async fn a_token_that_nobody_may_have_is_refused_with_what_there_is() {
    let environment = configured_without_database();
    for (arguments, words) in [
        (
            &["--client", "nobody"][..],
            "There is no client \"nobody\" in [clients]; there are: backstage, ess, group, ops.",
        ),
        (
            &["--client", "ess", "--scope", "ops:read"],
            "clients.ess.scopes does not hold \"ops:read\"; it holds: leaves:write, leaves:read.",
        ),
        (
            &["--client", "ess", "--scope", "leaves:read,everything"],
            "clients.ess.scopes does not hold \"everything\"; it holds: leaves:write, leaves:read.",
        ),
    ] {
        let said = run(&[&["token"][..], arguments].concat(), &environment).await;
        assert_eq!((said.code, said.out.as_str(), said.err.trim()), (2, "", words));
    }
}

#[tokio::test]
async fn of_several_keys_one_must_be_named_to_sign_with() {
    let mut environment = configured_without_database();
    environment
        .push(("LEAVEBRIDGE__AUTH__KEYS__NEXT__SECRET".into(), "hush-hush-hush-hush-hush-hush-hush-hush".into()));
    let said = run(&["token", "--client", "ess"], &environment).await;
    let words = "Say which key signs: set auth.signing_key to one of main, next.";
    assert_eq!((said.code, said.out.as_str(), said.err.trim()), (2, "", words));
    environment.push(("LEAVEBRIDGE__AUTH__SIGNING_KEY".into(), "next".into()));
    let said = run(&["token", "--client", "ess"], &environment).await;
    assert_eq!(said.code, 0, "{said:?}");
    let header = URL_SAFE_NO_PAD.decode(said.out.split('.').next().unwrap()).unwrap();
    assert_eq!(serde_json::from_slice::<Value>(&header).unwrap()["kid"], "next");
}

#[tokio::test]
async fn openapi_prints_the_contract() {
    let said = run(&["openapi"], &[]).await;
    assert_eq!(said.code, 0);
    assert_eq!(said.json(), serde_json::to_value(leavebridge::http::openapi()).unwrap());
}

#[tokio::test]
async fn migrate_brings_a_fresh_database_up_to_date_and_may_be_repeated() {
    let database = Database::empty().await;
    let environment = configured(&database.url);
    let said = run(&["migrate"], &environment).await;
    assert_eq!((said.code, said.out.trim()), (0, "The schema is up to date."), "{said:?}");
    assert_eq!(database.number("SELECT count(*) FROM items").await, 0);
    let said = run(&["migrate", "--json"], &environment).await;
    assert_eq!((said.code, said.json()), (0, json!({"migrated": true})));
}

#[tokio::test]
async fn migrate_says_when_the_database_does_not_answer() {
    let said = run(&["migrate"], &configured_without_database()).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("the database could not be migrated"), "{}", said.err);
    assert_eq!(said.err.matches("Connection refused").count(), 1, "said once: {}", said.err);
}

#[tokio::test]
async fn what_the_database_refuses_is_said_in_words() {
    let database = Database::empty().await;
    let mut url: url::Url = database.url.parse().unwrap();
    url.set_path("nowhere");
    for command in ["migrate", "serve"] {
        let mut environment = configured(url.as_str());
        environment.push(("LEAVEBRIDGE__HTTP__LISTEN".into(), "127.0.0.1:0".into()));
        let said = run(&[command], &environment).await;
        assert_eq!(said.code, 1, "{said:?}");
        assert!(said.err.contains("migrated: there is no database of that name (SQLSTATE 3D000)"), "{said:?}");
    }
}

#[tokio::test]
async fn demo_tells_the_story_and_writes_what_a_script_needs() {
    let database = Database::empty().await;
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("demo.env");
    let environment = [("DATABASE_URL".to_owned(), database.url.clone())];
    let arguments = ["demo", "--exit", "--port", "0", "--simulator-port", "0", "--env-file", file.to_str().unwrap()];
    let said = run(&arguments, &environment).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""), "{}", said.out);
    for words in ["Amy files three days of leave in ESS", "in Outlook ✓", "mailbox-missing", "Every event is right."]
    {
        assert!(said.out.contains(words), "{words}: {}", said.out);
    }
    assert!(!said.out.contains('✗'), "{}", said.out);

    assert_eq!(fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600, "only its owner may read it");
    let text = fs::read_to_string(&file).unwrap();
    let written: BTreeMap<_, _> = text.lines().map(|line| line.split_once('=').unwrap()).collect();
    let names = [
        "BACKSTAGE_SECRET",
        "BACKSTAGE_TOKEN",
        "DATABASE_URL",
        "ESS_SECRET",
        "ESS_TOKEN",
        "LEAVEBRIDGE_URL",
        "OPS_TOKEN",
        "SIMULATOR_URL",
    ];
    assert_eq!(written.keys().copied().collect::<Vec<_>>(), names);
    for (name, value) in written {
        assert!(!value.is_empty(), "{name}");
        let is_secret = name.ends_with("_SECRET") || name.ends_with("_TOKEN");
        assert!(!is_secret || !said.out.contains(value), "{name} is told");
    }
}
