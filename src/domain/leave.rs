//! A leave as its source knows it, normalised: civil dates and times, never instants.
//!
//! Only what a calendar can need is kept. The reason for the leave is dropped when the webhook is read and has no field here.

use std::fmt;

use jiff::civil::{Date, DateTime};
use serde::{Deserialize, Serialize};

use super::zone::Zone;

/// Where a leave stands in its approval.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// Asked for, not decided.
    Pending,
    /// Granted.
    Approved,
    /// Refused.
    Rejected,
    /// Withdrawn or revoked.
    Cancelled,
}

impl Status {
    /// All there are, in the order in which they are documented.
    pub const ALL: [Self; 4] = [Self::Pending, Self::Approved, Self::Rejected, Self::Cancelled];

    /// The word for it in the API and the database.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved => "approved",
            Self::Rejected => "rejected",
            Self::Cancelled => "cancelled",
        }
    }

    /// The status of that word.
    #[must_use]
    pub fn of(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|status| status.word() == word)
    }
}

/// Half of a working day.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Session {
    /// The morning.
    Am,
    /// The afternoon.
    Pm,
}

/// From when until when a person is away, in local time where they work.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Span {
    /// From the morning or afternoon of `first` to the end of the morning or afternoon of `last`, both inclusive.
    Days {
        /// The first day away.
        first: Date,
        /// `Pm` when only the afternoon of the first day is leave.
        starts: Session,
        /// The last day away.
        last: Date,
        /// `Am` when only the morning of the last day is leave.
        ends: Session,
    },
    /// Leave by the hour; `until` is exclusive.
    Hours {
        /// The first moment away.
        from: DateTime,
        /// The first moment back.
        until: DateTime,
    },
}

impl Span {
    /// Whether it is made of whole days only.
    #[must_use]
    pub const fn is_whole_days(&self) -> bool {
        matches!(self, Self::Days { starts: Session::Am, ends: Session::Pm, .. })
    }
}

/// Whose leave it is; at least one of `email` and `entra_id` is there.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Staff {
    /// UPN or primary SMTP address, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub email: Option<String>,
    /// The Entra object id, in lower case.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub entra_id: Option<String>,
    /// The person's number at the employer.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub employee_id: Option<String>,
    /// The person's name.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
}

impl Staff {
    /// The name under which the mailbox is kept: the address, or the Entra object id where no address is known.
    #[must_use]
    pub fn mailbox(&self) -> &str {
        self.email.as_deref().or(self.entra_id.as_deref()).unwrap_or_default()
    }
}

/// One application for leave, without its identity and status, which are columns of their own.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Leave {
    /// Whose it is.
    pub staff: Staff,
    /// The source's code for the kind of leave. Private: it reaches Outlook only where a policy maps it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leave_type: Option<String>,
    /// When.
    pub span: Span,
    /// The zone of the span's clocks, where the source says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub time_zone: Option<Zone>,
    /// The person's department.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub department: Option<String>,
}

impl Leave {
    /// Whether its event depends on the zone or the working hours of the mailbox.
    #[must_use]
    pub const fn depends_on_mailbox_settings(&self) -> bool {
        let is_halved = matches!(self.span, Span::Days { .. }) && !self.span.is_whole_days();
        self.time_zone.is_none() || is_halved
    }
}

// A log must not show who is away and why.
impl fmt::Debug for Leave {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leave").finish_non_exhaustive()
    }
}

impl fmt::Debug for Staff {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Staff").finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_leave_says_nothing_about_a_person_when_it_is_logged() {
        let staff = Staff {
            email: Some("amy.chan@contoso.com".into()),
            entra_id: None,
            employee_id: Some("10042".into()),
            name: Some("Amy Chan".into()),
        };
        let leave = Leave {
            staff,
            leave_type: Some("SICK".into()),
            span: Span::Days {
                first: "2026-12-21".parse().unwrap(),
                starts: Session::Am,
                last: "2026-12-21".parse().unwrap(),
                ends: Session::Pm,
            },
            time_zone: None,
            department: Some("Sales".into()),
        };
        let logged = format!("{leave:?} {:?}", leave.staff);
        for private in ["amy", "Amy", "10042", "SICK", "Sales", "2026"] {
            assert!(!logged.contains(private), "{logged}");
        }
    }
}
