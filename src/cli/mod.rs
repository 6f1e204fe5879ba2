//! The command line: what to do, with which configuration, and how it ended.
//!
//! Results go to standard output, everything else to standard error. Exit codes: 0 good, 1 problems were found, 2 the usage
//! or the configuration is wrong.

mod check;
mod doctor;
#[cfg(feature = "demo")]
mod playground;
mod process;
mod run;
mod setup;
mod token;

use std::{ffi::OsString, path::Path, process::ExitCode};

use clap::{Parser, Subcommand};
use process::{CommandOutcome, environment, print, print_configuration_problems, say};

use crate::{
    clock::SystemRandom,
    config::{self, Settings},
    domain::problem::Problems,
};

#[cfg(feature = "demo")]
const START_HERE: &str = "See it work, without any configuration:  leavebridge demo\n\
                          Exit codes: 0 good, 1 problems were found, 2 the usage or the configuration is wrong";
#[cfg(not(feature = "demo"))]
const START_HERE: &str = "Exit codes: 0 good, 1 problems were found, 2 the usage or the configuration is wrong";

/// Puts approved leave into people's Outlook calendars.
#[derive(Debug, Parser)]
#[command(name = "leavebridge", version, about, after_help = START_HERE)]
struct Cli {
    /// Configuration file; it goes over the built-in defaults.
    #[arg(long, global = true, env = "LEAVEBRIDGE_CONFIG", value_name = "FILE")]
    config: Option<OsString>,
    /// Answer in JSON, for programs.
    #[arg(long, global = true)]
    json: bool,
    #[command(subcommand)]
    command: Option<Command>,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Runs the service (the default).
    Serve,
    /// Shows everything at work on this machine: a private PostgreSQL, a simulated Microsoft, the service, some leave.
    #[cfg(feature = "demo")]
    Demo(crate::demo::Options),
    /// Runs the simulated Microsoft alone, to build and test a portal against.
    #[cfg(feature = "demo")]
    Simulate(playground::SimulateCommand),
    /// Looks at the whole connection and says what to do about each finding.
    ///
    /// Ends with 1 when one of them is an error, with 0 when there is nothing worse than a warning.
    Doctor(doctor::DoctorCommand),
    /// Guides an administrator through Microsoft's side: app, permission, configuration.
    Setup(setup::SetupCommand),
    /// Makes a token for a client.
    Token(token::TokenCommand),
    /// Brings the database's schema up to date.
    Migrate,
    /// Checks the configuration and names everything that is wrong with it.
    CheckConfig,
    /// Asks the service that runs here how it is; for a container's health check.
    Healthcheck(check::HealthcheckCommand),
    /// Prints the API's contract, an `OpenAPI` 3.1 document.
    Openapi,
}

/// Runs the command that this process was started with.
#[must_use]
pub fn main() -> ExitCode {
    let cli = match Cli::try_parse() {
        Ok(cli) => cli,
        Err(error) => {
            // Help and version are printed the same way, and are no error.
            let _printed = error.print();
            return ExitCode::from(if error.use_stderr() { 2 } else { 0 });
        }
    };
    let runtime = match tokio::runtime::Builder::new_multi_thread().enable_all().build() {
        Ok(runtime) => runtime,
        Err(error) => return failed(&anyhow::Error::from(error).context("cannot start")),
    };
    let ended = runtime.block_on(cli.run());
    // A file on a disk that hangs must not keep the process from ending.
    runtime.shutdown_background();
    match ended {
        Ok(CommandOutcome::Good) => ExitCode::SUCCESS,
        Ok(CommandOutcome::Problems) => ExitCode::from(1),
        Ok(CommandOutcome::Usage) => ExitCode::from(2),
        Err(error) => match error.downcast_ref::<Problems>() {
            Some(problems) => {
                print_configuration_problems(problems);
                ExitCode::from(2)
            }
            None => failed(&error),
        },
    }
}

impl Cli {
    async fn run(self) -> anyhow::Result<CommandOutcome> {
        match &self.command {
            None | Some(Command::Serve) => run::serve(&self.settings()?).await,
            #[cfg(feature = "demo")]
            Some(Command::Demo(options)) => playground::demo(options).await,
            #[cfg(feature = "demo")]
            Some(Command::Simulate(simulate)) => simulate.run().await,
            Some(Command::Doctor(doctor)) => doctor.run(self.file(), self.json).await,
            Some(Command::Setup(setup)) => setup.run(self.file(), &environment(), self.json, &SystemRandom),
            Some(Command::Token(token)) => token.run(&self.settings()?, self.json),
            Some(Command::Migrate) => run::migrate(&self.settings()?, self.json).await,
            Some(Command::CheckConfig) => check::config(self.load(), self.json),
            Some(Command::Healthcheck(healthcheck)) => healthcheck.run(self.settings().ok().as_ref(), self.json).await,
            Some(Command::Openapi) => {
                print(&crate::http::openapi().to_pretty_json()?)?;
                Ok(CommandOutcome::Good)
            }
        }
    }

    /// The configuration file, when one is named.
    fn file(&self) -> Option<&Path> {
        // Compose files set LEAVEBRIDGE_CONFIG to nothing where none is meant.
        self.config.as_deref().filter(|file| !file.is_empty()).map(Path::new)
    }

    fn load(&self) -> Result<Settings, Problems> {
        config::load(self.file(), &environment())
    }

    fn settings(&self) -> anyhow::Result<Settings> {
        Ok(self.load()?)
    }
}

fn failed(error: &anyhow::Error) -> ExitCode {
    // Many errors repeat their cause in their own words.
    let mut told = String::from("leavebridge");
    for cause in error.chain().map(ToString::to_string) {
        if !told.contains(&cause) {
            told = format!("{told}: {cause}");
        }
    }
    say(&told);
    ExitCode::from(1)
}
