//! One exchange with Microsoft from arrival to answer: limits, scripted faults, the work, the journal.
//!
//! It must never stop half-way because the caller hung up: the real service finishes what it began, and a client that
//! ran into its own timeout has to live with that.

use std::{sync::Arc, time::Duration};

use axum::{
    body::Bytes,
    extract::{Request, State},
    http::{HeaderName, HeaderValue, StatusCode, header, request::Parts},
    response::{IntoResponse, Response},
};
use percent_encoding::percent_decode_str;

use super::{
    Simulator,
    bearer::Bearer,
    catalogue::Row,
    directory::Person,
    entra,
    failure::{Failure, Trace},
    faults::{Rule, When},
    graph::{self, Call},
    journal::Entry,
    json, limits, managed,
    prefer::Prefer,
    route::{self, Resource, Target},
    serve::HangUp,
    times::http_date,
};

/// Graph's limit for a write.
const LARGEST_BODY: usize = 4 * 1024 * 1024;
const DIAGNOSTIC: &str = r#"{"ServerInfo":{"DataCenter":"Simulated","Slice":"E","Ring":"0","ScaleUnit":"000","RoleInstance":"SIM00000000"}}"#;

/// Answers everything that Microsoft would.
pub(crate) async fn answer(State(simulator): State<Simulator>, request: Request) -> Response {
    let (parts, body) = request.into_parts();
    let Ok(body) = axum::body::to_bytes(body, LARGEST_BODY).await else {
        return StatusCode::PAYLOAD_TOO_LARGE.into_response();
    };
    let work = tokio::spawn(async move { Exchange::new(simulator, parts, body).run().await });
    work.await.unwrap_or_else(|_| StatusCode::INTERNAL_SERVER_ERROR.into_response())
}

struct Exchange {
    simulator: Simulator,
    parts: Parts,
    body: Bytes,
    target: Target,
    /// Percent-decoded.
    path: String,
    trace: Trace,
    person: Option<Arc<Person>>,
}

impl Exchange {
    fn new(simulator: Simulator, parts: Parts, body: Bytes) -> Self {
        let target = route::target(parts.uri.path());
        let person = match &target {
            Target::Graph(Resource::Mailbox { user, .. }) => simulator.directory().find(user).cloned(),
            _ => None,
        };
        let request_id = simulator.0.random.uuid();
        let sent = parts.headers.get("client-request-id").and_then(|id| id.to_str().ok());
        let trace = Trace {
            request_id,
            client_request_id: sent.map_or_else(|| request_id.to_string(), str::to_owned),
            at: simulator.0.clock.now(),
        };
        let path = percent_decode_str(parts.uri.path()).decode_utf8_lossy().into_owned();
        Self { simulator, parts, body, target, path, trace, person }
    }

    async fn run(self) -> Response {
        let world = &*self.simulator.0;
        world.score.request();
        let too_early = self.person.as_ref().and_then(|person| person.gate.closed(self.trace.at));
        if too_early.is_some() {
            world.score.too_early();
        }
        let (mut response, rule) = self.meet().await;
        self.stamp(&mut response);
        self.remember_retry_after(&response);
        let too_early_ms = too_early.map(|known| known.as_millis());
        world.journal.write(Entry { too_early_ms, ..self.entry(&response, rule.as_ref()) });
        response
    }

    /// The limits come first, as at the real front door, so that a scripted rule is not used up by a refused request.
    async fn meet(&self) -> (Response, Option<Rule>) {
        let world = &*self.simulator.0;
        let switches = self.simulator.settings().switches.clone();
        let bearer = match &self.target {
            Target::Graph(_) => Some(world.bearers.check(&world.keys, &self.parts.headers, self.trace.at)),
            _ => None,
        };
        let place = match (&self.person, &bearer) {
            (Some(person), Some(Ok(bearer))) => {
                match limits::enter(&person.gate, &bearer.app, self.trace.at, &switches, &world.score) {
                    Ok(place) => Some(place),
                    Err(failure) => return (failure.into_response(&self.trace), None),
                }
            }
            _ => None,
        };
        let scripted = matches!(self.target, Target::Graph(_) | Target::Token { .. } | Target::Identity(_));
        let strike = || world.faults.strike(self.parts.method.as_str(), &self.names(), &self.target);
        let rule = scripted.then(strike).flatten();
        let (before, after) = match &rule {
            Some(rule) if rule.when == When::Before => (Some(rule), None),
            rule => (None, rule.as_ref()),
        };
        let mut response = self.scripted(before).await;
        if response.is_none() {
            let delay = self.simulator.settings().answer_delay_ms;
            if delay > 0 {
                tokio::time::sleep(Duration::from_millis(delay)).await;
            }
            let truth = self.work(bearer.as_ref());
            response = Some(self.scripted(after).await.unwrap_or(truth));
        }
        drop(place);
        (response.unwrap_or_default(), rule)
    }

    /// The path as it was sent, and with the mailbox's address where it has the object id.
    fn names(&self) -> Vec<String> {
        let mut names = vec![self.path.clone()];
        if let (Some(person), Target::Graph(Resource::Mailbox { user, .. })) = (&self.person, &self.target) {
            names.push(self.path.replacen(user, &person.profile().address, 1));
        }
        names
    }

    async fn scripted(&self, rule: Option<&Rule>) -> Option<Response> {
        let rule = rule?;
        if let Some(delay) = rule.delay() {
            tokio::time::sleep(delay).await;
        }
        let usual = |status| match self.target {
            Target::Token { .. } => entra::scripted(status, &self.trace),
            Target::Identity(host) => managed::scripted(host, status),
            _ => Failure::scripted(status).into_response(&self.trace),
        };
        rule.answer(usual, |row| match row {
            Row::Entra(refusal) => entra::refuse(&refusal, &self.trace),
            Row::Graph(failure) => failure.into_response(&self.trace),
        })
    }

    fn work(&self, bearer: Option<&Result<Arc<Bearer>, Failure>>) -> Response {
        let (simulator, headers, trace) = (&self.simulator, &self.parts.headers, &self.trace);
        match &self.target {
            Target::Token { tenant } => {
                entra::token(simulator, tenant, self.parts.method.as_str(), headers, &self.body, trace)
            }
            Target::Metadata { tenant } => entra::metadata(simulator, tenant, headers, trace),
            Target::Keys => entra::keys(simulator),
            Target::Identity(host) if self.parts.method == "GET" => {
                managed::answer(simulator, *host, &self.parts.uri, headers, trace)
            }
            Target::Identity(_) => StatusCode::METHOD_NOT_ALLOWED.into_response(),
            Target::Nothing => StatusCode::NOT_FOUND.into_response(),
            Target::Graph(resource) => {
                let answered = match bearer {
                    Some(Ok(bearer)) => {
                        let call = Call { simulator, bearer, parts: &self.parts, body: &self.body, now: trace.at };
                        graph::answer(&call, resource, self.person.as_ref())
                    }
                    Some(Err(failure)) => Err(failure.clone()),
                    None => Err(Failure::token("Access token is empty.")),
                };
                answered.unwrap_or_else(|failure| failure.into_response(trace))
            }
        }
    }

    /// The headers by which Microsoft's support finds a request.
    fn stamp(&self, response: &mut Response) {
        let headers = response.headers_mut();
        let mut set = |name: &'static str, value: &str| {
            if let Ok(value) = HeaderValue::from_str(value) {
                headers.entry(HeaderName::from_static(name)).or_insert(value);
            }
        };
        set("date", &http_date(self.simulator.0.clock.now()));
        if matches!(self.target, Target::Graph(_)) {
            set("request-id", &self.trace.request_id.to_string());
            set("client-request-id", &self.trace.client_request_id);
            set("x-ms-ags-diagnostic", DIAGNOSTIC);
            let json = headers.get(header::CONTENT_TYPE).is_some_and(|kind| kind == "application/json");
            if json {
                headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(json::CONTENT_TYPE));
            }
        } else {
            set("x-ms-request-id", &self.trace.request_id.to_string());
        }
    }

    /// From now on an early request to this mailbox is a mistake, whoever asked for the wait.
    fn remember_retry_after(&self, response: &Response) {
        let asks = [StatusCode::TOO_MANY_REQUESTS, StatusCode::SERVICE_UNAVAILABLE].contains(&response.status());
        let value = response.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
        if let (true, Some(person), Some(value)) = (asks, &self.person, value)
            && let now = self.simulator.0.clock.now()
            && let Some(until) = limits::retry_after(value, now)
        {
            person.gate.close(now, until);
        }
    }

    fn entry(&self, response: &Response, rule: Option<&Rule>) -> Entry {
        let hung_up = response.extensions().get::<HangUp>().is_some();
        let mailbox = match (&self.person, &self.target) {
            (Some(person), _) => Some(person.profile().address.clone()),
            (None, Target::Graph(Resource::Mailbox { user, .. })) => Some(user.clone()),
            _ => None,
        };
        // Somebody may put a secret into a URL; only Graph's queries, which hold none, are kept.
        let graph = matches!(self.target, Target::Graph(_));
        Entry {
            n: 0,
            at: self.trace.at,
            method: self.parts.method.to_string(),
            path: self.path.clone(),
            query: self.parts.uri.query().filter(|_| graph).map(str::to_owned),
            status: if hung_up { 0 } else { response.status().as_u16() },
            mailbox,
            prefer: Prefer::text(&self.parts.headers),
            fault: rule.map(Rule::name),
            too_early_ms: None,
        }
    }
}
