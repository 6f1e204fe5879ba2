//! The simulator over real HTTP: each rule of Microsoft's that it enforces, and its control plane.

mod assertions;
mod calendars;
mod control;
mod entra;
mod events;
mod faults;
mod identities;
mod limits;
mod lists;
mod mailboxes;
mod page;
mod replies;
mod stage;
mod transactions;
