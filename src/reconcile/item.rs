//! One thing that is to be kept right in one mailbox: a row of `items`.

use std::time::Duration;

use jiff::Timestamp;
use serde::Serialize;
use serde_json::Value;
use uuid::Uuid;

use super::{
    mailbox::since,
    state::{Kind, Reason, State},
};

/// A request that got no answer may still be carried out for so long: nothing found before that is no proof.
pub const LATEST: Duration = Duration::from_mins(1);

/// That a call's outcome is unknown: it may have been carried out, or still may be for a while.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub struct Doubt {
    /// Since when. A request that got no answer may be carried out for up to a minute ([`LATEST`]).
    #[serde(rename = "doubt_since")]
    pub since: Timestamp,
    /// The oldest revision that such a request may still write; 0 = any, `None` = none that is older than what is wanted.
    #[serde(rename = "doubt_rev")]
    pub oldest_rev: Option<i64>,
}

/// A row of `items`. Serialised, it is that row.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Item {
    /// Its id; of an event: the mapping's.
    pub id: Uuid,
    /// What it brings about.
    pub kind: Kind,
    /// The tenant.
    pub tenant: String,
    /// The row of the mailbox.
    pub mailbox: i64,
    /// The row of the mailbox that it was entered for: a part of its transactionIds, so that a create that is under way while
    /// its mailbox is merged is still recognised when it is sent again.
    pub created_in: i64,
    /// The row of the leave; `None` when it is about the mailbox as a whole.
    pub leave: Option<i64>,
    /// Which of the mailbox's calendars.
    pub calendar: String,
    /// The mailbox's name as the source or the configuration gave it.
    pub address: String,
    /// Who holds the address has to be asked before anything is written.
    pub resolve: bool,
    /// Whether the leave still belongs into this mailbox and calendar.
    pub wanted: bool,
    /// A second one of its leave and calendar, left by a merge of mailboxes: it is removed by its event id and never looked for.
    pub surplus: bool,
    /// The revision that is wanted: rises with everything that changes what is wanted.
    pub rev: i64,
    /// How it stands.
    pub state: State,
    /// Why.
    pub reason: Option<Reason>,
    /// The same in a sentence, with Microsoft's code.
    pub detail: Option<String>,
    /// What was last written, as its effect notes it.
    pub observed: Option<Value>,
    /// Which event of this item it is, or the next one will be.
    pub incarnation: i32,
    /// A call's outcome is unknown.
    #[serde(flatten)]
    pub doubt: Option<Doubt>,
    /// Failed attempts since the last success or change.
    pub attempts: i32,
    /// Since when it fails by itself.
    pub failing_since: Option<Timestamp>,
    /// When to look at it; `None` = nothing to do until something changes.
    pub next_at: Option<Timestamp>,
    /// When it last changed.
    pub updated_at: Timestamp,
}

impl Item {
    /// A new item, due at `now`.
    #[must_use]
    pub fn new(id: Uuid, kind: Kind, tenant: &str, mailbox: i64, address: &str, now: Timestamp) -> Self {
        Self {
            id,
            kind,
            tenant: tenant.to_owned(),
            mailbox,
            created_in: mailbox,
            leave: None,
            calendar: crate::domain::team_calendar::PRIMARY.to_owned(),
            address: address.to_owned(),
            resolve: false,
            wanted: true,
            surplus: false,
            rev: 1,
            state: State::Pending,
            reason: None,
            detail: None,
            observed: None,
            incarnation: 0,
            doubt: None,
            attempts: 0,
            failing_since: None,
            next_at: Some(now),
            updated_at: now,
        }
    }

    /// Makes it due at `at` as if it had never failed: the one way in which anything becomes due again.
    pub fn make_due(&mut self, at: Timestamp, now: Timestamp) {
        let is_settled = matches!(self.state, State::Synced | State::Removed | State::Hidden);
        if self.kind == Kind::Event && is_settled && self.doubt.is_some_and(|doubt| since(doubt.since, now) >= LATEST) {
            // What was still under way then wrote what was wanted, and can come no more.
            self.doubt = None;
        }
        self.state = State::Pending;
        self.next_at = Some(at);
        self.attempts = 0;
        self.failing_since = None;
        self.reason = None;
        self.detail = None;
        self.updated_at = now;
    }

    /// It was moved to another mailbox: if it is open, it is looked at now.
    pub const fn make_due_if_open(&mut self, now: Timestamp) {
        if self.state.is_open() {
            self.next_at = Some(now);
            self.updated_at = now;
        }
    }

    /// Whether nothing can be in the mailbox because of it: no call was ever made.
    #[must_use]
    pub fn is_untouched(&self) -> bool {
        self.observed.is_none() && self.doubt.is_none() && self.incarnation == 0
    }

    /// Notes that calls may have arrived, or still may, since `since`; `oldest_rev` is that of the oldest of them that can write
    /// over a newer one.
    pub fn put_in_doubt(&mut self, since: Timestamp, oldest_rev: Option<i64>) {
        let known = self.doubt.and_then(|doubt| doubt.oldest_rev);
        self.doubt = Some(Doubt { since, oldest_rev: known.into_iter().chain(oldest_rev).min() });
    }
}
