//! Which mailboxes' automatic replies are to be looked at, and who may do it.
//!
//! They are worked on under the same leases as events: nobody else writes into a mailbox meanwhile. A request for a look
//! must never be lost to a look that has already begun, so requests are counted.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use uuid::Uuid;

use super::{
    Store, StoreError, millis,
    queue::{Lease, own_time, seconds},
    views::Filter,
};

/// So many due rows are looked at for free mailboxes.
const STRETCH: i64 = 1024;
/// So many mailboxes are entered in one statement.
const ENTERED_AT_ONCE: i64 = 1000;

impl Store {
    /// Enters mailboxes of tenants that have automatic replies, where they are not yet; at most so many in one statement that
    /// it holds nobody up. `false` when all are entered.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn enter_replies(&self, tenants: &[String]) -> Result<bool, StoreError> {
        // What was missing, not what was entered: another replica may have been quicker with these, and end before the rest.
        let missing = sqlx::query_scalar!(
            r#"WITH missing AS MATERIALIZED (
                   SELECT b.id, b.tenant FROM mailboxes b
                   WHERE b.tenant = ANY ($1) AND NOT EXISTS (SELECT FROM replies r WHERE r.mailbox = b.id)
                   ORDER BY b.id LIMIT $2
               ), entered AS (
                   INSERT INTO replies (mailbox, tenant, next_attempt_at, updated_at)
                   SELECT id, tenant, leavebridge_now(), leavebridge_now() FROM missing
                   ON CONFLICT DO NOTHING
               )
               SELECT count(*) AS "count!" FROM missing"#,
            tenants,
            ENTERED_AT_ONCE
        );
        Ok(missing.fetch_one(&self.pool).await? > 0)
    }

    /// Has what was written looked at again, to be withdrawn, for tenants that have no automatic replies any more. Gives
    /// those of them that had any.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn close_replies(&self, tenants: &[String]) -> Result<Vec<String>, StoreError> {
        let left = sqlx::query_scalar!(
            r#"WITH left_over AS MATERIALIZED (
                   SELECT r.mailbox FROM replies r
                   WHERE r.tenant = ANY ($1) AND (r.state <> 'none' OR r.written <> '[]' OR r.doubt_since IS NOT NULL)
                   ORDER BY r.mailbox FOR NO KEY UPDATE
               ), due AS (
                   UPDATE replies r SET next_attempt_at = leavebridge_now(), asked = r.asked + 1
                   FROM left_over WHERE r.mailbox = left_over.mailbox
                   RETURNING r.tenant
               )
               SELECT DISTINCT tenant AS "tenant!" FROM due"#,
            tenants
        );
        Ok(left.fetch_all(&self.pool).await?)
    }

    /// The leave of this mailbox has changed: its reply is to be looked at. One that waits for a permission goes on waiting.
    ///
    /// # Errors
    /// When the database does not answer: it may never be looked at then.
    pub async fn ask_for_reply(&self, mailbox: i64) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO replies AS r (mailbox, tenant, next_attempt_at, updated_at)
             SELECT b.id, b.tenant, leavebridge_now(), leavebridge_now() FROM mailboxes b
             WHERE b.id = (SELECT min(id) FROM same_person($1) AS id)
             ON CONFLICT (mailbox) DO UPDATE
             SET asked = r.asked + 1,
                 next_attempt_at = CASE WHEN r.state = 'waiting' AND r.reason = 'access-denied' THEN r.next_attempt_at
                                        ELSE excluded.next_attempt_at END",
            mailbox
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The mailbox of this lease is known under an older address, with which its reply is kept: that one is looked at.
    ///
    /// # Errors
    /// When the database does not answer: it is still due then.
    pub async fn pass_on_reply(&self, held: &Lease) -> Result<(), StoreError> {
        self.ask_for_reply(held.mailbox).await?;
        // What was written stays noted, until the other has taken it over.
        sqlx::query!(
            "UPDATE replies r SET state = 'none', reason = NULL, detail = NULL, next_attempt_at = NULL
             FROM mailboxes b WHERE b.id = $1 AND b.lease_epoch = $2 AND r.mailbox = b.id",
            held.mailbox,
            held.epoch
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Makes every reply due that waits or is parked, of mailboxes with a mapping that matches; a state in the filter is the
    /// reply's own. Says how many.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn retry_replies(&self, mapping: Option<Uuid>, filter: &Filter) -> Result<i64, StoreError> {
        let due = sqlx::query!(
            "WITH chosen AS MATERIALIZED (
                 SELECT r.mailbox FROM replies r
                 WHERE (r.state IN ('waiting', 'parked') OR (r.state = 'kept' AND $1::uuid IS NOT NULL)) AND ($6::text IS NULL OR r.state = $6)
                   AND ($2::text[] IS NULL OR r.tenant = ANY ($2))
                   AND ($7::timestamptz IS NULL OR r.updated_at >= $7) AND ($8::timestamptz IS NULL OR r.updated_at < $8)
                   AND EXISTS (
                       SELECT FROM mappings m JOIN leaves l ON l.id = m.leave JOIN mailboxes b ON b.id = m.mailbox
                       WHERE m.mailbox IN (SELECT same_person(r.mailbox)) AND ($1::uuid IS NULL OR m.id = $1)
                         AND ($3::text IS NULL OR l.source = $3) AND ($4::text IS NULL OR l.external_id = $4)
                         AND ($5::text IS NULL OR b.address = $5)
                   )
                 ORDER BY r.mailbox FOR NO KEY UPDATE
             )
             UPDATE replies r SET next_attempt_at = leavebridge_now(), asked = r.asked + 1, attempts = 0, failing_since = NULL
             FROM chosen WHERE r.mailbox = chosen.mailbox",
            mapping,
            filter.tenants.as_deref(),
            filter.source,
            filter.leave,
            filter.mailbox,
            filter.state,
            filter.since.map(Timestamp::to_sqlx) as _,
            filter.until.map(Timestamp::to_sqlx) as _,
        );
        let due = due.execute(&self.pool).await?;
        Ok(i64::try_from(due.rows_affected()).unwrap_or(i64::MAX))
    }

    /// Leases up to `slots` mailboxes of these tenants whose reply is to be looked at.
    ///
    /// # Errors
    /// When the database does not answer; leases that it granted expire by themselves then.
    pub async fn claim_replies(
        &self,
        tenants: &[String],
        slots: usize,
        lease: Duration,
    ) -> Result<Vec<Lease>, StoreError> {
        let rows = sqlx::query!(
            r#"WITH due AS MATERIALIZED (
                   -- One of each tenant at a time, so that nobody waits behind another's thousands.
                   SELECT queue.mailbox, queue.next_attempt_at,
                          row_number() OVER (PARTITION BY served.tenant ORDER BY queue.next_attempt_at) AS turn
                   FROM unnest((SELECT $1::text[])) AS served (tenant)
                   LEFT JOIN tenants_state t ON t.tenant = served.tenant
                   CROSS JOIN LATERAL (
                       SELECT r.mailbox, r.next_attempt_at FROM replies r
                       WHERE r.tenant = served.tenant AND r.next_attempt_at <= leavebridge_now()
                       ORDER BY r.next_attempt_at
                       LIMIT (SELECT $4::bigint)
                   ) AS queue
                   WHERE t.blocked_until IS NULL OR t.blocked_until <= leavebridge_now()
               ), late AS MATERIALIZED (
                   -- Out of the head of the queue: nothing of the mailbox can be done before.
                   SELECT r.mailbox, greatest(b.blocked_until, b.throttled_until) AS until
                   FROM due JOIN mailboxes b ON b.id = due.mailbox JOIN replies r ON r.mailbox = due.mailbox
                   WHERE greatest(b.blocked_until, b.throttled_until) > leavebridge_now()
                   FOR NO KEY UPDATE OF r SKIP LOCKED
               ), put_off AS (
                   UPDATE replies r SET next_attempt_at = late.until FROM late WHERE r.mailbox = late.mailbox
               ), free AS MATERIALIZED (
                   SELECT b.id, b.lease_until AS died
                   FROM due JOIN mailboxes b ON b.id = due.mailbox
                   WHERE (b.lease_until IS NULL OR b.lease_until <= leavebridge_now())
                     AND (b.blocked_until IS NULL OR b.blocked_until <= leavebridge_now())
                     AND (b.throttled_until IS NULL OR b.throttled_until <= leavebridge_now())
                   ORDER BY due.turn, due.next_attempt_at
                   LIMIT (SELECT $2::bigint)
                   FOR NO KEY UPDATE OF b SKIP LOCKED
               ), leased AS (
                   UPDATE mailboxes b
                   SET lease_epoch = b.lease_epoch + 1,
                       lease_until = leavebridge_now() + $3 * interval '1 millisecond'
                   FROM free WHERE b.id = free.id
                   RETURNING b.id, b.lease_epoch, b.tenant, b.address, b.entra_id, b.given, b.resolved_at, b.time_zone,
                             b.working_hours, b.settings_at, free.died
               ), distrusted AS (
                   -- As in the claim of events: whoever held the mailbox last may have written some without a word.
                   UPDATE mappings m SET unsure = true, doubt_since = leased.died, doubt_rev = 0
                   FROM leased WHERE leased.died IS NOT NULL AND m.mailbox = leased.id AND m.state IN ('pending', 'waiting')
               )
               SELECT id AS mailbox, lease_epoch AS epoch, tenant, address, entra_id, given,
                      resolved_at IS NOT NULL AS "looked_up!", time_zone, working_hours,
                      extract(epoch FROM leavebridge_now() - settings_at)::bigint AS own_age
               FROM leased"#,
            tenants,
            i64::try_from(slots).unwrap_or(i64::MAX),
            millis(lease),
            STRETCH
        )
        .fetch_all(&self.pool)
        .await?;
        let leases = rows.into_iter().map(|row| Lease {
            mailbox: row.mailbox,
            epoch: row.epoch,
            tenant: row.tenant,
            address: row.address,
            entra_id: row.entra_id,
            given: row.given,
            looked_up: row.looked_up,
            blocked: None,
            own: own_time(row.time_zone, row.working_hours),
            own_age: row.own_age.map(seconds),
        });
        Ok(leases.collect())
    }
}
