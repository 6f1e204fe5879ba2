//! The short transactions of the queue: intake, claim, settle.
//!
//! Each of their statements finds few rows by an index. A new database has no statistics to say so, and a plan made then is
//! kept: with whole tables read for each leave, work would grow with the square of what there is. Planning anew for each call
//! costs more than the statement. So one plan by indexes is made once for each connection.

use sqlx::{AssertSqlSafe, PgPool, Postgres, Transaction};

use super::error::StoreError;

/// Begins one. `lock_timeout`: how long it waits for a row, in milliseconds; 0 for as long as a statement may take.
pub(super) async fn begin_with(
    pool: &PgPool,
    lock_timeout: Option<u32>,
) -> Result<Transaction<'static, Postgres>, StoreError> {
    let lock_timeout = lock_timeout.unwrap_or(0);
    let begin = format!(
        "BEGIN; SET LOCAL lock_timeout = {lock_timeout}; SET LOCAL enable_seqscan = off; SET LOCAL enable_hashjoin = off; \
         SET LOCAL enable_mergejoin = off; SET LOCAL jit = off; SET LOCAL plan_cache_mode = force_generic_plan"
    );
    Ok(pool.begin_with(AssertSqlSafe(begin)).await?)
}
