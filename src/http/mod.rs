//! The API and the console: who may ask what, and how it is answered. Sees the domain and the store; never Graph, never
//! the engine.

mod api;
mod auth;
mod body;
mod console;
mod doctor;
mod health;
mod intake;
mod leaves;
mod mappings;
mod observe;
mod problem;
mod query;
mod router;
mod schema;
mod shapes;
mod time_limit;
mod webhook;

pub use api::Api;
pub use auth::{MintError, mint};
pub use router::openapi;
