//! PostgreSQL: the only module with SQL.
//!
//! It locks, loads, keeps and lists rows; what becomes of them is decided by [`reconcile`](crate::reconcile). One row of
//! `items` is state and queue at once. Nothing that happens after an intake's commit is needed for correctness: a process may
//! die at any line, and the next look finds what is due. Time is PostgreSQL's (`leavebridge_now()`), so that replicas need
//! no common clock. No transaction is ever held across a remote call. Locks are taken in one order everywhere: mailboxes,
//! leaves, items, each by id.

mod accept;
mod answer;
mod batcher;
pub mod calendars;
pub mod claim;
mod database;
mod error;
pub mod identity;
pub mod intake;
pub mod leases;
pub mod lists;
mod lookup;
mod merge;
mod partitions;
pub mod replies;
pub mod resync;
pub mod retention;
mod retry;
mod rows;
mod seats;
pub mod settle;
pub mod stats;
pub mod tenants;
mod transaction;
pub mod views;
pub mod wake_up;

use std::time::Duration;

pub use database::Store;
pub use error::StoreError;

/// Milliseconds as PostgreSQL multiplies intervals with them.
fn millis(duration: Duration) -> f64 {
    duration.as_secs_f64() * 1000.0
}
