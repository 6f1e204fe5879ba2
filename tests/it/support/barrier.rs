//! A second address of a simulated Microsoft, at which requests wait until the test lets them through.
//!
//! A delay would have to be longer than whatever the test does meanwhile, and a slow machine makes every delay too short. A
//! request that is held here stays under way until the test has seen what it wants to see.

use std::net::Ipv4Addr;

use axum::{
    Router,
    body::{self, Body},
    extract::{Request, State},
    response::Response,
    serve::ListenerExt as _,
};
use leavebridge::clock::{Clock as _, ManualClock};
use leavebridge_stage::postgres::PrivatePostgres;
use tokio::{net::TcpListener, sync::watch};
use tokio_util::sync::{CancellationToken, DropGuard};
use tower::ServiceExt as _;

use super::{START, TestApp, configuration, database::Database, file_settings, microsoft::Microsoft, service::Home};

/// The address and what is held there. Open at first.
pub(crate) struct Barrier {
    pub(crate) url: String,
    held: watch::Sender<Held>,
    _stop: DropGuard,
}

#[derive(Default)]
struct Held {
    /// Method of the requests that have to wait, and part of their path.
    closed_for: Option<(&'static str, &'static str)>,
    next: u64,
    /// Number and path of those that wait, the longest waiting first.
    waiting: Vec<(u64, String)>,
}

impl Barrier {
    pub(crate) async fn before(microsoft: &Microsoft) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let held = watch::Sender::default();
        let router = Router::new().fallback(pass).with_state((held.clone(), microsoft.simulator.router()));
        let stop = CancellationToken::new();
        let stopped = stop.clone().cancelled_owned();
        let listener = listener.tap_io(|stream| stream.set_nodelay(true).unwrap());
        tokio::spawn(async move {
            tokio::select! {
                served = axum::serve(listener, router) => served,
                () = stopped => Ok(()),
            }
        });
        Self { url, held, _stop: stop.drop_guard() }
    }

    /// The configuration of a service whose tenant `default` asks Microsoft here. Entra gives out tokens for the Graph of its
    /// own address only.
    pub(crate) fn keys(&self) -> [(&str, &str); 2] {
        let [authority, graph] = ["TENANTS__DEFAULT__MICROSOFT__AUTHORITY", "TENANTS__DEFAULT__MICROSOFT__GRAPH"];
        [(authority, &self.url), (graph, &self.url)]
    }

    /// From now on requests with this method wait whose path has this in it.
    pub(crate) fn close(&self, method: &'static str, part: &'static str) {
        self.held.send_modify(|held| held.closed_for = Some((method, part)));
    }

    /// The paths of the requests that wait, the longest waiting first. One that its caller has given up waits on.
    pub(crate) fn held(&self) -> Vec<String> {
        self.held.borrow().waiting.iter().map(|(_, path)| path.clone()).collect()
    }

    /// Lets the one through that has waited longest.
    pub(crate) fn let_one_through(&self) {
        self.held.send_modify(|held| drop(held.waiting.remove(0)));
    }

    /// What comes from now on passes; what waits goes on waiting.
    pub(crate) fn hold_no_more(&self) {
        self.held.send_modify(|held| held.closed_for = None);
    }

    /// Lets everything through from now on.
    pub(crate) fn open(&self) {
        self.held.send_modify(|held| {
            held.closed_for = None;
            held.waiting.clear();
        });
    }
}

impl TestApp {
    /// As [`TestApp::with`], with a barrier between the service and its Microsoft.
    pub(crate) async fn with_barrier(further: &[(&str, &str)]) -> (Self, Barrier) {
        let clock = ManualClock::at(START.parse().unwrap());
        Self::before_barrier(Database::new(clock.now()).await, clock, "", further).await
    }

    /// As [`TestApp::with_file`], with a barrier.
    pub(crate) async fn with_file_and_barrier(toml: &str) -> (Self, Barrier) {
        let clock = ManualClock::at(START.parse().unwrap());
        Self::before_barrier(Database::new(clock.now()).await, clock, toml, &[]).await
    }

    /// A service whose database can be stopped and started again, with a barrier.
    pub(crate) async fn on_its_own_server() -> (Self, PrivatePostgres, Barrier) {
        let clock = ManualClock::at(START.parse().unwrap());
        let (database, server) = Database::on_its_own_server(clock.now()).await;
        let (app, barrier) = Self::before_barrier(database, clock, "", &[]).await;
        (app, server, barrier)
    }

    async fn before_barrier(
        database: Database,
        clock: ManualClock,
        toml: &str,
        further: &[(&str, &str)],
    ) -> (Self, Barrier) {
        let microsoft = Microsoft::new(&clock).await;
        let barrier = Barrier::before(&microsoft).await;
        let settings = file_settings(toml, &configuration(&database.url, &barrier.url, further));
        (Self::told(settings, database, microsoft, clock, Home::Here).await, barrier)
    }
}

async fn pass(State((held, microsoft)): State<(watch::Sender<Held>, Router)>, request: Request) -> Response {
    let (parts, content) = request.into_parts();
    let content = body::to_bytes(content, usize::MAX).await.unwrap();
    let request = Request::from_parts(parts, Body::from(content));
    // In a task of its own: what has been sent arrives at Microsoft, though its sender has given up waiting or is dead.
    tokio::spawn(async move {
        let mut ticket = None;
        held.send_modify(|held| {
            let (method, path) = (request.method().as_str(), request.uri().path());
            if held.closed_for.is_some_and(|(verb, part)| verb == method && path.contains(part)) {
                held.waiting.push((held.next, path.to_owned()));
                ticket = Some(held.next);
                held.next += 1;
            }
        });
        if let Some(ticket) = ticket {
            let is_through = |held: &Held| held.waiting.iter().all(|(number, _)| *number != ticket);
            held.subscribe().wait_for(is_through).await.unwrap();
        }
        match microsoft.oneshot(request).await {
            Ok(response) => response,
            Err(never) => match never {},
        }
    })
    .await
    .unwrap()
}
