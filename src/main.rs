//! The `leavebridge` command.

fn main() {}
