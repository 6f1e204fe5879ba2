//! The model test: random histories of webhooks, faults, staff edits, crashes and clock moves, after which Outlook holds
//! what a small pure model says, and every leave's timeline explains how it came to that.
//!
//! `history` and `trouble` say what may happen, `stage` carries it out on a whole service with `portal` and `outlook`,
//! `reference` is the model and `verdict` compares. A failing history shrinks, and its seed is kept in `regressions.txt`, which is run first the next
//! time. `PROPTEST_CASES=500` looks longer.

mod history;
mod outlook;
mod portal;
mod reference;
mod stage;
mod trouble;
mod verdict;

use proptest::test_runner::{Config, FileFailurePersistence, TestCaseError, TestRunner};
use tokio::runtime::Builder;

use self::{
    history::History,
    stage::{Beside, Stage},
};

/// Enough to notice most mistakes, few enough for every run of the tests.
const CASES: u32 = 12;
const REGRESSIONS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/it/model/regressions.txt");

/// Tries histories of up to `longest` steps, with this beside people's own events.
fn try_histories(longest: usize, beside: Beside) {
    let mut config = Config {
        failure_persistence: Some(Box::new(FileFailurePersistence::Direct(REGRESSIONS))),
        max_shrink_iters: 300,
        max_shrink_time: 60_000,
        ..Config::default()
    };
    if std::env::var_os("PROPTEST_CASES").is_none() {
        config.cases = CASES;
    }
    let outcome = TestRunner::new(config).run(&history::history(longest, beside == Beside::Names), |history| {
        // Each in a runtime of its own: with it ends whatever the case has left running.
        let runtime = Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(carry_out(&history, beside)).map_err(TestCaseError::fail)
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

async fn carry_out(history: &History, beside: Beside) -> Result<(), String> {
    let mut stage = Stage::set(&history.world, beside).await;
    for (n, step) in history.steps.iter().enumerate() {
        stage.carry_out(step).await.map_err(|complaint| format!("step {n}: {complaint}"))?;
    }
    stage.conclude().await?;
    verdict::last(&mut stage).await?;
    stage.leave().await;
    Ok(())
}

#[test]
fn however_a_short_history_goes_outlook_ends_as_the_model_says() {
    try_histories(8, Beside::Nothing);
}

#[test]
fn however_a_long_history_goes_outlook_ends_as_the_model_says() {
    try_histories(16, Beside::Nothing);
}

#[test]
fn however_a_history_goes_mailboxes_reply_as_the_model_says() {
    try_histories(10, Beside::Replies);
}

#[test]
fn however_a_history_goes_a_teams_calendar_shows_what_the_model_says() {
    try_histories(10, Beside::Team);
}

#[test]
fn however_a_history_goes_leave_is_with_the_person_whoever_is_called_what() {
    try_histories(10, Beside::Names);
}
