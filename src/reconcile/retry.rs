//! An operator says "try again now".

use jiff::Timestamp;

use super::{
    item::Item,
    mailbox::Mailbox,
    state::{Kind, State},
};

/// Makes the item due, and lifts a block of its mailbox whose cause a person may have removed: all that waited for it goes on
/// with it. What Microsoft asks for (a throttle floor) is not ours to lift. `false` where there is nothing to try again.
pub fn retry(item: &mut Item, mailbox: &mut Mailbox, now: Timestamp) -> bool {
    let is_retried = if item.kind == Kind::Event {
        matches!(item.state, State::Pending | State::Waiting | State::Parked)
    } else {
        // Of what is about the whole mailbox, also what the person's own setting keeps out.
        matches!(item.state, State::Waiting | State::Parked | State::Hidden)
    };
    if is_retried {
        mailbox.block = None;
        item.make_due(now, now);
    }
    is_retried
}
