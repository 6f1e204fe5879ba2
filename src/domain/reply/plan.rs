//! What to do next so that the mailbox has the reply that is wanted, and when to look again.

use jiff::{SignedDuration, Timestamp};

use super::{
    setting::{Memory, ReplyStatus, Setting},
    wanted::WantedReply,
};

/// So long before a reply begins its mailbox is looked at once more, for a setting of the person's that took its place.
const LOOK_BEFORE: SignedDuration = SignedDuration::from_hours(24);
/// How often to look whether a setting of the person's is gone.
const LOOK_AGAIN: SignedDuration = SignedDuration::from_hours(24);

/// Why a mailbox is left alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The person has a reply of their own.
    OwnReply,
    /// The person has switched ours off.
    SwitchedOff,
}

/// The next step.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ReplyStep {
    /// All is as wanted.
    Nothing,
    /// Schedule this reply. The setting is what to put back some day.
    Schedule(WantedReply, Option<Setting>),
    /// Put this back.
    Withdraw(Setting),
    /// The setting is the person's.
    LeaveAlone(Kept),
}

/// The next step towards `wanted`, where `current` is what the mailbox has.
#[must_use]
pub fn plan(now: Timestamp, wanted: Option<&WantedReply>, current: &Setting, memory: &Memory) -> ReplyStep {
    let is_ours = memory.written.iter().any(|written| written.is_same(current));
    let before = || memory.before.as_ref();
    // Switched off by the person, our words are still there.
    let is_left_over =
        || current.status == ReplyStatus::Disabled && memory.written.iter().any(|w| w.says_the_same(current));
    match wanted {
        None if is_ours || is_left_over() => {
            let empty = || Setting { inside: String::new(), outside: String::new(), ..current.clone() };
            ReplyStep::Withdraw(before().cloned().unwrap_or_else(empty).at_rest())
        }
        None => ReplyStep::Nothing,
        Some(wanted) if is_ours && wanted.is_met_by(current, now) => ReplyStep::Nothing,
        Some(wanted) if is_ours => ReplyStep::Schedule(wanted.no_earlier_than_possible(now), memory.before.clone()),
        Some(_) if current.is_active(now) => ReplyStep::LeaveAlone(Kept::OwnReply),
        Some(wanted) => {
            // Nothing of ours arrived, or what put theirs back did: that is at rest.
            let theirs = |before: &Setting| before.is_same(current) || before.at_rest().is_same(current);
            let never_arrived = memory.in_doubt && before().is_some_and(theirs);
            let ours = || memory.written.iter().filter(|written| overlaps(written, wanted));
            // A reply of the person's for another occasion, over by now, took the place of ours without meaning it. What is
            // off before ours would have begun is about ours only with our words in it.
            let was_switched_off = if current.status == ReplyStatus::Disabled {
                ours().any(|written| {
                    written.says_the_same(current) || written.window.is_some_and(|(from, _)| from <= now)
                })
            } else {
                ours().next().is_some() && overlaps(current, wanted)
            };
            if was_switched_off && !never_arrived {
                ReplyStep::LeaveAlone(Kept::SwitchedOff)
            } else {
                let theirs = if is_left_over() { memory.before.clone() } else { Some(current.clone()) };
                ReplyStep::Schedule(wanted.no_earlier_than_possible(now), theirs)
            }
        }
    }
}

fn overlaps(setting: &Setting, wanted: &WantedReply) -> bool {
    setting.window.is_some_and(|(from, until)| from < wanted.until && wanted.from < until)
}

/// When to look at a mailbox again that has what is wanted.
#[must_use]
pub fn look_again(now: Timestamp, wanted: &WantedReply) -> Timestamp {
    let before = wanted.from.saturating_sub(LOOK_BEFORE).unwrap_or(wanted.until);
    if now < before { before } else { wanted.until }
}

/// When to look at a mailbox again that is left alone.
#[must_use]
pub fn look_at_kept(now: Timestamp, wanted: &WantedReply, current: &Setting) -> Timestamp {
    let own =
        current.window.map(|(_, until)| until).filter(|until| now < *until && current.status == ReplyStatus::Scheduled);
    let later = now.saturating_add(LOOK_AGAIN).unwrap_or(wanted.until);
    own.unwrap_or(later).min(later).min(wanted.until)
}
