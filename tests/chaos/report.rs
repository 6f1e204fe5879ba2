//! What people see of the run: how it goes on, and the table at its end.

use std::{io::Write as _, sync::Arc, time::Duration};

use super::{
    stage::Stage,
    verdict::{KINDS, Offence},
};

const EVERY: Duration = Duration::from_secs(5);
/// Of each kind so many are shown with all there is to know.
const SHOWN: usize = 4;
/// Without these a run proves nothing.
const MUST_HAVE_HAPPENED: [&str; 3] = ["killed", "frozen past its leases", "crashed"];

/// A line for people. Nobody listening does not end the run.
pub(crate) fn say(line: &str) {
    let _nobody_listens = writeln!(std::io::stdout(), "{line}");
}

/// Says every few seconds how things are, and keeps count of what Microsoft was asked.
pub(crate) async fn progress(stage: Arc<Stage>) {
    let mut seen = 0;
    loop {
        tokio::time::sleep(EVERY).await;
        if let Ok(newest) = stage.microsoft.journal(seen, &stage.tally).await {
            seen = newest;
        }
        let leaves = stage.book.leaves().len();
        let tally = &stage.tally;
        stage.tell(&format!(
            "... {leaves} leaves, {} webhooks, {} posted again, {seen} requests to Microsoft",
            tally.of("webhooks"),
            tally.of("webhooks posted again")
        ));
    }
}

/// Prints the table and says whether all is zero.
pub(crate) async fn table(stage: &Stage, offences: Vec<Offence>, seed: u64) -> anyhow::Result<bool> {
    let leaves = stage.book.leaves().len();
    say(&format!("\nWhat was done (seed {seed})"));
    row("leaves", leaves as u64);
    row("webhooks", stage.tally.of("webhooks"));
    row("webhooks posted again", stage.tally.of("webhooks posted again"));
    for (prefix, title) in
        [("answer ", "Answers"), ("done ", "Trouble"), ("request ", "Requests to Microsoft"), ("fault ", "Faults met")]
    {
        say(&format!("\n{title}"));
        stage.tally.all(prefix).into_iter().for_each(|(what, count)| row(&what, count));
    }
    let score = stage.microsoft.score().await?;
    say(&format!("\nThe simulator's score  {score}"));
    for words in ["the lease was lost", "a result came after its lease", "could not be renewed", "broke down"] {
        let times: usize = stage.replicas.iter().map(|replica| replica.logged(words)).sum();
        row(&format!("logged: {words}"), times as u64);
    }

    for kind in KINDS {
        let of_kind: Vec<&Offence> = offences.iter().filter(|offence| offence.kind == kind).collect();
        for offence in of_kind.iter().take(SHOWN) {
            say(&format!("\n{}", kind.to_uppercase()));
            for line in offence.evidence(stage).await? {
                say(&format!("  {line}"));
            }
        }
    }

    say("\nIn the end");
    row("leaves", leaves as u64);
    for kind in KINDS {
        row(kind, offences.iter().filter(|offence| offence.kind == kind).count() as u64);
    }
    let missing = MUST_HAVE_HAPPENED.iter().filter(|what| stage.tally.of(&format!("done {what}")) == 0);
    let missing: Vec<_> = missing.collect();
    if !missing.is_empty() {
        say(&format!("\nThe run was too short to prove anything: never {missing:?}"));
    }
    Ok(offences.is_empty() && missing.is_empty())
}

fn row(what: &str, count: u64) {
    say(&format!("{count:>10}  {what}"));
}
