//! `setup` as an administrator meets it: before anything is configured, with what is configured, and its files.

use std::{collections::BTreeSet, fs, os::unix::fs::PermissionsExt as _, path::Path, process::Command};

use leavebridge::{
    config,
    doctor::microsoft::{CLOUDS, PERMISSIONS},
};
use serde_json::{Value, json};

use crate::support::program::{configured_without_database, keeps_secrets, run};

const DIRECTORY: &str = "6b8a1c5e-2f4d-4a3b-9c7e-1d0f5a2b3c4d";
const CLIENT: &str = "0f3d7a91-5c2b-4e8d-a6f1-9b4c8d2e7a50";
const NAMES: [&str; 6] =
    ["steps.md", "manifest.json", "rbac.ps1", "setup-az.sh", "setup-graph.ps1", "leavebridge.toml"];
const KNOWN: [&str; 8] = [
    "--directory-id",
    DIRECTORY,
    "--client-id",
    CLIENT,
    "--group",
    "leave-staff@contoso.com",
    "--secret-expires",
    "2027-05-15",
];

fn read(folder: &Path, name: &str) -> String {
    fs::read_to_string(folder.join(name)).unwrap()
}

fn mode(folder: &Path, name: &str) -> u32 {
    fs::metadata(folder.join(name)).unwrap().permissions().mode() & 0o777
}

/// Everything in it that looks like an id.
fn guids(text: &str) -> BTreeSet<&str> {
    text.split(|c: char| !c.is_ascii_alphanumeric() && c != '-').filter(|word| is_guid(word)).collect()
}

fn is_guid(word: &str) -> bool {
    let parts: Vec<_> = word.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

#[tokio::test]
async fn it_works_before_anything_is_configured_and_says_what_is_open() {
    let said = run(&["setup"], &[]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for words in
        ["**Still open**", "<DIRECTORY-ID>", "<CLIENT-ID>", "https://entra.microsoft.com", "leavebridge doctor"]
    {
        assert!(said.out.contains(words), "{words} in {}", said.out);
    }
    let said = run(&["setup", "--json"], &[]).await.json();
    let open: Vec<_> = said["open"].as_array().unwrap().iter().map(|open| &open["flag"]).collect();
    assert_eq!(open, ["--directory-id", "--client-id", "--secret-expires", "--group"]);
    assert_eq!(
        (&said["tenant"], &said["cloud"], &said["secret_is_set"]),
        (&json!("default"), &json!("global"), &json!(false))
    );
}

#[tokio::test]
async fn with_every_id_there_is_nothing_left_to_fill_in() {
    let said = run(&[&["setup"][..], &KNOWN].concat(), &[]).await;
    assert_eq!(said.code, 0);
    let consent = format!("https://login.microsoftonline.com/{DIRECTORY}/adminconsent?client_id={CLIENT}");
    assert!(said.out.contains("**Nothing is open:**") && said.out.contains(&consent), "{}", said.out);
    for gap in ["<DIRECTORY-ID>", "<CLIENT-ID>", "<GROUP-ADDRESS>", "<EXPIRES>"] {
        assert!(!said.out.contains(gap), "{gap} in {}", said.out);
    }
}

#[tokio::test]
async fn it_takes_what_is_configured_and_never_shows_a_secret() {
    let environment = configured_without_database();
    let said = run(&["setup", "--tenant", "acme", "--json"], &environment).await;
    let guide = said.json();
    assert_eq!((said.code, &guide["tenant"], &guide["secret_is_set"]), (0, &json!("acme"), &json!(true)));
    assert!(guide["client_id"].is_string() && guide["directory_id"].is_string(), "{guide}");
    let said = run(&["setup"], &environment).await;
    assert!(said.out.contains("client secret: is set"), "{}", said.out);

    // A secret where an id should be, and where the name of a file should be.
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("leavebridge.toml");
    let table = "[tenants.default.microsoft]\nclient_id = \"hush-hush\"\nclient_secret_file = \"hush-hush\"\n\
                 directory_id = \"hush-hush\"\ncloud = \"hush-hush\"\nsecret_expires = \"hush-hush\"";
    fs::write(&file, table).unwrap();
    let out = folder.path().join("out");
    let (file, out) = (file.to_str().unwrap(), out.to_str().unwrap());
    for arguments in [&["--json"][..], &[], &["--out", out]] {
        let said = run(&[&["setup", "--config", file][..], arguments].concat(), &[]).await;
        assert_eq!(said.code, 0, "{said:?}");
    }
    for name in NAMES {
        keeps_secrets(&read(Path::new(out), name));
    }
}

#[tokio::test]
async fn what_was_said_wrongly_ends_with_2_and_all_of_it_is_named() {
    let said = run(&["setup", "--client-id", "hush-hush", "--group", "staff"], &[]).await;
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("  --client-id: must be") && said.err.contains("  --group: must be"), "{}", said.err);
    for arguments in [&["--cloud", "germany"][..], &["--force"], &["--config", "/nowhere.toml"]] {
        let said = run(&[&["setup"][..], arguments].concat(), &[]).await;
        assert_eq!((said.code, said.out.as_str()), (2, ""), "{said:?}");
    }
}

#[tokio::test]
async fn it_writes_its_files_for_the_owner_alone_and_overwrites_none_unasked() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path().join("new/folder");
    let arguments = [&["setup", "--out", out.to_str().unwrap()][..], &KNOWN].concat();
    let said = run(&arguments, &[]).await;
    assert_eq!((said.code, said.err.as_str()), (0, ""));
    for name in NAMES {
        let path = out.join(name);
        assert!(said.out.contains(path.to_str().unwrap()), "{name} in {}", said.out);
        assert_eq!(mode(&out, name), if name == "setup-az.sh" { 0o700 } else { 0o600 }, "{name}");
    }
    let printed = run(&[&["setup"][..], &KNOWN].concat(), &[]).await;
    assert_eq!(read(&out, "steps.md"), printed.out, "what is written is what is printed");

    fs::write(out.join("rbac.ps1"), "mine").unwrap();
    fs::remove_file(out.join("steps.md")).unwrap();
    let said = run(&arguments, &[]).await;
    assert_eq!((said.code, said.out.as_str()), (2, ""));
    assert!(said.err.contains("Nothing is overwritten.") && said.err.contains("rbac.ps1"), "{}", said.err);
    assert!(!out.join("steps.md").exists(), "all or nothing");
    assert_eq!(read(&out, "rbac.ps1"), "mine");

    fs::set_permissions(out.join("rbac.ps1"), fs::Permissions::from_mode(0o644)).unwrap();
    let said = run(&[&arguments[..], &["--force", "--json"]].concat(), &[]).await;
    assert_eq!((said.code, said.json()["written"].as_array().unwrap().len()), (0, NAMES.len()));
    assert_ne!(read(&out, "rbac.ps1"), "mine");
    assert_eq!(mode(&out, "rbac.ps1"), 0o600, "an old file's mode does not decide who may read the new one");
}

#[tokio::test]
async fn a_folder_that_cannot_be_written_is_named() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("file");
    fs::write(&file, "").unwrap();
    let said = run(&["setup", "--out", file.join("below").to_str().unwrap()], &[]).await;
    assert_eq!((said.code, said.out.as_str()), (1, ""));
    assert!(said.err.contains("cannot write") && said.err.contains("below"), "{}", said.err);
}

#[tokio::test]
async fn the_written_files_are_what_their_readers_expect() {
    let folder = tempfile::tempdir().unwrap();
    let out = folder.path();
    let said = run(&[&["setup", "--out", out.to_str().unwrap()][..], &KNOWN].concat(), &[]).await;
    assert_eq!(said.code, 0, "{said:?}");

    let bash = Command::new("bash").arg("-n").arg(out.join("setup-az.sh")).output().unwrap();
    assert!(bash.status.success() && bash.stderr.is_empty(), "{bash:?}");

    let manifest: Value = serde_json::from_str(&read(out, "manifest.json")).unwrap();
    let access = json!([{"id": "ef54d2bf-783f-4e0f-bca1-3210c0444d99", "type": "Role"}]);
    let resource = json!({"resourceAppId": "00000003-0000-0000-c000-000000000000", "resourceAccess": access});
    assert_eq!(manifest, json!({"requiredResourceAccess": [resource]}));

    // Only the files under /run/secrets are missing: with dummies in their place it is right.
    let secret = |name: &str, value: &str| {
        fs::write(out.join(name), value).unwrap();
        out.join(name).display().to_string()
    };
    let files = [
        ("database_url", "postgres://leave:hush-hush@127.0.0.1:1/leave"),
        ("microsoft_client_secret", "dummy~value"),
        ("signing_key", "a-signing-key-that-is-for-tests-only-000002"),
        ("ess_webhook_secrets", "whsec_ZXNzLXNlY3JldC1mb3ItdGVzdHMtb25seS0wMDE="),
        ("backstage_webhook_secrets", "whsec_YmFja3N0YWdlLXNlY3JldC1mb3ItdGVzdHMtMDE="),
    ];
    let mut text = read(out, "leavebridge.toml");
    for (name, value) in files {
        let path = format!("\"/run/secrets/{name}\"");
        assert!(text.contains(&path), "{path} in {text}");
        text = text.replace(&path, &format!("{:?}", secret(name, value)));
    }
    let file = out.join("right.toml");
    fs::write(&file, text).unwrap();
    let settings = config::load(Some(&file), &[]).unwrap();
    let microsoft = &settings.tenants["default"].microsoft;
    assert_eq!((microsoft.directory_id.as_str(), microsoft.client_id.as_str()), (DIRECTORY, CLIENT));
    assert_eq!(microsoft.expires.unwrap().date().to_string(), "2027-05-15");

    // A name of its own, which the next one does not get.
    let (name, default) =
        (settings.installation, config::load(None, &configured_without_database()).unwrap().installation);
    let next = run(&["setup", "--json"], &[]).await.json();
    assert!(is_guid(&name) && name != default && next["installation"] != name, "{name} {next}");
}

#[tokio::test]
async fn a_configuration_with_gaps_is_refused_until_they_are_filled() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&["setup", "--out", folder.path().to_str().unwrap()], &[]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let bash = Command::new("bash").arg("-n").arg(folder.path().join("setup-az.sh")).output().unwrap();
    assert!(bash.status.success(), "{bash:?}");
    let problems = config::load(Some(&folder.path().join("leavebridge.toml")), &[]).unwrap_err();
    for key in ["directory_id", "client_id", "secret_expires"] {
        let key = format!("tenants.default.microsoft.{key}");
        assert!(problems.iter().any(|problem| problem.field == key), "{key} in {problems}");
    }
}

#[tokio::test]
async fn the_document_is_what_the_command_prints() {
    let document = read(Path::new(env!("CARGO_MANIFEST_DIR")), "docs/entra-setup.md");
    let guide = run(&["setup", "--json"], &[]).await.json();
    let steps: Vec<_> = guide["steps"].as_array().unwrap().iter().map(|step| step["text"].as_str().unwrap()).collect();
    let (own, printed) = document.split_once("a test compares. -->\n").unwrap();
    let steps: Vec<_> = steps.iter().map(|step| step.trim_end()).collect();
    assert!(
        printed.trim() == steps.join("\n\n"),
        "docs/entra-setup.md: put the steps that `leavebridge setup` prints there"
    );

    // The part that is written by hand holds no other ids, and names all clouds by their hosts.
    let told = guide.to_string();
    for id in guids(own) {
        assert!(told.contains(id), "{id} is in docs/entra-setup.md, but `leavebridge setup` does not know it");
    }
    for permission in &PERMISSIONS {
        assert!(document.contains(permission.name) && document.contains(permission.role_id), "{}", permission.name);
    }
    for cloud in &CLOUDS {
        let hosts = [cloud.admin_center, cloud.sign_in, cloud.graph].join(" | ");
        let line = format!("| `{}` | {} | {hosts} |", cloud.word, cloud.name);
        assert!(own.contains(&line), "{line}");
    }
}

#[test]
fn the_clouds_are_those_of_the_configuration() {
    for cloud in &CLOUDS {
        let mut environment = configured_without_database();
        environment.retain(|(key, _)| !key.ends_with("__AUTHORITY") && !key.ends_with("__GRAPH"));
        environment.retain(|(key, _)| !key.ends_with("__CLOUD"));
        for tenant in ["DEFAULT", "ACME"] {
            environment.push((format!("LEAVEBRIDGE__TENANTS__{tenant}__MICROSOFT__CLOUD"), cloud.word.into()));
        }
        let settings = config::load(None, &environment).unwrap();
        let microsoft = &settings.tenants["default"].microsoft;
        let told = |url: &url::Url| url.as_str().trim_end_matches('/').to_owned();
        assert_eq!(
            (told(&microsoft.authority).as_str(), told(&microsoft.graph).as_str()),
            (cloud.authority, cloud.graph)
        );
    }
}
