//! `doctor`: looks at the whole connection and says of each thing what was seen, what it means, and what to do next.

use std::{fmt::Write as _, path::Path, sync::Arc};

use anyhow::Context as _;
use serde_json::json;

use super::process::{CommandOutcome, environment, print, say};
use crate::{
    clock::{SystemClock, SystemRandom},
    config,
    doctor::{self, Order},
    domain::finding::{Finding, Severity},
    store::Store,
};

/// One for the backlog beside one for the migrations' state.
const CONNECTIONS: u32 = 2;
const WIDTH: usize = 110;

/// Looks at the whole connection and says what to do about each finding.
#[derive(Debug, clap::Args)]
pub(super) struct DoctorCommand {
    /// This tenant only.
    #[arg(long)]
    tenant: Option<String>,
    /// A mailbox that leavebridge has to be able to write to.
    #[arg(long, value_name = "ADDRESS")]
    mailbox: Option<String>,
    /// A mailbox that leavebridge must not be able to open.
    #[arg(long, value_name = "ADDRESS")]
    outside_mailbox: Option<String>,
    /// Write one private event into the mailbox, change it, and delete it again.
    #[arg(long, requires = "mailbox")]
    write_test: bool,
}

impl DoctorCommand {
    pub(super) async fn run(&self, file: Option<&Path>, json: bool) -> anyhow::Result<CommandOutcome> {
        let (settings, problems) = config::inspect(file, &environment());
        let mut findings = doctor::of_configuration(&problems);
        // What is right of the configuration can be looked at all the same.
        if let Some(settings) = settings.filter(|settings| !settings.tenants.is_empty()) {
            let tenants: Vec<&str> = settings.tenants.keys().map(String::as_str).collect();
            let order = Order {
                tenant: self.tenant.clone(),
                mailbox: self.mailbox.as_deref().map(|mailbox| mailbox.trim().to_owned()),
                outside_mailbox: self.outside_mailbox.as_deref().map(|mailbox| mailbox.trim().to_owned()),
                write_test: self.write_test,
            };
            if let Err(wrong) = order.check(&tenants) {
                for problem in wrong.into_vec() {
                    say(&format!("--{} {}.", problem.field.replace('_', "-"), problem.problem));
                }
                return Ok(CommandOutcome::Usage);
            }
            let store = Store::new(&settings.database.url, CONNECTIONS).context("database.url cannot be used")?;
            let doctor =
                doctor::Doctor::new(Arc::new(settings), store.clone(), Arc::new(SystemClock), Arc::new(SystemRandom));
            // A value that is no id may be a secret pasted in its place: it must not be sent, nor come back in Microsoft's words.
            let has_ids = |tenant: &str| {
                let ids = ["directory_id", "client_id"].map(|key| format!("tenants.{tenant}.microsoft.{key}"));
                !problems.iter().any(|problem| ids.contains(&problem.field))
            };
            let seen = doctor.examine(&order, has_ids).await;
            // With problems the configuration is not fine, however much of it could be used.
            findings.extend(seen.into_iter().filter(|found| problems.is_empty() || found.id != "configuration"));
            store.close().await;
        }
        print(&if json { json!({"findings": findings}).to_string() } else { told(&findings) })?;
        let is_ill = findings.iter().any(|found| found.severity == Severity::Error);
        Ok(if is_ill { CommandOutcome::Problems } else { CommandOutcome::Good })
    }
}

/// For people: what is right on one line, what is not with all that is to be said of it.
fn told(findings: &[Finding]) -> String {
    let mut text = String::new();
    let mut about = None;
    for found in findings {
        if about != Some(&found.tenant) {
            let heading =
                found.tenant.as_ref().map_or_else(|| "leavebridge".into(), |tenant| format!("tenant {tenant}"));
            let _infallible = writeln!(text, "{}{heading}", if about.is_some() { "\n" } else { "" });
            about = Some(&found.tenant);
        }
        let word = if found.severity == Severity::Ok { "ok" } else { found.severity.word() };
        let _infallible = writeln!(text, "  {:<8} {}", word.to_uppercase().replace("OK", "ok"), found.id);
        let lines = [("", &found.seen), ("means: ", &found.meaning), ("next:  ", &found.next)];
        for (label, line) in lines.into_iter().filter(|(_, line)| !line.is_empty()) {
            for (n, part) in wrapped(line, WIDTH - 18).into_iter().enumerate() {
                let label = if n == 0 { label.to_owned() } else { " ".repeat(label.len()) };
                let _infallible = writeln!(text, "           {label}{part}");
            }
        }
    }
    let count = |severity| findings.iter().filter(|found| found.severity == severity).count();
    let (errors, warnings) = (count(Severity::Error), count(Severity::Warning));
    let _infallible = write!(
        text,
        "\n{}",
        match (errors, warnings) {
            (0, 0) => "Everything is as it should be.".to_owned(),
            (0, _) => format!("It works as far as it was tried; {} to look at.", counted(warnings, "warning")),
            _ => format!(
                "{} and {}. Begin with the first error.",
                counted(errors, "error"),
                counted(warnings, "warning")
            ),
        }
    );
    text
}

fn counted(n: usize, what: &str) -> String {
    if n == 1 { format!("1 {what}") } else { format!("{n} {what}s") }
}

/// The words in lines of at most `width` characters; a longer word has a line of its own.
fn wrapped(text: &str, width: usize) -> Vec<String> {
    let mut lines: Vec<String> = Vec::new();
    for word in text.split_whitespace() {
        match lines.last_mut() {
            Some(line) if line.chars().count() + 1 + word.chars().count() <= width => {
                line.push(' ');
                line.push_str(word);
            }
            _ => lines.push(word.to_owned()),
        }
    }
    lines
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(id: &'static str, severity: Severity, tenant: Option<&str>) -> Finding {
        let (meaning, next) = match severity {
            Severity::Ok => (String::new(), String::new()),
            _ => ("It means something.".into(), "Do this.".into()),
        };
        Finding { id, severity, seen: "It was seen.".into(), meaning, next, tenant: tenant.map(str::to_owned) }
    }

    #[test]
    fn people_read_one_line_of_what_is_right_and_three_of_what_is_not() {
        let findings = [
            found("database", Severity::Ok, None),
            found("secret-wrong", Severity::Error, Some("acme")),
            found("expires-soon", Severity::Warning, Some("acme")),
        ];
        insta::assert_snapshot!(told(&findings));
        for (n, last) in [(1, "Everything is as it should be."), (0, "Everything is as it should be.")] {
            assert!(told(&findings[..n]).ends_with(last), "{n}");
        }
        assert!(told(&findings[2..]).ends_with("It works as far as it was tried; 1 warning to look at."));
    }

    #[test]
    fn long_lines_are_broken_between_words() {
        assert_eq!(wrapped("one two  three", 7), ["one two", "three"]);
        assert_eq!(wrapped("averylongword is", 5), ["averylongword", "is"]);
        assert!(wrapped("", 5).is_empty());
    }
}
