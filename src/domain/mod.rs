//! What a leave is and what it wants in Outlook: pure decisions.
//!
//! Nothing here reads a clock, a file, a socket or a database; the same input always gives the same answer. That is
//! what makes every rule a table in a test.

pub mod appearance;
pub mod change;
pub mod credential;
pub mod event;
pub mod finding;
pub mod hours;
pub mod leave;
pub mod marker;
pub mod policy;
pub mod problem;
pub mod reply;
pub mod team;
pub mod team_calendar;
pub mod template;
pub mod zone;
