//! What mailboxes say of their owners' time, kept so that it is asked for once a day only.

use std::time::Duration;

use sqlx::types::Json;

use super::{Store, StoreError, millis, queue::Lease};
use crate::domain::event::OwnTime;

/// For how long an answer counts.
pub const FRESH_FOR: Duration = Duration::from_hours(24);
/// So many mailboxes are asked again at a time.
const ASKED_AT_ONCE: i64 = 10;

impl Store {
    /// Keeps what the mailbox of this lease says. Where that is not what it said before, what was written by the former answer
    /// is due again, in calendars of teams each `spacing` after the one before, as far as it is not over.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn own_time(&self, lease: &Lease, own: &OwnTime, spacing: Duration) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH before AS MATERIALIZED (
                 SELECT id, time_zone, working_hours, settings_at FROM mailboxes
                 WHERE id = $1 AND lease_epoch = $2 FOR NO KEY UPDATE
             ), kept AS (
                 UPDATE mailboxes b SET time_zone = $3, working_hours = $4, settings_at = leavebridge_now(),
                                      ask_at = NULL, missed_since = NULL
                 FROM before WHERE b.id = before.id
             ), again AS (
                 -- Copies in the calendars of teams that are being delivered at this moment, by what was known before.
                 UPDATE mappings m SET again = true
                 FROM before, mappings own
                 WHERE own.mailbox = before.id AND own.calendar = 'default' AND own.wanted
                   AND m.leave = own.leave AND m.mailbox <> before.id AND m.wanted AND m.state IN ('pending', 'waiting')
                   AND (before.time_zone, before.working_hours) IS DISTINCT FROM ($3, $4)
             ), replied AS (
                 -- By their clock it begins and ends.
                 UPDATE replies r SET next_attempt_at = leavebridge_now(), asked = r.asked + 1
                 FROM before
                 WHERE r.mailbox = before.id AND r.state = 'scheduled'
                   AND (before.time_zone, before.working_hours) IS DISTINCT FROM ($3, $4)
             ), here AS MATERIALIZED (
                 SELECT m.id, m.leave, m.calendar
                 FROM before CROSS JOIN LATERAL (SELECT * FROM mappings m WHERE m.mailbox = before.id) AS m
                 WHERE m.wanted AND (before.time_zone, before.working_hours) IS DISTINCT FROM ($3, $4)
             ), affected AS MATERIALIZED (
                 SELECT id FROM here
                 UNION
                 -- In the calendars of teams as well.
                 SELECT m.id FROM here JOIN mappings m ON m.leave = here.leave
                 WHERE here.calendar = 'default' AND m.wanted
             ), due AS (
                 -- One person's leave is little, a team's may be much.
                 SELECT m.id, CASE WHEN m.calendar = 'default' THEN 0
                                   ELSE row_number() OVER (PARTITION BY m.calendar = 'default' ORDER BY m.id) - 1 END AS n
                 FROM affected JOIN mappings m ON m.id = affected.id JOIN leaves l ON l.id = m.leave
                 WHERE m.state = 'synced' AND is_ahead(l.content)
             )
             UPDATE mappings m
             SET state = 'pending', updated_at = leavebridge_now(),
                 next_attempt_at = leavebridge_now() + due.n * $5::double precision * interval '1 millisecond'
             FROM due WHERE m.id = due.id AND m.state = 'synced'",
            lease.mailbox,
            lease.epoch,
            own.zone.as_ref().map(crate::domain::zone::Zone::name),
            own.hours.as_ref().map(Json) as _,
            millis(spacing)
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The tenant's mailboxes can be asked from now on: upcoming leave that depends on the answer and was written without one
    /// is due again, each `spacing` after the one before.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ask_for_own_times(&self, tenant: &str, spacing: Duration) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH unasked AS (
                 SELECT m.id, row_number() OVER (ORDER BY m.id) AS n
                 FROM mailboxes b
                 CROSS JOIN LATERAL (SELECT * FROM mappings m WHERE m.mailbox = b.id) AS m
                 JOIN leaves l ON l.id = m.leave
                 WHERE b.tenant = $1 AND b.settings_at IS NULL AND m.wanted AND m.state IN ('synced', 'pending', 'waiting')
                   AND is_ahead(l.content)
                   AND (CASE WHEN m.calendar = 'default' THEN l.content -> 'time_zone' IS NULL
                                  OR l.content #>> '{span,days,starts}' = 'pm' OR l.content #>> '{span,days,ends}' = 'am'
                             -- Whole days of a team lie by the team's clock.
                             ELSE l.content -> 'span' ? 'days' END)
             )
             UPDATE mappings m
             SET state = CASE m.state WHEN 'synced' THEN 'pending' ELSE m.state END,
                 next_attempt_at = CASE m.state WHEN 'synced'
                     THEN leavebridge_now() + unasked.n * $2::double precision * interval '1 millisecond'
                     ELSE m.next_attempt_at END,
                 -- Being delivered at this moment, perhaps without the answer.
                 again = m.again OR m.state <> 'synced'
             FROM unasked WHERE m.id = unasked.id AND m.state IN ('synced', 'pending', 'waiting')",
            tenant,
            millis(spacing)
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// The mailbox of this lease gave no answer. It is asked again after a minute, then after twice that, and so on to a day.
    ///
    /// # Errors
    /// When the database does not answer: it is asked only when leave of its comes by then.
    pub async fn missed_own_time(&self, lease: &Lease) -> Result<(), StoreError> {
        sqlx::query!(
            "UPDATE mailboxes
             SET missed_since = coalesce(missed_since, leavebridge_now()),
                 ask_at = leavebridge_now() + least(greatest(leavebridge_now() - missed_since, interval '1 minute'), interval '1 day')
             WHERE id = $1 AND lease_epoch = $2",
            lease.mailbox,
            lease.epoch
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }

    /// Has leave of some mailboxes that are to be asked again planned once more, as far as it is not over. The first that
    /// answers makes that of all others due.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn ask_missed(&self) -> Result<(), StoreError> {
        sqlx::query!(
            "WITH due AS MATERIALIZED (
                 SELECT id FROM mailboxes WHERE ask_at <= leavebridge_now() ORDER BY ask_at LIMIT $1
                 FOR NO KEY UPDATE SKIP LOCKED
             ), asked AS (
                 UPDATE mailboxes b SET ask_at = NULL FROM due WHERE b.id = due.id
             )
             UPDATE mappings m
             SET state = CASE m.state WHEN 'synced' THEN 'pending' ELSE m.state END,
                 next_attempt_at = CASE m.state WHEN 'synced' THEN leavebridge_now() ELSE m.next_attempt_at END,
                 -- Being delivered at this moment, perhaps without the answer.
                 again = m.again OR m.state <> 'synced'
             FROM due, leaves l
             WHERE m.mailbox = due.id AND m.wanted AND m.state IN ('pending', 'waiting', 'synced') AND l.id = m.leave
               AND is_ahead(l.content)",
            ASKED_AT_ONCE
        )
        .execute(&self.pool)
        .await?;
        Ok(())
    }
}
