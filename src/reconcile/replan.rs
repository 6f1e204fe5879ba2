//! What an item depends on has changed: the policy, the owner's time zone, the leave of its mailbox.

use jiff::Timestamp;

use super::{
    item::Item,
    state::{Reason, State},
};

/// Makes a settled or parked item due at `at`, to be planned again. One that is open may be under delivery at this moment, by
/// what was known before: its revision rises, so that the result of that delivery is not the last word.
pub fn replan(item: &mut Item, at: Timestamp, now: Timestamp) {
    if item.state.is_open() {
        item.rev += 1;
    } else {
        item.make_due(at, now);
    }
}

/// Makes an item of a whole mailbox due at `at`, or now if it is open. One that waits for a permission goes on waiting: asking
/// more often does not grant it.
pub fn wake(item: &mut Item, at: Timestamp, now: Timestamp) {
    if !item.state.is_open() {
        item.make_due(at, now);
        return;
    }
    item.rev += 1;
    if item.state != State::Waiting || item.reason != Some(Reason::AccessDenied) {
        item.state = State::Pending;
        item.next_at = Some(now);
        item.updated_at = now;
    }
}
