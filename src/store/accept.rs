//! The SQL of the intake: loads and locks what a batch of changes is about, has `reconcile::accept` decide, writes it.
//!
//! One change is in one transaction with everything that the promise "acknowledged means stored" covers. New leave of known
//! people takes two statements, however much of it there is; only changes of stored leave lock and load its rows.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use jiff::Timestamp;
use serde::Serialize;
use sqlx::{PgConnection, PgPool, types::Json};

use super::{
    error::StoreError,
    lists::listed_of,
    lookup::{Found, Lookup, look_up, team_holders},
    rows::{self, FORMAT, Line, item_rows},
    seats::{NewAddress, NewMailbox, Seats},
    transaction,
    views::{ListedLeave, ListedMapping},
};
use crate::{
    domain::{event, leave::Leave},
    reconcile::{
        accept::{self, Change, Placed, StoredLeave},
        item::Item,
        state::{Acceptance, Reason},
    },
};

/// What became of a change, and how the leave stands now.
#[derive(Debug, Clone)]
pub enum Intake {
    /// It was taken in, or needed not be.
    Done {
        /// What became of it.
        acceptance: Acceptance,
        /// How the leave stands now.
        leave: ListedLeave,
        /// What the sender should know.
        notes: Vec<&'static str>,
    },
    /// The delivery id was used before with another body; nothing was stored.
    Reused,
}

/// The rule by which the hash of a delivery is made.
pub(super) const HASH_RULE: i16 = 1;

/// What is to be written.
#[derive(Default)]
struct Writing {
    mailboxes: Vec<NewMailbox>,
    addresses: Vec<NewAddress>,
    deliveries: Vec<NewDelivery>,
    new_leaves: Vec<LeaveRow>,
    leaves: Vec<LeaveRow>,
    new_items: Vec<Item>,
    items: Vec<Item>,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct NewDelivery {
    client: String,
    delivery_id: String,
    hash: String,
    leave: i64,
}

#[derive(Serialize)]
struct LeaveRow {
    id: i64,
    tenant: String,
    source: String,
    external_id: String,
    status: &'static str,
    content: Option<Leave>,
    last_day: Option<String>,
    source_at: String,
    rev: i64,
}

/// Takes these changes in, all or none: of different leaves, and different deliveries. `None` when another replica has just
/// written some of the same rows: nothing is stored then, and it has to be decided again.
pub(super) async fn accept(
    pool: &PgPool,
    changes: &[Change],
    lock_timeout: u32,
) -> Result<Option<Vec<Result<Intake, StoreError>>>, StoreError> {
    let mut transaction = transaction::begin_with(pool, Some(lock_timeout)).await?;
    let mut found = look_up(&mut transaction, changes).await?;
    let now = found.now;
    lock_leaves(&mut transaction, &mut found).await?;
    let mut writing = Writing::default();
    let mut decided = Vec::with_capacity(changes.len());
    for (change, found) in changes.iter().zip(&found.changes) {
        decided.push(decide(change, found)?);
    }
    let teams = team_holders(&mut transaction, changes).await?;
    let mut seats =
        Seats { found: &found, teams: &teams, entered: BTreeMap::new(), new: Vec::new(), new_addresses: Vec::new() };
    let mut placed = Vec::with_capacity(changes.len());
    for (n, change) in changes.iter().enumerate() {
        let is_accepted = matches!(decided[n], Decided::Judged(Acceptance::Accepted));
        placed.push(if is_accepted { seats.place(n, change, now) } else { Vec::new() });
    }
    (writing.mailboxes, writing.addresses) = (seats.new, seats.new_addresses);
    let mut whole = whole_mailboxes(&mut transaction, changes, &found, &placed, now).await?;
    let known: Vec<(uuid::Uuid, i64)> = whole.iter().map(|item| (item.id, item.rev)).collect();
    let mut shown: Vec<Option<(i64, Acceptance)>> = Vec::with_capacity(changes.len());
    let mut quick: HashMap<usize, Vec<Item>> = HashMap::new();
    for (n, change) in changes.iter().enumerate() {
        let of = &found.changes[n];
        let acceptance = match decided[n] {
            Decided::Duplicate(leave) => {
                shown.push(Some((leave, Acceptance::Duplicate)));
                continue;
            }
            Decided::Reused => {
                shown.push(None);
                continue;
            }
            Decided::Judged(acceptance) => acceptance,
        };
        let stored = of.stored.as_ref();
        let row = stored.map_or(of.spare_leave, |stored| stored.row);
        let rev = stored.map_or(1, |stored| stored.rev + 1);
        shown.push(Some((row, acceptance)));
        if let Some((delivery_id, hash)) = &change.delivery {
            let hash = STANDARD.encode(hash);
            let (client, delivery_id) = (change.client.clone(), delivery_id.clone());
            writing.deliveries.push(NewDelivery { client, delivery_id, hash, leave: row });
        }
        let conflict = acceptance == Acceptance::Accepted && accept::contradicts(change, of.by_address.as_ref(), now);
        if let Some((kind, detail)) = accept::told(change, acceptance, rev, stored.is_none(), conflict) {
            writing.lines.push(Line { leave: row, item: None, at: now, kind, detail });
        }
        match (acceptance, stored) {
            (Acceptance::Accepted, _) => {
                let mut items = of.items.clone();
                accept::accept(change, row, rev, &mut items, &mut whole, &placed[n], now);
                let (old, new): (Vec<Item>, Vec<Item>) =
                    items.into_iter().partition(|item| of.items.iter().any(|known| known.id == item.id));
                writing.items.extend(old.into_iter().filter(|item| item.updated_at == now));
                if stored.is_none() && !of.is_held_up {
                    quick.insert(n, new.clone());
                }
                writing.new_items.extend(new);
                let leave = leave_row(change, row, rev, stored);
                if stored.is_some() { writing.leaves.push(leave) } else { writing.new_leaves.push(leave) }
            }
            (Acceptance::Unchanged, Some(stored)) if stored.source_at < change.at => {
                // Only when it last said so: of a cancellation that repeats the leave in other words nothing is kept.
                let content = stored.content.clone();
                let last_day = last_day(content.as_ref());
                writing.leaves.push(LeaveRow { content, last_day, ..leave_row(change, row, stored.rev, Some(stored)) });
            }
            _ => {}
        }
    }
    let (old, new): (Vec<Item>, Vec<Item>) =
        whole.into_iter().partition(|item| known.iter().any(|(id, _)| *id == item.id));
    writing
        .items
        .extend(old.into_iter().filter(|item| item.updated_at == now || !known.contains(&(item.id, item.rev))));
    writing.new_items.extend(new);
    if !write(&mut transaction, &writing).await? {
        transaction.rollback().await?;
        return Ok(None);
    }
    let answers = answer(&mut transaction, changes, &found, &shown, quick).await?;
    transaction.commit().await?;
    Ok(Some(answers))
}

#[derive(Clone, Copy)]
enum Decided {
    /// The delivery was seen before, about that leave.
    Duplicate(i64),
    /// The delivery id was seen before with another body.
    Reused,
    Judged(Acceptance),
}

fn decide(change: &Change, found: &Found) -> Result<Decided, StoreError> {
    if let Some(seen) = &found.delivery {
        if seen.rule > HASH_RULE {
            return Err(StoreError::Newer);
        }
        let is_same = change.delivery.as_ref().is_some_and(|(_, hash)| *hash == seen.hash);
        return Ok(if is_same { Decided::Duplicate(seen.leave) } else { Decided::Reused });
    }
    Ok(Decided::Judged(accept::judge(found.stored.as_ref(), change)))
}

fn last_day(content: Option<&Leave>) -> Option<String> {
    content.map(|leave| event::days(&leave.span).1.to_string())
}

fn leave_row(change: &Change, id: i64, rev: i64, stored: Option<&StoredLeave>) -> LeaveRow {
    let content = change.leave.clone().or_else(|| stored.and_then(|stored| stored.content.clone()));
    LeaveRow {
        id,
        tenant: change.tenant.clone(),
        source: change.source.clone(),
        external_id: change.id.clone(),
        status: change.status.word(),
        last_day: last_day(content.as_ref()),
        content,
        // As exact as PostgreSQL is; it would round up.
        source_at: format!("{:.6}", change.at),
        rev,
    }
}

/// Locks the leaves that are stored already, and loads them and their items behind the lock.
async fn lock_leaves(connection: &mut PgConnection, found: &mut Lookup) -> Result<(), StoreError> {
    let mut stored: Vec<i64> =
        found.changes.iter().filter_map(|found| found.stored.as_ref()).map(|stored| stored.row).collect();
    if stored.is_empty() {
        return Ok(());
    }
    stored.sort_unstable();
    let rows = sqlx::query!(
        r#"SELECT id, status, content, source_at AS "source_at: jiff_sqlx::Timestamp", rev, format
           FROM leaves WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE"#,
        &stored
    )
    .fetch_all(&mut *connection)
    .await?;
    let mut leaves = HashMap::new();
    for row in rows {
        if row.format > FORMAT {
            return Err(StoreError::Newer);
        }
        let status =
            crate::domain::leave::Status::of(&row.status).ok_or_else(|| StoreError::unknown("leaves.status"))?;
        let content = rows::leave(&row.status, row.content).ok().and_then(|(_, content)| content);
        let source_at = row.source_at.to_jiff();
        leaves.insert(row.id, StoredLeave { row: row.id, status, content, source_at, rev: row.rev });
    }
    let items = item_rows!("WHERE i.leave = ANY ($1) ORDER BY i.id FOR NO KEY UPDATE", &stored)
        .fetch_all(&mut *connection)
        .await?;
    let items = known(items)?;
    for found in &mut found.changes {
        let Some(row) = found.stored.as_ref().map(|stored| stored.row) else { continue };
        found.stored = leaves.get(&row).cloned();
        found.items = items.iter().filter(|item| item.leave == Some(row)).cloned().collect();
    }
    Ok(())
}

/// The items about whole mailboxes that these changes may wake: automatic replies, and settings that are not fresh.
async fn whole_mailboxes(
    connection: &mut PgConnection,
    changes: &[Change],
    found: &Lookup,
    placed: &[Vec<Placed>],
    now: Timestamp,
) -> Result<Vec<Item>, StoreError> {
    let mut mailboxes = Vec::new();
    for ((change, found), placed) in changes.iter().zip(&found.changes).zip(placed) {
        if change.has_replies {
            mailboxes.extend(found.items.iter().map(|item| item.mailbox));
            mailboxes.extend(placed.first().map(|placed| placed.mailbox));
        }
        let needs = |(target, placed): &(&accept::Target, &Placed)| {
            accept::needs_settings(change, target)
                && placed.settings_at.is_none_or(|at| crate::reconcile::mailbox::since(at, now) >= accept::FRESH_FOR)
        };
        mailboxes.extend(change.targets.iter().zip(placed).filter(needs).map(|(_, placed)| placed.mailbox));
    }
    if mailboxes.is_empty() {
        return Ok(Vec::new());
    }
    let items =
        item_rows!("WHERE i.mailbox = ANY ($1) AND i.leave IS NULL ORDER BY i.id FOR NO KEY UPDATE", &mailboxes)
            .fetch_all(connection)
            .await?;
    known(items)
}

/// All of them, if this program knows their format: what a change is about it must be able to change.
fn known(rows: Vec<rows::ItemRow>) -> Result<Vec<Item>, StoreError> {
    if rows.iter().any(rows::ItemRow::is_newer) { Err(StoreError::Newer) } else { rows::items(rows) }
}

/// Writes everything; `false` when another replica has just written some of the same rows.
async fn write(connection: &mut PgConnection, writing: &Writing) -> Result<bool, StoreError> {
    let written = sqlx::query!(
        r#"WITH mailbox AS (
               INSERT INTO mailboxes (id, tenant, address, entra_id, id_from_source, identify)
               SELECT id, tenant, address, entra_id, id_from_source, identify
               FROM jsonb_populate_recordset(NULL::mailboxes, $1)
               ON CONFLICT DO NOTHING RETURNING 1
           ), address AS (
               INSERT INTO addresses (tenant, address, mailbox)
               SELECT tenant, address, mailbox FROM jsonb_populate_recordset(NULL::addresses, $2)
               ON CONFLICT DO NOTHING RETURNING 1
           ), delivery AS (
               INSERT INTO deliveries (client, delivery_id, hash, rule, leave, at)
               SELECT client, delivery_id, decode(hash, 'base64'), $3, leave, leavebridge_now()
               FROM jsonb_to_recordset($4) AS r (client text, delivery_id text, hash text, leave bigint)
               ON CONFLICT DO NOTHING RETURNING 1
           ), leave AS (
               INSERT INTO leaves (id, tenant, source, external_id, status, content, last_day, source_at, rev)
               SELECT id, tenant, source, external_id, status, content, last_day, source_at, rev
               FROM jsonb_populate_recordset(NULL::leaves, $5)
               ON CONFLICT DO NOTHING RETURNING 1
           ), item AS (
               INSERT INTO items (id, kind, tenant, mailbox, created_in, leave, calendar, address, resolve, rev, state, next_at,
                                  updated_at)
               SELECT id, kind, tenant, mailbox, created_in, leave, calendar, address, resolve, rev, state, next_at, updated_at
               FROM jsonb_populate_recordset(NULL::items, $6)
               ON CONFLICT DO NOTHING RETURNING 1
           ), line AS (
               INSERT INTO timeline (leave, item, at, kind, detail)
               SELECT leave, item, at, kind, detail
               FROM jsonb_to_recordset($7) AS r (leave bigint, item uuid, at timestamptz, kind text, detail jsonb)
           )
           SELECT (SELECT count(*) FROM mailbox) + (SELECT count(*) FROM address) + (SELECT count(*) FROM delivery)
                + (SELECT count(*) FROM leave) + (SELECT count(*) FROM item) AS "written!""#,
        Json(&writing.mailboxes) as _,
        Json(&writing.addresses) as _,
        HASH_RULE,
        Json(&writing.deliveries) as _,
        Json(&writing.new_leaves) as _,
        Json(&writing.new_items) as _,
        Json(&writing.lines) as _
    )
    .fetch_one(&mut *connection)
    .await?;
    let expected = writing.mailboxes.len()
        + writing.addresses.len()
        + writing.deliveries.len()
        + writing.new_leaves.len()
        + writing.new_items.len();
    if usize::try_from(written.written).unwrap_or(0) != expected {
        return Ok(false);
    }
    if !writing.leaves.is_empty() {
        sqlx::query!(
            "UPDATE leaves l
             SET status = r.status, content = coalesce(r.content, l.content),
                 last_day = CASE WHEN r.content IS NULL THEN l.last_day ELSE r.last_day END, source_at = r.source_at, rev = r.rev
             FROM jsonb_populate_recordset(NULL::leaves, $1) AS r WHERE l.id = r.id",
            Json(&writing.leaves) as _
        )
        .execute(&mut *connection)
        .await?;
    }
    rows::save(connection, &writing.items, &[]).await?;
    Ok(true)
}

/// How each leave stands now. That of new leave in an open mailbox is known without a look.
async fn answer(
    connection: &mut PgConnection,
    changes: &[Change],
    found: &Lookup,
    shown: &[Option<(i64, Acceptance)>],
    mut quick: HashMap<usize, Vec<Item>>,
) -> Result<Vec<Result<Intake, StoreError>>, StoreError> {
    let mut rows: Vec<i64> = Vec::new();
    for (n, shown) in shown.iter().enumerate() {
        rows.extend(shown.filter(|_| !quick.contains_key(&n)).map(|(row, _)| row));
    }
    let listed = if rows.is_empty() { HashMap::new() } else { listed_of(connection, &rows).await? };
    let mut answers = Vec::with_capacity(changes.len());
    for (n, (change, shown)) in changes.iter().zip(shown).enumerate() {
        let Some((row, acceptance)) = *shown else {
            answers.push(Ok(Intake::Reused));
            continue;
        };
        let leave = if let Some(items) = quick.remove(&n) {
            let mut mappings: Vec<ListedMapping> =
                items.iter().map(|item| ListedMapping::new(item, &change.source, &change.id)).collect();
            mappings.sort_by(|one, other| (&one.mailbox, &one.calendar).cmp(&(&other.mailbox, &other.calendar)));
            ListedLeave {
                id: change.id.clone(),
                tenant: change.tenant.clone(),
                source: change.source.clone(),
                status: change.status,
                mappings,
            }
        } else {
            listed.get(&row).cloned().ok_or_else(|| StoreError::unknown("a leave"))?
        };
        let conflict = acceptance == Acceptance::Accepted
            && accept::contradicts(change, found.changes[n].by_address.as_ref(), found.now);
        let notes = if conflict { vec![Reason::IdentityConflict.meaning()] } else { Vec::new() };
        answers.push(Ok(Intake::Done { acceptance, leave, notes }));
    }
    Ok(answers)
}
