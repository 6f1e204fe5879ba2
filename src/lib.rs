//! leavebridge puts approved leave into people's Outlook calendars.

pub mod clock;
pub mod config;
pub mod domain;
pub mod graph;
pub mod http;
pub mod outgoing;
#[cfg(feature = "demo")]
pub mod simulator;
pub mod store;
pub mod sync;
pub mod telemetry;
