//! What the doctor found: the words for it that people, programs and the documentation share.
//!
//! A finding must never hold a secret, a token or an assertion; it may name the mailbox that the caller asked about.

use serde::Serialize;

/// How bad it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Severity {
    /// As it should be.
    Ok,
    /// It works, or nothing was proven; somebody should look.
    Warning,
    /// Leave does not reach Outlook, or the app may do more than it should.
    Error,
}

impl Severity {
    /// The word for it.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Ok => "ok",
            Self::Warning => "warning",
            Self::Error => "error",
        }
    }
}

/// One thing that was looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// A fixed word; docs/doctor.md lists all.
    pub id: &'static str,
    /// How bad it is.
    pub severity: Severity,
    /// What was seen, with Microsoft's own words and the ids that its support asks for.
    pub seen: String,
    /// What that means.
    pub meaning: String,
    /// The one next click or command; empty when nothing is to be done.
    pub next: String,
    /// Which tenant it is about; none when it is about the whole service.
    pub tenant: Option<String>,
}
