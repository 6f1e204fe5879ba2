//! leavebridge puts approved leave into people's Outlook calendars.
//!
//! Portals post webhooks; each is stored in PostgreSQL before it is answered; an engine brings every calendar to what the
//! leave says, through Microsoft Graph. Data flows one way: receive ([`http`]) → store ([`store`]) → plan ([`domain`]) →
//! Graph ([`graph`]) → settle ([`store`]).
//!
//! Who may use whom, which a test enforces: [`domain`] uses nothing; [`store`] and [`graph`] use the domain and not each
//! other; [`sync`] and [`doctor`] use all three; [`http`] sees domain, store and doctor, never Graph or the engine; [`app`]
//! wires; [`cli`] is on top. [`config`], [`clock`], [`telemetry`] and, for tests, [`failpoint`] serve them all. The simulated
//! Microsoft is a package of its own, which only the demonstration and tests use.

pub mod app;
pub mod cli;
pub mod clock;
pub mod config;
#[cfg(feature = "demo")]
pub mod demo;
pub mod doctor;
pub mod domain;
pub mod engine;
pub mod failpoint;
pub mod graph;
pub mod http;
pub mod outgoing;
pub mod reconcile;
pub mod store;
pub mod telemetry;
