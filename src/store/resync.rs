//! What a changed policy makes due again: the upcoming leave of a tenant, read a stretch at a time, and put into the queue so
//! that nobody's new leave has to wait behind it.

use std::time::Duration;

use uuid::Uuid;

use super::{
    Store, StoreError, millis,
    queue::{Unreadable, own_time, read},
};
use crate::domain::{
    event::{EventSpec, OwnTime},
    leave::{Leave, Status},
    team::OWN,
};

/// Leaves that are looked at in one statement.
const STRETCH: i64 = 1_000;

/// A leave that is not over.
#[derive(Debug, Clone)]
pub struct Upcoming {
    /// Its row.
    pub row: i64,
    /// Its id at its source.
    pub leave_id: String,
    /// Its source.
    pub source: String,
    /// As it stands.
    pub leave: Result<(Status, Option<Leave>), Unreadable>,
    /// What the person's own mailbox says of their time.
    pub own: OwnTime,
    /// Where it is wanted.
    pub mappings: Vec<Wanted>,
}

/// One of the calendars in which a leave is wanted.
#[derive(Debug, Clone)]
pub struct Wanted {
    /// The mapping.
    pub id: Uuid,
    /// The mailbox.
    pub mailbox: String,
    /// Which calendar of it.
    pub calendar: String,
    /// How the mapping stands.
    pub state: String,
    /// The event as last written.
    pub applied: Option<EventSpec>,
    /// What this mailbox says of its owner's time.
    pub own: OwnTime,
}

/// A calendar in which a leave is not wanted yet.
#[derive(Debug, Clone)]
pub struct Further {
    /// The new mapping's id.
    pub id: Uuid,
    /// The leave's row.
    pub leave: i64,
    /// The mailbox's address.
    pub mailbox: String,
    /// Which calendar of it.
    pub calendar: String,
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

    /// The leaves behind `after` that are not over, and where to go on; `None` at the end.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn upcoming(&self, tenant: &str, after: i64) -> Result<(Vec<Upcoming>, Option<i64>), StoreError> {
        let last = sqlx::query_scalar!(
            r#"SELECT max(id) FROM (SELECT id FROM leaves WHERE id > $1 ORDER BY id LIMIT $2) AS stretch"#,
            after,
            STRETCH
        )
        .fetch_one(&self.pool)
        .await?;
        let Some(last) = last else { return Ok((Vec::new(), None)) };
        let rows = sqlx::query!(
            r#"SELECT l.id AS row, l.external_id, l.source, l.status, l.content, m.id, m.calendar, m.state, m.applied,
                      b.address, b.time_zone, b.working_hours
               FROM leaves l
               CROSS JOIN LATERAL (SELECT * FROM mappings m WHERE m.leave = l.id AND m.wanted) AS m
               JOIN mailboxes b ON b.id = m.mailbox
               WHERE l.id > $1 AND l.id <= $2 AND l.tenant = $3
                 AND is_ahead(l.content)
               ORDER BY l.id"#,
            after,
            last,
            tenant
        )
        .fetch_all(&self.pool)
        .await?;
        let mut leaves: Vec<Upcoming> = Vec::new();
        for row in rows {
            if leaves.last().is_none_or(|leave| leave.row != row.row) {
                leaves.push(Upcoming {
                    row: row.row,
                    leave_id: row.external_id,
                    source: row.source,
                    leave: read(&row.status, row.content),
                    own: OwnTime::default(),
                    mappings: Vec::new(),
                });
            }
            let Some(leave) = leaves.last_mut() else { continue };
            let own = own_time(row.time_zone, row.working_hours);
            if row.calendar == OWN {
                leave.own = own.clone();
            }
            leave.mappings.push(Wanted {
                id: row.id,
                mailbox: row.address,
                calendar: row.calendar,
                state: row.state,
                applied: row.applied.and_then(|applied| serde_json::from_value(applied).ok()),
                own,
            });
        }
        Ok((leaves, Some(last)))
    }

    /// Wants these leaves in further calendars, from `wait` on, each `spacing` after the one before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn want_further(
        &self,
        tenant: &str,
        further: &[Further],
        wait: Duration,
        spacing: Duration,
    ) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        let leaves: Vec<i64> = further.iter().map(|further| further.leave).collect();
        // Changes of them come before or after: a cancellation that saw none of the new mappings would leave its copy there.
        sqlx::query!("SELECT id FROM leaves WHERE id = ANY ($1) ORDER BY id FOR NO KEY UPDATE", &leaves)
            .fetch_all(&mut *transaction)
            .await?;
        // In a fixed order, as an intake makes them.
        let mut mailboxes: Vec<&str> = further.iter().map(|further| further.mailbox.as_str()).collect();
        mailboxes.sort_unstable();
        mailboxes.dedup();
        sqlx::query!(
            "INSERT INTO mailboxes (tenant, address) SELECT $1, address FROM unnest($2::text[]) AS t (address)
             ON CONFLICT DO NOTHING",
            tenant,
            &mailboxes as _
        )
        .execute(&mut *transaction)
        .await?;
        let ids: Vec<Uuid> = further.iter().map(|further| further.id).collect();
        let addresses: Vec<&str> = further.iter().map(|further| further.mailbox.as_str()).collect();
        let calendars: Vec<&str> = further.iter().map(|further| further.calendar.as_str()).collect();
        sqlx::query!(
            "WITH more AS (
                 INSERT INTO mappings (id, leave, mailbox, calendar, tenant, wanted, wanted_rev, next_attempt_at, updated_at)
                 SELECT f.id, l.id, b.id, f.calendar, $1, true, l.rev,
                        greatest(leavebridge_now() + ($6::double precision + f.n * $7::double precision) * interval '1 millisecond',
                                 b.blocked_until, b.throttled_until),
                        leavebridge_now()
                 FROM unnest($2::uuid[], $3::bigint[], $4::text[], $5::text[]) WITH ORDINALITY AS f (id, leave, address, calendar, n)
                 JOIN leaves l ON l.id = f.leave
                 JOIN mailboxes b ON b.tenant = $1 AND b.address = f.address
                 -- It was wanted there before, and then no more: what is under way may still take it away.
                 ON CONFLICT (leave, mailbox, calendar) DO UPDATE
                 SET wanted = true, wanted_rev = greatest(mappings.wanted_rev, excluded.wanted_rev), state = 'pending',
                     again = mappings.state IN ('pending', 'waiting'), next_attempt_at = excluded.next_attempt_at,
                     attempts = 0, failing_since = NULL, reason = NULL, detail = NULL, updated_at = excluded.updated_at
                 WHERE NOT mappings.wanted
                 RETURNING id, leave
             )
             INSERT INTO timeline (leave, mapping, at, kind, detail)
             SELECT leave, id, leavebridge_now(), 'resynced', $8 FROM more",
            tenant,
            &ids,
            &leaves,
            &addresses as _,
            &calendars as _,
            millis(wait),
            millis(spacing),
            why()
        )
        .execute(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(())
    }

    /// The tenant's automatic replies may want other texts: each is looked at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn look_at_replies(&self, tenant: &str) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE replies SET next_attempt_at = leavebridge_now(), asked = asked + 1, attempts = 0, failing_since = NULL
             WHERE tenant = $1 AND state IN ('scheduled', 'none', 'parked')",
            tenant
        )
        .execute(&self.pool)
        .await?;
        Ok(())
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
                 WHERE m.id = wished.id AND m.state IN ('synced', 'removed', 'hidden', 'parked')
                 RETURNING m.id, m.leave
             )
             INSERT INTO timeline (leave, mapping, at, kind, detail)
             SELECT leave, id, leavebridge_now(), 'resynced', $4 FROM again",
            mappings,
            millis(wait),
            millis(spacing),
            why()
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}

fn why() -> serde_json::Value {
    serde_json::json!({"why": "the policy has changed"})
}
