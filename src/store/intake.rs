//! Takes in changes: the one place where the promise "acknowledged means stored" is kept.
//!
//! One change is one call of `accept_leave` (see the migrations). Nothing after its commit is needed for correctness.

use jiff::Timestamp;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Store, StoreError, views::LeaveView};
use crate::domain::{
    leave::{Leave, Status},
    team::Place,
};

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
    /// The calendars that the leave belongs to, the person's own first; each with an id for its mapping, should there be
    /// none yet. Empty for a cancellation that does not repeat the leave.
    pub places: &'a [(Uuid, Place<'a>)],
}

/// What became of a change, and how the leave stands now.
#[derive(Debug, Clone)]
pub enum Intake {
    /// It was taken in, or needed not be.
    Done(Outcome, LeaveView),
    /// The delivery id was used before with another body; nothing was stored.
    Reused,
}

impl Store {
    /// Takes in one change. When this returns `Ok`, it is committed.
    ///
    /// # Errors
    /// When the database did not confirm it; the change may or may not be stored then, and the sender must try again.
    pub async fn accept(&self, change: NewChange<'_>) -> Result<Intake, StoreError> {
        self.reception.take_in(&self.pool, change.into()).await
    }
}
