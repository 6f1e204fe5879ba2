//! Figures for health and metrics, and forgetting what need not be remembered.

use super::{Store, StoreError, queue::seconds};
use std::time::Duration;

/// How long delivery ids are remembered.
const DELIVERIES_KEPT_DAYS: i32 = 30;
/// How many old delivery ids go in one statement, so that none holds others up for long.
const PRUNE_BATCH: i64 = 5_000;

/// What waits to be delivered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Backlog {
    /// Mappings that are due and not blocked.
    pub due: i64,
    /// Mappings that are tried again later, or whose mailbox or tenant is blocked.
    pub waiting: i64,
    /// Mappings that need a person.
    pub parked: i64,
    /// For how long the oldest of the due ones has been due.
    pub oldest: Duration,
    /// For how long the one has been failing that has been failing longest.
    pub failing: Duration,
    /// Mappings whose mailbox the app may not write to.
    pub denied: i64,
    /// Automatic replies that are not as they should be.
    pub replies: HeldReplies,
}

/// Automatic replies that something keeps from being as they should be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct HeldReplies {
    /// Tried again by themselves.
    pub waiting: i64,
    /// Of these, the ones in mailboxes whose settings the app may not change.
    pub denied: i64,
    /// Refused by Microsoft; not tried again by themselves.
    pub parked: i64,
}

impl Store {
    /// What waits to be delivered, by tenant.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn backlog(&self) -> Result<Vec<(String, Backlog)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT tenant AS "tenant!", count(*) FILTER (WHERE state = 'pending') AS "due!",
                      count(*) FILTER (WHERE state = 'waiting') AS "waiting!",
                      count(*) FILTER (WHERE state = 'parked') AS "parked!",
                      coalesce(extract(epoch FROM leavebridge_now()
                          - min(next_attempt_at) FILTER (WHERE state = 'pending')), 0)::bigint AS "oldest!",
                      coalesce(extract(epoch FROM leavebridge_now() - min(failing_since)), 0)::bigint AS "failing!",
                      count(*) FILTER (WHERE NOT is_reply AND reason = 'access-denied') AS "denied!",
                      count(*) FILTER (WHERE state = 'reply-waiting') AS "replies_waiting!",
                      count(*) FILTER (WHERE state = 'reply-waiting' AND reason = 'access-denied') AS "replies_denied!",
                      count(*) FILTER (WHERE state = 'reply-parked') AS "replies_parked!"
               FROM (
                   SELECT m.tenant, m.next_attempt_at, m.failing_since, b.blocked_reason AS reason, false AS is_reply,
                          CASE WHEN greatest(t.blocked_until, b.blocked_until, b.throttled_until) > leavebridge_now() THEN 'waiting'
                               ELSE m.state END AS state
                   FROM mappings m
                   JOIN mailboxes b ON b.id = m.mailbox
                   LEFT JOIN tenants_state t ON t.tenant = m.tenant
                   WHERE m.state IN ('pending', 'waiting')
                   UNION ALL
                   SELECT tenant, NULL, NULL, NULL, false, state FROM mappings WHERE state = 'parked'
                   UNION ALL
                   SELECT tenant, NULL, NULL, reason, true, 'reply-' || state FROM replies WHERE state IN ('waiting', 'parked')
               ) AS open
               GROUP BY tenant"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| {
                let backlog = Backlog {
                    due: row.due,
                    waiting: row.waiting,
                    parked: row.parked,
                    oldest: seconds(row.oldest),
                    failing: seconds(row.failing),
                    denied: row.denied,
                    replies: HeldReplies {
                        waiting: row.replies_waiting,
                        denied: row.replies_denied,
                        parked: row.replies_parked,
                    },
                };
                (row.tenant, backlog)
            })
            .collect())
    }

    /// Mailboxes of that tenant for which Microsoft asks us to slow down at this moment.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn throttled_mailboxes(&self, tenant: &str) -> Result<i64, StoreError> {
        let count = sqlx::query_scalar!(
            r#"SELECT count(*) AS "count!" FROM mailboxes WHERE tenant = $1 AND throttled_until > leavebridge_now()"#,
            tenant
        );
        Ok(count.fetch_one(&self.pool).await?)
    }

    /// How many mappings came to rest within the last day, by tenant and state: `synced`, `removed` or `hidden`. Only of
    /// the last day, so that it costs as much as a day brings and not as much as there ever was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn settled_lately(&self, tenants: &[String]) -> Result<Vec<(String, String, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT tenant, state, count(*) AS "count!" FROM mappings
               WHERE updated_at >= leavebridge_now() - interval '1 day' AND tenant = ANY ($1)
                 AND state IN ('synced', 'removed', 'hidden')
               GROUP BY tenant, state"#,
            tenants
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().map(|row| (row.tenant, row.state, row.count)).collect())
    }

    /// Forgets one batch of delivery ids that are older than 30 days; `true` when there may be more.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn prune(&self) -> Result<bool, StoreError> {
        let pruned = sqlx::query!(
            "DELETE FROM received WHERE (client, delivery_id) IN (
                 SELECT client, delivery_id FROM received
                 WHERE at < leavebridge_now() - make_interval(days => $1)
                 ORDER BY at LIMIT $2)",
            DELIVERIES_KEPT_DAYS,
            PRUNE_BATCH
        )
        .execute(&self.pool)
        .await?;
        Ok(pruned.rows_affected() == PRUNE_BATCH.unsigned_abs())
    }
}
