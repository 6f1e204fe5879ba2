//! What happens next to everything that is to be kept right, and why: pure decisions over what is stored.
//!
//! A webhook goes through [`accept`], a result through [`settle`], an operator's retry through [`retry`], a change of what
//! an item depends on through [`replan`]. Each takes rows as they are under lock and says how they should be; the store
//! saves that. [`converge`] and [`plan`] lead one event to what is wanted, call by call. It must never do I/O or read a
//! clock: the present moment is a parameter, and it is the database's.

pub mod accept;
pub mod change;
pub mod converge;
pub mod delivery;
pub mod failure;
pub mod identity;
pub mod item;
pub mod mailbox;
pub mod merge;
pub mod place;
pub mod plan;
pub mod replan;
pub mod retry;
pub mod retry_policy;
pub mod settle;
pub mod state;
pub mod tenant;
pub mod whole;
