//! What can go wrong at Microsoft, by what it means for us, and what each reason says to a person.

use std::time::Duration;

use super::state::Reason;

/// What went wrong, by what it means for us.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Failure {
    /// The mailbox gets too many requests.
    Throttled {
        /// How long Microsoft asks us to wait.
        retry_after: Option<Duration>,
    },
    /// Graph or the way to it is down for the moment; the call may or may not have been carried out.
    Unavailable {
        /// How long Microsoft asks us to wait.
        retry_after: Option<Duration>,
    },
    /// An earlier request got no answer and may still be carried out: nothing can be said before it no longer can.
    InDoubt {
        /// How long that takes from now.
        left: Duration,
    },
    /// Graph fails on this request (HTTP 500); the call may or may not have been carried out.
    Failing,
    /// Somebody changed the event at the same moment.
    Conflict,
    /// There is no mailbox of that address that Graph could reach: unknown, unlicensed, on premises, a guest.
    MailboxMissing,
    /// The app may not touch this mailbox.
    AccessDenied,
    /// The mailbox is full.
    MailboxFull,
    /// The event is not there (any more).
    EventGone,
    /// The event was created by an earlier attempt, with other content.
    AlreadyCreated,
    /// Graph refuses what we sent: it would refuse it again.
    Rejected,
    /// Microsoft refuses our credentials or token.
    Credentials,
    /// The token endpoint is down and no token is left that is valid.
    EntraUnavailable {
        /// How long Microsoft asks us to wait.
        retry_after: Option<Duration>,
    },
}

impl Failure {
    /// Whether the call may have been carried out although it failed.
    #[must_use]
    pub const fn leaves_outcome_unknown(self) -> bool {
        matches!(self, Self::Unavailable { .. } | Self::Failing)
    }
}

impl Reason {
    /// What it means and what a person can do, as a sentence.
    #[must_use]
    pub const fn meaning(self) -> &'static str {
        match self {
            Self::Throttled => "Microsoft asks us to slow down for this mailbox; it goes on by itself.",
            Self::GraphUnavailable => "Microsoft Graph did not answer; it is tried again by itself.",
            Self::GraphError => "Microsoft Graph failed on this request; it is tried again by itself for a day.",
            Self::Conflict => "The event was changed at the same moment; it is tried again by itself.",
            Self::MailboxMissing => {
                "Exchange Online has no mailbox of this address: check the address, the licence, and whether it is a guest or still on premises. It is tried again by itself: hourly for a day, then daily for 30 days; a retry tries at once."
            }
            Self::AccessDenied => {
                "The app may not write to this mailbox: check admin consent for Calendars.ReadWrite, or whether the mailbox lies in the scope that Exchange grants the app. It is tried again by itself: hourly for a day, then daily for 30 days; a retry tries at once."
            }
            Self::MailboxFull => "The mailbox is full; once there is room it goes on by itself.",
            Self::EventGone => "The event had been deleted in Outlook; a new one is made by itself.",
            Self::Rejected => {
                "Microsoft Graph refuses this event as it stands. Correct the leave at its source, or report the request-id to those who run leavebridge, then retry."
            }
            Self::Credentials => {
                "Microsoft refuses the app's credentials: check directory_id, client_id and the secret's Value and expiry. All leave of this tenant waits and goes on within a minute after the repair."
            }
            Self::Internal => {
                "leavebridge itself failed on this leave. Report it to those who run leavebridge, with the log of that moment; a retry or a new change tries again."
            }
            Self::EntraUnavailable => "Microsoft Entra issues no token at the moment; it is tried again by itself.",
            Self::OwnReply => {
                "The person has an automatic reply of their own, which stays. It is looked at again within a day."
            }
            Self::SwitchedOff => "The person has switched the automatic reply off, and so it stays for this leave.",
            Self::IdentityConflict => {
                "The source gives another object id than the directory has for this address. The event goes to the mailbox of the source's id."
            }
        }
    }
}
