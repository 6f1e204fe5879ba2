//! Whole tenants that cannot be served at the moment: wrong or expired credentials, no token to be had. What becomes of a
//! block is decided by [`TenantState`]; here its row is locked, loaded and saved.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use sqlx::{PgConnection, types::Json};

use super::{database::Store, error::StoreError, rows};
use crate::reconcile::{state::Reason, tenant::TenantState};

/// The rows of `tenants` that the rest of the statement chooses.
macro_rules! tenant_rows {
    ($rest:literal $(, $argument:expr)* $(,)?) => {
        sqlx::query_as!(
            TenantRow,
            r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp", tenant, blocked_reason, blocked_detail,
                      blocked_since AS "blocked_since: jiff_sqlx::Timestamp",
                      blocked_until AS "blocked_until: jiff_sqlx::Timestamp",
                      last_success AS "last_success: jiff_sqlx::Timestamp"
               FROM tenants "# + $rest
            $(, $argument)*
        )
    };
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
        let rows = tenant_rows!("ORDER BY tenant").fetch_all(&self.pool).await?;
        let shown = rows.into_iter().map(|row| {
            let (tenant, now) = (row.tenant.clone(), row.now.to_jiff());
            let last_success = row.last_success.map(jiff_sqlx::Timestamp::to_jiff);
            // A reason that only a newer version knows is told by replicas of that version.
            let block = row.state().ok().and_then(|state| state.shown(now).cloned());
            (tenant, TenantState { block, last_success })
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

/// A row of `tenants`, in PostgreSQL's types.
struct TenantRow {
    now: jiff_sqlx::Timestamp,
    tenant: String,
    blocked_until: Option<jiff_sqlx::Timestamp>,
    blocked_since: Option<jiff_sqlx::Timestamp>,
    blocked_reason: Option<String>,
    blocked_detail: Option<String>,
    last_success: Option<jiff_sqlx::Timestamp>,
}

impl TenantRow {
    fn state(self) -> Result<TenantState, StoreError> {
        let block =
            rows::block(self.blocked_until, self.blocked_since, self.blocked_reason.as_deref(), self.blocked_detail)?;
        Ok(TenantState { block, last_success: self.last_success.map(jiff_sqlx::Timestamp::to_jiff) })
    }
}

/// A row that is written.
#[derive(Serialize)]
struct ChangedTenant {
    tenant: String,
    blocked_until: Option<Timestamp>,
    blocked_since: Option<Timestamp>,
    blocked_reason: Option<Reason>,
    blocked_detail: Option<String>,
    last_success: Option<Timestamp>,
}

/// Changes how these tenants stand, behind a lock on their rows, taken by name.
pub(super) async fn change_tenants(
    connection: &mut PgConnection,
    tenants: &[String],
    mut change: impl FnMut(&mut TenantState, Timestamp),
) -> Result<(), StoreError> {
    let rows = tenant_rows!("WHERE tenant = ANY ($1) ORDER BY tenant FOR NO KEY UPDATE", tenants)
        .fetch_all(&mut *connection)
        .await?;
    let mut changed = Vec::new();
    for row in rows {
        let (tenant, now) = (row.tenant.clone(), row.now.to_jiff());
        let before = row.state()?;
        let mut state = before.clone();
        change(&mut state, now);
        if state == before {
            continue;
        }
        let (block, last_success) = (state.block, state.last_success);
        changed.push(ChangedTenant {
            tenant,
            blocked_until: block.as_ref().map(|block| block.until),
            blocked_since: block.as_ref().map(|block| block.since),
            blocked_reason: block.as_ref().map(|block| block.reason),
            blocked_detail: block.map(|block| block.detail),
            last_success,
        });
    }
    if changed.is_empty() {
        return Ok(());
    }
    sqlx::query!(
        "UPDATE tenants t
         SET blocked_until = r.blocked_until, blocked_since = r.blocked_since, blocked_reason = r.blocked_reason,
             blocked_detail = r.blocked_detail, last_success = r.last_success
         FROM jsonb_populate_recordset(NULL::tenants, $1) AS r WHERE t.tenant = r.tenant",
        Json(&changed) as _
    )
    .execute(connection)
    .await?;
    Ok(())
}
