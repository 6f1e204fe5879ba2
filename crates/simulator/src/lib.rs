//! A simulated Microsoft Entra and Microsoft Graph, so that a calendar client can be built and tested without a tenant.
//!
//! It enforces what Microsoft enforces and keeps score of what a good client never does. It must never share code with
//! a client that is tested against it: a misunderstanding that both sides hold would pass every test.

mod api;
mod app;
mod assertion;
mod bearer;
mod catalogue;
mod clock;
mod content;
mod control;
mod directory;
mod draft;
mod entra;
mod event;
mod exchange;
mod failure;
mod faults;
mod filter;
mod graph;
mod ids;
mod journal;
mod json;
mod limits;
mod mailbox;
mod managed;
mod odata;
mod outlook;
mod prefer;
mod profile;
mod property;
mod replies;
mod route;
mod score;
mod serve;
mod settings;
mod signing;
mod times;
mod token_request;
mod zones;

use std::{
    fmt,
    sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard},
};

use axum::{Router, response::Redirect, routing::get};
use jiff::Timestamp;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use self::clock::{Clock, Random};

#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;

/// A simulated Microsoft: one Entra, one Graph, one set of mailboxes, a control plane and a page to look at.
///
/// Clones share everything.
#[derive(Clone)]
pub struct Simulator(Arc<World>);

/// Everything there is; each part brings its own lock, and none of them is held across an await.
struct World {
    clock: Clock,
    random: Random,
    settings: RwLock<settings::Settings>,
    directory: RwLock<directory::Directory>,
    keys: signing::Keys,
    bearers: bearer::Bearers,
    faults: faults::Faults,
    journal: journal::Journal,
    arc: managed::ArcKey,
    score: Arc<score::Score>,
}

impl Simulator {
    /// The Directory (tenant) ID of the app registration that exists from the start.
    pub const DIRECTORY_ID: &'static str = "5f1a7e00-0000-4000-8000-00000000d1c7";
    /// The Application (client) ID of the app registration that exists from the start.
    pub const CLIENT_ID: &'static str = "5f1a7e00-0000-4000-8000-0000000c11e7";
    /// The secret's Value of the app registration that exists from the start. It opens nothing but a simulator.
    pub const CLIENT_SECRET: &'static str = "simulated~not-a-secret";

    /// What App Service's `IDENTITY_HEADER` is from the start. It opens nothing but a simulator.
    pub const IDENTITY_HEADER: &'static str = "simulated-identity-header";

    /// A Microsoft without people, with one app registration that may read users and write calendars.
    ///
    /// `now` returns the current time, by which tokens, limits and `Retry-After` expire. `bits` returns 64 random bits
    /// at each call, for ids. [`Simulator::default`] takes both from this machine.
    #[must_use]
    pub fn new(
        now: impl Fn() -> Timestamp + Send + Sync + 'static,
        bits: impl Fn() -> u64 + Send + Sync + 'static,
    ) -> Self {
        Self(Arc::new(World {
            clock: Clock::new(now),
            random: Random::new(bits),
            settings: RwLock::new(settings::Settings::default()),
            directory: RwLock::default(),
            keys: signing::Keys::default(),
            bearers: bearer::Bearers::default(),
            faults: faults::Faults::default(),
            journal: journal::Journal::default(),
            arc: managed::ArcKey::default(),
            score: Arc::default(),
        }))
    }

    /// All routes: Microsoft's, the control plane's and the page's.
    ///
    /// A scripted `drop` needs [`Simulator::serve`], because closing a connection is not something a router can do;
    /// served in any other way it shows as an empty 502.
    pub fn router(&self) -> Router {
        Router::new()
            .route("/", get(|| async { Redirect::temporary("/outlook") }))
            .route("/outlook", get(outlook::page))
            .nest("/_sim", control::routes())
            .fallback(exchange::answer)
            .with_state(self.clone())
    }

    /// Answers on `listener` until `stop` is cancelled and what was begun by then is answered.
    ///
    /// # Errors
    ///
    /// When the listener itself breaks.
    pub async fn serve(self, listener: TcpListener, stop: CancellationToken) -> std::io::Result<()> {
        serve::serve(self.router(), listener, stop).await
    }

    fn settings(&self) -> RwLockReadGuard<'_, settings::Settings> {
        self.0.settings.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn settings_mut(&self) -> RwLockWriteGuard<'_, settings::Settings> {
        self.0.settings.write().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory(&self) -> RwLockReadGuard<'_, directory::Directory> {
        self.0.directory.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn directory_mut(&self) -> RwLockWriteGuard<'_, directory::Directory> {
        self.0.directory.write().unwrap_or_else(PoisonError::into_inner)
    }

    /// Empties journal, score, faults and every mailbox; people, apps and switches stay.
    fn reset(&self) {
        self.0.journal.clear();
        self.0.faults.clear();
        for person in self.directory().people() {
            person.empty(&self.0.random);
        }
        self.0.score.clear();
    }
}

impl Default for Simulator {
    /// One that goes by this machine's clock and random source.
    fn default() -> Self {
        Self::new(clock::system_time, clock::system_bits)
    }
}

impl fmt::Debug for Simulator {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Simulator").finish_non_exhaustive()
    }
}
