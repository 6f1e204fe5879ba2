//! Automatic replies: what we wrote in each mailbox, and how it stands.
//!
//! Every result is fenced by the epoch of the mailbox's lease. What is about to be sent is noted first: whoever comes after
//! a death knows it for ours. It must never forget what a person's own setting was.

use std::{collections::HashMap, time::Duration};

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use serde_json::Value;
use sqlx::types::Json;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{
    Store, StoreError, millis,
    queue::{Lease, seconds},
};
use crate::domain::reply::{Away, Memory, Setting};

/// Leave is at most 366 days long: what began earlier than this cannot matter any more.
const LONGEST_AGO_DAYS: i32 = 400;

/// A mailbox whose reply is to be looked at.
#[derive(Debug, Clone)]
pub struct DueReply {
    /// The time of the database, by which everything becomes due.
    pub now: Timestamp,
    /// The mailbox under the oldest of its addresses: with it the reply is kept.
    pub owner: i64,
    /// It is known under further addresses.
    pub is_shared: bool,
    /// What is noted with its other addresses and is a part of what we remember: mailbox, request, and when it was noted.
    pub merged: Vec<(i64, i64, Timestamp)>,
    /// Which request for a look this is.
    pub asked: i64,
    /// What we remember.
    pub memory: Memory,
    /// For how long a write's outcome has been unknown.
    pub doubted_for: Duration,
    /// The state and reason as last written down.
    pub state: (String, Option<String>),
    /// The leave that the last reply began with.
    pub leave: Option<i64>,
    /// Failed attempts since the last success.
    pub attempts: u32,
    /// For how long it has been failing.
    pub failing_for: Duration,
}

/// How the automatic reply of a mailbox stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct AutomaticReply {
    /// `pending`, `scheduled`, `kept` (the setting is the person's), `waiting` or `parked`.
    #[schema(example = "scheduled")]
    pub state: String,
    /// When it begins; no leave is meant any more where this is missing.
    pub from: Option<Timestamp>,
    /// When it has ended.
    pub until: Option<Timestamp>,
    /// Why it is kept, waits or is parked: `own-reply`, `switched-off`, or a word as in `reason` of a mapping.
    #[schema(example = "own-reply")]
    pub reason: Option<String>,
    /// The same in a sentence.
    pub detail: Option<String>,
}

/// How a look at a mailbox ended.
#[derive(Debug, Clone)]
pub struct ReplyRecord {
    /// `none`, `scheduled`, `kept`, `waiting` or `parked`.
    pub state: &'static str,
    /// Why: a fixed word, and a sentence.
    pub reason: Option<(&'static str, String)>,
    /// When the reply is, or would be.
    pub window: Option<(Timestamp, Timestamp)>,
    /// The leave that it begins with.
    pub leave: Option<i64>,
    /// What is to be remembered. Where it says that there is no doubt, that is over.
    pub memory: Memory,
    /// When to look again.
    pub next: Option<Timestamp>,
    /// Another attempt failed.
    pub failed: bool,
    /// How long Microsoft asks the whole mailbox to wait.
    pub floor: Option<Duration>,
    /// A line for the leave's timeline: its kind and what it says.
    pub story: Option<(&'static str, Value)>,
}

impl Store {
    /// What is known of a mailbox's reply, and the approved leave from which it follows, under whichever address. What this
    /// version cannot read is left out.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn reply(&self, mailbox: i64) -> Result<Option<(DueReply, Vec<Away>)>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp", r.mailbox, asked,
                      written AS "written: Json<Vec<Setting>>", before AS "before: Json<Setting>",
                      doubt_since IS NOT NULL AS "in_doubt!",
                      extract(epoch FROM leavebridge_now() - doubt_since)::bigint AS doubted_for, state, reason, leave,
                      attempts, extract(epoch FROM leavebridge_now() - failing_since)::bigint AS failing_for,
                      r.updated_at AS "updated_at!: jiff_sqlx::Timestamp",
                      (SELECT min(id) FROM same_person($1) AS id) AS "owner!",
                      (SELECT count(*) FROM same_person($1)) > 1 AS "is_shared!"
               FROM replies r WHERE r.mailbox IN (SELECT same_person($1)) ORDER BY r.mailbox <> $1, r.mailbox"#,
            mailbox
        );
        let mut rows = rows.fetch_all(&self.pool).await?.into_iter();
        let Some(row) = rows.next().filter(|row| row.mailbox == mailbox) else { return Ok(None) };
        let leaves = sqlx::query!(
            r#"SELECT l.id, l.source, l.external_id, l.content AS "content!"
               FROM mappings m JOIN leaves l ON l.id = m.leave
               WHERE m.mailbox IN (SELECT same_person($1)) AND m.calendar = 'default' AND m.wanted AND l.status = 'approved'
                 AND coalesce(l.content #>> '{span,days,first}', l.content #>> '{span,hours,from}')
                     >= to_char(leavebridge_now() - make_interval(days => $2), 'YYYY-MM-DD')"#,
            mailbox,
            LONGEST_AGO_DAYS
        )
        .fetch_all(&self.pool)
        .await?;
        let leaves = leaves.into_iter().filter_map(|row| {
            let leave = serde_json::from_value(row.content).ok()?;
            Some(Away { row: row.id, id: row.external_id, source: row.source, leave })
        });
        let mut memory = Memory { written: row.written.0, before: None, in_doubt: row.in_doubt };
        let (mut doubted_for, mut befores, mut merged) = (row.doubted_for, vec![row.before], Vec::new());
        for other in rows {
            // Written before anybody knew that it is one mailbox.
            memory.written.extend(other.written.0);
            memory.in_doubt |= other.in_doubt;
            befores.push(other.before);
            doubted_for = doubted_for.into_iter().chain(other.doubted_for).min();
            merged.push((other.mailbox, other.asked, other.updated_at.to_jiff()));
        }
        // What was found there under one address may have been our own under another.
        let is_ours = |before: &Setting| memory.written.iter().any(|written| written.is_same(before));
        memory.before = befores.into_iter().flatten().map(|before| before.0).find(|before| !is_ours(before));
        let due = DueReply {
            now: row.now.to_jiff(),
            owner: row.owner,
            is_shared: row.is_shared,
            merged,
            asked: row.asked,
            memory,
            doubted_for: doubted_for.map(seconds).unwrap_or_default(),
            state: (row.state, row.reason),
            leave: row.leave,
            attempts: u32::try_from(row.attempts).unwrap_or(0),
            failing_for: row.failing_for.map(seconds).unwrap_or_default(),
        };
        Ok(Some((due, leaves.collect())))
    }

    /// Notes what is about to be sent. `false` when the lease is somebody else's by now: then it must not be sent.
    ///
    /// # Errors
    /// When the database does not confirm it: then it must not be sent.
    pub async fn intend_reply(&self, held: &Lease, memory: &Memory) -> Result<bool, StoreError> {
        let noted = sqlx::query!(
            "UPDATE replies r SET written = $3, before = $4, doubt_since = leavebridge_now(), updated_at = leavebridge_now()
             FROM mailboxes b WHERE b.id = $1 AND b.lease_epoch = $2 AND r.mailbox = b.id",
            held.mailbox,
            held.epoch,
            Json(&memory.written) as _,
            memory.before.as_ref().map(Json) as _
        )
        .execute(&self.pool)
        .await?;
        Ok(noted.rows_affected() == 1)
    }

    /// Writes down how a look ended. `false` when the lease is somebody else's by now: nothing is written then.
    ///
    /// # Errors
    /// When the database does not confirm it: treat the lease as lost.
    pub async fn record_reply(&self, held: &Lease, due: &DueReply, record: &ReplyRecord) -> Result<bool, StoreError> {
        let (others, asked): (Vec<i64>, Vec<i64>) = due.merged.iter().map(|(other, asked, _)| (*other, *asked)).unzip();
        let noted: Vec<i64> = due.merged.iter().map(|(.., noted)| noted.as_microsecond()).collect();
        let (from, until) = record.window.unzip();
        let (reason, detail) = record.reason.clone().unzip();
        let (kind, story) = record.story.clone().unzip();
        let kept = sqlx::query_scalar!(
            r#"WITH held AS MATERIALIZED (
                   SELECT b.id FROM mailboxes b WHERE b.id = $1 AND b.lease_epoch = $2 FOR NO KEY UPDATE
               ), kept AS (
                   UPDATE replies r
                   SET state = $4, reason = $5, detail = $6, from_at = $7, until_at = $8, leave = $9, written = $10,
                       before = $11,
                       doubt_since = CASE WHEN $12 THEN coalesce(r.doubt_since, leavebridge_now()) END,
                       attempts = CASE WHEN $13 THEN r.attempts + 1 ELSE 0 END,
                       failing_since = CASE WHEN $13 THEN coalesce(r.failing_since, leavebridge_now()) END,
                       -- Asked for meanwhile: one more look.
                       next_attempt_at = CASE WHEN r.asked = $3 THEN $14 ELSE leavebridge_now() END,
                       updated_at = leavebridge_now()
                   FROM held WHERE r.mailbox = held.id
                   RETURNING r.mailbox
               ), throttled AS (
                   UPDATE mailboxes b
                   SET throttled_until = greatest(b.throttled_until, leavebridge_now() + $15 * interval '1 millisecond')
                   FROM held WHERE b.id = held.id AND $15::double precision IS NOT NULL
               ), taken_over AS (
                   -- What was kept with the mailbox's other addresses is a part of this record.
                   UPDATE replies r
                   SET state = 'none', reason = NULL, detail = NULL, written = '[]', before = NULL, doubt_since = NULL,
                       next_attempt_at = NULL, updated_at = leavebridge_now()
                   FROM kept, unnest($19::bigint[], $20::bigint[], $21::bigint[]) AS merged (mailbox, asked, noted)
                   WHERE r.mailbox = merged.mailbox
                     -- Nobody has worked on it, or asked for it, since it was read.
                     AND r.asked = merged.asked AND (extract(epoch FROM r.updated_at) * 1000000)::bigint = merged.noted
                     AND (r.state <> 'none' OR r.written <> '[]' OR r.before IS NOT NULL OR r.doubt_since IS NOT NULL)
               ), told AS (
                   INSERT INTO timeline (leave, mapping, at, kind, detail)
                   SELECT m.leave, m.id, leavebridge_now(), $16, $17
                   FROM kept JOIN mappings m ON m.leave = $18 AND m.calendar = 'default'
                   WHERE $16::text IS NOT NULL AND m.mailbox IN (SELECT same_person($1))
               )
               SELECT count(*) AS "kept!" FROM kept"#,
            held.mailbox,
            held.epoch,
            due.asked,
            record.state,
            reason,
            detail,
            from.map(Timestamp::to_sqlx) as _,
            until.map(Timestamp::to_sqlx) as _,
            record.leave,
            Json(&record.memory.written) as _,
            record.memory.before.as_ref().map(Json) as _,
            record.memory.in_doubt,
            record.failed,
            record.next.map(Timestamp::to_sqlx) as _,
            record.floor.map(millis),
            kind,
            story,
            record.leave,
            &others,
            &asked,
            &noted
        );
        Ok(kept.fetch_one(&self.pool).await? == 1)
    }

    /// How the automatic replies of the mailboxes of these mappings stand, by mapping; none where there is nothing to say.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn replies_of(&self, mappings: &[Uuid]) -> Result<HashMap<Uuid, AutomaticReply>, StoreError> {
        let rows = sqlx::query!(
            r#"SELECT m.id, r.state, r.from_at AS "from: jiff_sqlx::Timestamp", r.until_at AS "until: jiff_sqlx::Timestamp",
                      r.reason, r.detail
               FROM unnest($1::uuid[]) AS shown (id)
               JOIN mappings m ON m.id = shown.id AND m.calendar = 'default'
               JOIN replies r ON r.mailbox = (SELECT min(id) FROM same_person(m.mailbox) AS id) AND r.state <> 'none'"#,
            mappings
        );
        let rows = rows.fetch_all(&self.pool).await?.into_iter().map(|row| {
            let (from, until) = (row.from.map(Into::into), row.until.map(Into::into));
            (row.id, AutomaticReply { state: row.state, from, until, reason: row.reason, detail: row.detail })
        });
        Ok(rows.collect())
    }
}
