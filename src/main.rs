//! The `leavebridge` command.

use std::process::ExitCode;

fn main() -> ExitCode {
    leavebridge::cli::main()
}
