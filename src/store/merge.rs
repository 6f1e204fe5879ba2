//! Brings the rows of two mailboxes together that turn out to be one, and items from one mailbox to another.
//!
//! The locks are taken in the order of everything else: mailboxes, then items, each by id. `FOR UPDATE` makes a
//! concurrent insert of items wait, by its foreign key check. Items that were inserted for the row given up all the same are
//! moved by the next claim, which follows `merged_into`.

use std::collections::BTreeMap;

use jiff::Timestamp;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    database::Store,
    error::StoreError,
    leases::Lease,
    rows::{self, Line, block, item_rows},
};
use crate::reconcile::{
    item::Item,
    merge::{MergedEvents, Side, doubt_taken, merge_events, merge_mailboxes, merge_whole, takes_settings},
    state::TimelineKind,
};

/// A mailbox under lock.
pub(super) struct Locked {
    pub(super) side: Side,
    pub(super) merged_into: Option<i64>,
    settings_at: Option<Timestamp>,
}

/// Makes one of two mailboxes: the lower id survives. `held`: the caller's lease on one of them, which ends with it; no call is
/// under way there. `false` when that lease is somebody else's by now, or they are one already.
pub(super) async fn merge(
    connection: &mut PgConnection,
    one: i64,
    other: i64,
    held: Option<&Lease>,
) -> Result<bool, StoreError> {
    let (survivor, given_up) = (one.min(other), one.max(other));
    let (now, mut sides) = lock(connection, survivor, given_up, held).await?;
    let (Some(kept), Some(gone)) = (sides.remove(&survivor), sides.remove(&given_up)) else { return Ok(false) };
    if kept.merged_into.is_some() || gone.merged_into.is_some() {
        return Ok(false);
    }
    if let Some(held) = held {
        let side = if held.mailbox == survivor { &kept.side } else { &gone.side };
        if side.epoch != held.epoch {
            return Ok(false);
        }
    }
    let ended = |mailbox: i64, mut side: Side| {
        if held.is_some_and(|held| held.mailbox == mailbox) {
            (side.lease_until, side.lease_items) = (None, Vec::new());
        }
        side
    };
    let takes_settings = takes_settings(kept.settings_at, gone.settings_at);
    let sides = [ended(survivor, kept.side), ended(given_up, gone.side)];
    let merged = merge_mailboxes(&sides[0], &sides[1]);
    sqlx::query!(
        "UPDATE mailboxes SET merged_into = $2, lease_epoch = lease_epoch + 1, lease_until = NULL, lease_items = '{}'
         WHERE id = $1",
        given_up,
        survivor
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!(
        "UPDATE mailboxes
         SET lease_epoch = $2, lease_until = $3, lease_items = $4, throttled_until = $5, blocked_until = NULL,
             blocked_since = NULL, blocked_reason = NULL, blocked_detail = NULL
         WHERE id = $1",
        survivor,
        merged.epoch,
        merged.lease_until.map(jiff_sqlx::ToSqlx::to_sqlx) as _,
        &merged.lease_items,
        merged.throttled_until.map(jiff_sqlx::ToSqlx::to_sqlx) as _
    )
    .execute(&mut *connection)
    .await?;
    sqlx::query!("UPDATE addresses SET mailbox = $2 WHERE mailbox = $1", given_up, survivor)
        .execute(&mut *connection)
        .await?;
    sqlx::query!("UPDATE mailboxes SET merged_into = $2 WHERE merged_into = $1", given_up, survivor)
        .execute(&mut *connection)
        .await?;
    let found = item_rows!("WHERE i.mailbox = $1 ORDER BY i.id FOR NO KEY UPDATE", given_up)
        .fetch_all(&mut *connection)
        .await?;
    let items = rows::items(found)?;
    let moved = move_items(&mut *connection, items, survivor, &sides).await?;
    if takes_settings {
        sqlx::query!(
            "UPDATE mailboxes b SET time_zone = g.time_zone, working_hours = g.working_hours, settings_at = g.settings_at
             FROM mailboxes g WHERE b.id = $1 AND g.id = $2",
            survivor,
            given_up
        )
        .execute(&mut *connection)
        .await?;
    }
    let lines: Vec<Line> = moved
        .iter()
        .filter_map(|item| {
            let detail = serde_json::json!({"why": "two mailboxes turned out to be one"});
            Some(Line { leave: item.leave?, item: Some(item.id), at: now, kind: TimelineKind::Merged, detail })
        })
        .collect();
    rows::save(connection, &[], &lines).await?;
    tracing::info!(survivor, given_up, "two mailboxes turned out to be one");
    Ok(true)
}

/// Items were inserted for a mailbox that had been given up: they go to the one that survived, as its addresses do. The lease on
/// it is given back.
pub(super) async fn follow(store: &Store, mailbox: i64) -> Result<(), StoreError> {
    let mut transaction = store.begin().await?;
    let survivor = sqlx::query_scalar!("SELECT merged_into FROM mailboxes WHERE id = $1", mailbox)
        .fetch_optional(&mut *transaction)
        .await?
        .flatten();
    if let Some(survivor) = survivor {
        let (_, mut sides) = lock(&mut transaction, survivor, mailbox, None).await?;
        let sides: Vec<Side> = sides.remove(&survivor).into_iter().map(|locked| locked.side).collect();
        let found = item_rows!("WHERE i.mailbox = $1 ORDER BY i.id FOR NO KEY UPDATE", mailbox)
            .fetch_all(&mut *transaction)
            .await?;
        let items = rows::items(found)?;
        move_items(&mut transaction, items, survivor, &sides).await?;
        sqlx::query!("UPDATE addresses SET mailbox = $2 WHERE mailbox = $1", mailbox, survivor)
            .execute(&mut *transaction)
            .await?;
    }
    sqlx::query!("UPDATE mailboxes SET lease_until = NULL, lease_items = '{}' WHERE id = $1", mailbox)
        .execute(&mut *transaction)
        .await?;
    transaction.commit().await?;
    Ok(())
}

/// Brings these items, which are under lock, to another mailbox; gives them as they are there. `sides`: the mailboxes on which
/// somebody else may hold a lease, as they are under lock.
pub(super) async fn move_items(
    connection: &mut PgConnection,
    items: Vec<Item>,
    to: i64,
    sides: &[Side],
) -> Result<Vec<Item>, StoreError> {
    let now = sqlx::query_scalar!(r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp""#)
        .fetch_one(&mut *connection)
        .await?
        .to_jiff();
    let leaves: Vec<i64> = items.iter().filter_map(|item| item.leave).collect();
    let there = item_rows!(
        "WHERE i.mailbox = $1 AND NOT i.surplus AND (i.leave = ANY ($2) OR i.leave IS NULL)
         ORDER BY i.id FOR NO KEY UPDATE",
        to,
        &leaves
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut there = rows::items(there)?;
    let (mut saved, mut gone): (Vec<Item>, Vec<Uuid>) = (Vec::new(), Vec::new());
    for mut item in items {
        doubt_taken(&mut item, sides);
        let is_twin = |twin: &Item| {
            twin.leave == item.leave && twin.calendar == item.calendar && twin.kind == item.kind && !item.surplus
        };
        let Some(at) = there.iter().position(is_twin) else {
            item.mailbox = to;
            item.make_due_if_open(now);
            saved.push(item);
            continue;
        };
        let mut twin = there.swap_remove(at);
        doubt_taken(&mut twin, sides);
        let ids = [twin.id, item.id];
        if item.leave.is_none() {
            gone.push(item.id);
            saved.push(merge_whole(twin, &item, now));
            continue;
        }
        let MergedEvents { kept, surplus } = merge_events(twin, Item { mailbox: to, ..item }, now);
        if surplus.is_none() {
            gone.extend(ids.into_iter().filter(|id| *id != kept.id));
        }
        saved.extend(surplus);
        saved.push(kept);
    }
    sqlx::query!("DELETE FROM items WHERE id = ANY ($1)", &gone).execute(&mut *connection).await?;
    // What is surplus first: the row that it stands beside takes its place in the unique index.
    let (surplus, others): (Vec<Item>, Vec<Item>) = saved.into_iter().partition(|item| item.surplus);
    rows::save(&mut *connection, &surplus, &[]).await?;
    rows::save(&mut *connection, &others, &[]).await?;
    Ok(surplus.into_iter().chain(others).collect())
}

/// Locks two mailboxes, in their order; gives the database's time as well.
pub(super) async fn lock(
    connection: &mut PgConnection,
    survivor: i64,
    given_up: i64,
    held: Option<&Lease>,
) -> Result<(Timestamp, BTreeMap<i64, Locked>), StoreError> {
    let rows = sqlx::query!(
        r#"SELECT id, leavebridge_now() AS "now!: jiff_sqlx::Timestamp", lease_epoch,
                  lease_until AS "lease_until: jiff_sqlx::Timestamp", lease_items, merged_into,
                  throttled_until AS "throttled_until: jiff_sqlx::Timestamp",
                  blocked_until AS "blocked_until: jiff_sqlx::Timestamp",
                  blocked_since AS "blocked_since: jiff_sqlx::Timestamp", blocked_reason, blocked_detail,
                  settings_at AS "settings_at: jiff_sqlx::Timestamp"
           FROM mailboxes WHERE id IN ($1, $2) ORDER BY id FOR UPDATE"#,
        survivor,
        given_up
    )
    .fetch_all(connection)
    .await?;
    let now = rows.first().map_or(Timestamp::UNIX_EPOCH, |row| row.now.to_jiff());
    let mut sides = BTreeMap::new();
    for row in rows {
        let instant = |at: Option<jiff_sqlx::Timestamp>| at.map(jiff_sqlx::Timestamp::to_jiff);
        let block = block(row.blocked_until, row.blocked_since, row.blocked_reason.as_deref(), row.blocked_detail)?;
        let side = Side {
            epoch: row.lease_epoch,
            lease_until: instant(row.lease_until),
            lease_items: row.lease_items,
            throttled_until: instant(row.throttled_until),
            block,
        };
        sides.insert(row.id, Locked { side, merged_into: row.merged_into, settings_at: instant(row.settings_at) });
    }
    if let Some(held) = held {
        debug_assert!(sides.contains_key(&held.mailbox), "the lease is on one of the two");
    }
    Ok((now, sides))
}
