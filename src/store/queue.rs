//! The queue: who works on which mailbox, and what is due there.
//!
//! Mailboxes are leased, not leaves: one row gives the order per leave, the limit per mailbox and the scope of a 429. A
//! lease expires by itself, so nothing has to clean up after a process that died. What a lease is not: a guarantee that
//! its former holder has stopped. Writing results is fenced by the lease's epoch (see `ledger`), and a holder must not
//! start a call that could outlast its lease.

use std::time::Duration;

use uuid::Uuid;

use super::{Store, StoreError, millis};
use crate::domain::{
    event::{EventSpec, OwnTime},
    leave::{Leave, Status},
    zone::Zone,
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
    /// The address, or the Entra object id where no address is known.
    pub address: String,
    /// The person's Entra object id, once it is known.
    pub entra_id: Option<String>,
    /// The source named it.
    pub given: bool,
    /// The directory has been asked for the address, and the mailbox has not been missing since.
    pub looked_up: bool,
    /// Why the mailbox was last blocked, and for how long it has been since that began.
    pub blocked: Option<(String, Duration)>,
    /// What the mailbox itself says of its owner's time.
    pub own: OwnTime,
    /// How long ago it said so; `None` when it has not been asked.
    pub own_age: Option<Duration>,
}

impl Lease {
    /// Whether it is known whose mailbox it is: the source said so, or the directory was asked.
    #[must_use]
    pub const fn is_known(&self) -> bool {
        self.looked_up || (self.given && self.entra_id.is_some())
    }
}

/// What is stored of a leave cannot be understood by this version of the program.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unreadable;

/// One mapping that is due.
#[derive(Debug, Clone)]
pub struct Due {
    /// The mapping.
    pub id: Uuid,
    /// The leave's row.
    pub leave_row: i64,
    /// The leave's id at its source.
    pub leave_id: String,
    /// Its source.
    pub source: String,
    /// The mailbox's row.
    pub mailbox: i64,
    /// Which of the mailbox's calendars.
    pub calendar: String,
    /// In a team's calendar: what the person's own mailbox says of their time.
    pub person: OwnTime,
    /// Whether the leave still belongs to this mailbox and calendar.
    pub wanted: bool,
    /// The revision that is wanted.
    pub rev: i64,
    /// The event as last written; `None` as well when this program cannot read what another version wrote.
    pub applied: Option<EventSpec>,
    /// The event's id.
    pub event_id: Option<String>,
    /// Which event of this mapping it is: rises after a deletion.
    pub incarnation: i32,
    /// A call's outcome is unknown.
    pub unsure: bool,
    /// For how long it has been unknown.
    pub doubted_for: Duration,
    /// The oldest revision that a request without an answer may still write.
    pub doubt_rev: Option<i64>,
    /// Failed attempts since the last success or change.
    pub attempts: i32,
    /// For how long it has been failing by itself; `None` when it has not.
    pub failing_for: Option<Duration>,
    /// The leave's status and content; the content is `None` when nothing but a cancellation has ever arrived.
    pub leave: Result<(Status, Option<Leave>), Unreadable>,
}

impl Store {
    /// Leases up to `slots` mailboxes of these tenants that have something due.
    ///
    /// The claim is driven from the index of due mappings, a limited stretch of it per tenant. Where that stretch is full
    /// of mailboxes that others hold, it is widened, so that a busy mailbox with a long list hides nobody.
    ///
    /// # Errors
    /// When the database does not answer; leases that it granted expire by themselves then.
    pub async fn claim(&self, tenants: &[String], slots: usize, lease: Duration) -> Result<Vec<Lease>, StoreError> {
        let slots = i64::try_from(slots).unwrap_or(i64::MAX);
        let mut stretch = slots.saturating_mul(8).max(64);
        loop {
            let (seen, leases) = self.claim_within(tenants, slots, lease, stretch).await?;
            if !leases.is_empty() || seen < stretch {
                return Ok(leases);
            }
            stretch = stretch.saturating_mul(16);
        }
    }

    async fn claim_within(
        &self,
        tenants: &[String],
        slots: i64,
        lease: Duration,
        stretch: i64,
    ) -> Result<(i64, Vec<Lease>), StoreError> {
        let rows = sqlx::query!(
            r#"WITH due AS MATERIALIZED (
                   SELECT served.tenant, queue.mailbox, queue.next_attempt_at
                   -- Numbers that the planner cannot see: else it would plan anew for each look, at more than the look costs.
                   FROM unnest((SELECT $1::text[])) AS served (tenant)
                   LEFT JOIN tenants_state t ON t.tenant = served.tenant
                   CROSS JOIN LATERAL (
                       SELECT m.mailbox, m.next_attempt_at FROM mappings m
                       WHERE m.tenant = served.tenant AND m.state IN ('pending', 'waiting')
                         AND m.next_attempt_at <= leavebridge_now()
                       ORDER BY m.next_attempt_at
                       LIMIT (SELECT $4::bigint)
                   ) AS queue
                   WHERE t.blocked_until IS NULL OR t.blocked_until <= leavebridge_now()
               ), waiting AS MATERIALIZED (
                   -- By turns, so that one tenant's backlog does not hold up the others.
                   SELECT mailbox, min(next_attempt_at) AS since,
                          row_number() OVER (PARTITION BY tenant ORDER BY min(next_attempt_at)) AS turn
                   FROM due GROUP BY tenant, mailbox
               ), free AS MATERIALIZED (
                   -- NO KEY: an intake's foreign key check must not make a mailbox look taken.
                   SELECT b.id, b.lease_until AS died
                   FROM waiting JOIN mailboxes b ON b.id = waiting.mailbox
                   WHERE (b.lease_until IS NULL OR b.lease_until <= leavebridge_now())
                     AND (b.blocked_until IS NULL OR b.blocked_until <= leavebridge_now())
                     AND (b.throttled_until IS NULL OR b.throttled_until <= leavebridge_now())
                   ORDER BY waiting.turn, waiting.since
                   LIMIT (SELECT $2::bigint)
                   FOR NO KEY UPDATE OF b SKIP LOCKED
               ), leased AS (
                   UPDATE mailboxes b
                   SET lease_epoch = b.lease_epoch + 1,
                       lease_until = leavebridge_now() + $3 * interval '1 millisecond'
                   FROM free WHERE b.id = free.id
                   RETURNING b.id, b.lease_epoch, b.tenant, b.address, b.entra_id, b.given, b.resolved_at, b.blocked_reason,
                             b.blocked_since, b.time_zone, b.working_hours, b.settings_at, free.died
               ), distrusted AS (
                   -- The last holder died: calls of its may have arrived in Outlook without our knowing, or still may. None
                   -- began later than its lease ended.
                   UPDATE mappings m SET unsure = true, doubt_since = leased.died, doubt_rev = 0
                   FROM leased WHERE leased.died IS NOT NULL AND m.mailbox = leased.id AND m.state IN ('pending', 'waiting')
               )
               SELECT (SELECT count(*) FROM due) AS "seen!",
                      leased.id AS "mailbox?", leased.lease_epoch AS "epoch?", leased.tenant AS "tenant?",
                      leased.address AS "address?", leased.entra_id, leased.given AS "given?", leased.resolved_at IS NOT NULL AS "looked_up!",
                      leased.blocked_reason, leased.time_zone, leased.working_hours,
                      extract(epoch FROM leavebridge_now() - leased.settings_at)::bigint AS own_age,
                      extract(epoch FROM leavebridge_now() - leased.blocked_since)::bigint AS blocked_seconds
               FROM (VALUES (1)) AS always (one) LEFT JOIN leased ON true"#,
            tenants,
            slots,
            millis(lease),
            stretch,
        )
        .fetch_all(&self.pool)
        .await?;
        let seen = rows.first().map_or(0, |row| row.seen);
        let leases = rows
            .into_iter()
            .filter_map(|row| {
                Some(Lease {
                    mailbox: row.mailbox?,
                    epoch: row.epoch?,
                    tenant: row.tenant?,
                    address: row.address?,
                    entra_id: row.entra_id,
                    given: row.given?,
                    looked_up: row.looked_up,
                    blocked: row.blocked_reason.zip(row.blocked_seconds.map(seconds)),
                    own: own_time(row.time_zone, row.working_hours),
                    own_age: row.own_age.map(seconds),
                })
            })
            .collect();
        Ok((seen, leases))
    }

    /// What is due in these mailboxes, at most `batch` mappings each, longest due first.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn due(&self, mailboxes: &[i64], batch: i64) -> Result<Vec<Due>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT m.id, m.leave AS leave_row, m.mailbox, m.calendar, m.wanted, m.wanted_rev AS rev,
                      m.applied, m.event_id, m.incarnation, m.unsure, m.doubt_rev, m.attempts,
                      extract(epoch FROM leavebridge_now() - m.failing_since)::bigint AS failing_for,
                      extract(epoch FROM leavebridge_now() - m.doubt_since)::bigint AS doubted_for,
                      l.status, l.content, l.source, l.external_id,
                      person.time_zone AS "time_zone?", person.working_hours AS "working_hours?"
               FROM unnest($1::bigint[]) AS leased (mailbox)
               CROSS JOIN LATERAL (
                   SELECT * FROM mappings m
                   WHERE m.mailbox = leased.mailbox AND m.state IN ('pending', 'waiting')
                     AND m.next_attempt_at <= leavebridge_now()
                   ORDER BY m.next_attempt_at
                   LIMIT $2
               ) AS m
               JOIN leaves l ON l.id = m.leave
               LEFT JOIN LATERAL (
                   SELECT b.time_zone, b.working_hours FROM mappings o JOIN mailboxes b ON b.id = o.mailbox
                   WHERE m.calendar <> 'default' AND o.leave = m.leave AND o.calendar = 'default' AND o.wanted
                   LIMIT 1
               ) AS person ON true"#,
            mailboxes,
            batch
        )
        .fetch_all(&self.pool)
        .await?;
        // Read one by one: a row that only a newer version understands must not hold up the others.
        Ok(rows
            .into_iter()
            .map(|row| Due {
                id: row.id,
                leave_row: row.leave_row,
                leave_id: row.external_id,
                source: row.source,
                mailbox: row.mailbox,
                calendar: row.calendar,
                person: own_time(row.time_zone, row.working_hours),
                wanted: row.wanted,
                rev: row.rev,
                unsure: row.unsure,
                applied: row.applied.and_then(|applied| serde_json::from_value(applied).ok()),
                event_id: row.event_id,
                incarnation: row.incarnation,
                attempts: row.attempts,
                failing_for: row.failing_for.map(seconds),
                doubt_rev: row.doubt_rev,
                doubted_for: row.doubted_for.map(seconds).unwrap_or_default(),
                leave: read(&row.status, row.content),
            })
            .collect())
    }

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
        .execute(&self.pool)
        .await?;
        Ok(renewed.rows_affected() == 1)
    }

    /// Keeps what the directory said of the mailbox's address: the object id, or that it knows nobody of that address.
    /// `false` when somebody else holds the mailbox by now.
    ///
    /// # Errors
    /// When the database does not answer; the directory is asked again then.
    pub async fn resolved(&self, held: &Lease, entra_id: Option<&str>) -> Result<bool, StoreError> {
        let kept = sqlx::query!(
            "UPDATE mailboxes SET entra_id = CASE WHEN given THEN entra_id ELSE coalesce($3, entra_id) END, resolved_at = leavebridge_now()
             WHERE id = $1 AND lease_epoch = $2 AND lease_until IS NOT NULL",
            held.mailbox,
            held.epoch,
            entra_id
        )
        .execute(&self.pool)
        .await?;
        Ok(kept.rows_affected() == 1)
    }

    /// Gives leases back. Only for mailboxes in which no call is under way.
    ///
    /// # Errors
    /// When the database does not answer; the leases expire by themselves then.
    pub async fn release(&self, held: &[(i64, i64)]) -> Result<(), StoreError> {
        let (mailboxes, epochs): (Vec<i64>, Vec<i64>) = held.iter().copied().unzip();
        sqlx::query!(
            "UPDATE mailboxes b SET lease_until = NULL
             FROM unnest($1::bigint[], $2::bigint[]) AS held (mailbox, epoch)
             WHERE b.id = held.mailbox AND b.lease_epoch = held.epoch",
            &mailboxes,
            &epochs
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

pub(super) fn read(status: &str, content: Option<serde_json::Value>) -> Result<(Status, Option<Leave>), Unreadable> {
    let status = Status::of(status).ok_or(Unreadable)?;
    let leave = content.map(serde_json::from_value).transpose().map_err(|_| Unreadable)?;
    Ok((status, leave))
}

/// What another version wrote is as good as nothing: it is read anew.
pub(super) fn own_time(zone: Option<String>, hours: Option<serde_json::Value>) -> OwnTime {
    OwnTime {
        zone: zone.and_then(|name| Zone::parse(&name).ok()),
        hours: hours.and_then(|hours| serde_json::from_value(hours).ok()),
    }
}

/// Seconds of PostgreSQL; none when its clock went backwards.
pub(super) fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
