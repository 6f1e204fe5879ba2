//! Takes in changes: the one place where the promise "acknowledged means stored" is kept.
//!
//! One call of `accept_leave` (see the migrations) is one transaction and one round trip. Nothing after its commit is
//! needed for correctness.

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Store, StoreError,
    views::{LeaveView, MappingView},
};
use crate::domain::leave::{Leave, Status};

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub enum Outcome {
    /// Stored; the calendar follows.
    Accepted,
    /// The leave already looks like this.
    Unchanged,
    /// This very delivery was taken in before.
    Duplicate,
    /// Older than what is stored.
    Stale,
}

/// One change of one leave, ready to be stored.
#[derive(Debug, Clone, Copy)]
pub struct NewChange<'a> {
    /// The client that sent it.
    pub client: &'a str,
    /// The sender's id of the delivery, and the SHA-256 of its body.
    pub delivery: Option<(&'a str, &'a [u8])>,
    /// The leave's tenant.
    pub tenant: &'a str,
    /// The leave's source: with tenant and id its identity.
    pub source: &'a str,
    /// The leave's id at its source.
    pub id: &'a str,
    /// Where the leave stands.
    pub status: Status,
    /// The whole leave; `None` for a cancellation that does not repeat it.
    pub leave: Option<&'a Leave>,
    /// When it happened at the source.
    pub at: Timestamp,
    /// The id for the leave's mapping, should there be none yet.
    pub mapping: Uuid,
}

/// What became of a change, and how the leave stands now.
#[derive(Debug, Clone)]
pub enum Intake {
    /// It was taken in, or needed not be.
    Done(Outcome, LeaveView),
    /// The delivery id was used before with another body; nothing was stored.
    Reused,
}

/// The calendar of a mailbox that leave goes to when no policy names another.
const DEFAULT_CALENDAR: &str = "default";

impl Store {
    /// Takes in one change. When this returns `Ok`, it is committed.
    ///
    /// # Errors
    /// When the database did not confirm it; the change may or may not be stored then, and the sender must try again.
    pub async fn accept(&self, change: NewChange<'_>) -> Result<Intake, StoreError> {
        let (addresses, entra_ids) = match change.leave {
            Some(leave) => (vec![leave.staff.mailbox().to_owned()], vec![leave.staff.entra_id.clone()]),
            None => (Vec::new(), Vec::new()),
        };
        let mapping_ids = vec![change.mapping; addresses.len()];
        let calendars = vec![DEFAULT_CALENDAR.to_owned(); addresses.len()];
        let (delivery_id, body_hash) = change.delivery.unzip();
        let rows = sqlx::query!(
            r#"SELECT outcome AS "outcome!", status AS "status?", mapping AS "mapping?", mailbox AS "mailbox?",
                      calendar AS "calendar?", state AS "state?", reason AS "reason?", detail AS "detail?",
                      next_attempt_at AS "next_attempt_at?: jiff_sqlx::Timestamp", event_id AS "event_id?",
                      web_link AS "web_link?", attempts AS "attempts?",
                      updated_at AS "updated_at?: jiff_sqlx::Timestamp"
               FROM accept_leave($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)"#,
            change.client,
            delivery_id,
            body_hash,
            change.tenant,
            change.source,
            change.id,
            change.status.word(),
            change.leave.map(Json) as _,
            change.at.to_sqlx() as _,
            &mapping_ids,
            &addresses,
            &entra_ids as &[Option<String>],
            &calendars,
        )
        .fetch_all(&self.pool)
        .await?;

        let broken = |what: &str| StoreError::Broken(sqlx::Error::Decode(format!("accept_leave gave {what}").into()));
        let first = rows.first().ok_or_else(|| broken("no row"))?;
        let outcome = match first.outcome.as_str() {
            "accepted" => Outcome::Accepted,
            "unchanged" => Outcome::Unchanged,
            "duplicate" => Outcome::Duplicate,
            "stale" => Outcome::Stale,
            "reused" => return Ok(Intake::Reused),
            _ => return Err(broken("an unknown outcome")),
        };
        let status = first.status.as_deref().and_then(Status::of).ok_or_else(|| broken("an unknown status"))?;
        let mappings = rows
            .into_iter()
            .filter_map(|row| {
                Some(MappingView {
                    id: row.mapping?,
                    tenant: change.tenant.to_owned(),
                    source: change.source.to_owned(),
                    leave_id: change.id.to_owned(),
                    mailbox: row.mailbox?,
                    calendar: row.calendar?,
                    state: row.state?,
                    reason: row.reason,
                    detail: row.detail,
                    next_attempt_at: row.next_attempt_at.map(Into::into),
                    event_id: row.event_id,
                    web_link: row.web_link,
                    attempts: row.attempts?,
                    updated_at: row.updated_at?.to_jiff(),
                })
            })
            .collect();
        let leave = LeaveView {
            id: change.id.to_owned(),
            tenant: change.tenant.to_owned(),
            source: change.source.to_owned(),
            status,
            mappings,
        };
        Ok(Intake::Done(outcome, leave))
    }
}
