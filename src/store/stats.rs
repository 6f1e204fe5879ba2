//! Figures for health, metrics and the console: counted, never decided by.

use std::{collections::BTreeMap, time::Duration};

use super::{StoreError, database::Store};
use crate::reconcile::state::{Kind, Reason, State};

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
            r#"SELECT i.tenant AS "tenant!", i.kind AS "kind!", i.state AS "state!",
                      coalesce(greatest(t.blocked_until, b.blocked_until, b.throttled_until) > leavebridge_now(), false) AS "held_up!",
                      CASE WHEN i.kind = 'event' THEN b.blocked_reason ELSE i.reason END AS reason,
                      count(*) AS "count!",
                      coalesce(extract(epoch FROM leavebridge_now() - min(i.next_at)), 0)::bigint AS "oldest!",
                      coalesce(extract(epoch FROM leavebridge_now() - min(i.failing_since)), 0)::bigint AS "failing!"
               FROM items i
               JOIN mailboxes b ON b.id = i.mailbox
               LEFT JOIN tenants t ON t.tenant = i.tenant
               WHERE i.state IN ('pending', 'waiting', 'parked')
               GROUP BY 1, 2, 3, 4, 5"#
        )
        .fetch_all(&self.pool)
        .await?;
        let mut backlogs: BTreeMap<String, Backlog> = BTreeMap::new();
        for row in rows {
            let backlog = backlogs.entry(row.tenant).or_default();
            let is_denied = row.reason.as_deref() == Some(Reason::AccessDenied.word());
            let state = State::of(&row.state);
            if row.kind == Kind::Reply.word() {
                match state {
                    Some(State::Waiting) => {
                        backlog.replies.waiting += row.count;
                        backlog.replies.denied += if is_denied { row.count } else { 0 };
                    }
                    Some(State::Parked) => backlog.replies.parked += row.count,
                    _ => {}
                }
                continue;
            }
            if row.kind != Kind::Event.word() {
                continue;
            }
            match state {
                Some(State::Parked) => {
                    backlog.parked += row.count;
                    continue;
                }
                Some(State::Pending) if !row.held_up => {
                    backlog.due += row.count;
                    backlog.oldest = backlog.oldest.max(seconds(row.oldest));
                }
                _ => backlog.waiting += row.count,
            }
            backlog.failing = backlog.failing.max(seconds(row.failing));
            backlog.denied += if is_denied { row.count } else { 0 };
        }
        Ok(backlogs.into_iter().collect())
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

    /// How many mappings came to rest within the last day, by tenant and state: `Synced`, `Removed` or `Hidden`. Only of
    /// the last day, so that it costs as much as a day brings and not as much as there ever was.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn settled_lately(&self, tenants: &[String]) -> Result<Vec<(String, State, i64)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT tenant, state, count(*) AS "count!" FROM items
               WHERE kind = 'event' AND updated_at >= leavebridge_now() - interval '1 day' AND tenant = ANY ($1)
                 AND state IN ('synced', 'removed', 'hidden')
               GROUP BY tenant, state"#,
            tenants
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows.into_iter().filter_map(|row| Some((row.tenant, State::of(&row.state)?, row.count))).collect())
    }
}

/// Seconds of PostgreSQL; none when its clock went backwards.
fn seconds(seconds: i64) -> Duration {
    Duration::from_secs(u64::try_from(seconds).unwrap_or(0))
}
