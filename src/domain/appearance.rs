//! How leave can look in Outlook: what a policy chooses from.

use serde::{Deserialize, Serialize};

use super::template::Template;

/// How leave looks in Outlook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Appearance {
    /// From which status on it shows.
    pub publish: Publish,
    /// The event's title. Neutral by default: the kind of leave is private.
    pub title: Template,
    /// The event's text; may be empty.
    pub body: Template,
    /// How approved leave shows.
    pub show_as: ShowAs,
    /// How leave shows that is not decided yet.
    pub show_as_pending: ShowAs,
    /// Who sees the details.
    pub sensitivity: Sensitivity,
    /// The event's category, which gives it a colour.
    pub category: Option<String>,
    /// How many minutes before it Outlook reminds; `None` for not at all.
    pub reminder: Option<u32>,
    /// The automatic reply during such leave; `None` for none.
    pub reply: Option<Reply>,
}

/// The automatic reply to people who write to a person on leave.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Reply {
    /// The text for people of the organisation.
    pub inside: Template,
    /// The text for everybody else, as far as `audience` allows.
    pub outside: Template,
    /// Who else gets one.
    pub audience: Audience,
}

/// Who outside of the organisation gets an automatic reply: Graph's `externalAudienceScope`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Audience {
    /// Nobody.
    None,
    /// Those among the person's contacts.
    ContactsOnly,
    /// Everybody.
    All,
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
