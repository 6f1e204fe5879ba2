//! What the decisions about a webhook are given: the change, the leave as it is stored, and where it is placed.

use std::time::Duration;

use jiff::Timestamp;
use uuid::Uuid;

use crate::domain::leave::{Leave, Status};

/// A calendar that a leave belongs to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Target {
    /// The mailbox's address, or the Entra object id where no address is known.
    pub address: String,
    /// Which of its calendars.
    pub calendar: String,
}

/// One change of one leave.
#[derive(Debug, Clone)]
pub struct Change {
    /// The client that sent it.
    pub client: String,
    /// The sender's id of the delivery, and the hash of what it says.
    pub delivery: Option<(String, Vec<u8>)>,
    /// The leave's tenant.
    pub tenant: String,
    /// The leave's source: with tenant and id its identity.
    pub source: String,
    /// The leave's id at its source.
    pub id: String,
    /// Where the leave stands.
    pub status: Status,
    /// The whole leave; `None` for a cancellation that does not repeat it.
    pub leave: Option<Leave>,
    /// When it happened at the source.
    pub at: Timestamp,
    /// The calendars that the leave belongs to, the person's own first. Empty for a cancellation that does not repeat the leave.
    pub targets: Vec<Target>,
    /// Whether the tenant has automatic replies.
    pub has_replies: bool,
    /// Its event may be in the calendar already, of a time that this database knows nothing of: before one is created, it is
    /// looked for.
    pub look_first: bool,
    /// For how long the directory's answer about an address counts.
    pub directory_fresh_for: Duration,
    /// Fresh ids for items that do not exist yet: [`Change::ids_for`] of them.
    pub ids: Vec<Uuid>,
}

impl Change {
    /// How many new items a change with so many targets can bring: for each an event and the reading of its mailbox's settings;
    /// and the automatic replies of the person's mailbox and of the one that the leave comes from.
    #[must_use]
    pub const fn ids_for(targets: usize, has_replies: bool) -> usize {
        targets * 2 + if has_replies { 2 } else { 0 }
    }
}

/// A leave as it is stored.
#[derive(Debug, Clone)]
pub struct StoredLeave {
    /// Its row.
    pub row: i64,
    /// Where it stands.
    pub status: Status,
    /// Its content; `None` where nothing but a cancellation has arrived, or this program cannot read it.
    pub content: Option<Leave>,
    /// When its latest change happened at the source.
    pub source_at: Timestamp,
    /// Its revision.
    pub rev: i64,
}

/// A target in the mailbox where it was placed; as many and in the same order as the change's targets.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Placed {
    /// The mailbox's row.
    pub mailbox: i64,
    /// Who holds the address has to be asked before anything is written.
    pub resolve: bool,
    /// When the mailbox's settings were last read.
    pub settings_at: Option<Timestamp>,
}
