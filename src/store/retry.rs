//! An operator's "try again now", a stretch of items at a time, each short enough not to hold up other transactions.

use std::collections::BTreeMap;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde_json::json;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    database::Store,
    error::StoreError,
    lists::{Filter, matching},
    rows::{self, Line, item_rows},
};
use crate::reconcile::{
    retry::retry,
    state::{Kind, Reason, State, TimelineKind},
};

/// Items in one transaction.
const STRETCH: i64 = 1000;

impl Store {
    /// Makes every matching mapping that waits or is parked due now, and says how many. Blocks that a person may have
    /// removed the cause of (a missing mailbox, refused access or credentials) are lifted, for all that waited for them;
    /// Microsoft's request to slow down is not ours to lift.
    ///
    /// # Errors
    /// When the database does not answer; some may be due already then.
    pub async fn retry(&self, id: Option<Uuid>, filter: &Filter, client: &str) -> Result<i64, StoreError> {
        let (mut after, mut retried) = (Uuid::nil(), 0);
        loop {
            let mut transaction = self.pool.begin().await?;
            let chosen = matching!(
                filter,
                "AND state IN ('pending', 'waiting', 'parked') AND ($9::uuid IS NULL OR id = $9) AND id > $10
                 ORDER BY id LIMIT $11",
                id,
                after,
                STRETCH
            )
            .fetch_all(&mut *transaction)
            .await?;
            retried += retry_these(&mut transaction, &chosen, client).await?;
            transaction.commit().await?;
            match chosen.last() {
                Some(last) if i64::try_from(chosen.len()).unwrap_or(0) == STRETCH => after = *last,
                _ => return Ok(retried),
            }
        }
    }

    /// Makes every automatic reply due that waits or is parked, in mailboxes with a mapping that matches; a state in the filter
    /// is the reply's own. Says how many.
    ///
    /// # Errors
    /// When the database does not answer; some may be due already then.
    pub async fn retry_replies(&self, mapping: Option<Uuid>, filter: &Filter) -> Result<i64, StoreError> {
        let (mut after, mut retried) = (Uuid::nil(), 0);
        loop {
            let mut transaction = self.pool.begin().await?;
            let chosen = sqlx::query_scalar!(
                r#"SELECT r.id FROM items r
                   WHERE r.kind = $10 AND r.id > $8
                     AND (r.state IN ('waiting', 'parked') OR (r.state = 'hidden' AND $1::uuid IS NOT NULL))
                     AND ($2::text[] IS NULL OR r.tenant = ANY ($2)) AND ($3::text IS NULL OR r.state = $3)
                     AND ($4::timestamptz IS NULL OR r.updated_at >= $4) AND ($5::timestamptz IS NULL OR r.updated_at < $5)
                     AND EXISTS (
                         SELECT FROM items m JOIN leaves l ON l.id = m.leave
                         WHERE m.mailbox = r.mailbox AND ($1::uuid IS NULL OR m.id = $1)
                           AND ($6::text IS NULL OR l.source = $6) AND ($7::text IS NULL OR l.external_id = $7)
                           AND ($11::text IS NULL OR m.address = $11))
                   ORDER BY r.id LIMIT $9"#,
                mapping,
                filter.tenants.as_deref(),
                filter.state.map(State::word),
                filter.since.map(Timestamp::to_sqlx) as _,
                filter.until.map(Timestamp::to_sqlx) as _,
                filter.source,
                filter.leave,
                after,
                STRETCH,
                Kind::Reply.word(),
                filter.mailbox
            )
            .fetch_all(&mut *transaction)
            .await?;
            retried += retry_these(&mut transaction, &chosen, "").await?;
            transaction.commit().await?;
            match chosen.last() {
                Some(last) if i64::try_from(chosen.len()).unwrap_or(0) == STRETCH => after = *last,
                _ => return Ok(retried),
            }
        }
    }
}

async fn retry_these(connection: &mut PgConnection, chosen: &[Uuid], client: &str) -> Result<i64, StoreError> {
    if chosen.is_empty() {
        return Ok(0);
    }
    let ids: Vec<i64> = sqlx::query_scalar!("SELECT DISTINCT mailbox FROM items WHERE id = ANY ($1)", chosen)
        .fetch_all(&mut *connection)
        .await?;
    // Mailboxes before items, as everybody locks them.
    let (now, mut mailboxes) = super::settle::lock_mailboxes(&mut *connection, &ids).await?;
    let before = mailboxes.clone();
    let found = item_rows!(
        "WHERE i.id = ANY ($1) AND NOT EXISTS (SELECT FROM leaves l WHERE l.id = i.leave AND l.format > $2)
         ORDER BY i.id FOR NO KEY UPDATE",
        chosen,
        rows::FORMAT
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut items = BTreeMap::new();
    for mut item in rows::items(found)? {
        // One that has come to another mailbox since is due there anyway.
        let Some(mailbox) = mailboxes.get_mut(&item.mailbox) else { continue };
        if retry(&mut item, mailbox, now) {
            items.insert(item.id, item);
        }
    }
    let items: Vec<_> = items.into_values().collect();
    let lines: Vec<Line> = items
        .iter()
        .filter_map(|item| {
            let detail = json!({"client": client});
            Some(Line { leave: item.leave?, item: Some(item.id), at: now, kind: TimelineKind::Retried, detail })
        })
        .collect();
    rows::save(&mut *connection, &items, &lines).await?;
    let changed: Vec<_> = mailboxes.values().filter(|mailbox| before.get(&mailbox.id) != Some(mailbox)).collect();
    super::settle::save_mailboxes(&mut *connection, &changed).await?;
    let mut tenants: Vec<String> = items.iter().map(|item| item.tenant.clone()).collect();
    tenants.dedup();
    super::tenants::change_tenants(connection, &tenants, |state, now| {
        if state.block.as_ref().is_some_and(|block| block.reason == Reason::Credentials) {
            state.try_again(now);
        }
    })
    .await?;
    Ok(i64::try_from(items.len()).unwrap_or(i64::MAX))
}
