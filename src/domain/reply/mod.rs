//! The automatic reply of a mailbox: what should be set there, and what to do next so that it is.
//!
//! A mailbox has one such setting, which belongs to its owner. It must never overwrite one that the person has switched
//! on, nor change what is not recognised as ours; and once no leave wants it any more, what was there before is put back.

mod plan;
mod setting;
#[cfg(test)]
mod tests;
mod wanted;

pub use plan::{Kept, ReplyStep, look_again, look_at_kept, plan};
pub use setting::{Memory, ReplyStatus, Setting};
pub use wanted::{Away, WantedReply, wanted};
