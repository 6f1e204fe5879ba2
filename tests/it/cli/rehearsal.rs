//! From an empty folder to a green write test, by the very lines that docs/entra-setup.md shows.

use std::{fs, path::Path, process::Command};

use crate::support::{
    database::Database,
    program::{Said, keeps_secrets},
};

/// The lines of the guide's rehearsal.
fn lines() -> String {
    let guide = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/entra-setup.md")).unwrap();
    let (_, rehearsal) = guide.split_once("## Rehearse it without Microsoft").unwrap();
    let (_, block) = rehearsal.split_once("```sh\n").unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

/// Runs lines as a person would who stops at the first that fails; whatever still runs then is ended.
async fn shell(folder: &Path, lines: &str, database: &str) -> Said {
    let program = Path::new(env!("CARGO_BIN_EXE_leavebridge")).parent().unwrap();
    let path = format!("{}:{}", program.display(), std::env::var("PATH").unwrap());
    let script = format!("set -eu\ntrap 'kill $(jobs -p) 2>/dev/null || true' EXIT\n{lines}");
    let mut bash = Command::new("bash");
    bash.arg("-c").arg(script).current_dir(folder).env_clear();
    bash.env("PATH", path).env("DATABASE_URL", database).env("NO_PROXY", "127.0.0.1");
    let output = tokio::task::spawn_blocking(move || bash.output()).await.unwrap().unwrap();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    Said { code: output.status.code().unwrap_or(-1), out: text(output.stdout), err: text(output.stderr) }
}

#[tokio::test]
async fn the_guides_own_lines_lead_from_nothing_to_a_green_write_test() {
    let lines = lines();
    // The guide's port may be taken here.
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    assert!(lines.contains("127.0.0.1:8090"), "{lines}");
    let folder = tempfile::tempdir().unwrap();
    let database = Database::empty().await;
    let said = shell(folder.path(), &lines.replace("8090", &port), &database.url).await;
    assert_eq!(said.code, 0, "{said:?}");
    for words in ["The configuration is right.", "ok       write-test", "Everything is as it should be."] {
        assert!(said.out.contains(words), "{words} in {}", said.out);
    }
    keeps_secrets(&format!("{}{}", said.out, said.err));
    for file in fs::read_dir(folder.path().join("secrets")).unwrap() {
        let secret = fs::read_to_string(file.unwrap().path()).unwrap();
        assert!(secret.trim().len() > 15 && !said.out.contains(secret.trim()), "a secret was printed");
    }
}

#[tokio::test]
async fn with_a_wrong_value_the_same_lines_end_at_the_doctor_with_1() {
    let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port().to_string();
    let wrong = lines()
        .replace("8090", &port)
        .replace("# The simulated Microsoft in", "echo wrong~value > secrets/microsoft_client_secret\n#");
    let folder = tempfile::tempdir().unwrap();
    let said = shell(folder.path(), &wrong, &Database::empty().await.url).await;
    assert_eq!(said.code, 1, "{said:?}");
    assert!(
        said.out.contains("ERROR    secret-wrong") && said.out.contains("Begin with the first error."),
        "{}",
        said.out
    );
}
