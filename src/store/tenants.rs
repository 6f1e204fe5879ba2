//! Whole tenants that cannot be served at the moment: wrong or expired credentials, no token to be had. What becomes of a
//! block is decided by [`TenantState`]; here its row is locked, loaded and saved.

use std::time::Duration;

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use sqlx::PgConnection;

use super::{database::Store, error::StoreError, rows};
use crate::reconcile::{state::Reason, tenant::TenantState};

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
        self.change_tenant(tenant, |state, now| state.block(reason, detail, wait, now)).await
    }

    /// Notes that Graph takes our token for this tenant, which also ends its block. `false` when a block is still to run.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_served(&self, tenant: &str) -> Result<bool, StoreError> {
        self.change_tenant(tenant, TenantState::served).await
    }

    /// The service starts, perhaps with a credential that was put right: what blocks these tenants is tried again at once.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn try_tenants(&self, tenants: &[String]) -> Result<(), StoreError> {
        let mut transaction = self.pool.begin().await?;
        change_tenants(&mut transaction, tenants, TenantState::try_again).await?;
        Ok(transaction.commit().await?)
    }

    /// How the tenants stand that have ever been tried, by name, as people are told of it.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn tenant_states(&self) -> Result<Vec<(String, TenantState)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp", tenant, blocked_reason, blocked_detail,
                      blocked_since AS "blocked_since: jiff_sqlx::Timestamp",
                      blocked_until AS "blocked_until: jiff_sqlx::Timestamp",
                      last_success AS "last_success: jiff_sqlx::Timestamp"
               FROM tenants ORDER BY tenant"#
        )
        .fetch_all(&self.pool)
        .await?;
        let shown = rows.into_iter().map(|row| {
            let last_success = row.last_success.map(jiff_sqlx::Timestamp::to_jiff);
            // A reason that only a newer version knows is told by replicas of that version.
            let block =
                rows::block(row.blocked_until, row.blocked_since, row.blocked_reason.as_deref(), row.blocked_detail);
            let state = TenantState { block: block.ok().flatten(), last_success };
            let block = state.shown(row.now.to_jiff()).cloned();
            (row.tenant, TenantState { block, last_success })
        });
        Ok(shown.collect())
    }

    /// Changes how a tenant stands, entering it where it is new.
    async fn change_tenant<T>(
        &self,
        tenant: &str,
        change: impl FnOnce(&mut TenantState, Timestamp) -> T,
    ) -> Result<T, StoreError> {
        let mut transaction = self.pool.begin().await?;
        sqlx::query!("INSERT INTO tenants (tenant) VALUES ($1) ON CONFLICT DO NOTHING", tenant)
            .execute(&mut *transaction)
            .await?;
        let (mut change, mut changed) = (Some(change), None);
        change_tenants(&mut transaction, &[tenant.to_owned()], |state, now| {
            changed = change.take().map(|change| change(state, now));
        })
        .await?;
        transaction.commit().await?;
        changed.ok_or_else(|| StoreError::unknown("tenants.tenant"))
    }
}

/// Changes how these tenants stand, behind a lock on their rows, taken by name.
pub(super) async fn change_tenants(
    connection: &mut PgConnection,
    tenants: &[String],
    mut change: impl FnMut(&mut TenantState, Timestamp),
) -> Result<(), StoreError> {
    let rows = sqlx::query!(
        r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp", tenant, blocked_reason, blocked_detail,
                  blocked_since AS "blocked_since: jiff_sqlx::Timestamp",
                  blocked_until AS "blocked_until: jiff_sqlx::Timestamp",
                  last_success AS "last_success: jiff_sqlx::Timestamp"
           FROM tenants WHERE tenant = ANY ($1) ORDER BY tenant FOR NO KEY UPDATE"#,
        tenants
    )
    .fetch_all(&mut *connection)
    .await?;
    for row in rows {
        let block =
            rows::block(row.blocked_until, row.blocked_since, row.blocked_reason.as_deref(), row.blocked_detail)?;
        let before = TenantState { block, last_success: row.last_success.map(jiff_sqlx::Timestamp::to_jiff) };
        let mut state = before.clone();
        change(&mut state, row.now.to_jiff());
        if state == before {
            continue;
        }
        let block = state.block.as_ref();
        sqlx::query!(
            "UPDATE tenants
             SET blocked_until = $2, blocked_since = $3, blocked_reason = $4, blocked_detail = $5, last_success = $6
             WHERE tenant = $1",
            row.tenant,
            block.map(|block| block.until.to_sqlx()) as _,
            block.map(|block| block.since.to_sqlx()) as _,
            block.map(|block| block.reason.word()),
            block.map(|block| block.detail.as_str()),
            state.last_success.map(Timestamp::to_sqlx) as _
        )
        .execute(&mut *connection)
        .await?;
    }
    Ok(())
}
