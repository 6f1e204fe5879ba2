//! What people and portals may see: leaves, mappings, automatic replies and timelines. What a row shows as is decided in
//! [`shown`].

use std::collections::HashMap;

use jiff::Timestamp;
use serde_json::Value;
use sqlx::PgConnection;
use uuid::Uuid;

use super::{
    error::StoreError,
    rows::{self, item_rows},
};
use crate::{
    domain::leave::Status,
    reconcile::{
        item::Item,
        plan::ObservedEvent,
        state::{Reason, State, TimelineKind},
    },
};

/// What stands for an item that this version of the program does not understand.
const WRITTEN_BY_A_NEWER_VERSION: &str =
    "A newer version of leavebridge wrote this mapping and takes care of it. This version cannot show how it stands.";

/// How one leave stands.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLeave {
    /// The leave's id at its source.
    pub id: String,
    /// The tenant.
    pub tenant: String,
    /// The system it comes from.
    pub source: String,
    /// Where it stands in its approval.
    pub status: Status,
    /// Where its event is or should be: one row per calendar.
    pub mappings: Vec<ListedMapping>,
}

/// One calendar that a leave's event is in, or should be, or was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedMapping {
    /// The mapping's own id.
    pub id: Uuid,
    /// The tenant.
    pub tenant: String,
    /// The system that the leave comes from.
    pub source: String,
    /// The leave's id at its source.
    pub leave_id: String,
    /// The mailbox's address as it was given, or the Entra object id where no address is known.
    pub mailbox: String,
    /// Which of the mailbox's calendars.
    pub calendar: String,
    /// How it stands.
    pub state: State,
    /// Why it waits or is parked.
    pub reason: Option<Reason>,
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

/// The automatic reply of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedReply {
    /// How it stands.
    pub state: State,
    /// When it begins; no leave is meant any more where this is missing.
    pub from: Option<Timestamp>,
    /// When it has ended.
    pub until: Option<Timestamp>,
    /// Why it is left to the person, waits or is parked.
    pub reason: Option<Reason>,
    /// The same in a sentence.
    pub detail: Option<String>,
}

/// One line of a leave's history.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ListedLine {
    /// When.
    pub at: Timestamp,
    /// What it is about.
    pub kind: TimelineKind,
    /// The mapping that it is about; none when it is about the leave itself.
    pub mapping: Option<Uuid>,
    /// What there is to know: outcome, step, Microsoft's code and request ids.
    pub detail: Value,
}

/// Something that holds up a whole mailbox or tenant.
#[derive(Clone)]
pub(super) struct Hold {
    until: Timestamp,
    reason: Option<Reason>,
    detail: Option<String>,
}

impl Hold {
    /// A reason that only a newer version knows shows as none; that something holds it up shows all the same.
    fn new(until: Option<jiff_sqlx::Timestamp>, reason: Option<&str>, detail: Option<String>) -> Option<Self> {
        until.map(|until| Self { until: until.to_jiff(), reason: reason.and_then(Reason::of), detail })
    }
}

/// What an item shows as: one that is open shows as waiting, with the hold's reason, while its mailbox or tenant is held up
/// for longer than it waits itself.
fn shown(item: &Item, holds: &[Hold], now: Timestamp) -> (State, Option<Reason>, Option<String>, Option<Timestamp>) {
    if !item.state.is_open() {
        return (item.state, item.reason, item.detail.clone(), None);
    }
    let outlasts = |hold: &Hold| hold.until > now && (item.state == State::Pending || Some(hold.until) > item.next_at);
    match holds.iter().filter(|hold| outlasts(hold)).max_by_key(|hold| hold.until) {
        Some(hold) => {
            // The item itself may know more of the same trouble.
            let own = item.detail.clone().filter(|_| item.reason == hold.reason);
            (State::Waiting, hold.reason, own.or_else(|| hold.detail.clone()), item.next_at.max(Some(hold.until)))
        }
        None => (item.state, item.reason, item.detail.clone(), item.next_at),
    }
}

impl ListedMapping {
    /// What an item shows as whose mailbox and tenant these hold up.
    pub(super) fn new(item: &Item, source: &str, leave_id: &str, holds: &[Hold], now: Timestamp) -> Self {
        let observed: ObservedEvent = item
            .observed
            .as_ref()
            .and_then(|observed| serde_json::from_value(observed.clone()).ok())
            .unwrap_or_default();
        let (state, reason, detail, next_attempt_at) = shown(item, holds, now);
        Self {
            id: item.id,
            tenant: item.tenant.clone(),
            source: source.to_owned(),
            leave_id: leave_id.to_owned(),
            mailbox: item.address.clone(),
            calendar: item.calendar.clone(),
            state,
            reason,
            detail,
            next_attempt_at,
            event_id: observed.event_id,
            web_link: observed.web_link,
            attempts: item.attempts,
            updated_at: item.updated_at,
        }
    }
}

/// What holds up these mailboxes and their tenants, by mailbox.
pub(super) async fn holds(
    connection: &mut PgConnection,
    mailboxes: &[i64],
) -> Result<HashMap<i64, Vec<Hold>>, StoreError> {
    let rows = sqlx::query!(
        r#"SELECT b.id AS "id!", b.throttled_until AS "throttled_until: jiff_sqlx::Timestamp",
                  b.blocked_until AS "blocked_until: jiff_sqlx::Timestamp", b.blocked_reason, b.blocked_detail,
                  t.blocked_until AS "tenant_until?: jiff_sqlx::Timestamp", t.blocked_reason AS "tenant_reason?",
                  t.blocked_detail AS "tenant_detail?"
           FROM mailboxes b LEFT JOIN tenants t ON t.tenant = b.tenant
           WHERE b.id = ANY ($1)"#,
        mailboxes
    )
    .fetch_all(connection)
    .await?;
    let held = rows.into_iter().map(|row| {
        let holds = [
            Hold::new(row.tenant_until, row.tenant_reason.as_deref(), row.tenant_detail),
            Hold::new(row.blocked_until, row.blocked_reason.as_deref(), row.blocked_detail),
            Hold::new(row.throttled_until, Some(Reason::Throttled.word()), None),
        ];
        (row.id, holds.into_iter().flatten().collect())
    });
    Ok(held.collect())
}

/// A row of `listed_items`, in PostgreSQL's types: what is shown of an item beside the item itself, and what is left of one that
/// this version does not understand.
pub(super) struct ListedRow {
    pub(super) now: jiff_sqlx::Timestamp,
    pub(super) id: Uuid,
    pub(super) tenant: String,
    pub(super) leave: Option<i64>,
    pub(super) calendar: String,
    pub(super) address: String,
    pub(super) updated_at: jiff_sqlx::Timestamp,
    pub(super) source: Option<String>,
    pub(super) external_id: Option<String>,
}

/// The rows of `listed_items` that the rest of the statement chooses.
macro_rules! listed_rows {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            crate::store::views::ListedRow,
            r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp", id AS "id!", tenant AS "tenant!", leave,
                      calendar AS "calendar!", address AS "address!", updated_at AS "updated_at!: jiff_sqlx::Timestamp",
                      source, external_id
               FROM listed_items "# + $rest,
            $($argument),+
        )
    };
}
pub(super) use listed_rows;

/// The mappings of these rows as they show, each with the row of its leave, in the same order.
pub(super) async fn mappings(
    connection: &mut PgConnection,
    rows: Vec<ListedRow>,
) -> Result<Vec<(i64, ListedMapping)>, StoreError> {
    let ids: Vec<Uuid> = rows.iter().map(|row| row.id).collect();
    let found = item_rows!("WHERE i.id = ANY ($1)", &ids).fetch_all(&mut *connection).await?;
    let items: HashMap<Uuid, Item> = rows::items(found)?.into_iter().map(|item| (item.id, item)).collect();
    let mailboxes: Vec<i64> = items.values().map(|item| item.mailbox).collect();
    let holds = holds(connection, &mailboxes).await?;
    let shown = rows.into_iter().map(|row| {
        let leave = row.leave.unwrap_or_default();
        let mapping = match items.get(&row.id) {
            Some(item) => {
                let (source, leave_id) = (row.source.as_deref(), row.external_id.as_deref());
                let holds = holds.get(&item.mailbox).map_or(&[][..], Vec::as_slice);
                let now = row.now.to_jiff();
                ListedMapping::new(item, source.unwrap_or_default(), leave_id.unwrap_or_default(), holds, now)
            }
            None => row.newer(),
        };
        (leave, mapping)
    });
    Ok(shown.collect())
}

impl ListedRow {
    /// One that a newer version wrote: this one can only say whose it is, and that it leaves it alone.
    fn newer(self) -> ListedMapping {
        ListedMapping {
            id: self.id,
            tenant: self.tenant,
            source: self.source.unwrap_or_default(),
            leave_id: self.external_id.unwrap_or_default(),
            mailbox: self.address,
            calendar: self.calendar,
            state: State::Waiting,
            reason: None,
            detail: Some(WRITTEN_BY_A_NEWER_VERSION.to_owned()),
            next_attempt_at: None,
            event_id: None,
            web_link: None,
            attempts: 0,
            updated_at: self.updated_at.to_jiff(),
        }
    }
}

/// How these leaves stand, by row.
pub(super) async fn listed_of(
    connection: &mut PgConnection,
    leaves: &[i64],
) -> Result<HashMap<i64, ListedLeave>, StoreError> {
    let found =
        sqlx::query!("SELECT id, tenant, source, external_id, status, format FROM leaves WHERE id = ANY ($1)", leaves)
            .fetch_all(&mut *connection)
            .await?;
    let mut listed = HashMap::new();
    for row in found {
        let is_newer = row.format > rows::FORMAT;
        let unknown = || if is_newer { StoreError::Newer } else { StoreError::unknown("leaves.status") };
        let status = Status::of(&row.status).ok_or_else(unknown)?;
        let (id, tenant, source) = (row.external_id, row.tenant, row.source);
        listed.insert(row.id, ListedLeave { id, tenant, source, status, mappings: Vec::new() });
    }
    let found = listed_rows!("WHERE leave = ANY ($1) ORDER BY address, calendar, id", leaves)
        .fetch_all(&mut *connection)
        .await?;
    for (leave, mapping) in mappings(connection, found).await? {
        if let Some(listed) = listed.get_mut(&leave) {
            listed.mappings.push(mapping);
        }
    }
    Ok(listed)
}
