//! How the queue asks PostgreSQL: the short statements and transactions of intake, claim and settle.
//!
//! Each of their statements finds few rows by an index. A new database has no statistics to say so, and a plan made then is
//! kept: with whole tables read for each leave, work would grow with the square of what there is. Planning anew for each call
//! costs more than the statement. So one plan by indexes is made once for each connection, and these connections serve nothing
//! else: lists and figures need plans of their own.

use sqlx::{PgPool, Postgres, Transaction};

use super::error::StoreError;

/// The settings of the queue's connections. A statement waits for a row for longer than any of ours holds one, and no longer.
pub(super) const SESSION: [(&str, &str); 5] = [
    ("enable_seqscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
    ("plan_cache_mode", "force_generic_plan"),
    ("lock_timeout", "250ms"),
];

/// Begins a transaction that waits for a row for as long as a statement may take.
pub(super) async fn begin(queue: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    Ok(queue.begin_with("BEGIN; SET LOCAL lock_timeout = 0").await?)
}

/// Begins a transaction whose commit does not wait for the disk. For what is found out again when a crash of PostgreSQL takes it
/// back: the results of deliveries. With a result goes the release of its lease, so that what is left then is what a process
/// leaves that died before it saved them.
pub(super) async fn begin_without_flush(queue: &PgPool) -> Result<Transaction<'static, Postgres>, StoreError> {
    Ok(queue.begin_with("BEGIN; SET LOCAL lock_timeout = 0; SET LOCAL synchronous_commit = off").await?)
}
