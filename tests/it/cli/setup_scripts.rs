//! The script for the Azure CLI, run against an `az` that only writes down what it is asked.

use std::{
    fs,
    os::unix::fs::PermissionsExt as _,
    path::Path,
    process::{Command, Output},
};

use crate::support::program::{keeps_secrets, run};

const DIRECTORY: &str = "6b8a1c5e-2f4d-4a3b-9c7e-1d0f5a2b3c4d";
const CALENDARS: &str = "ef54d2bf-783f-4e0f-bca1-3210c0444d99";
const EWS: &str = "dc890d15-9560-4a4c-9b7f-a736ec74ec40";
/// Knows no app yet; GRANTED names a role that the app holds.
const AZ: &str = r#"#!/bin/bash
echo "$*" >>asked
case "$*" in
"cloud show"*) echo AzureCloud ;;
"ad app create"*) echo 0f3d7a91-5c2b-4e8d-a6f1-9b4c8d2e7a50 ;;
"ad sp show"*"--query id"*) echo 11111111-2222-3333-4444-555555555555 ;;
"ad sp show"*) exit 1 ;;
"rest --method GET"*) [[ -n $GRANTED && $* == *$GRANTED* ]] && echo assignment ;;
*"credential reset"*) echo hush-hush ;;
*"credential list"*) echo 2027-11-23T03:00:00Z ;;
esac
exit 0
"#;

/// A folder with the script and the `az` in it.
async fn written() -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&["setup", "--out", folder.path().to_str().unwrap()], &[]).await;
    assert_eq!(said.code, 0, "{said:?}");
    let az = folder.path().join("az");
    fs::write(&az, AZ).unwrap();
    fs::set_permissions(az, fs::Permissions::from_mode(0o700)).unwrap();
    folder
}

fn script(folder: &Path, way: &str, granted: &str) -> Output {
    let path = format!("{}:/usr/bin:/bin", folder.display());
    let mut script = Command::new("/bin/bash");
    script.args(["./setup-az.sh", way]).current_dir(folder).env_clear();
    script.envs([("PATH", path.as_str()), ("DIRECTORY_ID", DIRECTORY), ("GRANTED", granted)]).output().unwrap()
}

fn asked(folder: &Path) -> String {
    fs::read_to_string(folder.join("asked")).unwrap()
}

#[tokio::test]
async fn way_a_grants_the_one_right_and_shows_the_secret_to_nobody() {
    let folder = written().await;
    let ended = script(folder.path(), "A", "");
    let told = String::from_utf8([ended.stdout, ended.stderr].concat()).unwrap();
    assert!(ended.status.success(), "{told}");
    keeps_secrets(&told);
    for line in ["client_id = \"0f3d7a91-5c2b-4e8d-a6f1-9b4c8d2e7a50\"", "secret_expires = \"2027-11-23\""] {
        assert!(told.contains(line), "{line} in {told}");
    }
    let secret = folder.path().join("microsoft_client_secret");
    assert_eq!(fs::read_to_string(&secret).unwrap().trim(), "hush-hush");
    assert_eq!(fs::metadata(&secret).unwrap().permissions().mode() & 0o777, 0o600);
    let asked = asked(folder.path());
    let granted: Vec<_> = asked.lines().filter(|line| line.contains("POST")).collect();
    assert!(granted.len() == 1 && granted[0].contains(CALENDARS), "{granted:?}");
    assert!(!asked.contains("admin-consent"), "that would grant whatever the app still asks for: {asked}");

    let again = script(folder.path(), "A", "");
    assert!(!again.status.success(), "the secret's file is in the way");
    assert_eq!(fs::read_to_string(&secret).unwrap().trim(), "hush-hush");
}

#[tokio::test]
async fn way_b_grants_nothing_and_stops_at_a_consent_that_would_defeat_it() {
    let folder = written().await;
    let ended = script(folder.path(), "B", CALENDARS);
    let told = String::from_utf8(ended.stderr).unwrap();
    assert!(!ended.status.success() && told.contains("defeats way B"), "{told}");
    assert!(!folder.path().join("microsoft_client_secret").exists(), "no secret for what is not right yet");

    let ended = script(folder.path(), "B", EWS);
    let (out, err) = (String::from_utf8(ended.stdout).unwrap(), String::from_utf8(ended.stderr).unwrap());
    assert!(ended.status.success() && out.contains("./rbac.ps1 -ClientId"), "{out}{err}");
    assert!(err.contains("Still granted: full_access_as_app"), "{err}");
    assert!(!asked(folder.path()).contains("POST"));
}

#[tokio::test]
async fn the_script_for_az_says_what_it_needs_and_leaves_a_secret_alone() {
    let folder = tempfile::tempdir().unwrap();
    let said = run(&["setup", "--out", folder.path().to_str().unwrap()], &[]).await;
    assert_eq!(said.code, 0, "{said:?}");
    fs::write(folder.path().join("secret"), "hush-hush").unwrap();
    for (arguments, directory, words) in [
        (&[][..], DIRECTORY, "say which way"),
        (&["C"], DIRECTORY, "say which way"),
        (&["A"], "", "set DIRECTORY_ID"),
        (&["B"], DIRECTORY, "secret is there already"),
    ] {
        let mut script = Command::new("/bin/bash");
        script.arg("./setup-az.sh").args(arguments).current_dir(folder.path());
        // No `az` is found there, so nothing can be called, whatever is installed.
        script.env_clear().env("PATH", "/nowhere").env("DIRECTORY_ID", directory).env("SECRET_FILE", "secret");
        let ended = script.output().unwrap();
        let told = String::from_utf8(ended.stderr).unwrap();
        assert!(!ended.status.success() && told.contains(words), "{words} in {told}");
    }
}
