//! Writes down what came of deliveries: many at a time, one transaction, each with its line in the timeline.
//!
//! Every record is fenced by the epoch of the lease under which it was earned. A record that comes too late changes
//! nothing but one thing: it marks its mapping as in doubt, because the late call may have overwritten in Outlook what the
//! mailbox's new holder wrote.

use std::time::Duration;

use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use uuid::Uuid;

use super::{Store, StoreError, millis, queue::Due, queue::Lease};
use crate::domain::{event::EventSpec, judge::Reason};

/// What came of one delivery.
#[derive(Debug, Clone, Serialize)]
pub struct Record {
    mapping: Uuid,
    leave: i64,
    mailbox: i64,
    epoch: i64,
    rev: i64,
    state: &'static str,
    applied: Option<EventSpec>,
    event_id: Option<String>,
    ical_uid: Option<String>,
    change_key: Option<String>,
    web_link: Option<String>,
    incarnation: i32,
    unsure: bool,
    doubted: bool,
    delay: f64,
    reason: Option<&'static str>,
    detail: Option<String>,
    block: Option<f64>,
    floor: Option<f64>,
    own: bool,
    kind: &'static str,
    story: Value,
}

/// The event in Outlook as far as we know it.
#[derive(Debug, Clone, Default)]
pub struct Holding {
    /// The event's id; `None` when there is none of ours.
    pub event_id: Option<String>,
    /// What we wrote into it.
    pub applied: Option<EventSpec>,
    /// The same event's id in other calendars and programs.
    pub ical_uid: Option<String>,
    /// Which version of it.
    pub change_key: Option<String>,
    /// The event in Outlook on the web.
    pub web_link: Option<String>,
    /// Which event of this mapping it is, or the next one will be.
    pub incarnation: i32,
    /// A call's outcome is unknown.
    pub unsure: bool,
    /// It is so since just now.
    pub doubted: bool,
}

/// How a delivery ended.
#[derive(Debug, Clone)]
pub enum Ending {
    /// The event is there as wanted.
    Synced,
    /// There is no event, as wanted.
    Removed,
    /// There is no event: the policy hides the leave.
    Hidden,
    /// There is more to do at once.
    Onward,
    /// Try again later.
    Waiting(Reason, String, Duration),
    /// Try nothing in this mailbox for a while: a person has to mend something.
    MailboxBlocked(Reason, String, Duration),
    /// Try nothing in this mailbox for a while: Microsoft asks for it.
    Throttled(Reason, String, Duration),
    /// A person is needed.
    Parked(Reason, String),
}

impl Record {
    /// The record of a delivery of `due` under `lease`. `retry_after` is what Microsoft asked the whole mailbox to wait.
    #[must_use]
    pub fn new(
        lease: &Lease,
        due: &Due,
        holding: Holding,
        ending: Ending,
        retry_after: Option<Duration>,
        story: Value,
    ) -> Self {
        let state = match ending {
            Ending::Synced => "synced",
            Ending::Removed => "removed",
            Ending::Hidden => "hidden",
            Ending::Onward => "pending",
            Ending::Waiting(..) | Ending::MailboxBlocked(..) | Ending::Throttled(..) => "waiting",
            Ending::Parked(..) => "parked",
        };
        let kind = match ending {
            Ending::Synced | Ending::Removed | Ending::Hidden => "delivered",
            Ending::Onward | Ending::Waiting(..) | Ending::MailboxBlocked(..) | Ending::Throttled(..) => "failed",
            Ending::Parked(..) => "parked",
        };
        let block = if let Ending::MailboxBlocked(_, _, wait) = ending { Some(millis(wait)) } else { None };
        let throttled = if let Ending::Throttled(_, _, wait) = ending { Some(wait) } else { None };
        let own = matches!(ending, Ending::Waiting(..));
        let (reason, detail, delay) = match ending {
            Ending::Waiting(reason, detail, wait)
            | Ending::MailboxBlocked(reason, detail, wait)
            | Ending::Throttled(reason, detail, wait) => (Some(reason.word()), Some(detail), wait),
            Ending::Parked(reason, detail) => (Some(reason.word()), Some(detail), Duration::ZERO),
            _ => (None, None, Duration::ZERO),
        };
        let Holding { event_id, applied, ical_uid, change_key, web_link, incarnation, unsure, doubted } = holding;
        Self {
            mapping: due.id,
            leave: due.leave_row,
            mailbox: lease.mailbox,
            epoch: lease.epoch,
            rev: due.rev,
            state,
            applied,
            event_id,
            ical_uid,
            change_key,
            web_link,
            incarnation,
            unsure,
            doubted,
            delay: millis(delay),
            reason,
            detail,
            block,
            floor: throttled.max(retry_after).map(millis),
            own,
            kind,
            story,
        }
    }

    /// Which mapping it is about.
    #[must_use]
    pub const fn mapping(&self) -> Uuid {
        self.mapping
    }

    /// The state of the mapping by this record.
    #[must_use]
    pub const fn state(&self) -> &'static str {
        self.state
    }
}

impl Store {
    /// Writes the records down and says for each, in order, whether its lease still held.
    ///
    /// # Errors
    /// When the database did not confirm them: treat the leases as lost.
    #[expect(clippy::too_many_lines, reason = "one statement: whatever a result changes, it changes at once")]
    pub async fn record(&self, records: &[Record]) -> Result<Vec<bool>, StoreError> {
        let kept = sqlx::query_scalar!(
            r#"WITH r AS MATERIALIZED (
                   -- Locked, so that no claim can come between the fence and the writing. From here on every part reads what
                   -- the one before gives, because joining the records with themselves would cost their square.
                   SELECT r.*, b.lease_epoch = r.epoch AS held, b.throttled_until, b.blocked_until
                   FROM jsonb_to_recordset($1::jsonb) AS r (
                       mapping uuid, leave bigint, mailbox bigint, epoch bigint, rev bigint, state text, applied jsonb,
                       event_id text, ical_uid text, change_key text, web_link text, incarnation integer,
                       unsure boolean, doubted boolean, delay double precision, reason text, detail text,
                       block double precision, floor double precision, own boolean, kind text,
                       story jsonb)
                   JOIN mailboxes b ON b.id = r.mailbox
                   ORDER BY b.id FOR NO KEY UPDATE OF b
               ), kept AS (
                   UPDATE mappings m
                   SET applied_rev = CASE WHEN r.state IN ('synced', 'removed', 'hidden') THEN r.rev
                                          ELSE m.applied_rev END,
                       applied = r.applied, event_id = r.event_id,
                       ical_uid = CASE WHEN r.event_id = m.event_id THEN coalesce(r.ical_uid, m.ical_uid)
                                       ELSE r.ical_uid END,
                       change_key = CASE WHEN r.event_id = m.event_id THEN coalesce(r.change_key, m.change_key)
                                         ELSE r.change_key END,
                       web_link = CASE WHEN r.event_id = m.event_id THEN coalesce(r.web_link, m.web_link)
                                       ELSE r.web_link END,
                       incarnation = r.incarnation, unsure = r.unsure,
                       doubt_since = CASE WHEN r.unsure THEN coalesce(CASE WHEN NOT r.doubted THEN m.doubt_since END,
                                                                        leavebridge_now()) END,
                       doubt_rev = CASE WHEN r.unsure AND r.doubted THEN least(m.doubt_rev, r.rev)
                                        WHEN r.unsure THEN m.doubt_rev END,
                       -- A change that came in meanwhile has made the mapping due again: it stays so.
                       state = CASE WHEN m.wanted_rev <> r.rev THEN m.state
                                    WHEN m.again AND r.state IN ('synced', 'removed', 'hidden') THEN 'pending'
                                    ELSE r.state END,
                       again = m.again AND r.state NOT IN ('synced', 'removed', 'hidden'),
                       attempts = CASE WHEN m.wanted_rev <> r.rev THEN m.attempts
                                       WHEN r.reason IS NULL THEN 0
                                       WHEN r.own AND m.failing_since IS NULL THEN 1
                                       ELSE m.attempts + 1 END,
                       failing_since = CASE WHEN m.wanted_rev <> r.rev THEN m.failing_since
                                            WHEN r.own THEN coalesce(m.failing_since, leavebridge_now()) END,
                       -- Such a change may have been put off with the mailbox, whose block this very record ends.
                       next_attempt_at = CASE WHEN m.wanted_rev <> r.rev AND r.reason IS NULL AND r.state <> 'pending'
                                                   AND r.story ? 'graph'
                                              THEN greatest(leavebridge_now(), r.throttled_until)
                                              WHEN m.wanted_rev <> r.rev THEN m.next_attempt_at
                                              ELSE leavebridge_now() + r.delay * interval '1 millisecond' END,
                       reason = CASE WHEN m.wanted_rev = r.rev THEN r.reason END,
                       detail = CASE WHEN m.wanted_rev = r.rev THEN r.detail END,
                       updated_at = leavebridge_now()
                   FROM r WHERE m.id = r.mapping AND r.held
                   RETURNING m.id, r.leave, r.kind, r.story
               ), doubted AS (
                   UPDATE mappings m
                   SET unsure = true, doubt_since = leavebridge_now(),
                       doubt_rev = CASE WHEN r.doubted THEN least(m.doubt_rev, r.rev) ELSE m.doubt_rev END,
                       state = 'pending', applied_rev = least(m.applied_rev, m.wanted_rev - 1),
                       next_attempt_at = leavebridge_now(), updated_at = leavebridge_now()
                   FROM r WHERE m.id = r.mapping AND NOT r.held
               ), told AS (
                   INSERT INTO timeline (leave, mapping, at, kind, detail)
                   SELECT leave, id, leavebridge_now(), kind, story FROM kept
               ), verdict AS MATERIALIZED (
                   SELECT mailbox, max(block) FILTER (WHERE held) AS block,
                          max(greatest(block, floor)) FILTER (WHERE held) AS pause,
                          (array_agg(reason ORDER BY block DESC) FILTER (WHERE held AND block IS NOT NULL))[1] AS reason,
                          (array_agg(detail ORDER BY block DESC) FILTER (WHERE held AND block IS NOT NULL))[1] AS detail,
                          bool_or(held AND reason IS NULL AND state <> 'pending' AND story ? 'graph') AS reached,
                          coalesce(bool_or(held AND reason = 'mailbox-missing'), false) AS missing,
                          -- Of all records, late ones too: Microsoft asked, whoever was told.
                          max(floor) AS floor, max(throttled_until) AS throttled_until, max(blocked_until) AS blocked_until
                   FROM r GROUP BY mailbox
               ), marked AS (
                   UPDATE mailboxes b
                   SET throttled_until = greatest(b.throttled_until,
                                                  leavebridge_now() + v.floor * interval '1 millisecond'),
                       -- Renamed, or deleted and made anew: the directory is asked again before the next attempt. An id that
                       -- the source named and nobody ever had is given up for the address.
                       entra_id = CASE WHEN v.missing AND b.given AND NOT b.proven THEN NULL ELSE b.entra_id END,
                       given = b.given AND (b.proven OR NOT v.missing),
                       proven = b.proven OR (v.reached AND b.entra_id IS NOT NULL),
                       resolved_at = CASE WHEN NOT v.missing THEN b.resolved_at END,
                       blocked_since = CASE WHEN v.block IS NOT NULL AND b.blocked_reason = v.reason THEN b.blocked_since
                                            WHEN v.block IS NOT NULL THEN leavebridge_now()
                                            WHEN NOT v.reached THEN b.blocked_since END,
                       blocked_until = CASE WHEN v.block IS NOT NULL
                                            THEN leavebridge_now() + v.block * interval '1 millisecond'
                                            WHEN NOT v.reached THEN b.blocked_until END,
                       blocked_reason = CASE WHEN v.block IS NOT NULL THEN v.reason
                                             WHEN NOT v.reached THEN b.blocked_reason END,
                       blocked_detail = CASE WHEN v.block IS NOT NULL THEN v.detail
                                             WHEN NOT v.reached THEN b.blocked_detail END
                   FROM verdict v
                   WHERE b.id = v.mailbox
                     AND (v.floor IS NOT NULL OR v.block IS NOT NULL OR v.missing
                          OR (v.reached AND (b.blocked_since IS NOT NULL OR (b.given AND NOT b.proven))))
               ), put_off AS (
                   -- Out of the head of the queue: nothing of the mailbox can be done before.
                   UPDATE mappings m SET next_attempt_at = leavebridge_now() + v.pause * interval '1 millisecond'
                   FROM verdict v
                   WHERE v.pause IS NOT NULL AND m.mailbox = v.mailbox AND m.state IN ('pending', 'waiting')
                     AND m.next_attempt_at < leavebridge_now() + v.pause * interval '1 millisecond'
                     AND m.id NOT IN (SELECT mapping FROM r)
               ), called_back AS (
                   -- The mailbox is served after all: what was put off only because of its block is due.
                   UPDATE mappings m SET next_attempt_at = greatest(leavebridge_now(), v.throttled_until,
                                                                    leavebridge_now() + v.pause * interval '1 millisecond')
                   FROM verdict v
                   WHERE v.reached AND v.block IS NULL AND v.blocked_until > leavebridge_now()
                     AND m.mailbox = v.mailbox AND m.state = 'pending'
                     AND m.next_attempt_at > leavebridge_now() + coalesce(v.pause, 0) * interval '1 millisecond'
                     AND m.id NOT IN (SELECT mapping FROM r)
               )
               SELECT id FROM kept"#,
            Json(records) as _
        )
        .fetch_all(&self.pool)
        .await?;
        let kept: std::collections::HashSet<Uuid> = kept.into_iter().collect();
        Ok(records.iter().map(|record| kept.contains(&record.mapping)).collect())
    }
}
