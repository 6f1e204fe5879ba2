//! How a tenant as a whole stands with Microsoft: whether it may be tried, and when it was last served. Pure.
//!
//! It must never lift a block that another call set meanwhile and that is still to run.

use std::time::Duration;

use jiff::Timestamp;

use super::{
    mailbox::{Block, after, since},
    state::Reason,
};

/// A block that ran out so long ago is none any more: whatever waited for its end has been tried since, or there was nothing
/// left to try.
const SHOWN_AFTER_ITS_END: Duration = Duration::from_mins(1);

/// How a tenant stands with Microsoft.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct TenantState {
    /// Nothing of the tenant is tried while this lasts.
    pub block: Option<Block>,
    /// When Graph last did what we asked.
    pub last_success: Option<Timestamp>,
}

impl TenantState {
    /// Blocks it for `wait`. Never shortens what runs already; the same reason again goes on from when it began.
    pub fn block(&mut self, reason: Reason, detail: &str, wait: Duration, now: Timestamp) {
        let former = self.block.take();
        let since = former.as_ref().filter(|block| block.reason == reason).map_or(now, |block| block.since);
        let until = after(now, wait).max(former.map_or(now, |block| block.until));
        self.block = Some(Block { until, since, reason, detail: detail.to_owned() });
    }

    /// Graph has taken our token. That ends a block that has run out; one that is still to run was set by another call
    /// meanwhile. `true` when none is left.
    pub fn served(&mut self, now: Timestamp) -> bool {
        self.last_success = Some(now);
        self.block = self.block.take().filter(|block| block.until > now);
        self.block.is_none()
    }

    /// A person may have removed the cause: what blocks it is tried again now.
    pub fn try_again(&mut self, now: Timestamp) {
        if let Some(block) = &mut self.block {
            block.until = block.until.min(now);
        }
    }

    /// The block as people are told of it.
    #[must_use]
    pub fn shown(&self, now: Timestamp) -> Option<&Block> {
        self.block.as_ref().filter(|block| since(block.until, now) < SHOWN_AFTER_ITS_END)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(text: &str) -> Timestamp {
        format!("2026-11-22T{text}Z").parse().unwrap()
    }

    fn blocked(since: &str, until: &str) -> TenantState {
        let block = Block { until: at(until), since: at(since), reason: Reason::Credentials, detail: "old".to_owned() };
        TenantState { block: Some(block), last_success: Some(at("08:00:00")) }
    }

    #[test]
    fn a_block_is_never_shortened_and_counts_from_when_its_reason_began() {
        let now = at("12:00:00");
        for (what, before, reason, seconds, since, until) in [
            ("the first", TenantState::default(), Reason::Credentials, 60, "12:00:00", "12:01:00"),
            ("again", blocked("11:00:00", "11:59:00"), Reason::Credentials, 60, "11:00:00", "12:01:00"),
            ("a longer one runs", blocked("11:00:00", "12:30:00"), Reason::Credentials, 60, "11:00:00", "12:30:00"),
            ("another reason", blocked("11:00:00", "11:59:00"), Reason::GraphUnavailable, 5, "12:00:00", "12:00:05"),
        ] {
            let mut state = before.clone();
            state.block(reason, "new", Duration::from_secs(seconds), now);
            let block = Block { until: at(until), since: at(since), reason, detail: "new".to_owned() };
            assert_eq!(state, TenantState { block: Some(block), ..before }, "{what}");
        }
    }

    #[test]
    fn being_served_ends_a_block_that_has_run_out_and_no_other() {
        for (until, expected) in [("11:59:59", true), ("12:00:00", true), ("12:00:01", false)] {
            let mut state = blocked("11:00:00", until);
            assert_eq!(state.served(at("12:00:00")), expected, "{until}");
            assert_eq!((state.block.is_none(), state.last_success), (expected, Some(at("12:00:00"))), "{until}");
        }
    }

    #[test]
    fn a_block_shows_for_a_minute_after_its_end_and_can_be_ended_early() {
        let mut state = blocked("11:00:00", "12:30:00");
        for (now, expected) in [("12:00:00", true), ("12:30:59", true), ("12:31:00", false)] {
            assert_eq!(state.shown(at(now)).is_some(), expected, "{now}");
        }
        state.try_again(at("12:00:00"));
        assert_eq!(state, blocked("11:00:00", "12:00:00"));
        state.try_again(at("12:10:00"));
        assert_eq!(state, blocked("11:00:00", "12:00:00"));
    }
}
