//! What a changed policy makes due again: the upcoming leave of a tenant, read a stretch at a time, and put into the queue so
//! that nobody's new leave has to wait behind it.

use std::time::Duration;

use sqlx::types::Json;
use uuid::Uuid;

use super::{
    Store, StoreError, millis,
    queue::{Unreadable, read},
};
use crate::domain::{
    event::{EventSpec, OwnTime},
    leave::{Leave, Status},
    zone::Zone,
};

/// Leaves that are looked at in one statement.
const STRETCH: i64 = 1_000;

/// One mapping of an upcoming leave that has come to rest.
#[derive(Debug, Clone)]
pub struct Settled {
    /// The mapping.
    pub id: Uuid,
    /// Which calendar of its mailbox.
    pub calendar: String,
    /// `synced`, `hidden` or `parked`.
    pub state: String,
    /// The event as last written.
    pub applied: Option<EventSpec>,
    /// The leave's id at its source.
    pub leave_id: String,
    /// Its source.
    pub source: String,
    /// The leave as it stands.
    pub leave: Result<(Status, Option<Leave>), Unreadable>,
    /// What the mailbox says of its owner's time.
    pub own: OwnTime,
}

impl Store {
    /// By which policy the tenant's leave was last written; `None` before the first start.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn policy_of(&self, tenant: &str) -> Result<Option<String>, StoreError> {
        let found = sqlx::query_scalar!("SELECT policy FROM tenants_state WHERE tenant = $1", tenant);
        Ok(found.fetch_optional(&self.pool).await?.flatten())
    }

    /// Notes that all of the tenant's leave is written by this policy, or will be.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn note_policy(&self, tenant: &str, policy: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO tenants_state (tenant, policy) VALUES ($1, $2) ON CONFLICT (tenant) DO UPDATE SET policy = $2",
            tenant,
            policy
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The settled mappings of leave that is not over, of the leaves behind `after`, and where to go on; `None` at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn upcoming(&self, tenant: &str, after: i64) -> Result<(Vec<Settled>, Option<i64>), StoreError> {
        let last = sqlx::query_scalar!(
            r#"SELECT max(id) FROM (SELECT id FROM leaves WHERE id > $1 ORDER BY id LIMIT $2) AS stretch"#,
            after,
            STRETCH
        )
        .fetch_one(&self.pool)
        .await?;
        let Some(last) = last else { return Ok((Vec::new(), None)) };
        let rows = sqlx::query!(
            r#"SELECT m.id, m.calendar, m.state, m.applied, l.external_id, l.source, l.status, l.content,
                      b.time_zone, b.working_hours
               FROM leaves l
               CROSS JOIN LATERAL (SELECT * FROM mappings m WHERE m.leave = l.id) AS m
               JOIN mailboxes b ON b.id = m.mailbox
               WHERE l.id > $1 AND l.id <= $2 AND l.tenant = $3
                 AND leave_until(l.content) >= to_char(leavebridge_now(), 'YYYY-MM-DD')
                 AND m.wanted AND m.state IN ('synced', 'hidden', 'parked')"#,
            after,
            last,
            tenant
        )
        .fetch_all(&self.pool)
        .await?;
        let settled = rows.into_iter().map(|row| Settled {
            id: row.id,
            calendar: row.calendar,
            state: row.state,
            applied: row.applied.and_then(|applied| serde_json::from_value(applied).ok()),
            leave_id: row.external_id,
            source: row.source,
            leave: read(&row.status, row.content),
            own: OwnTime {
                zone: row.time_zone.and_then(|name: String| Zone::parse(&name).ok()),
                hours: row.working_hours.and_then(|hours| serde_json::from_value(hours).ok()),
            },
        });
        Ok((settled.collect(), Some(last)))
    }

    /// Makes these mappings due, the first after `wait` and each `spacing` after the one before, with a line in their leave's
    /// history. One that has become due by itself meanwhile is left as it is.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn resync(&self, mappings: &[Uuid], wait: Duration, spacing: Duration) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH again AS (
                 UPDATE mappings m
                 SET state = 'pending', attempts = 0, failing_since = NULL, reason = NULL, detail = NULL,
                     next_attempt_at = leavebridge_now() + ($2::double precision + wished.n * $3::double precision) * interval '1 millisecond',
                     updated_at = leavebridge_now()
                 FROM unnest($1::uuid[]) WITH ORDINALITY AS wished (id, n)
                 WHERE m.id = wished.id AND m.state IN ('synced', 'hidden', 'parked')
                 RETURNING m.id, m.leave
             )
             INSERT INTO timeline (leave, mapping, at, kind, detail)
             SELECT leave, id, leavebridge_now(), 'resynced', $4 FROM again",
            mappings,
            millis(wait),
            millis(spacing),
            Json(serde_json::json!({"why": "the policy has changed"})) as _
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
