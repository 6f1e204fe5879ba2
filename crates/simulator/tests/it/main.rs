//! The simulator over real HTTP: each rule of Microsoft's that it enforces, and its control plane.
#![expect(clippy::unwrap_used, reason = "a test that cannot set its scene has failed")]

mod assertions;
mod calendars;
mod clock;
mod control;
mod entra;
mod events;
mod faults;
mod identities;
mod limits;
mod lists;
mod mailboxes;
mod page;
mod proofs;
mod replies;
mod stage;
mod transactions;
