//! Keeps a lease, and gives it back.

use std::time::Duration;

use super::{Store, StoreError, claim::Lease, millis};

impl Store {
    /// Makes a lease last `lease` from now. `false` when somebody else holds the mailbox by now: stop at once.
    ///
    /// # Errors
    /// When the database does not answer: the lease cannot be counted on.
    pub async fn renew(&self, held: &Lease, lease: Duration) -> Result<bool, StoreError> {
        let renewed = sqlx::query!(
            "UPDATE mailboxes SET lease_until = leavebridge_now() + $3 * interval '1 millisecond'
             WHERE id = $1 AND lease_epoch = $2 AND lease_until IS NOT NULL",
            held.mailbox,
            held.epoch,
            millis(lease)
        )
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Gives leases back. Only for mailboxes in which no call is under way.
    ///
    /// # Errors
    /// When the database does not answer; the leases expire by themselves then.
    pub async fn release(&self, held: &[(i64, i64)]) -> Result<(), StoreError> {
        let (mailboxes, epochs): (Vec<i64>, Vec<i64>) = held.iter().copied().unzip();
        sqlx::query!(
            "UPDATE mailboxes b SET lease_until = NULL, lease_items = '{}'
             FROM unnest($1::bigint[], $2::bigint[]) AS held (mailbox, epoch)
             WHERE b.id = held.mailbox AND b.lease_epoch = held.epoch",
            &mailboxes,
            &epochs
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
