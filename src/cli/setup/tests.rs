//! What the guide says, for a tenant of which all is known and for one of which nothing is; and what can break a script.

use std::{collections::BTreeMap, path::Path};

use super::{
    guide::Guide,
    known::{CommandLineSettings, KnownSettings, known},
};
use crate::{
    clock::SeededRandom,
    config::{DEFAULTS, is_installation},
    doctor::microsoft::CLOUDS,
    domain::problem::Problems,
};

const DIRECTORY: &str = "6b8a1c5e-2f4d-4a3b-9c7e-1d0f5a2b3c4d";
const CLIENT: &str = "0f3d7a91-5c2b-4e8d-a6f1-9b4c8d2e7a50";

fn said(pairs: &[(&str, &str)]) -> CommandLineSettings {
    let mut said = CommandLineSettings::default();
    for (key, value) in pairs {
        let field = match *key {
            "tenant" => &mut said.tenant,
            "cloud" => &mut said.cloud,
            "directory" => &mut said.directory_id,
            "client" => &mut said.client_id,
            "group" => &mut said.group,
            "expires" => &mut said.secret_expires,
            other => panic!("{other}"),
        };
        *field = Some((*value).to_owned());
    }
    said
}

fn everything(cloud: &str) -> CommandLineSettings {
    let group = "leave-staff@contoso.com";
    said(&[("cloud", cloud), ("directory", DIRECTORY), ("client", CLIENT), ("group", group), ("expires", "2027-05-15")])
}

/// What is known with always the same randomness.
fn settings(
    file: Option<&Path>,
    environment: &[(String, String)],
    said: &CommandLineSettings,
) -> Result<KnownSettings, Problems> {
    known(file, environment, said, &SeededRandom::new(7))
}

fn with(environment: &[(&str, &str)], said: &CommandLineSettings) -> KnownSettings {
    let environment: Vec<_> =
        environment.iter().map(|(key, value)| (format!("LEAVEBRIDGE__TENANTS__{key}"), (*value).to_owned())).collect();
    settings(None, &environment, said).unwrap()
}

fn refused(said: &CommandLineSettings) -> Vec<String> {
    let problems = settings(None, &[], said).unwrap_err();
    problems.into_vec().into_iter().map(|problem| problem.field).collect()
}

#[test]
fn with_nothing_known_every_gap_is_marked() {
    let known = with(&[], &CommandLineSettings::default());
    insta::assert_snapshot!("empty", Guide::new(&known).text());
}

#[test]
fn with_everything_known_nothing_is_left_to_fill_in() {
    let known = with(&[("ACME__MICROSOFT__CLIENT_SECRET", "hush-hush")], &everything("global"));
    let guide = Guide::new(&known);
    let files: Vec<_> =
        guide.files().iter().skip(1).map(|file| format!("=== {}\n{}", file.name, file.content)).collect();
    insta::assert_snapshot!("filled_in", guide.text());
    insta::assert_snapshot!("files", files.join("\n"));
}

#[test]
fn every_text_is_filled_in_for_every_cloud() {
    for cloud in &CLOUDS {
        for said in [everything(cloud.word), said(&[("cloud", cloud.word)])] {
            let known = with(&[], &said);
            let guide = Guide::new(&known);
            for text in guide.files().iter().map(|file| &file.content).chain([&guide.json().to_string()]) {
                assert!(!text.contains("{{"), "a word that nobody knows: {text}");
            }
            let text = guide.text();
            for host in [cloud.admin_center, cloud.sign_in, cloud.exchange_environment] {
                assert!(text.contains(host), "{host} in {text}");
            }
            assert!(cloud.unsure.iter().all(|unsure| text.contains(unsure)));
            assert!(cloud.word == "global" || !text.contains("microsoft.com/#"), "a link to another cloud: {text}");
            let scripts: String = guide.files().iter().map(|file| file.content.as_str()).collect();
            for word in [cloud.az_cloud, cloud.graph_environment, cloud.graph] {
                assert!(scripts.contains(word), "{word} in {scripts}");
            }
        }
    }
}

#[test]
fn every_step_says_what_it_is_for_and_how_to_check_it() {
    let known = with(&[], &CommandLineSettings::default());
    let guide = Guide::new(&known).json();
    let steps = guide["steps"].as_array().unwrap();
    assert_eq!(steps.len(), 9);
    for step in steps {
        let text = step["text"].as_str().unwrap();
        assert!(text.starts_with("## Step "), "{text}");
        assert!(text.contains("\n**What for:** ") && text.contains("\n**Check it:** "), "{text}");
    }
}

#[test]
fn the_command_line_goes_over_the_configuration_and_nothing_else_is_taken_over() {
    let configured = [
        ("ACME__MICROSOFT__CLOUD", "us-gov-high"),
        ("ACME__MICROSOFT__DIRECTORY_ID", "contoso.onmicrosoft.us"),
        ("ACME__MICROSOFT__CLIENT_ID", "hush-hush"),
        ("ACME__MICROSOFT__SECRET_EXPIRES", "2027-05-15"),
        ("ACME__MICROSOFT__CREDENTIAL", "certificate"),
        ("ACME__MICROSOFT__CLIENT_SECRET_FILE", ""),
    ];
    let known = with(&configured, &CommandLineSettings::default());
    assert_eq!((known.tenant.as_str(), known.configured, known.cloud.word), ("acme", true, "us-gov-high"));
    assert_eq!((known.directory_id.as_deref(), known.client_id.as_deref()), (Some("contoso.onmicrosoft.us"), None));
    assert_eq!((known.credential, known.has_secret), ("certificate", false));
    assert_eq!(known.secret_expires.unwrap().to_string(), "2027-05-15");
    assert_eq!(known.notes, ["tenants.acme.microsoft.client_id is set but is not a GUID, so it is taken as open."]);

    let known = with(&configured, &everything("china"));
    assert_eq!((known.cloud.word, known.directory_id.as_deref()), ("china", Some(DIRECTORY)));
    assert_eq!(known.client_id.as_deref(), Some(CLIENT));
    let known = with(&configured, &said(&[("tenant", "other")]));
    assert_eq!((known.tenant.as_str(), known.configured, known.directory_id), ("other", false, None));
}

#[test]
fn an_installation_gets_a_random_name_once_and_keeps_it() {
    let named = |random: u64, environment: &[(&str, &str)]| {
        let environment: Vec<_> =
            environment.iter().map(|(key, value)| (format!("LEAVEBRIDGE__{key}"), (*value).to_owned())).collect();
        let random = SeededRandom::new(random);
        known(None, &environment, &CommandLineSettings::default(), &random).unwrap()
    };
    let (one, other) = (named(1, &[]), named(2, &[]));
    assert_ne!(one.installation, other.installation);
    assert!(is_installation(&one.installation), "{}", one.installation);
    let guide = Guide::new(&one);
    let file = guide.files().iter().find(|file| file.name == "leavebridge.toml").unwrap();
    assert!(file.content.contains(&format!("\ninstallation = \"{}\"\n", one.installation)), "{}", file.content);

    let configured = [("INSTALLATION", "Contoso.production"), ("TENANTS__ACME__MICROSOFT__CLOUD", "global")];
    assert_eq!(named(1, &configured).installation, "Contoso.production");
    // Its events carry the default: another name would lose them.
    let default = default_installation();
    assert_eq!(named(1, &configured[1..]).installation, default);
    let wrong = named(1, &[("INSTALLATION", "hush hush")]);
    assert_eq!(wrong.installation, default);
    assert!(wrong.notes[0].starts_with("installation is set but"), "{:?}", wrong.notes);
    assert!(!wrong.notes[0].contains("hush"), "{:?}", wrong.notes);
}

/// The name of an installation whose configuration does not say it.
fn default_installation() -> String {
    let defaults = ::config::Config::builder()
        .add_source(::config::File::from_str(DEFAULTS, ::config::FileFormat::Toml))
        .build()
        .unwrap();
    defaults.get_string("installation").unwrap()
}

#[test]
fn a_custom_cloud_is_written_for_the_global_one_and_says_so() {
    let known = with(&[("DEFAULT__MICROSOFT__CLOUD", "custom")], &CommandLineSettings::default());
    assert_eq!(known.cloud.word, "global");
    assert!(known.notes[0].contains("--cloud"), "{:?}", known.notes);
}

#[test]
fn of_several_tenants_one_is_named() {
    let two = |one: &str, other: &str| {
        [one, other].map(|name| (format!("LEAVEBRIDGE__TENANTS__{name}__MICROSOFT__CLOUD"), "global".to_owned()))
    };
    assert_eq!(settings(None, &two("ACME", "DEFAULT"), &CommandLineSettings::default()).unwrap().tenant, "default");
    let problems = settings(None, &two("ACME", "OTHER"), &CommandLineSettings::default()).unwrap_err();
    assert!(problems.to_string().contains("several tenants: acme, other"), "{problems}");
}

#[test]
fn what_could_break_a_script_is_refused_without_being_repeated() {
    for (key, flag, values) in [
        ("tenant", "--tenant", &["", "Acme", "a b", "a'b", "$(id)"][..]),
        ("directory", "--directory-id", &["common", "contoso", "contoso.com'; id", "a..b", "abc~8Q.secret"]),
        ("client", "--client-id", &["contoso.com", "0f3d7a915c2b4e8da6f19b4c8d2e7a50", "{0f3d7a91}", ""]),
        (
            "group",
            "--group",
            &["staff", "a@b", "it's@contoso.com", "a b@contoso.com", "\"@contoso.com", "@contoso.com"],
        ),
        ("expires", "--secret-expires", &["soon", "15.05.2027"]),
    ] {
        for value in values {
            assert_eq!(refused(&said(&[(key, value)])), [flag], "{value}");
        }
    }
    let said = said(&[("client", "hush-hush"), ("group", "hush-hush")]);
    let problems = settings(None, &[], &said).unwrap_err().to_string();
    assert!(!problems.contains("hush"), "{problems}");
}

#[test]
fn a_file_that_cannot_be_read_is_named_but_not_shown() {
    let missing = settings(Some(Path::new("/nowhere/leavebridge.toml")), &[], &CommandLineSettings::default())
        .unwrap_err()
        .to_string();
    assert!(missing.contains("/nowhere/leavebridge.toml: cannot be read: there is no such file"), "{missing}");
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leavebridge.toml");
    std::fs::write(&file, "client_secret = \"hush-hush").unwrap();
    let broken = settings(Some(&file), &[], &CommandLineSettings::default()).unwrap_err().to_string();
    assert!(broken.contains("is not TOML") && !broken.contains("hush"), "{broken}");
}

/// What opens and is never closed, outside of comments and strings.
fn unbalanced(script: &str) -> Vec<char> {
    let mut open = Vec::new();
    let mut rest = script.chars().peekable();
    let mut last = '\n';
    while let Some(c) = rest.next() {
        match c {
            '<' if rest.peek() == Some(&'#') => {
                while rest.next().is_some_and(|c| c != '#' || rest.peek() != Some(&'>')) {}
            }
            '#' if last.is_whitespace() => while rest.next().is_some_and(|c| c != '\n') {},
            '\'' => while rest.next().is_some_and(|c| c != '\'') {},
            '`' => drop(rest.next()),
            '"' => string(&mut rest),
            '(' | '[' | '{' => open.push(c),
            ')' | ']' | '}' => {
                let pair = open.pop().unwrap_or(' ');
                if !matches!((pair, c), ('(', ')') | ('[', ']') | ('{', '}')) {
                    return vec![pair, c];
                }
            }
            _ => {}
        }
        last = c;
    }
    open
}

/// The rest of a string in double quotes, in which `$(…)` may hold further strings.
fn string(rest: &mut std::iter::Peekable<std::str::Chars<'_>>) {
    let mut depth = 0;
    while let Some(c) = rest.next() {
        match c {
            '`' => drop(rest.next()),
            '$' if rest.peek() == Some(&'(') => {
                rest.next();
                depth += 1;
            }
            '(' if depth > 0 => depth += 1,
            ')' if depth > 0 => depth -= 1,
            '"' if depth > 0 => string(rest),
            '"' => return,
            _ => {}
        }
    }
}

#[test]
fn what_is_opened_in_a_powershell_script_is_closed() {
    assert_eq!(unbalanced("if (\"$($a[\"b\"])\") { 'x}' } # )\n<# ( #> ${y}"), Vec::<char>::new());
    assert_eq!(unbalanced("if (a { b }"), ['(']);
    assert_eq!(unbalanced("(]"), ['(', ']']);
    for said in [CommandLineSettings::default(), everything("global")] {
        let known = with(&[], &said);
        let guide = Guide::new(&known);
        let scripts: BTreeMap<_, _> = guide
            .files()
            .iter()
            .filter(|file| ["rbac.ps1", "setup-graph.ps1"].contains(&file.name))
            .map(|file| (file.name, unbalanced(&file.content)))
            .collect();
        assert_eq!(scripts, BTreeMap::from([("rbac.ps1", vec![]), ("setup-graph.ps1", vec![])]));
    }
}
