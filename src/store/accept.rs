//! The SQL of the intake: loads and locks what a batch of changes is about, has `reconcile::accept` decide, writes it.
//!
//! One change is in one transaction with everything that the promise "acknowledged means stored" covers. New leave takes two
//! statements, however much of it there is, and the second is its transaction; only changes of stored leave, and what wakes
//! items of whole mailboxes, lock and load rows.

use std::collections::{BTreeMap, HashMap};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Serialize;
use sqlx::{PgConnection, PgPool, types::Json};

use super::{
    answer::{Intake, Judged, answer},
    error::StoreError,
    lookup::{Found, Lookup, look_up, team_holders},
    rows::{self, FORMAT, Line, item_rows},
    seats::{NewAddress, NewMailbox, Seats},
    transaction,
};
use crate::{
    domain::{event, leave::Leave},
    reconcile::{
        accept,
        change::{Change, Placed, StoredLeave},
        item::Item,
        place,
        state::Acceptance,
        whole,
    },
};

/// The rule by which the hash of a delivery is made.
pub(super) const HASH_RULE: i16 = 1;

/// What is to be written.
#[derive(Default)]
struct Writing<'a> {
    mailboxes: Vec<NewMailbox>,
    addresses: Vec<NewAddress>,
    deliveries: Vec<NewDelivery<'a>>,
    new_leaves: Vec<LeaveRow<'a>>,
    leaves: Vec<LeaveRow<'a>>,
    new_items: Vec<Item>,
    items: Vec<Item>,
    lines: Vec<Line>,
}

#[derive(Serialize)]
struct NewDelivery<'a> {
    client: &'a str,
    delivery_id: &'a str,
    hash: String,
    leave: i64,
}

#[derive(Serialize)]
struct LeaveRow<'a> {
    id: i64,
    tenant: &'a str,
    source: &'a str,
    external_id: &'a str,
    status: &'static str,
    content: Option<&'a Leave>,
    last_day: Option<String>,
    source_at: String,
    rev: i64,
}

/// Takes these changes in, all or none: of different leaves, and different deliveries. A lost race is an error: another replica
/// has just written some of the same rows, nothing is stored, and it has to be decided again. `alone`: a change for which nobody
/// else waits, which may wait for a row for as long as a statement may take.
pub(super) async fn accept(
    queue: &PgPool,
    changes: &[Change],
    alone: bool,
) -> Result<Vec<Result<Intake, StoreError>>, StoreError> {
    // An automatic reply is woken under a lock.
    if !alone && !changes.iter().any(|change| change.has_replies) {
        let mut connection = queue.acquire().await?;
        let found = look_up(&mut connection, changes).await?;
        // Nothing that is stored changes. What another replica writes meanwhile makes the one statement fail that writes.
        let is_new = |found: &Found| found.stored.is_none() && found.delivery.is_none();
        if found.changes.iter().all(is_new)
            && let Some(answers) = take_in(&mut connection, changes, &found, false).await?
        {
            return Ok(answers);
        }
    }
    let mut transaction = if alone { transaction::begin(queue).await? } else { queue.begin().await? };
    let mut found = look_up(&mut transaction, changes).await?;
    lock_leaves(&mut transaction, &mut found).await?;
    let answers = take_in(&mut transaction, changes, &found, true).await?;
    transaction.commit().await?;
    answers.ok_or_else(|| StoreError::unknown("an answer"))
}

/// Places and decides these changes and writes what comes of them. `locks`: this is a transaction, which may lock items; `None`
/// where it would have to and may not: nothing is written then.
async fn take_in(
    connection: &mut PgConnection,
    changes: &[Change],
    found: &Lookup,
    locks: bool,
) -> Result<Option<Vec<Result<Intake, StoreError>>>, StoreError> {
    let mut decided = Vec::with_capacity(changes.len());
    for (change, found) in changes.iter().zip(&found.changes) {
        decided.push(decide(change, found)?);
    }
    let teams = team_holders(&mut *connection, changes).await?;
    let mut seats =
        Seats { found, teams: &teams, entered: BTreeMap::new(), new: Vec::new(), new_addresses: Vec::new() };
    let mut placed = Vec::with_capacity(changes.len());
    for (n, change) in changes.iter().enumerate() {
        let is_accepted = matches!(decided[n], Decided::Judged(Acceptance::Accepted));
        placed.push(if is_accepted { seats.place(n, change, found.now) } else { Vec::new() });
    }
    let (mailboxes, addresses) = (seats.new, seats.new_addresses);
    let mut whole = Vec::new();
    let of_mailboxes = concerned(changes, found, &placed);
    if !of_mailboxes.is_empty() {
        if !locks {
            return Ok(None);
        }
        whole = whole_mailboxes(&mut *connection, &of_mailboxes).await?;
    }
    let mut writing = Writing { mailboxes, addresses, ..Writing::default() };
    let judged = judge_all(changes, found, &decided, &placed, whole, &mut writing);
    write(&mut *connection, &writing).await?;
    Ok(Some(answer(connection, changes, found, &judged, &writing.new_items).await?))
}

/// Which mailboxes' items without a leave these changes may wake.
fn concerned(changes: &[Change], found: &Lookup, placed: &[Vec<Placed>]) -> Vec<i64> {
    let mut mailboxes = Vec::new();
    for ((change, of), placed) in changes.iter().zip(&found.changes).zip(placed) {
        mailboxes.extend(whole::mailboxes(change, &of.items, placed, found.now));
    }
    mailboxes
}

/// What each change makes of its leave and its items, into `writing`.
fn judge_all<'a>(
    changes: &'a [Change],
    found: &'a Lookup,
    decided: &[Decided],
    placed: &[Vec<Placed>],
    mut whole: Vec<Item>,
    writing: &mut Writing<'a>,
) -> Judged {
    let now = found.now;
    let known: Vec<(uuid::Uuid, i64)> = whole.iter().map(|item| (item.id, item.rev)).collect();
    let mut judged = Judged::default();
    for (n, change) in changes.iter().enumerate() {
        let of = &found.changes[n];
        let acceptance = match decided[n] {
            Decided::Duplicate(leave) => {
                judged.outcomes.push(Some((leave, Acceptance::Duplicate)));
                continue;
            }
            Decided::Reused => {
                judged.outcomes.push(None);
                continue;
            }
            Decided::Judged(acceptance) => acceptance,
        };
        let stored = of.stored.as_ref();
        let row = stored.map_or(of.spare_leave, |stored| stored.row);
        let rev = stored.map_or(1, |stored| stored.rev + 1);
        judged.outcomes.push(Some((row, acceptance)));
        if let Some((delivery_id, hash)) = &change.delivery {
            let hash = STANDARD.encode(hash);
            writing.deliveries.push(NewDelivery { client: &change.client, delivery_id, hash, leave: row });
        }
        let conflict = acceptance == Acceptance::Accepted && place::contradicts(change, of.by_address.as_ref(), now);
        if let Some((kind, detail)) = accept::told(change, acceptance, rev, stored.is_none(), conflict) {
            writing.lines.push(Line { leave: row, item: None, at: now, kind, detail });
        }
        match (acceptance, stored) {
            (Acceptance::Accepted, _) => {
                let mut items = of.items.clone();
                accept::accept(change, row, rev, &mut items, &mut whole, &placed[n], now);
                let (old, added): (Vec<Item>, Vec<Item>) =
                    items.into_iter().partition(|item| of.items.iter().any(|known| known.id == item.id));
                writing.items.extend(old.into_iter().filter(|item| item.updated_at == now));
                let begins = writing.new_items.len();
                writing.new_items.extend(added);
                if stored.is_none() {
                    judged.new.insert(n, begins..writing.new_items.len());
                }
                let leave = leave_row(change, row, rev, stored);
                if stored.is_some() { writing.leaves.push(leave) } else { writing.new_leaves.push(leave) }
            }
            (Acceptance::Unchanged, Some(stored)) if stored.source_at < change.at => {
                // Only when it last said so: of a cancellation that repeats the leave in other words nothing is kept.
                let content = stored.content.as_ref();
                let last_day = last_day(content);
                writing.leaves.push(LeaveRow { content, last_day, ..leave_row(change, row, stored.rev, Some(stored)) });
            }
            _ => {}
        }
    }
    let (old, added): (Vec<Item>, Vec<Item>) =
        whole.into_iter().partition(|item| known.iter().any(|(id, _)| *id == item.id));
    writing
        .items
        .extend(old.into_iter().filter(|item| item.updated_at == now || !known.contains(&(item.id, item.rev))));
    writing.new_items.extend(added);
    judged
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

fn leave_row<'a>(change: &'a Change, id: i64, rev: i64, stored: Option<&'a StoredLeave>) -> LeaveRow<'a> {
    let content = change.leave.as_ref().or_else(|| stored.and_then(|stored| stored.content.as_ref()));
    LeaveRow {
        id,
        tenant: &change.tenant,
        source: &change.source,
        external_id: &change.id,
        status: change.status.word(),
        last_day: last_day(content),
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

/// The items without a leave of these mailboxes, under lock.
async fn whole_mailboxes(connection: &mut PgConnection, mailboxes: &[i64]) -> Result<Vec<Item>, StoreError> {
    let items = item_rows!("WHERE i.mailbox = ANY ($1) AND i.leave IS NULL ORDER BY i.id FOR NO KEY UPDATE", mailboxes)
        .fetch_all(connection)
        .await?;
    known(items)
}

/// All of them, if this program knows their format: what a change is about it must be able to change.
fn known(rows: Vec<rows::ItemRow>) -> Result<Vec<Item>, StoreError> {
    if rows.iter().any(rows::ItemRow::is_newer) { Err(StoreError::Newer) } else { rows::items(rows) }
}

/// Writes everything, or fails: when another replica has just written some of the same rows, as a lost race.
async fn write(connection: &mut PgConnection, writing: &Writing<'_>) -> Result<(), StoreError> {
    let expected = writing.mailboxes.len()
        + writing.addresses.len()
        + writing.deliveries.len()
        + writing.new_leaves.len()
        + writing.new_items.len();
    sqlx::query!(
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
               INSERT INTO items (id, kind, tenant, mailbox, created_in, leave, calendar, address, resolve, rev, state, doubt_since,
                                  next_at, updated_at)
               SELECT id, kind, tenant, mailbox, created_in, leave, calendar, address, resolve, rev, state, doubt_since, next_at,
                      updated_at
               FROM jsonb_populate_recordset(NULL::items, $6)
               ON CONFLICT DO NOTHING RETURNING 1
           ), line AS (
               INSERT INTO timeline (leave, item, at, kind, detail)
               SELECT leave, item, at, kind, detail
               FROM jsonb_to_recordset($7) AS r (leave bigint, item uuid, at timestamptz, kind text, detail jsonb)
           )
           -- A statement that takes itself back has to fail. A violated constraint would put its rows into PostgreSQL's log.
           SELECT CASE WHEN written.rows <> $8 THEN 1 / (written.rows - written.rows) END AS unused
           FROM (SELECT (SELECT count(*) FROM mailbox) + (SELECT count(*) FROM address) + (SELECT count(*) FROM delivery)
                      + (SELECT count(*) FROM leave) + (SELECT count(*) FROM item) AS rows) AS written"#,
        Json(&writing.mailboxes) as _,
        Json(&writing.addresses) as _,
        HASH_RULE,
        Json(&writing.deliveries) as _,
        Json(&writing.new_leaves) as _,
        Json(&writing.new_items) as _,
        Json(&writing.lines) as _,
        i64::try_from(expected).unwrap_or(i64::MAX)
    )
    .fetch_one(&mut *connection)
    .await?;
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
    rows::save(connection, &writing.items, &[]).await
}
