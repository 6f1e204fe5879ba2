//! What an automatic reply needs beside its item: the leave of its mailbox, and a note of what is about to be sent.

use jiff::Timestamp;
use sqlx::types::Json;
use uuid::Uuid;

use super::{
    database::Store,
    error::StoreError,
    leases::Lease,
    rows::{self, item_rows},
};
use crate::{
    domain::{
        reply::{Away, Memory},
        team_calendar::PRIMARY,
    },
    reconcile::{
        item::{Doubt, Item},
        replan::wake,
        state::Kind,
        whole::may_ask,
    },
};

/// What ended earlier than this cannot be one absence with what lies ahead.
const LONGEST_AGO_DAYS: i32 = 400;

impl Store {
    /// The approved leave of a mailbox's owner. What this version cannot read is left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leave_of(&self, mailbox: i64) -> Result<Vec<Away>, StoreError> {
        let leaves = sqlx::query!(
            r#"SELECT l.id, l.source, l.external_id, l.content AS "content!"
               FROM items i JOIN leaves l ON l.id = i.leave
               WHERE i.mailbox = $1 AND i.calendar = $3 AND i.wanted AND NOT i.surplus AND l.status = 'approved'
                 AND l.last_day >= (leavebridge_now() - make_interval(days => $2))::date"#,
            mailbox,
            LONGEST_AGO_DAYS,
            PRIMARY
        )
        .fetch_all(&self.pool)
        .await?;
        let leaves = leaves.into_iter().filter_map(|row| {
            let leave = serde_json::from_value(row.content).ok()?;
            Some(Away { row: row.id, id: row.external_id, source: row.source, leave })
        });
        Ok(leaves.collect())
    }

    /// Has the mailbox's settings read, where that has not been done lately and may be; `id` is for an item that does not exist
    /// yet. `false` when there is nothing to wait for.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn want_settings(&self, held: &Lease, id: Uuid) -> Result<bool, StoreError> {
        let mut transaction = self.begin().await?;
        let found = item_rows!("WHERE i.mailbox = $1 AND i.kind = 'settings' FOR NO KEY UPDATE", held.mailbox)
            .fetch_all(&mut *transaction)
            .await?;
        let mut items = rows::items(found)?;
        let may_ask = may_ask(items.first(), held.now);
        if may_ask {
            if items.is_empty() {
                let item = Item::new(id, Kind::Settings, &held.tenant, held.mailbox, &held.address, held.now);
                rows::insert_items(&mut transaction, &[item]).await?;
            }
            for item in &mut items {
                wake(item, held.now, held.now);
            }
            rows::save(&mut transaction, &items, &[]).await?;
        }
        transaction.commit().await?;
        Ok(may_ask)
    }

    /// Notes what is about to be sent, so that after a crash the next holder recognises it as ours; returns the doubt that is
    /// stored with it. `None` when the lease is somebody else's by now: then it must not be sent.
    ///
    /// # Errors
    /// When the database does not confirm it: then it must not be sent.
    pub async fn note_intended(&self, held: &Lease, item: &Item, memory: &Memory) -> Result<Option<Doubt>, StoreError> {
        let noted = sqlx::query!(
            r#"UPDATE items i SET observed = $4, doubt_since = leavebridge_now(), updated_at = leavebridge_now()
               FROM mailboxes b WHERE b.id = $1 AND b.lease_epoch = $2 AND i.id = $3 AND i.mailbox = b.id
               RETURNING i.doubt_since AS "since!: jiff_sqlx::Timestamp", i.doubt_rev"#,
            held.mailbox,
            held.epoch,
            item.id,
            Json(memory) as _
        )
        .fetch_optional(&self.pool)
        .await?;
        let since = |since: jiff_sqlx::Timestamp| -> Timestamp { since.to_jiff() };
        Ok(noted.map(|row| Doubt { since: since(row.since), oldest_rev: row.doubt_rev }))
    }
}
