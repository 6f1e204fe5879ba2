//! The simulator over real HTTP: each rule of Microsoft's that it enforces, and its control plane.

mod calendars;
mod control;
mod entra;
mod events;
mod faults;
mod limits;
mod lists;
mod mailboxes;
mod page;
mod stage;
mod transactions;
