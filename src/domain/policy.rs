//! How a tenant wants its leave to look in Outlook, and how each kind of leave.
//!
//! By default nothing of a leave but its time reaches Outlook; whatever more does, a policy says by name.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{hours::Hours, team::TeamCalendar, template::Template, zone::Zone};

/// How a tenant wants its leave to look in Outlook.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Policy {
    /// How leave looks whose type has no appearance of its own.
    // Its former name is part of the policy's stored fingerprint: another one would mark every mapping as changed.
    #[serde(rename = "look")]
    pub appearance: Appearance,
    /// The appearance of single types of leave, by the source's code in lower case.
    pub types: BTreeMap<String, Appearance>,
    /// Where people find their leave; it becomes the last line of the event's text.
    pub link: Option<Template>,
    /// The zone of leave that names none, of people whose mailbox names none.
    pub time_zone: Zone,
    /// The working hours of people whose mailbox tells none.
    pub hours: Hours,
    /// The calendars in which teams see who is away.
    pub team_calendars: Vec<TeamCalendar>,
}

impl Policy {
    /// How leave of that type looks.
    #[must_use]
    pub fn appearance(&self, leave_type: Option<&str>) -> &Appearance {
        let own = leave_type.and_then(|code| self.types.get(&code.trim().to_lowercase()));
        own.unwrap_or(&self.appearance)
    }

    /// Whether any leave brings about an automatic reply.
    #[must_use]
    pub fn replies(&self) -> bool {
        std::iter::once(&self.appearance).chain(self.types.values()).any(|appearance| appearance.reply.is_some())
    }
}

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
