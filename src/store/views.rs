//! What people and portals may see: leaves, mappings, automatic replies and timelines. What a row shows as is decided in
//! [`shown`].

use jiff::Timestamp;
use serde_json::Value;
use uuid::Uuid;

use super::{
    error::StoreError,
    rows::{self, ItemRow},
};
use crate::{
    domain::leave::Status,
    reconcile::{
        item::Item,
        plan::ObservedEvent,
        state::{Reason, State, TimelineKind},
    },
};

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
struct Hold {
    until: Timestamp,
    reason: Option<Reason>,
    detail: Option<String>,
}

/// What an item shows as: one that is open shows as waiting, with the hold's reason, while its mailbox or tenant is held up
/// for longer than it waits itself.
fn shown(item: &Item, holds: Vec<Hold>, now: Timestamp) -> (State, Option<Reason>, Option<String>, Option<Timestamp>) {
    if !item.state.is_open() {
        return (item.state, item.reason, item.detail.clone(), None);
    }
    let outlasts = |hold: &Hold| hold.until > now && (item.state == State::Pending || Some(hold.until) > item.next_at);
    match holds.into_iter().filter(outlasts).max_by_key(|hold| hold.until) {
        Some(hold) => {
            // The item itself may know more of the same trouble.
            let own = item.detail.clone().filter(|_| item.reason == hold.reason);
            (State::Waiting, hold.reason, own.or(hold.detail), item.next_at.max(Some(hold.until)))
        }
        None => (item.state, item.reason, item.detail.clone(), item.next_at),
    }
}

impl ListedMapping {
    /// What an item shows as whose mailbox and tenant nothing holds up.
    pub(super) fn new(item: &Item, source: &str, leave_id: &str) -> Self {
        let observed: ObservedEvent = item
            .observed
            .as_ref()
            .and_then(|observed| serde_json::from_value(observed.clone()).ok())
            .unwrap_or_default();
        Self {
            id: item.id,
            tenant: item.tenant.clone(),
            source: source.to_owned(),
            leave_id: leave_id.to_owned(),
            mailbox: item.address.clone(),
            calendar: item.calendar.clone(),
            state: item.state,
            reason: item.reason,
            detail: item.detail.clone(),
            next_attempt_at: item.next_at.filter(|_| item.state.is_open()),
            event_id: observed.event_id,
            web_link: observed.web_link,
            attempts: item.attempts,
            updated_at: item.updated_at,
        }
    }
}

/// A row of `listed_items`, in PostgreSQL's types.
pub(super) struct ListedRow {
    pub(super) now: jiff_sqlx::Timestamp,
    pub(super) id: Uuid,
    pub(super) kind: String,
    pub(super) tenant: String,
    pub(super) mailbox: i64,
    pub(super) leave: Option<i64>,
    pub(super) calendar: String,
    pub(super) address: String,
    pub(super) resolve: bool,
    pub(super) wanted: bool,
    pub(super) surplus: bool,
    pub(super) rev: i64,
    pub(super) state: String,
    pub(super) reason: Option<String>,
    pub(super) detail: Option<String>,
    pub(super) observed: Option<Value>,
    pub(super) incarnation: i32,
    pub(super) doubt_since: Option<jiff_sqlx::Timestamp>,
    pub(super) doubt_rev: Option<i64>,
    pub(super) attempts: i32,
    pub(super) failing_since: Option<jiff_sqlx::Timestamp>,
    pub(super) next_at: Option<jiff_sqlx::Timestamp>,
    pub(super) updated_at: jiff_sqlx::Timestamp,
    pub(super) source: Option<String>,
    pub(super) external_id: Option<String>,
    pub(super) throttled_until: Option<jiff_sqlx::Timestamp>,
    pub(super) mailbox_blocked_until: Option<jiff_sqlx::Timestamp>,
    pub(super) mailbox_blocked_reason: Option<String>,
    pub(super) mailbox_blocked_detail: Option<String>,
    pub(super) tenant_blocked_until: Option<jiff_sqlx::Timestamp>,
    pub(super) tenant_blocked_reason: Option<String>,
    pub(super) tenant_blocked_detail: Option<String>,
}

/// The rows of `listed_items` that the rest of the statement chooses.
macro_rules! listed_rows {
    ($rest:literal, $($argument:expr),+ $(,)?) => {
        sqlx::query_as!(
            crate::store::views::ListedRow,
            r#"SELECT leavebridge_now() AS "now!: jiff_sqlx::Timestamp", id AS "id!", kind AS "kind!", tenant AS "tenant!",
                      mailbox AS "mailbox!", leave, calendar AS "calendar!", address AS "address!", resolve AS "resolve!",
                      wanted AS "wanted!", surplus AS "surplus!", rev AS "rev!", state AS "state!", reason, detail, observed,
                      incarnation AS "incarnation!", doubt_since AS "doubt_since: jiff_sqlx::Timestamp", doubt_rev,
                      attempts AS "attempts!", failing_since AS "failing_since: jiff_sqlx::Timestamp",
                      next_at AS "next_at: jiff_sqlx::Timestamp", updated_at AS "updated_at!: jiff_sqlx::Timestamp",
                      source, external_id, throttled_until AS "throttled_until: jiff_sqlx::Timestamp",
                      mailbox_blocked_until AS "mailbox_blocked_until: jiff_sqlx::Timestamp", mailbox_blocked_reason,
                      mailbox_blocked_detail, tenant_blocked_until AS "tenant_blocked_until: jiff_sqlx::Timestamp",
                      tenant_blocked_reason, tenant_blocked_detail
               FROM listed_items "# + $rest,
            $($argument),+
        )
    };
}
pub(super) use listed_rows;

impl ListedRow {
    /// The leave's row, and the mapping as it shows.
    pub(super) fn mapping(self) -> Result<(i64, ListedMapping), StoreError> {
        let now = self.now.to_jiff();
        let hold = |until: Option<jiff_sqlx::Timestamp>, reason: Option<Reason>, detail| {
            until.map(|until| Hold { until: until.to_jiff(), reason, detail })
        };
        let holds = [
            hold(
                self.tenant_blocked_until,
                rows::reason(self.tenant_blocked_reason.as_deref())?,
                self.tenant_blocked_detail,
            ),
            hold(
                self.mailbox_blocked_until,
                rows::reason(self.mailbox_blocked_reason.as_deref())?,
                self.mailbox_blocked_detail,
            ),
            hold(self.throttled_until, Some(Reason::Throttled), None),
        ];
        let (source, leave_id) = (self.source.unwrap_or_default(), self.external_id.unwrap_or_default());
        let row = ItemRow {
            id: self.id,
            kind: self.kind,
            tenant: self.tenant,
            mailbox: self.mailbox,
            // No part of what is shown.
            created_in: None,
            leave: self.leave,
            calendar: self.calendar,
            address: self.address,
            resolve: self.resolve,
            wanted: self.wanted,
            surplus: self.surplus,
            rev: self.rev,
            state: self.state,
            reason: self.reason,
            detail: self.detail,
            observed: self.observed,
            incarnation: self.incarnation,
            doubt_since: self.doubt_since,
            doubt_rev: self.doubt_rev,
            attempts: self.attempts,
            failing_since: self.failing_since,
            next_at: self.next_at,
            updated_at: self.updated_at,
            format: rows::FORMAT,
        };
        let item: Item = row.try_into()?;
        let (state, reason, detail, next_attempt_at) = shown(&item, holds.into_iter().flatten().collect(), now);
        let mapping = ListedMapping::new(&item, &source, &leave_id);
        Ok((item.leave.unwrap_or_default(), ListedMapping { state, reason, detail, next_attempt_at, ..mapping }))
    }
}
