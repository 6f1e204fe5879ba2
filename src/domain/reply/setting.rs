//! The one setting of a mailbox, and what we remember of it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::domain::appearance::Audience;

/// Only a range in the future may be set (Microsoft: automaticRepliesSetting), and a request takes its time: what has
/// begun already is scheduled from the next full minute that is so far ahead.
pub(super) const AHEAD: SignedDuration = SignedDuration::from_mins(1);
/// Whether a mailbox replies.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ReplyStatus {
    /// No.
    Disabled,
    /// Until somebody switches it off.
    AlwaysEnabled,
    /// During its window.
    Scheduled,
}

/// The one setting of a mailbox, as it is read there.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Setting {
    /// Whether it replies.
    pub status: ReplyStatus,
    /// To whom outside of the organisation.
    pub audience: Audience,
    /// From when until when, where it is scheduled; `None` where that cannot be read.
    pub window: Option<(Timestamp, Timestamp)>,
    /// The text for people of the organisation, as HTML.
    pub inside: String,
    /// The text for everybody else, as HTML.
    pub outside: String,
}

impl Setting {
    /// Whether it replies now or will. What cannot be read counts as it would for its owner: it is on.
    #[must_use]
    pub fn is_active(&self, now: Timestamp) -> bool {
        match self.status {
            ReplyStatus::Disabled => false,
            ReplyStatus::AlwaysEnabled => true,
            ReplyStatus::Scheduled => self.window.is_none_or(|(_, until)| now < until),
        }
    }

    /// Whether the two mean the same, however Exchange has dressed up the texts in between. Exchange keeps a range that
    /// means nothing: of what has been switched off, or has none.
    #[must_use]
    pub fn is_same(&self, other: &Self) -> bool {
        let same_range = self.status != ReplyStatus::Scheduled || self.window == other.window;
        self.status == other.status && same_range && self.says_the_same(other)
    }

    pub(super) fn says_the_same(&self, other: &Self) -> bool {
        self.audience == other.audience
            && words(&self.inside) == words(&other.inside)
            && (self.audience == Audience::None || words(&self.outside) == words(&other.outside))
    }

    /// The same, switched off: how it is put back, since a range that is over cannot be set again.
    #[must_use]
    pub fn at_rest(&self) -> Self {
        Self { status: ReplyStatus::Disabled, window: None, ..self.clone() }
    }
}

/// The text without tags, white space and the commonest entities: what survives Exchange's way with HTML.
pub(super) fn words(html: &str) -> String {
    let mut plain = String::with_capacity(html.len());
    let mut rest = html;
    while let Some((text, tag)) = rest.split_once('<') {
        plain.push_str(text);
        let lower = tag.to_ascii_lowercase();
        // What a style sheet says is no text.
        let end = if lower.starts_with("style") { "</style>" } else { ">" };
        rest = lower.find(end).and_then(|at| tag.get(at + end.len()..)).unwrap_or_default();
    }
    plain.push_str(rest);
    for (entity, meaning) in
        [("&nbsp;", " "), ("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")]
    {
        plain = plain.replace(entity, meaning);
    }
    plain.retain(|c| !c.is_whitespace());
    plain
}

/// What we remember of a mailbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Memory {
    /// What we last wrote; several while it is not known which of them arrived.
    #[serde(default)]
    pub written: Vec<Setting>,
    /// What was there before we wrote.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub before: Option<Setting>,
    /// When the reply is, or would be.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub window: Option<(Timestamp, Timestamp)>,
    /// The row of the leave that it begins with.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub leave: Option<i64>,
    /// A write's outcome is unknown.
    #[serde(skip)]
    pub in_doubt: bool,
}

impl Memory {
    /// What is noted; nothing where another version noted it in another way.
    #[must_use]
    pub fn read(noted: Option<&serde_json::Value>, in_doubt: bool) -> Self {
        let memory = noted.and_then(|noted| Self::deserialize(noted).ok()).unwrap_or_default();
        Self { in_doubt, ..memory }
    }

    /// As it is noted.
    #[must_use]
    pub fn to_value(&self) -> serde_json::Value {
        serde_json::to_value(self).unwrap_or_default()
    }

    /// What two names of one mailbox remember, written before anybody knew that it is one.
    #[must_use]
    pub fn merged(kept: Self, other: Self) -> Self {
        let (befores, leave) = ([kept.before, other.before], kept.leave.or(other.leave));
        let written: Vec<Setting> = kept.written.into_iter().chain(other.written).collect();
        // What was found there under one name may have been our own under the other.
        let is_ours = |before: &Setting| written.iter().any(|written| written.is_same(before));
        let before = befores.into_iter().flatten().find(|before| !is_ours(before));
        let window = kept.window.or(other.window);
        Self { written, before, window, leave, in_doubt: kept.in_doubt || other.in_doubt }
    }
}
