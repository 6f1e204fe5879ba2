//! The command as people and orchestrators meet it: the real program, a clean environment, its words and exit codes.

mod commands;
mod rehearsal;
mod service;
mod setup;
mod setup_scripts;
