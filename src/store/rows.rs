//! Rows as the rest of the program knows them. What comes back from the database is parsed here, once.

use jiff::Timestamp;
use serde_json::Value;
use sqlx::{PgConnection, types::Json};
use uuid::Uuid;

use super::error::StoreError;
use crate::{
    domain::{
        event::MailboxSettings,
        leave::{Leave, Status},
        zone::Zone,
    },
    reconcile::{
        item::{Doubt, Item},
        mailbox::Block,
        state::{Kind, Reason, State},
    },
};

/// The newest format of rows that this program reads and writes. A newer one belongs to a newer replica beside us.
pub(super) const FORMAT: i16 = 1;

/// What is stored of a leave cannot be understood by this version of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// A row of `items`, in PostgreSQL's types.
pub(super) struct ItemRow {
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) tenant: String,
    pub(super) mailbox: i64,
    pub(super) created_in: Option<i64>,
    pub(super) leave: Option<i64>,
    pub(super) calendar: String,
    pub(super) address: String,
    pub(super) resolve: bool,
    pub(super) wanted: bool,
    pub(super) surplus: bool,
    pub(super) rev: i64,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) observed: Option<Value>,
    pub(super) incarnation: i32,
    pub(super) doubt_since: Option<jiff_sqlx::Timestamp>,
    pub(super) doubt_rev: Option<i64>,
    pub(super) attempts: i32,
    pub(super) failing_since: Option<jiff_sqlx::Timestamp>,
    pub(super) next_at: Option<jiff_sqlx::Timestamp>,
    pub(super) updated_at: jiff_sqlx::Timestamp,
    pub(super) format: i16,
}

/// The rows of `items` (as `i`) that the rest of the statement chooses.
macro_rules! item_rows {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            crate::store::rows::ItemRow,
            r#"SELECT i.id, i.kind, i.tenant, i.mailbox, i.created_in, i.leave, i.calendar, i.address, i.resolve, i.wanted, i.surplus, i.rev,
                      i.state, i.reason, i.detail, i.observed, i.incarnation,
                      i.doubt_since AS "doubt_since: jiff_sqlx::Timestamp", i.doubt_rev, i.attempts,
                      i.failing_since AS "failing_since: jiff_sqlx::Timestamp",
                      i.next_at AS "next_at: jiff_sqlx::Timestamp", i.updated_at AS "updated_at: jiff_sqlx::Timestamp", i.format
               FROM items i "# + $rest
            $(, $argument)*
        )
    };
}
pub(super) use item_rows;

impl ItemRow {
    /// Whether a newer replica wrote it.
    pub(super) const fn is_newer(&self) -> bool {
        self.format > FORMAT
    }
}

impl TryFrom<ItemRow> for Item {
    type Error = StoreError;

    fn try_from(row: ItemRow) -> Result<Self, StoreError> {
        if row.is_newer() {
            return Err(StoreError::Newer);
        }
        Ok(Self {
            id: row.id,
            kind: Kind::of(&row.kind).ok_or_else(|| StoreError::unknown("items.kind"))?,
            tenant: row.tenant,
            mailbox: row.mailbox,
            created_in: row.created_in.unwrap_or(row.mailbox),
            leave: row.leave,
            calendar: row.calendar,
            address: row.address,
            resolve: row.resolve,
            wanted: row.wanted,
            surplus: row.surplus,
            rev: row.rev,
            state: State::of(&row.state).ok_or_else(|| StoreError::unknown("items.state"))?,
            reason: reason(row.reason.as_deref())?,
            detail: row.detail,
            observed: row.observed,
            incarnation: row.incarnation,
            doubt: row.doubt_since.map(|since| Doubt { since: since.to_jiff(), oldest_rev: row.doubt_rev }),
            attempts: row.attempts,
            failing_since: row.failing_since.map(jiff_sqlx::Timestamp::to_jiff),
            next_at: row.next_at.map(jiff_sqlx::Timestamp::to_jiff),
            updated_at: row.updated_at.to_jiff(),
        })
    }
}

/// All of them but those in a newer format, which are their writer's alone to change; or the first trouble.
pub(super) fn items(rows: Vec<ItemRow>) -> Result<Vec<Item>, StoreError> {
    rows.into_iter().filter(|row| !row.is_newer()).map(Item::try_from).collect()
}

/// The reason of that word.
pub(super) fn reason(word: Option<&str>) -> Result<Option<Reason>, StoreError> {
    word.map(|word| Reason::of(word).ok_or_else(|| StoreError::unknown("a reason"))).transpose()
}

/// A block, where there is one.
pub(super) fn block(
    until: Option<jiff_sqlx::Timestamp>,
    since: Option<jiff_sqlx::Timestamp>,
    why: Option<&str>,
    detail: Option<String>,
) -> Result<Option<Block>, StoreError> {
    let (Some(until), Some(since), Some(reason)) = (until, since, reason(why)?) else { return Ok(None) };
    Ok(Some(Block { until: until.to_jiff(), since: since.to_jiff(), reason, detail: detail.unwrap_or_default() }))
}

/// A leave's status and content.
pub(super) fn leave(status: &str, content: Option<Value>) -> Result<(Status, Option<Leave>), Unreadable> {
    let status = Status::of(status).ok_or(Unreadable)?;
    let leave = content.map(serde_json::from_value).transpose().map_err(|_| Unreadable)?;
    Ok((status, leave))
}

/// What a mailbox says of its owner's time. What another version wrote is as good as nothing: it is read anew.
pub(super) fn mailbox_settings(zone: Option<String>, hours: Option<Value>) -> MailboxSettings {
    MailboxSettings {
        zone: zone.and_then(|name| Zone::parse(&name).ok()),
        hours: hours.and_then(|hours| serde_json::from_value(hours).ok()),
    }
}

/// A line of a leave's timeline.
#[derive(serde::Serialize)]
pub(super) struct Line {
    pub(super) leave: i64,
    pub(super) item: Option<Uuid>,
    pub(super) at: Timestamp,
    pub(super) kind: crate::reconcile::state::TimelineKind,
    pub(super) detail: Value,
}

/// Writes new items.
pub(super) async fn insert_items(connection: &mut PgConnection, items: &[Item]) -> Result<(), StoreError> {
    if items.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "INSERT INTO items (id, kind, tenant, mailbox, created_in, leave, calendar, address, resolve, wanted, surplus, rev, state,
                            reason, detail, observed, incarnation, doubt_since, doubt_rev, attempts, failing_since, next_at, updated_at)
         SELECT id, kind, tenant, mailbox, created_in, leave, calendar, address, resolve, wanted, surplus, rev, state, reason,
                detail, observed, incarnation, doubt_since, doubt_rev, attempts, failing_since, next_at, updated_at
         FROM jsonb_populate_recordset(NULL::items, $1)",
        Json(items) as _
    )
    .execute(connection)
    .await?;
    Ok(())
}

/// Writes items that are under lock, and lines of timelines.
pub(super) async fn save(connection: &mut PgConnection, items: &[Item], lines: &[Line]) -> Result<(), StoreError> {
    save_and_release(connection, items, lines, &[]).await
}

/// The same, and gives the leases on these mailboxes, which are under lock as well, back.
pub(super) async fn save_and_release(
    connection: &mut PgConnection,
    items: &[Item],
    lines: &[Line],
    released: &[i64],
) -> Result<(), StoreError> {
    if items.is_empty() && lines.is_empty() && released.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "WITH saved AS (
             UPDATE items i
             SET mailbox = r.mailbox, created_in = r.created_in, address = r.address, resolve = r.resolve, wanted = r.wanted, surplus = r.surplus,
                 rev = r.rev, state = r.state, reason = r.reason, detail = r.detail, observed = r.observed,
                 incarnation = r.incarnation, doubt_since = r.doubt_since, doubt_rev = r.doubt_rev, attempts = r.attempts,
                 failing_since = r.failing_since, next_at = r.next_at, updated_at = r.updated_at
             FROM jsonb_populate_recordset(NULL::items, $1) AS r WHERE i.id = r.id
         ), released AS (
             UPDATE mailboxes SET lease_until = NULL, lease_items = '{}' WHERE id = ANY ($3)
         )
         INSERT INTO timeline (leave, item, at, kind, detail)
         SELECT leave, item, at, kind, detail
         FROM jsonb_to_recordset($2) AS r (leave bigint, item uuid, at timestamptz, kind text, detail jsonb)",
        Json(items) as _,
        Json(lines) as _,
        released
    )
    .execute(connection)
    .await?;
    Ok(())
}
