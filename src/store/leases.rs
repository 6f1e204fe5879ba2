//! A lease on a mailbox, and what it is given for; how it is kept and given back.

use std::time::Duration;

use jiff::Timestamp;

use super::{database::Store, error::StoreError, millis, rows::Unreadable};
use crate::{
    domain::{
        event::MailboxSettings,
        leave::{Leave, Status},
    },
    reconcile::{item::Item, mailbox::Block},
};

/// The right to work on one mailbox for a while.
#[derive(Debug, Clone)]
pub struct Lease {
    /// The mailbox's row.
    pub mailbox: i64,
    /// Which claim this is: the fence.
    pub epoch: i64,
    /// The tenant.
    pub tenant: String,
    /// The name that the mailbox was first known by.
    pub address: String,
    /// The person's Entra object id, once it is known.
    pub entra_id: Option<String>,
    /// The directory is to be asked whose mailbox this is.
    pub identify: bool,
    /// Which mailbox holds that name now, if any is known to.
    pub holder: Option<i64>,
    /// What last blocked the mailbox.
    pub block: Option<Block>,
    /// The owner's time zone and working hours, as the mailbox has them.
    pub settings: MailboxSettings,
    /// When they were last read.
    pub settings_at: Option<Timestamp>,
    /// When the lease was granted, by the database's clock.
    pub now: Timestamp,
}

/// The leave that an item is about.
#[derive(Debug, Clone)]
pub struct DueLeave {
    /// Its id at its source.
    pub id: String,
    /// Its source.
    pub source: String,
    /// Its status and content; the content is `None` when nothing but a cancellation has ever arrived.
    pub content: Result<(Status, Option<Leave>), Unreadable>,
    /// In a team's calendar: what the person's own mailbox says of their time.
    pub person: MailboxSettings,
}

/// One item that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// The item.
    pub item: Item,
    /// The leave that it is about, if it is about one.
    pub leave: Option<DueLeave>,
    /// When the directory last said who holds the item's address.
    pub asked_at: Option<Timestamp>,
}

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
        .execute(&self.queue)
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
        .execute(&self.queue)
        .await?;
        Ok(())
    }
}
