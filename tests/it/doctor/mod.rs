//! What the doctor says: of every refusal that Microsoft is known to give, of every state that a connection can be in.

mod connection;
mod examinations;
mod route;
mod rows;
mod write_test;

use std::{collections::BTreeSet, fs, path::Path};

use leavebridge::{
    doctor::{Doctor, Order},
    domain::finding::{Finding, Severity},
};
use leavebridge_simulator::Simulator;

use super::support::AMY;

/// An order for the tenant `default`, whose database is up and whose callers are right.
fn order(mailbox: Option<&str>) -> Order {
    Order { tenant: Some("default".into()), mailbox: mailbox.map(str::to_owned), ..Order::default() }
}

/// The whole examination of Amy's mailbox.
fn thorough() -> Order {
    Order { write_test: true, ..order(Some(AMY)) }
}

/// Whatever is found has a word that docs/doctor.md explains.
async fn examine(doctor: &Doctor, order: &Order) -> Vec<Finding> {
    let findings = doctor.examine(order, |_tenant| true).await;
    let documented = documented();
    for found in &findings {
        assert!(documented.contains(found.id), "docs/doctor.md does not explain {found:?}");
    }
    findings
}

/// The words in the first column of the tables of docs/doctor.md.
fn documented() -> BTreeSet<String> {
    let text = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/doctor.md")).unwrap();
    let (_, tables) = text.split_once("## All findings").unwrap();
    let firsts = tables.lines().filter_map(|line| line.strip_prefix("| `")?.split(" | ").next());
    firsts.flat_map(|cell| cell.split(", ").map(|word| word.trim_matches('`').to_owned())).collect()
}

#[test]
fn the_documentation_names_nothing_that_cannot_be_found() {
    let folders = ["src/doctor", "src/graph/codes"].map(|folder| Path::new(env!("CARGO_MANIFEST_DIR")).join(folder));
    let files = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    let source: String = files.map(|file| fs::read_to_string(file.unwrap().path()).unwrap()).collect();
    let documented = documented();
    assert!(documented.len() > 80, "{documented:?}");
    for word in documented {
        assert!(source.contains(&format!("\"{word}\"")), "the doctor does not know {word}");
    }
}

/// The ids, with a mark before what is not right.
fn ids(findings: &[Finding]) -> Vec<String> {
    let mark = |found: &Finding| match found.severity {
        Severity::Ok => found.id.to_owned(),
        Severity::Warning => format!("warning {}", found.id),
        Severity::Error => format!("ERROR {}", found.id),
    };
    findings.iter().map(mark).collect()
}

fn one<'a>(findings: &'a [Finding], id: &str) -> &'a Finding {
    let mut of_id = findings.iter().filter(|found| found.id == id);
    let found = of_id.next().unwrap_or_else(|| panic!("no {id} in {findings:#?}"));
    assert!(of_id.next().is_none(), "{id} more than once in {findings:#?}");
    found
}

/// What went wrong, as text that is the same at every run.
fn told(findings: &[Finding]) -> String {
    let wrong = findings.iter().filter(|found| found.severity == Severity::Error);
    let told: Vec<String> = wrong
        .map(|found| {
            let Finding { id, seen, meaning, next, .. } = found;
            for text in [seen, meaning, next] {
                assert!(!text.is_empty() && !text.contains('{'), "{found:?}");
            }
            format!("{id}\n  seen:  {seen}\n  means: {meaning}\n  next:  {next}\n")
        })
        .collect();
    settled(&told.join(""))
}

/// Without what is another at every run: ids of requests, and ports.
fn settled(text: &str) -> String {
    let known = BTreeSet::from([Simulator::CLIENT_ID, Simulator::DIRECTORY_ID]);
    let is_id = |word: &str| {
        let lengths: Vec<_> = word.split('-').map(str::len).collect();
        lengths == [8, 4, 4, 4, 12] && word.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
    };
    let mut settled = String::new();
    for part in text.split_inclusive(|c: char| !c.is_ascii_alphanumeric() && c != '-') {
        let word = part.trim_end_matches(|c: char| !c.is_ascii_alphanumeric() && c != '-');
        let is_port = settled.ends_with("127.0.0.1:") && word.chars().all(|c| c.is_ascii_digit());
        let kept = if is_id(word) && !known.contains(word) {
            "[id]"
        } else if is_port {
            "[port]"
        } else {
            word
        };
        settled.push_str(kept);
        settled.push_str(&part[word.len()..]);
    }
    settled
}
