//! Which calendar at Graph a mailbox's further calendar is. Only remembered: it must never be believed over Graph's word.

use super::{database::Store, error::StoreError, leases::Lease};

impl Store {
    /// The id at Graph of the calendar of that name, if it is known.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn calendar(&self, mailbox: i64, name: &str) -> Result<Option<String>, StoreError> {
        let known =
            sqlx::query_scalar!("SELECT graph_id FROM calendars WHERE mailbox = $1 AND name = $2", mailbox, name);
        Ok(known.fetch_optional(&self.pool).await?)
    }

    /// Remembers it. `false` when somebody else holds the mailbox by now, who may know better.
    ///
    /// # Errors
    /// When the database does not answer; it is looked for again then.
    pub async fn remember_calendar(&self, held: &Lease, name: &str, graph_id: &str) -> Result<bool, StoreError> {
        let kept = sqlx::query!(
            "INSERT INTO calendars (mailbox, name, graph_id)
             SELECT b.id, $3, $4 FROM mailboxes b
             WHERE b.id = $1 AND b.lease_epoch = $2 AND b.lease_until IS NOT NULL
             ON CONFLICT (mailbox, name) DO UPDATE SET graph_id = excluded.graph_id",
            held.mailbox,
            held.epoch,
            name,
            graph_id
        )
        .execute(&self.pool)
        .await?;
        Ok(kept.rows_affected() == 1)
    }
}
