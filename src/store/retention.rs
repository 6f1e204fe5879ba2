//! Forgets what need not be remembered, a batch at a time, and makes room for the months to come.

use super::{StoreError, database::Store, partitions};

/// How long delivery ids are remembered.
const DELIVERIES_KEPT_DAYS: i32 = 30;
/// How many old delivery ids go in one statement, so that none holds others up for long.
const PRUNE_BATCH: i64 = 5_000;
impl Store {
    /// Forgets one batch of delivery ids that are older than 30 days; `true` when there may be more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prune(&self) -> Result<bool, StoreError> {
        let pruned = sqlx::query!(
            "DELETE FROM deliveries WHERE (client, delivery_id) IN (
                 SELECT client, delivery_id FROM deliveries
                 WHERE at < leavebridge_now() - make_interval(days => $1)
                 ORDER BY at LIMIT $2)",
            DELIVERIES_KEPT_DAYS,
            PRUNE_BATCH
        )
        .execute(&self.pool)
        .await?;
        Ok(pruned.rows_affected() == PRUNE_BATCH.unsigned_abs())
    }

    /// Makes the timeline's partitions for the months to come, where they are missing.
    ///
    /// # Errors
    /// When the database does not answer, or its user may not make tables: what is written goes into the default partition then.
    pub async fn make_partitions(&self) -> Result<(), StoreError> {
        let mut connection = self.pool.acquire().await?;
        Ok(partitions::make(&mut connection).await?)
    }
}
