//! The claim: who works on which mailbox, and what is due there.
//!
//! Mailboxes are leased, not leaves: one row gives the order per leave, the limit per mailbox and the scope of a 429. A
//! lease expires by itself, so nothing has to clean up after a process that died. What a lease is not: a guarantee that
//! its former holder has stopped. Writing results is fenced by the lease's epoch, and a holder must not start a call that
//! could outlast its lease.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use sqlx::PgConnection;

use super::{
    database::Store,
    error::StoreError,
    leases::{Due, DueLeave, Lease},
    merge, millis,
    rows::{FORMAT, ItemRow, block, leave, mailbox_settings},
};
use crate::domain::team_calendar::PRIMARY;

impl Store {
    /// Leases up to `slots` mailboxes of these tenants that have something due, with what is due there: at most `batch` items
    /// each, longest due first. `busy`: mailboxes that this process works on at this moment, whatever their leases say: it must
    /// not compete with itself.
    ///
    /// The claim is driven from the index of due items, a limited stretch of it per tenant. Where that stretch is full
    /// of mailboxes that others hold, it is widened, so that a busy mailbox with a long list hides no other.
    ///
    /// # Errors
    /// When the database does not answer; leases that it granted expire by themselves then.
    pub async fn claim(
        &self,
        tenants: &[String],
        slots: usize,
        batch: i64,
        lease: Duration,
        busy: &[i64],
    ) -> Result<Vec<(Lease, Vec<Due>)>, StoreError> {
        let slots = i64::try_from(slots).unwrap_or(i64::MAX);
        let mut stretch = slots.saturating_mul(8).max(64);
        loop {
            let mut transaction = self.begin().await?;
            let (seen, claimed) = lock(&mut transaction, tenants, slots, busy, stretch).await?;
            if claimed.is_empty() {
                transaction.commit().await?;
                if seen < stretch {
                    return Ok(Vec::new());
                }
                stretch = stretch.saturating_mul(16);
                continue;
            }
            // What the former holder of a lease that died had taken is in doubt. Then a fresh look behind the locks: what another
            // replica settled a moment ago is seen.
            distrust(&mut transaction, &claimed).await?;
            let mut due = take(&mut transaction, &claimed, batch, lease).await?;
            transaction.commit().await?;
            let merged: Vec<i64> = claimed.iter().filter(|one| one.merged).map(|one| one.lease.mailbox).collect();
            for mailbox in merged {
                // The other mailboxes are leased by now and have to be worked on.
                if let Err(error) = merge::follow(self, mailbox).await {
                    tracing::warn!(%error, cause = error.cause(), "leave of a merged mailbox stays there until its lease ends");
                }
            }
            return Ok(claimed
                .into_iter()
                .filter(|one| !one.merged)
                .map(|one| {
                    let due = due.remove(&one.lease.mailbox).unwrap_or_default();
                    (one.lease, due)
                })
                .collect());
        }
    }
}

struct Claimed {
    lease: Lease,
    /// The row was merged into another: its items were inserted by a transaction that did not see that.
    merged: bool,
    died: Option<Timestamp>,
    left: Vec<uuid::Uuid>,
}

/// Locks free mailboxes that have something due; says also how many due items were looked at.
async fn lock(
    connection: &mut PgConnection,
    tenants: &[String],
    slots: i64,
    busy: &[i64],
    stretch: i64,
) -> Result<(i64, Vec<Claimed>), StoreError> {
    let rows = sqlx::query!(
        r#"WITH held_up AS MATERIALIZED (
               SELECT id FROM mailboxes
               WHERE (blocked_until IS NOT NULL OR throttled_until IS NOT NULL)
                 AND greatest(blocked_until, throttled_until) > leavebridge_now()
           ), newer AS MATERIALIZED (
               -- Of this program's `FORMAT` the constant: it lets the index of what is newer serve, which is empty.
               SELECT id FROM leaves WHERE format > 1 AND format > $4
           ), due AS MATERIALIZED (
               SELECT served.tenant, queue.mailbox, queue.next_at
               FROM unnest($1::text[]) AS served (tenant)
               LEFT JOIN tenants t ON t.tenant = served.tenant
               CROSS JOIN LATERAL (
                   SELECT i.mailbox, i.next_at FROM items i
                   WHERE i.tenant = served.tenant AND i.next_at <= leavebridge_now() AND i.format <= $4
                     AND i.mailbox NOT IN (SELECT id FROM held_up) AND i.mailbox <> ALL ($5)
                     AND (i.leave IS NULL OR i.leave NOT IN (SELECT id FROM newer))
                   ORDER BY i.next_at
                   LIMIT $3
               ) AS queue
               WHERE t.blocked_until IS NULL OR t.blocked_until <= leavebridge_now()
           ), waiting AS MATERIALIZED (
               -- By turns, so that one tenant's backlog does not hold up the others.
               SELECT mailbox, min(next_at) AS since,
                      row_number() OVER (PARTITION BY tenant ORDER BY min(next_at)) AS turn
               FROM due GROUP BY tenant, mailbox
           ), free AS MATERIALIZED (
               -- NO KEY: an intake's foreign key check must not make a mailbox look taken.
               SELECT b.* FROM waiting JOIN mailboxes b ON b.id = waiting.mailbox
               WHERE (b.lease_until IS NULL OR b.lease_until <= leavebridge_now())
                 AND (b.blocked_until IS NULL OR b.blocked_until <= leavebridge_now())
                 AND (b.throttled_until IS NULL OR b.throttled_until <= leavebridge_now())
                 -- What a newer replica left in doubt when it died, only a newer one can put in doubt.
                 AND (b.lease_until IS NULL
                      OR NOT EXISTS (SELECT FROM items taken WHERE taken.id = ANY (b.lease_items) AND taken.format > $4))
               ORDER BY waiting.turn, waiting.since
               LIMIT $2
               FOR NO KEY UPDATE OF b SKIP LOCKED
           )
           SELECT (SELECT count(*) FROM due) AS "seen!", leavebridge_now() AS "now!: jiff_sqlx::Timestamp",
                  free.id AS "mailbox?", free.lease_epoch + 1 AS "epoch?", free.tenant AS "tenant?",
                  free.address AS "address?", free.entra_id AS "entra_id?", free.identify AS "identify?",
                  (free.merged_into IS NOT NULL) AS "merged!", a.mailbox AS "holder?",
                  free.blocked_until AS "blocked_until?: jiff_sqlx::Timestamp",
                  free.blocked_since AS "blocked_since?: jiff_sqlx::Timestamp", free.blocked_reason AS "blocked_reason?",
                  free.blocked_detail AS "blocked_detail?", free.time_zone AS "time_zone?",
                  free.working_hours AS "working_hours?", free.settings_at AS "settings_at?: jiff_sqlx::Timestamp",
                  free.lease_until AS "died?: jiff_sqlx::Timestamp", free.lease_items AS "left_items?"
           FROM (VALUES (1)) AS always (one)
           LEFT JOIN free ON true
           LEFT JOIN addresses a ON a.tenant = free.tenant AND a.address = free.address"#,
        tenants,
        slots,
        stretch,
        FORMAT,
        busy
    )
    .fetch_all(connection)
    .await?;
    let seen = rows.first().map_or(0, |row| row.seen);
    let mut claimed = Vec::new();
    for row in rows {
        let (Some(mailbox), Some(epoch), Some(tenant), Some(address)) =
            (row.mailbox, row.epoch, row.tenant, row.address)
        else {
            continue;
        };
        let block = block(row.blocked_until, row.blocked_since, row.blocked_reason.as_deref(), row.blocked_detail)
            .unwrap_or(None);
        claimed.push(Claimed {
            lease: Lease {
                mailbox,
                epoch,
                tenant,
                address,
                entra_id: row.entra_id,
                identify: row.identify.unwrap_or(false),
                holder: row.holder,
                block,
                settings: mailbox_settings(row.time_zone, row.working_hours),
                settings_at: row.settings_at.map(jiff_sqlx::Timestamp::to_jiff),
                now: row.now.to_jiff(),
            },
            merged: row.merged,
            died: row.died.map(jiff_sqlx::Timestamp::to_jiff),
            left: row.left_items.unwrap_or_default(),
        });
    }
    Ok((seen, claimed))
}

/// Leases these mailboxes, and gives what is due in them. Notes it on their rows, so that a lease that dies leaves just that in
/// doubt.
async fn take(
    connection: &mut PgConnection,
    claimed: &[Claimed],
    batch: i64,
    lasts: Duration,
) -> Result<HashMap<i64, Vec<Due>>, StoreError> {
    let mailboxes: Vec<i64> = claimed.iter().map(|one| one.lease.mailbox).collect();
    let rows = sqlx::query!(
        r#"WITH due AS MATERIALIZED (
               SELECT leased.mailbox AS leased, i.* FROM unnest($1::bigint[]) AS leased (mailbox)
               LEFT JOIN LATERAL (
                   SELECT * FROM items i
                   WHERE i.mailbox = leased.mailbox AND i.next_at <= leavebridge_now() AND i.format <= $3
                     AND (i.leave IS NULL OR i.leave NOT IN (SELECT id FROM leaves WHERE format > 1 AND format > $3))
                   ORDER BY i.next_at
                   LIMIT $2
               ) AS i ON true
           ), leased AS (
               UPDATE mailboxes b
               SET lease_epoch = b.lease_epoch + 1, lease_until = leavebridge_now() + $5 * interval '1 millisecond',
                   lease_items = taken.items
               FROM (
                   SELECT due.leased, coalesce(array_agg(due.id) FILTER (WHERE due.id IS NOT NULL), '{}') AS items
                   FROM due GROUP BY due.leased
               ) AS taken
               WHERE b.id = taken.leased
           )
           SELECT i.id AS "id!", i.kind AS "kind!", i.tenant AS "tenant!", i.mailbox AS "mailbox!",
                  i.created_in AS "created_in?", i.leave AS "leave?",
                  i.calendar AS "calendar!", i.address AS "address!", i.resolve AS "resolve!", i.wanted AS "wanted!",
                  i.surplus AS "surplus!", i.rev AS "rev!", i.state AS "state!", i.reason AS "reason?", i.detail AS "detail?",
                  i.observed AS "observed?", i.incarnation AS "incarnation!",
                  i.doubt_since AS "doubt_since?: jiff_sqlx::Timestamp", i.doubt_rev AS "doubt_rev?", i.attempts AS "attempts!",
                  i.failing_since AS "failing_since?: jiff_sqlx::Timestamp", i.next_at AS "next_at?: jiff_sqlx::Timestamp",
                  i.updated_at AS "updated_at!: jiff_sqlx::Timestamp", i.format AS "format!",
                  l.external_id AS "external_id?", l.source AS "source?", l.status AS "status?", l.content AS "content?",
                  person.time_zone AS "time_zone?", person.working_hours AS "working_hours?",
                  a.asked_at AS "asked_at?: jiff_sqlx::Timestamp"
           FROM due i
           LEFT JOIN leaves l ON l.id = i.leave
           LEFT JOIN addresses a ON a.tenant = i.tenant AND a.address = i.address AND a.mailbox = i.mailbox
           LEFT JOIN LATERAL (
               SELECT b.time_zone, b.working_hours FROM items o JOIN mailboxes b ON b.id = o.mailbox
               WHERE i.calendar <> $4 AND o.leave = i.leave AND o.calendar = $4 AND o.wanted AND NOT o.surplus
               LIMIT 1
           ) AS person ON true
           WHERE i.id IS NOT NULL"#,
        &mailboxes,
        batch,
        FORMAT,
        PRIMARY,
        millis(lasts)
    )
    .fetch_all(connection)
    .await?;
    let mut due: HashMap<i64, Vec<Due>> = HashMap::new();
    for row in rows {
        let leave = row.external_id.zip(row.source).zip(row.status).map(|((id, source), status)| DueLeave {
            id,
            source,
            content: leave(&status, row.content),
            person: mailbox_settings(row.time_zone, row.working_hours),
        });
        let item = ItemRow {
            id: row.id,
            kind: row.kind,
            tenant: row.tenant,
            mailbox: row.mailbox,
            created_in: row.created_in,
            leave: row.leave,
            calendar: row.calendar,
            address: row.address,
            resolve: row.resolve,
            wanted: row.wanted,
            surplus: row.surplus,
            rev: row.rev,
            state: row.state,
            reason: row.reason,
            detail: row.detail,
            observed: row.observed,
            incarnation: row.incarnation,
            doubt_since: row.doubt_since,
            doubt_rev: row.doubt_rev,
            attempts: row.attempts,
            failing_since: row.failing_since,
            next_at: row.next_at,
            updated_at: row.updated_at,
            format: row.format,
        };
        let asked_at = row.asked_at.map(jiff_sqlx::Timestamp::to_jiff);
        due.entry(row.mailbox).or_default().push(Due { item: item.try_into()?, leave, asked_at });
    }
    Ok(due)
}

/// The last holder died: calls for what it had taken may have arrived in Outlook without our knowing, or still may. None began
/// later than its lease ended.
async fn distrust(connection: &mut PgConnection, claimed: &[Claimed]) -> Result<(), StoreError> {
    for one in claimed.iter().filter(|one| !one.left.is_empty()) {
        let Some(died) = one.died else { continue };
        let rows = super::rows::item_rows!("WHERE i.id = ANY ($1) ORDER BY i.id FOR NO KEY UPDATE", &one.left)
            .fetch_all(&mut *connection)
            .await?;
        let mut items = super::rows::items(rows)?;
        for item in &mut items {
            crate::reconcile::settle::abandoned(item, died, one.lease.now);
        }
        super::rows::save(&mut *connection, &items, &[]).await?;
    }
    Ok(())
}
