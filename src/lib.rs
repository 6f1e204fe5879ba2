//! leavebridge puts approved leave into people's Outlook calendars.

pub mod clock;
#[cfg(feature = "demo")]
pub mod simulator;
