//! What people and portals may see: leaves, mappings and their timelines, and "try again now".

use jiff::Timestamp;
use jiff_sqlx::ToSqlx as _;
use serde::Serialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Store, StoreError};
use crate::domain::leave::Status;

/// How one leave stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct LeaveView {
    /// The leave's id at its source.
    #[schema(example = "LA-2026-000123")]
    pub id: String,
    /// The tenant.
    #[schema(example = "default")]
    pub tenant: String,
    /// The system it comes from.
    #[schema(example = "ess")]
    pub source: String,
    /// Where it stands in its approval.
    pub status: Status,
    /// Where its event is or should be: one row per calendar.
    pub mappings: Vec<MappingView>,
}

/// One calendar that a leave's event is in, or should be, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct MappingView {
    /// The mapping's own id.
    pub id: Uuid,
    /// The tenant.
    pub tenant: String,
    /// The system that the leave comes from.
    pub source: String,
    /// The leave's id at its source.
    pub leave_id: String,
    /// The mailbox's address, or the Entra object id where no address is known.
    pub mailbox: String,
    /// Which of the mailbox's calendars.
    pub calendar: String,
    /// `pending`, `waiting`, `synced`, `removed`, `hidden` or `parked`.
    #[schema(example = "synced")]
    pub state: String,
    /// Why it waits or is parked: a fixed word.
    #[schema(example = "mailbox-missing")]
    pub reason: Option<String>,
    /// The same in a sentence, with Microsoft's code and the ids that its support asks for.
    pub detail: Option<String>,
    /// When it is tried next.
    pub next_attempt_at: Option<Timestamp>,
    /// The event's immutable id in Outlook; case matters.
    pub event_id: Option<String>,
    /// The event in Outlook on the web.
    pub web_link: Option<String>,
    /// Failed attempts since the last success or change.
    pub attempts: i32,
    /// When it last changed.
    pub updated_at: Timestamp,
}

/// A row of `mapping_view`, in PostgreSQL's types.
struct Row {
    id: Uuid,
    tenant: String,
    source: String,
    leave_id: String,
    mailbox: String,
    calendar: String,
    state: String,
    reason: Option<String>,
    detail: Option<String>,
    next_attempt_at: Option<jiff_sqlx::Timestamp>,
    event_id: Option<String>,
    web_link: Option<String>,
    attempts: i32,
    updated_at: jiff_sqlx::Timestamp,
}

impl From<Row> for MappingView {
    fn from(row: Row) -> Self {
        Self {
            id: row.id,
            tenant: row.tenant,
            source: row.source,
            leave_id: row.leave_id,
            mailbox: row.mailbox,
            calendar: row.calendar,
            state: row.state,
            reason: row.reason,
            detail: row.detail,
            next_attempt_at: row.next_attempt_at.map(jiff_sqlx::Timestamp::to_jiff),
            event_id: row.event_id,
            web_link: row.web_link,
            attempts: row.attempts,
            updated_at: row.updated_at.to_jiff(),
        }
    }
}

/// The rows of `mapping_view` that the rest of the statement chooses.
macro_rules! mapping_rows {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            Row,
            r#"SELECT id AS "id!", tenant AS "tenant!", source AS "source!", leave_id AS "leave_id!",
                      mailbox AS "mailbox!", calendar AS "calendar!", state AS "state!", reason, detail,
                      next_attempt_at AS "next_attempt_at: jiff_sqlx::Timestamp", event_id, web_link,
                      attempts AS "attempts!", updated_at AS "updated_at!: jiff_sqlx::Timestamp"
               FROM mapping_view "# + $rest,
            $($argument),+
        )
    };
}

/// One line of a leave's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub struct TimelineEntry {
    /// When.
    pub at: Timestamp,
    /// `received`, `changed`, `delivered`, `failed`, `parked`, `retried` or `resynced` (the policy has changed).
    pub kind: String,
    /// The mapping that it is about; none when it is about the leave itself.
    pub mapping: Option<Uuid>,
    /// What there is to know: outcome, step, Microsoft's code and request ids.
    #[schema(value_type = Object)]
    pub detail: serde_json::Value,
}

/// Which mappings are meant; an empty field means any.
#[derive(Debug, Clone, Default)]
pub struct Filter {
    /// The tenants that the caller may see; `None` for all.
    pub tenants: Option<Vec<String>>,
    /// The system that the leave comes from.
    pub source: Option<String>,
    /// The leave's id.
    pub leave: Option<String>,
    /// The mailbox's address.
    pub mailbox: Option<String>,
    /// The state.
    pub state: Option<String>,
    /// Changed at or after.
    pub since: Option<Timestamp>,
    /// Changed before.
    pub until: Option<Timestamp>,
}

impl Filter {
    /// The states of the rows that may show as the state that is asked for.
    fn own_states(&self) -> Option<Vec<String>> {
        self.state.as_ref().map(|state| match state.as_str() {
            "pending" | "waiting" => vec!["pending".into(), "waiting".into()],
            other => vec![other.into()],
        })
    }
}

/// Where a list goes on: after the mapping that changed then and has that id.
pub type Position = (Timestamp, Uuid);

impl Store {
    /// How a leave stands, or `None` when there is no such leave.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn leave(&self, tenant: &str, source: &str, id: &str) -> Result<Option<LeaveView>, StoreError> {
        let Some(found) = sqlx::query!(
            "SELECT id, status FROM leaves WHERE tenant = $1 AND source = $2 AND external_id = $3",
            tenant,
            source,
            id
        )
        .fetch_optional(&self.pool)
        .await?
        else {
            return Ok(None);
        };
        let mappings =
            mapping_rows!("WHERE leave = $1 ORDER BY mailbox, calendar", found.id).fetch_all(&self.pool).await?;
        let mappings = mappings.into_iter().map(Into::into).collect();
        let status = Status::of(&found.status)
            .ok_or_else(|| StoreError::Broken(sqlx::Error::Decode("leaves.status is unknown".into())))?;
        Ok(Some(LeaveView { id: id.into(), tenant: tenant.into(), source: source.into(), status, mappings }))
    }

    /// The mappings that match, newest change first, at most `limit`, from behind `after`.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mappings(
        &self,
        filter: &Filter,
        after: Option<Position>,
        limit: i64,
    ) -> Result<Vec<MappingView>, StoreError> {
        let (after_at, after_id) = after.unzip();
        let own_states = filter.own_states();
        let mut transaction = self.pool.begin().await?;
        // Which index serves depends on the filters that are given: a plan for the general case would read everything.
        sqlx::query!("SET LOCAL plan_cache_mode = force_custom_plan").execute(&mut *transaction).await?;
        let found = mapping_rows!(
            r#"WHERE ($1::text[] IS NULL OR tenant = ANY ($1)) AND ($2::text IS NULL OR source = $2)
                 AND ($3::text IS NULL OR leave_id = $3) AND ($4::text IS NULL OR mailbox = $4)
                 AND ($5::text IS NULL OR state = $5) AND ($6::timestamptz IS NULL OR updated_at >= $6)
                 AND ($7::timestamptz IS NULL OR updated_at < $7)
                 AND ($8::timestamptz IS NULL OR (updated_at, id) < ($8, $9::uuid))
                 -- What `state` implies, said so that the indexes by state serve.
                 AND ($11::text[] IS NULL OR own_state = ANY ($11))
               ORDER BY updated_at DESC, id DESC
               LIMIT $10"#,
            filter.tenants.as_deref(),
            filter.source,
            filter.leave,
            filter.mailbox,
            filter.state,
            filter.since.map(Timestamp::to_sqlx) as _,
            filter.until.map(Timestamp::to_sqlx) as _,
            after_at.map(Timestamp::to_sqlx) as _,
            after_id,
            limit,
            own_states.as_deref() as _
        )
        .fetch_all(&mut *transaction)
        .await?;
        transaction.commit().await?;
        Ok(found.into_iter().map(Into::into).collect())
    }

    /// One mapping with the history of its leave (its newest 500 lines), oldest first, or `None` when there is none.
    ///
    /// # Errors
    /// When the database does not answer.
    pub async fn mapping(&self, id: Uuid) -> Result<Option<(MappingView, Vec<TimelineEntry>)>, StoreError> {
        let Some(row) = mapping_rows!("WHERE id = $1", id).fetch_optional(&self.pool).await? else {
            return Ok(None);
        };
        let mut timeline = sqlx::query_as!(
            TimelineEntry,
            r#"SELECT t.at AS "at: jiff_sqlx::Timestamp", t.kind, t.mapping, t.detail
               FROM timeline t JOIN mappings m ON m.leave = t.leave
               WHERE m.id = $1 ORDER BY t.id DESC LIMIT 500"#,
            id
        )
        .fetch_all(&self.pool)
        .await?;
        timeline.reverse();
        Ok(Some((row.into(), timeline)))
    }

    /// Makes every matching mapping that waits or is parked due now, and says how many. Blocks that a person may have
    /// removed the cause of (a missing mailbox, refused access or credentials) are lifted, for all that waited for them;
    /// Microsoft's request to slow down is not ours to lift.
    ///
    /// # Errors
    /// When the database does not answer; some may be due already then.
    pub async fn retry(&self, id: Option<Uuid>, filter: &Filter, client: &str) -> Result<i64, StoreError> {
        let (mut after, mut retried) = (Uuid::nil(), 0);
        loop {
            let stretch = self.retry_some(id, filter, client, after).await?;
            retried += stretch.0;
            match stretch.1 {
                Some(last) => after = last,
                None => return Ok(retried),
            }
        }
    }

    /// One stretch of at most 1000, short enough to hold nobody up; how many, and the last id if there may be more.
    async fn retry_some(
        &self,
        id: Option<Uuid>,
        filter: &Filter,
        client: &str,
        after: Uuid,
    ) -> Result<(i64, Option<Uuid>), StoreError> {
        let row = sqlx::query!(
            r#"WITH chosen AS MATERIALIZED (
                   SELECT v.id, v.leave, m.mailbox, v.tenant
                   FROM mapping_view v JOIN mappings m ON m.id = v.id
                   WHERE v.own_state IN ('pending', 'waiting', 'parked') AND v.id > $10
                     AND ($1::uuid IS NULL OR v.id = $1)
                     AND ($2::text[] IS NULL OR v.tenant = ANY ($2)) AND ($3::text IS NULL OR v.source = $3)
                     AND ($4::text IS NULL OR v.leave_id = $4) AND ($5::text IS NULL OR v.mailbox = $5)
                     AND ($6::text IS NULL OR v.state = $6) AND ($7::timestamptz IS NULL OR v.updated_at >= $7)
                     AND ($8::timestamptz IS NULL OR v.updated_at < $8)
                   ORDER BY v.id
                   LIMIT 1000
               ), held AS MATERIALIZED (
                   -- Mailboxes before mappings, as everybody locks them.
                   SELECT b.id, b.throttled_until, b.blocked_reason
                   FROM mailboxes b WHERE b.id IN (SELECT mailbox FROM chosen)
                   ORDER BY b.id FOR NO KEY UPDATE
               ), lifted AS (
                   UPDATE mailboxes b
                   SET blocked_until = NULL, blocked_since = NULL, blocked_reason = NULL, blocked_detail = NULL
                   FROM held WHERE b.id = held.id AND held.blocked_reason IS NOT NULL
                   RETURNING b.id
               ), tenant AS (
                   UPDATE tenants_state SET blocked_until = leavebridge_now()
                   WHERE tenant IN (SELECT tenant FROM chosen) AND blocked_until > leavebridge_now()
                     AND blocked_reason = 'credentials'
               ), due AS (
                   UPDATE mappings m
                   SET state = 'pending', next_attempt_at = greatest(leavebridge_now(), held.throttled_until),
                       attempts = 0, failing_since = NULL, reason = NULL, detail = NULL, updated_at = leavebridge_now()
                   FROM chosen JOIN held ON held.id = chosen.mailbox
                   WHERE m.id = chosen.id
                   RETURNING m.id, m.leave
               ), with_them AS (
                   -- Whatever else waited for the same mailbox.
                   UPDATE mappings m SET next_attempt_at = greatest(leavebridge_now(), held.throttled_until)
                   FROM held
                   WHERE m.mailbox = held.id AND held.id IN (SELECT id FROM lifted)
                     AND m.state IN ('pending', 'waiting') AND m.id NOT IN (SELECT id FROM chosen)
               ), story AS (
                   INSERT INTO timeline (leave, mapping, at, kind, detail)
                   SELECT leave, id, leavebridge_now(), 'retried', jsonb_build_object('client', $9::text) FROM due
               )
               SELECT (SELECT count(*) FROM due) AS "retried!",
                      (SELECT id FROM chosen ORDER BY id OFFSET 999 LIMIT 1) AS last"#,
            id,
            filter.tenants.as_deref(),
            filter.source,
            filter.leave,
            filter.mailbox,
            filter.state,
            filter.since.map(Timestamp::to_sqlx) as _,
            filter.until.map(Timestamp::to_sqlx) as _,
            client,
            after
        )
        .fetch_one(&self.pool)
        .await?;
        Ok((row.retried, row.last))
    }
}
