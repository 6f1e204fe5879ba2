//! What an app may ask only where somebody has granted it: whether to try, and when to try again.
//!
//! Nothing needs an answer from behind a door: it must never hold up those who can go on without.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Notify, time::Instant};

use crate::{domain::judge::Failure, graph::GraphError};

/// A door that is closed to the app is tried again so late: somebody may have granted the permission.
const CLOSED_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Behind which nobody answers as they should: left alone for so long at least.
const TROUBLED_FOR: SignedDuration = SignedDuration::from_mins(1);
/// Where nobody has granted the permission, and nobody is going to, being reminded costs next to nothing.
const REMINDED_AFTER_AT_MOST: SignedDuration = SignedDuration::from_hours(24);
/// So many mailboxes without an answer are kept in mind: the first that gets one makes all others due.
const MISSED_AT_MOST: usize = 64;

/// One permission of one tenant, as far as this process knows.
#[derive(Debug, Default)]
pub(super) struct Door {
    standing: Mutex<Standing>,
    told: Notify,
}

#[derive(Debug, Default)]
struct Standing {
    is_open: bool,
    /// Somebody was sent ahead and has not come back.
    is_on_the_way: bool,
    /// While it is not known to be open: when somebody may try it next.
    next_try: Option<Timestamp>,
    /// The mailbox that was last denied an answer, and until when it is not tried again: others may be luckier.
    denied: Option<(i64, Timestamp)>,
    /// Mailboxes that went on without an answer, and when one of them is to ask again should nobody else come by.
    missed: VecDeque<i64>,
    next_reminder: Option<Timestamp>,
    /// How many have asked in vain: each waits twice as long as the one before.
    reminders: u32,
}

impl Door {
    /// Whether to ask now. Of those who come while it is not known to be open one is sent ahead; the others go on without.
    pub(super) fn may_ask(&self, mailbox: i64, now: Timestamp) -> bool {
        let mut standing = self.standing();
        if standing.is_open {
            return true;
        }
        let is_denied = standing.denied.is_some_and(|(denied, until)| denied == mailbox && now < until);
        if is_denied || standing.next_try.is_some_and(|next| now < next) {
            return false;
        }
        // Should nothing ever come of it, another is sent.
        standing.next_try = later(now, TROUBLED_FOR);
        standing.is_on_the_way = true;
        true
    }

    /// The same for those who would rather wait for whoever was sent ahead, though not for long.
    pub(super) async fn may_ask_in_time(&self, mailbox: i64, now: Timestamp, patience: Duration) -> bool {
        let end = Instant::now() + patience;
        loop {
            let told = self.told.notified();
            tokio::pin!(told);
            // Before the look, so that nothing is told in between.
            told.as_mut().enable();
            if self.may_ask(mailbox, now) {
                return true;
            }
            if !self.standing().is_on_the_way || tokio::time::timeout_at(end, told).await.is_err() {
                return false;
            }
        }
    }

    /// Whoever was sent ahead came back with nothing to say of the door: the next one may try at once.
    pub(super) fn unsaid(&self) {
        self.came_back(None);
    }

    /// Whether somebody was answered since it was last refused.
    pub(super) fn is_open(&self) -> bool {
        self.standing().is_open
    }

    /// Somebody was answered. `true` when that is news.
    pub(super) fn answered(&self) -> bool {
        let is_news = {
            let mut standing = self.standing();
            standing.is_on_the_way = false;
            let is_news = !std::mem::replace(&mut standing.is_open, true);
            if is_news {
                standing.missed.clear();
                standing.reminders = 0;
            }
            is_news
        };
        self.told.notify_waiters();
        is_news
    }

    /// Nobody gets an answer for a while.
    pub(super) fn refused(&self, error: &GraphError, now: Timestamp) {
        let asked = error.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
        let wait = if error.failure == Failure::AccessDenied { CLOSED_FOR } else { TROUBLED_FOR }.max(asked);
        self.came_back(later(now, wait));
    }

    /// This mailbox is denied an answer. Only when two are, one after the other, the door is taken to be closed for all.
    pub(super) fn denied(&self, mailbox: i64, error: &GraphError, now: Timestamp) {
        let until = later(now, CLOSED_FOR);
        let former = std::mem::replace(&mut self.standing().denied, until.map(|until| (mailbox, until)));
        if former.is_some_and(|(former, _)| former != mailbox) {
            self.refused(error, now);
        } else {
            self.unsaid();
        }
    }

    /// This mailbox went on without an answer.
    pub(super) fn missed(&self, mailbox: i64, now: Timestamp) {
        let mut standing = self.standing();
        if standing.missed.contains(&mailbox) {
            return;
        }
        if standing.missed.is_empty() {
            standing.next_reminder = later(now, TROUBLED_FOR);
        }
        standing.missed.truncate(MISSED_AT_MOST - 1);
        standing.missed.push_back(mailbox);
    }

    /// A mailbox that went on without an answer and could ask for one by now; one at a time, by turns.
    pub(super) fn reminder(&self, now: Timestamp) -> Option<i64> {
        let mut standing = self.standing();
        let is_early = |next: Option<Timestamp>| next.is_some_and(|next| now < next);
        if is_early(standing.next_reminder) || (!standing.is_open && is_early(standing.next_try)) {
            return None;
        }
        let denied = standing.denied.filter(|(_, until)| now < *until).map(|(mailbox, _)| mailbox);
        let place = standing.missed.iter().position(|mailbox| Some(*mailbox) != denied)?;
        standing.reminders += 1;
        let wait = TROUBLED_FOR * 2_i32.saturating_pow(standing.reminders.min(12));
        standing.next_reminder = later(now, wait.min(REMINDED_AFTER_AT_MOST));
        standing.missed.remove(place)
    }

    fn came_back(&self, next_try: Option<Timestamp>) {
        {
            let mut standing = self.standing();
            standing.is_on_the_way = false;
            standing.next_try = next_try;
            standing.is_open &= next_try.is_none();
        }
        self.told.notify_waiters();
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn later(now: Timestamp, wait: SignedDuration) -> Option<Timestamp> {
    now.checked_add(wait).ok()
}
