//! The shapes of what the API says about leave, mappings and automatic replies. Words and fields are the contract's.

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::{
    domain::leave::Status,
    reconcile::state::{Acceptance, Reason},
    store::views::{ListedLeave, ListedLine, ListedMapping, ListedReply},
};

/// What became of a change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, ToSchema)]
#[serde(rename_all = "lowercase")]
pub(super) enum Outcome {
    /// Stored; the calendar follows.
    Accepted,
    /// The leave already looks like this.
    Unchanged,
    /// This very delivery was taken in before.
    Duplicate,
    /// Older than what is stored.
    Stale,
}

impl From<Acceptance> for Outcome {
    fn from(acceptance: Acceptance) -> Self {
        match acceptance {
            Acceptance::Accepted => Self::Accepted,
            Acceptance::Unchanged => Self::Unchanged,
            Acceptance::Duplicate => Self::Duplicate,
            Acceptance::Stale => Self::Stale,
        }
    }
}

/// How one leave stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct LeaveView {
    /// The leave's id at its source.
    #[schema(example = "LA-2026-000123")]
    pub(super) id: String,
    /// The tenant.
    #[schema(example = "default")]
    pub(super) tenant: String,
    /// The system it comes from.
    #[schema(example = "ess")]
    pub(super) source: String,
    /// Where it stands in its approval.
    pub(super) status: Status,
    /// Where its event is or should be: one row per calendar.
    pub(super) mappings: Vec<MappingView>,
}

/// One calendar that a leave's event is in, or should be, or was.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct MappingView {
    /// The mapping's own id.
    pub(super) id: Uuid,
    /// The tenant.
    pub(super) tenant: String,
    /// The system that the leave comes from.
    pub(super) source: String,
    /// The leave's id at its source.
    pub(super) leave_id: String,
    /// The mailbox's address, or the Entra object id where no address is known.
    pub(super) mailbox: String,
    /// Which of the mailbox's calendars.
    pub(super) calendar: String,
    /// `pending`, `waiting`, `synced`, `removed`, `hidden` or `parked`.
    #[schema(example = "synced")]
    pub(super) state: String,
    /// Why it waits or is parked: a fixed word.
    #[schema(example = "mailbox-missing")]
    pub(super) reason: Option<String>,
    /// The same in a sentence, with Microsoft's code and the ids that its support asks for.
    pub(super) detail: Option<String>,
    /// When it is tried next.
    pub(super) next_attempt_at: Option<Timestamp>,
    /// The event's immutable id in Outlook; case matters.
    pub(super) event_id: Option<String>,
    /// The event in Outlook on the web.
    pub(super) web_link: Option<String>,
    /// Failed attempts since the last success or change.
    pub(super) attempts: i32,
    /// When it last changed.
    pub(super) updated_at: Timestamp,
}

/// How the automatic reply of a mailbox stands.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct AutomaticReply {
    /// `pending`, `scheduled`, `kept` (the setting is the person's), `waiting` or `parked`.
    #[schema(example = "scheduled")]
    pub(super) state: String,
    /// When it begins; no leave is meant any more where this is missing.
    pub(super) from: Option<Timestamp>,
    /// When it has ended.
    pub(super) until: Option<Timestamp>,
    /// Why it is kept, waits or is parked: `own-reply`, `switched-off`, or a word as in `reason` of a mapping.
    #[schema(example = "own-reply")]
    pub(super) reason: Option<String>,
    /// The same in a sentence.
    pub(super) detail: Option<String>,
}

/// One line of a leave's history.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, ToSchema)]
pub(super) struct TimelineEntry {
    /// When.
    pub(super) at: Timestamp,
    /// `received`, `changed`, `delivered`, `failed`, `parked`, `retried`, `resynced` (the policy has changed) or `merged` (two
    /// mailboxes turned out to be one).
    pub(super) kind: String,
    /// The mapping that it is about; none when it is about the leave itself.
    pub(super) mapping: Option<Uuid>,
    /// What there is to know: outcome, step, Microsoft's code and request ids.
    #[schema(value_type = Object)]
    pub(super) detail: Value,
}

fn word(reason: Reason) -> String {
    reason.word().to_owned()
}

impl From<ListedLeave> for LeaveView {
    fn from(leave: ListedLeave) -> Self {
        let ListedLeave { id, tenant, source, status, mappings } = leave;
        Self { id, tenant, source, status, mappings: mappings.into_iter().map(Into::into).collect() }
    }
}

impl From<ListedMapping> for MappingView {
    fn from(mapping: ListedMapping) -> Self {
        Self {
            id: mapping.id,
            tenant: mapping.tenant,
            source: mapping.source,
            leave_id: mapping.leave_id,
            mailbox: mapping.mailbox,
            calendar: mapping.calendar,
            state: mapping.state.word().to_owned(),
            reason: mapping.reason.map(word),
            detail: mapping.detail,
            next_attempt_at: mapping.next_attempt_at,
            event_id: mapping.event_id,
            web_link: mapping.web_link,
            attempts: mapping.attempts,
            updated_at: mapping.updated_at,
        }
    }
}

impl From<ListedReply> for AutomaticReply {
    fn from(reply: ListedReply) -> Self {
        let ListedReply { state, from, until, reason, detail } = reply;
        Self { state: state.reply_word().to_owned(), from, until, reason: reason.map(word), detail }
    }
}

impl From<ListedLine> for TimelineEntry {
    fn from(line: ListedLine) -> Self {
        let ListedLine { at, kind, mapping, detail } = line;
        Self { at, kind: kind.word().to_owned(), mapping, detail }
    }
}
