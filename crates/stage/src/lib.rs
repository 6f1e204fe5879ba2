//! What leavebridge's demonstration, tests, chaos run and benchmarks share: a private PostgreSQL, a simulated Microsoft,
//! the real program as a process, and the portals that post webhooks.
//!
//! It must never depend on the service: the demonstration, which is a part of the service, is built on it.

pub mod environment;
pub mod microsoft;
pub mod portal;
pub mod postgres;
pub mod process;
