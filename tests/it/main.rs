//! leavebridge from outside: real HTTP, real PostgreSQL, and the simulator in Microsoft's place.
#![cfg(feature = "demo")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod auth;
mod delivery;
mod faults;
mod replicas;
mod resilience;
mod intake;
mod operations;
mod privacy;
mod simulator;
mod support;
