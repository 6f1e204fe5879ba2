//! What every command needs of its process: the environment, the two outputs, and how it ended.

use crate::domain::problem::Problems;

/// How a command ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum CommandOutcome {
    Good,
    Problems,
    Usage,
}

/// The environment, without what is not text.
pub(super) fn environment() -> Vec<(String, String)> {
    std::env::vars_os()
        .filter_map(|(name, value)| Some((name.into_string().ok()?, value.into_string().ok()?)))
        .collect()
}

/// Prints all that is wrong with the configuration, and how a key is set.
pub(super) fn print_configuration_problems(problems: &Problems) {
    say(&format!(
        "The configuration is not right:\n{problems}\n\
         Set keys in a TOML file (--config FILE) or in the environment (database.url is LEAVEBRIDGE__DATABASE__URL).\n\
         config/default.toml explains every key; `leavebridge check-config` looks again."
    ));
}

/// Prints a line for people, to standard error.
#[expect(clippy::print_stderr, reason = "the command line's own voice")]
pub(super) fn say(line: &str) {
    eprintln!("{line}");
}

/// Prints a result, to standard output. A reader that has gone (`| head`) is no error.
pub(super) fn print(text: &str) -> std::io::Result<()> {
    use std::io::{ErrorKind, Write as _};
    match writeln!(std::io::stdout(), "{text}") {
        Err(error) if error.kind() == ErrorKind::BrokenPipe => Ok(()),
        written => written,
    }
}
