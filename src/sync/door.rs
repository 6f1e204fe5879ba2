//! What an app may ask only where somebody has granted it: whether to try, and when to try again.
//!
//! Nothing needs an answer from behind a door: it must never hold up those who can go on without.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::{sync::Notify, time::Instant};

use crate::{clock::Pause, domain::judge::Failure, graph::GraphError};

/// A door that is closed to the app is tried again so late: somebody may have granted the permission.
const CLOSED_FOR: SignedDuration = SignedDuration::from_hours(1);
/// Behind which nobody answers as they should: left alone for so long at least.
const TROUBLED_FOR: SignedDuration = SignedDuration::from_mins(1);

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
    /// While it is not known to be open: nobody tries it.
    pause: Option<Pause>,
    /// The mailbox that was last denied an answer, and is not tried for a while: others may be luckier.
    denied: Option<(i64, Pause)>,
}

impl Standing {
    fn is_closed(&self, now: Timestamp) -> bool {
        self.pause.is_some_and(|pause| pause.lasts(now))
    }
}

impl Door {
    /// Whether to ask now. Of those who come while it is not known to be open one is sent ahead; the others go on without.
    pub(super) fn may_ask(&self, mailbox: i64, now: Timestamp) -> bool {
        let mut standing = self.standing();
        if standing.is_open {
            return true;
        }
        let is_denied = standing.denied.is_some_and(|(denied, pause)| denied == mailbox && pause.lasts(now));
        if is_denied || standing.is_closed(now) {
            return false;
        }
        // Should nothing ever come of it, another is sent.
        standing.pause = Some(Pause::begin(now, TROUBLED_FOR));
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
            !std::mem::replace(&mut standing.is_open, true)
        };
        self.told.notify_waiters();
        is_news
    }

    /// Nobody gets an answer for a while.
    pub(super) fn refused(&self, error: &GraphError, now: Timestamp) {
        let asked = error.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
        let is_denial = error.failure == Failure::AccessDenied;
        if !is_denial {
            self.standing().denied = None;
        }
        let wait = if is_denial { CLOSED_FOR } else { TROUBLED_FOR }.max(asked);
        self.came_back(Some(Pause::begin(now, wait)));
    }

    /// This mailbox is denied an answer. Only when two are, one after the other, the door is taken to be closed for all.
    pub(super) fn denied(&self, mailbox: i64, error: &GraphError, now: Timestamp) {
        let pause = Pause::begin(now, CLOSED_FOR);
        let former = self.standing().denied.replace((mailbox, pause));
        if former.is_some_and(|(former, _)| former != mailbox) {
            self.refused(error, now);
        } else {
            self.unsaid();
        }
    }

    /// Whether it is for want of a permission that this mailbox got no answer: then there is nothing to wait for.
    pub(super) fn is_denied(&self, mailbox: i64, now: Timestamp) -> bool {
        let standing = self.standing();
        let is_closed = !standing.is_on_the_way && standing.is_closed(now);
        !standing.is_open && standing.denied.is_some_and(|(denied, _)| denied == mailbox || is_closed)
    }

    fn came_back(&self, pause: Option<Pause>) {
        {
            let mut standing = self.standing();
            standing.is_on_the_way = false;
            standing.pause = pause;
            standing.is_open &= pause.is_none();
        }
        self.told.notify_waiters();
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
