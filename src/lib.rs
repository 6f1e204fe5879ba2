//! leavebridge puts approved leave into people's Outlook calendars.

pub mod clock;
pub mod config;
pub mod domain;
#[cfg(feature = "demo")]
pub mod simulator;
pub mod store;
