//! Whole tenants that cannot be served at the moment: wrong or expired credentials, no token to be had.

use std::time::Duration;

use jiff::Timestamp;

use super::{database::Store, error::StoreError, millis};
use crate::reconcile::state::Reason;

/// How a tenant stands with Microsoft.
#[derive(Debug, Clone)]
pub struct TenantState {
    /// The tenant.
    pub tenant: String,
    /// Why it is blocked; `None` when it is not.
    pub blocked_reason: Option<Reason>,
    /// The same in a sentence.
    pub blocked_detail: Option<String>,
    /// Since when.
    pub blocked_since: Option<Timestamp>,
    /// Until when nothing is tried.
    pub blocked_until: Option<Timestamp>,
    /// When Graph last did what we asked.
    pub last_success: Option<Timestamp>,
}

impl Store {
    /// Lets nothing of this tenant be tried before `wait` is over. Costs no mapping an attempt.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn block_tenant(
        &self,
        tenant: &str,
        reason: Reason,
        detail: &str,
        wait: Duration,
    ) -> Result<(), StoreError> {
        sqlx::query!(
            "INSERT INTO tenants AS t (tenant, blocked_until, blocked_since, blocked_reason, blocked_detail)
             VALUES ($1, leavebridge_now() + $4 * interval '1 millisecond', leavebridge_now(), $2, $3)
             ON CONFLICT (tenant) DO UPDATE
             SET blocked_until = greatest(t.blocked_until, excluded.blocked_until),
                 blocked_since = CASE WHEN t.blocked_reason = excluded.blocked_reason THEN t.blocked_since
                                      ELSE excluded.blocked_since END,
                 blocked_reason = excluded.blocked_reason, blocked_detail = excluded.blocked_detail",
            tenant,
            reason.word(),
            detail,
            millis(wait)
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Notes that Graph takes our token for this tenant, which also ends its block. `false` when a block is still to run.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_served(&self, tenant: &str) -> Result<bool, StoreError> {
        let is_free = sqlx::query_scalar!(
            r#"INSERT INTO tenants AS t (tenant, last_success) VALUES ($1, leavebridge_now())
             ON CONFLICT (tenant) DO UPDATE
             SET last_success = leavebridge_now(),
                 -- A block that is still to run was set by another call meanwhile; it is not lifted by this one.
                 blocked_since = CASE WHEN t.blocked_until > leavebridge_now() THEN t.blocked_since END,
                 blocked_reason = CASE WHEN t.blocked_until > leavebridge_now() THEN t.blocked_reason END,
                 blocked_detail = CASE WHEN t.blocked_until > leavebridge_now() THEN t.blocked_detail END,
                 blocked_until = CASE WHEN t.blocked_until > leavebridge_now() THEN t.blocked_until END
             RETURNING t.blocked_until IS NULL AS "is_free!""#,
            tenant
        );
        Ok(is_free.fetch_one(&self.pool).await?)
    }

    /// The service starts, perhaps with a credential that was put right: what blocks these tenants is tried again at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn try_tenants(&self, tenants: &[String]) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE tenants SET blocked_until = leavebridge_now()
             WHERE tenant = ANY ($1) AND blocked_until > leavebridge_now()",
            tenants
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// How the tenants stand that have ever been tried. A block that ran out a while ago is none any more: whatever waited for
    /// its end has been tried since, or there was nothing left to try.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_states(&self) -> Result<Vec<TenantState>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT t.tenant, b.blocked_reason AS "blocked_reason?", b.blocked_detail AS "blocked_detail?",
                      b.blocked_since AS "blocked_since: jiff_sqlx::Timestamp",
                      b.blocked_until AS "blocked_until: jiff_sqlx::Timestamp",
                      t.last_success AS "last_success: jiff_sqlx::Timestamp"
               FROM tenants t
               LEFT JOIN tenants b
                   ON b.tenant = t.tenant AND b.blocked_until > leavebridge_now() - interval '1 minute'
               ORDER BY t.tenant"#
        )
        .fetch_all(&self.pool)
        .await?;
        Ok(rows
            .into_iter()
            .map(|row| TenantState {
                tenant: row.tenant,
                blocked_reason: row.blocked_reason.as_deref().and_then(Reason::of),
                blocked_detail: row.blocked_detail,
                blocked_since: row.blocked_since.map(jiff_sqlx::Timestamp::to_jiff),
                blocked_until: row.blocked_until.map(jiff_sqlx::Timestamp::to_jiff),
                last_success: row.last_success.map(jiff_sqlx::Timestamp::to_jiff),
            })
            .collect())
    }
}
