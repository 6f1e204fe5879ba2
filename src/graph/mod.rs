//! Microsoft: the only module that talks to Entra and Graph.
//!
//! One [`Graph`] per tenant. Each method sends its request once and reports the outcome as a
//! [`Failure`](crate::reconcile::failure::Failure); it never retries by itself, because retries are state, and state is the
//! store's. It must never touch an event whose id it was not given.

mod assertion;
mod calendars;
mod client;
pub mod codes;
mod credential;
mod directory;
mod entra;
mod error;
mod events;
mod managed;
mod probe;
mod reply;
mod response;
mod settings;
mod token;
mod token_source;
mod wire;

pub use client::{Graph, MailboxAccess};
pub use error::{EntraRequestIds, GraphError, RequestIds};
pub use events::{Found, Written};
pub use probe::{
    EXCHANGE_APP, EventSnapshot, HostAnswer, NetworkFailure, Unreachable, exchange_rights, reach_entra, reach_graph,
};
pub use settings::{MailboxTime, WorkingHours};
