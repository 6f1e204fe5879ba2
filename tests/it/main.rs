//! leavebridge from outside: real HTTP, real PostgreSQL, and the simulator in Microsoft's place.
#![cfg(feature = "demo")]
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod answers;
mod architecture;
mod auth;
mod circles;
mod cli;
mod console;
mod contract;
mod crashes;
mod credentials;
mod delivery;
mod directory;
mod doctor;
mod doubt;
mod faults;
mod intake;
mod model;
mod operations;
mod outages;
mod own_time;
mod people;
mod privacy;
mod processes;
mod queue_plan;
mod replicas;
mod replies;
mod resilience;
mod resync;
mod rules;
mod senders;
mod support;
mod teams;
mod versions;
