//! What an app may ask only where somebody has granted it: whether to try, and when to try again.
//!
//! Nothing needs an answer from behind a door: it must never hold up those who can go on without.

use std::{
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use jiff::{SignedDuration, Timestamp};
use tokio::sync::Notify;

use crate::{domain::judge::Failure, graph::GraphError};

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
    /// While it is not known to be open: when somebody may try it next.
    next_try: Option<Timestamp>,
}

impl Door {
    /// Whether to ask now. Of those who come while it is not known to be open one is sent ahead; the others go on without.
    pub(super) fn may_ask(&self, now: Timestamp) -> bool {
        let mut standing = self.standing();
        if !standing.is_open && standing.next_try.is_some_and(|next| now < next) {
            return false;
        }
        if !standing.is_open {
            // Should nothing ever come of it, another is sent.
            standing.next_try = now.checked_add(TROUBLED_FOR).ok();
            standing.is_on_the_way = true;
        }
        true
    }

    /// Whoever was sent ahead came back with nothing to say of the door.
    pub(super) fn unsaid(&self) {
        {
            let mut standing = self.standing();
            standing.is_on_the_way = false;
            // The next one may try at once.
            standing.next_try = None;
        }
        self.told.notify_waiters();
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

    /// Waits for what comes of whoever was sent ahead, where somebody is on the way, but not for long.
    pub(super) async fn outcome(&self, patience: Duration) {
        let told = self.told.notified();
        tokio::pin!(told);
        // Before the look, so that nothing is told in between.
        told.as_mut().enable();
        if self.standing().is_on_the_way {
            let _late = tokio::time::timeout(patience, told).await;
        }
    }

    pub(super) fn refused(&self, error: &GraphError, now: Timestamp) {
        let asked = error.retry_after.and_then(|wait| SignedDuration::try_from(wait).ok()).unwrap_or_default();
        let wait = if error.failure == Failure::AccessDenied { CLOSED_FOR } else { TROUBLED_FOR }.max(asked);
        *self.standing() = Standing { is_open: false, is_on_the_way: false, next_try: now.checked_add(wait).ok() };
        self.told.notify_waiters();
    }

    fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
