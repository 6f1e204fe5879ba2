//! What mailboxes say of their owners' time, kept so that it is asked for once a day only.

use std::time::Duration;

use sqlx::types::Json;

use super::{Store, StoreError, queue::Lease};
use crate::domain::event::OwnTime;

/// For how long an answer counts.
pub const FRESH_FOR: Duration = Duration::from_hours(24);

impl Store {
    /// Keeps what the mailbox of this lease says. Where that is not what it said before, what was written by the former answer
    /// is due again, as far as it is not over.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn own_time(&self, lease: &Lease, own: &OwnTime) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH before AS MATERIALIZED (
                 SELECT id, time_zone, working_hours, settings_at FROM mailboxes
                 WHERE id = $1 AND lease_epoch = $2 FOR NO KEY UPDATE
             ), kept AS (
                 UPDATE mailboxes b SET time_zone = $3, working_hours = $4, settings_at = leavebridge_now()
                 FROM before WHERE b.id = before.id
             ), replied AS (
                 -- By their clock it begins and ends.
                 UPDATE replies r SET next_attempt_at = leavebridge_now(), asked = r.asked + 1
                 FROM before
                 WHERE r.mailbox = before.id AND r.state = 'scheduled'
                   AND (before.time_zone, before.working_hours) IS DISTINCT FROM ($3, $4)
             )
             UPDATE mappings m SET state = 'pending', next_attempt_at = leavebridge_now(), updated_at = leavebridge_now()
             FROM before, mappings own, leaves l
             WHERE own.mailbox = before.id AND own.calendar = 'default' AND own.wanted AND l.id = own.leave
               -- In the calendars of teams as well.
               AND m.leave = own.leave AND m.wanted AND m.state = 'synced'
               AND (before.time_zone, before.working_hours) IS DISTINCT FROM ($3, $4)
               AND leave_until(l.content) >= to_char(leavebridge_now(), 'YYYY-MM-DD')",
            lease.mailbox,
            lease.epoch,
            own.zone.as_ref().map(crate::domain::zone::Zone::name),
            own.hours.as_ref().map(Json) as _
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
