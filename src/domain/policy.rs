//! How a tenant wants its leave to look in Outlook.

use jiff::civil::Time;
use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// How a tenant wants its leave to look in Outlook.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Policy {
    /// From which status on a leave shows.
    pub publish: Publish,
    /// The event's title. Neutral by default: the kind of leave is private.
    pub title: String,
    /// The event's text; empty for none.
    pub body: String,
    /// How an approved leave shows.
    pub show_as: ShowAs,
    /// How a leave that is not decided yet shows.
    pub show_as_pending: ShowAs,
    /// Who sees the details.
    pub sensitivity: Sensitivity,
    /// The zone of leave that does not name its own.
    pub time_zone: Zone,
    /// When the working day and its morning begin.
    pub day_start: Time,
    /// When the morning ends and the afternoon begins.
    pub midday: Time,
    /// When the afternoon and the working day end.
    pub day_end: Time,
}

/// From which status on a leave shows in Outlook.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Publish {
    /// As soon as it is asked for.
    OnRequest,
    /// Once it is granted.
    OnApproval,
    /// Not at all.
    Never,
}

/// Graph's `freeBusyStatus`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ShowAs {
    /// Free.
    Free,
    /// Tentative.
    Tentative,
    /// Busy.
    Busy,
    /// Out of office.
    Oof,
    /// Working elsewhere.
    WorkingElsewhere,
}

/// Graph's `sensitivity`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Sensitivity {
    /// Everyone who may see the calendar sees the details.
    Normal,
    /// Marked as personal.
    Personal,
    /// Only the person sees the details.
    Private,
    /// Marked as confidential.
    Confidential,
}
