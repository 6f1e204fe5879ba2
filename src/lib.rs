//! leavebridge puts approved leave into people's Outlook calendars.
//!
//! Portals post webhooks; each is stored in PostgreSQL before it is answered; an engine brings every calendar to what the
//! leave says, through Microsoft Graph. Data flows one way: receive ([`http`]) → accept ([`reconcile`], [`store`]) → claim
//! ([`store`]) → desired and plan ([`domain`], [`reconcile`]) → apply ([`engine`], [`graph`]) → settle ([`reconcile`],
//! [`store`]).
//!
//! Who may use whom, which a test enforces: [`domain`] uses nothing; [`reconcile`] uses the domain; [`store`] and [`graph`] use
//! both and not each other; [`engine`] and [`doctor`] use all of them; [`http`] sees domain, reconcile, store and doctor, never
//! Graph or the engine; [`app`] wires; [`cli`] is on top. [`config`], [`clock`], [`outgoing`], [`telemetry`] and, for tests,
//! [`failpoint`] serve them. The simulated Microsoft is a package of its own, which only the demonstration and tests use.
//! `docs/architecture.md` has the map, one leave's way in a picture, and which files a change touches.

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
