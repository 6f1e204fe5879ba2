//! `GET /console`: is everything well, and if not, what is it and since when.
//!
//! The findings are those of `/health`; of tenants only those that the caller speaks for.

use std::time::Duration;

use axum::{
    extract::State,
    response::{IntoResponse as _, Response},
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;

use super::{page, page_error::PageError, session::ConsoleSession, words};
use crate::{
    domain::credential::NOTICE_DAYS,
    http::{api::Api, health},
    reconcile::state::State as ItemState,
    store::stats::Backlog,
};

/// What came to rest within the last day: tenant, state, how many.
type Settled = Vec<(String, ItemState, i64)>;

pub(super) async fn show(State(api): State<Api>, session: ConsoleSession) -> Result<Response, PageError> {
    let (health, backlogs) = health::report(&api, Some(&session.caller)).await;
    let own = &session.caller.client.tenants;
    let settled = match health.status {
        "down" => Settled::new(),
        _ => api.0.store.settled_lately(own).await.map_err(|error| session.refused(error.into()))?,
    };
    let now = api.0.authenticator.now();
    let tenants = &health.checks.get("microsoft").unwrap_or(&Value::Null)["tenants"];
    let what = html! {
        h1 { "Overview" }
        (verdict(health.status, &Value::Object(health.checks.clone())))
        @for name in own {
            @let backlog = backlogs.iter().find(|(tenant, _)| tenant == name).map_or_else(Backlog::default, |(_, b)| *b);
            (tenant(name, &tenants[name], backlog, &settled, now))
        }
    };
    Ok(page::page(Some(&session), "/console", "Overview", &what).into_response())
}

fn verdict(status: &str, checks: &Value) -> Markup {
    let figure = |check: &str, name: &str| checks[check][name].as_u64().unwrap_or_default();
    let count = |check: &str, name: &str, what: &str| {
        words::count(i64::try_from(figure(check, name)).unwrap_or(i64::MAX), what)
    };
    let is_ill = |check: &str| checks[check]["status"].as_str().is_some_and(|status| status != "ok");
    let since = |name: &str| words::long(Duration::from_secs(figure("deliveries", name)));
    let (class, sentence) = match status {
        "ok" => ("good", "Everything is well."),
        "degraded" => ("warn", "It works, but somebody should look. Webhooks are taken in all the while."),
        _ => ("bad", "Webhooks cannot be taken in. They are answered with 503 and sent again by a good portal."),
    };
    html! {
        div class=(format!("note {class}")) role="status" {
            p { strong { (status) } " – " (sentence) }
            ul {
                @if is_ill("database") { li { "Database: " (checks["database"]["detail"].as_str().unwrap_or_default()) "." } }
                @if is_ill("microsoft") { li { "Microsoft: a tenant or its credential needs attention, see below." } }
                @for (name, issuer) in checks["issuers"]["issuers"].as_object().into_iter().flatten() {
                    @if let Some(problem) = issuer["problem"].as_str() {
                        li { "Tokens of the issuer " (name) ": its keys cannot be had, " (problem) "." }
                    }
                }
                @if is_ill("deliveries") {
                    li {
                        "Deliveries: "
                        @let late = [
                            (figure("deliveries", "oldest_due_seconds") > 0)
                                .then(|| format!("the oldest due one has waited for {}", since("oldest_due_seconds"))),
                            (figure("deliveries", "failing_for_seconds") > 0)
                                .then(|| format!("the longest failing one fails for {}", since("failing_for_seconds"))),
                            (figure("deliveries", "access_denied") > 0).then(|| {
                                format!(
                                    "{} in mailboxes that the app may not write to",
                                    count("deliveries", "access_denied", "mapping")
                                )
                            }),
                        ];
                        (late.into_iter().flatten().collect::<Vec<_>>().join(", ")) ". "
                        a href="/console/mappings?state=waiting" { "What waits" } "."
                    }
                }
                @if is_ill("parked") {
                    li {
                        a href="/console/mappings?state=parked" { (count("parked", "parked", "mapping")) }
                        " parked until a person has looked."
                    }
                }
                @if is_ill("replies") {
                    li {
                        "Automatic replies: " (figure("replies", "access_denied")) " wait for MailboxSettings.ReadWrite, "
                        (figure("replies", "parked")) " were refused by Microsoft. Events are not affected."
                    }
                }
            }
        }
    }
}

fn tenant(name: &str, told: &Value, backlog: Backlog, settled: &Settled, now: Timestamp) -> Markup {
    let text = |key: &str| told[key].as_str();
    let lately = |state: ItemState| {
        settled.iter().find(|(tenant, known, _)| tenant == name && *known == state).map_or(0, |(_, _, count)| *count)
    };
    let at = |key: &str| text(key).and_then(|at| at.parse::<Timestamp>().ok());
    html! {
        section.card aria-labelledby=(format!("tenant-{name}")) {
            h2 id=(format!("tenant-{name}")) { "Tenant " (name) }
            @if let Some(reason) = text("reason") {
                div.note.bad {
                    p {
                        strong { "Nothing is delivered: " (reason) }
                        @if let Some(since) = at("since") { ", since " (words::stamp(since)) " (" (words::moment(since, now)) ")" }
                    }
                    @if let Some(detail) = text("detail").or_else(|| words::reason(reason)) { p { (detail) } }
                }
            }
            @if let Some(problem) = text("credential_problem") {
                p.note.warn { strong { "No new token from Microsoft: " } (problem) }
            }
            dl.figures {
                (figure(name, "pending", "Due", backlog.due))
                (figure(name, "waiting", "Waiting", backlog.waiting))
                (figure(name, "parked", "Parked", backlog.parked))
                (figure(name, "synced", "In Outlook, last 24 h", lately(ItemState::Synced)))
                (figure(name, "removed", "Removed, last 24 h", lately(ItemState::Removed)))
                (figure(name, "hidden", "Hidden, last 24 h", lately(ItemState::Hidden)))
            }
            dl.facts {
                dt { "Oldest due" }
                dd { @if backlog.due > 0 { (words::long(backlog.oldest)) } @else { "nothing waits for its turn" } }
                @if !backlog.failing.is_zero() { dt { "Longest failing" } dd { (words::long(backlog.failing)) } }
                dt { "Microsoft last did what we asked" }
                dd { @if let Some(at) = at("last_success") { (words::moment(at, now)) } @else { "never yet" } }
                dt { "Credential" }
                dd {
                    (text("credential").unwrap_or("unknown"))
                    @if let Some(used) = text("credential_in_use") { ", in use: " code { (used) } }
                    @else { ", not used since the start" }
                }
                dt { "It expires" }
                dd { (expiry(told)) }
            }
        }
    }
}

fn figure(tenant: &str, state: &str, name: &str, count: i64) -> Markup {
    let link = format!("/console/mappings?state={state}&tenant={tenant}");
    html! { div { dt { (name) } dd class=(format!("{state} n{}", count.min(1))) { a href=(link) { (count) } } } }
}

/// The countdown: quiet at first, louder at the steps at which the log speaks up.
fn expiry(told: &Value) -> Markup {
    let date = told["secret_expires"].as_str();
    let days = told["secret_expires_in_days"].as_i64().and_then(|days| i32::try_from(days).ok());
    let Some((date, days)) = date.zip(days) else {
        return html! { "not known" @if told["credential"] == "secret" { "; tell it as " code { "secret_expires" } } };
    };
    let class = match NOTICE_DAYS.into_iter().find(|step| days <= *step) {
        None => "good",
        Some(30..) => "warn",
        Some(_) => "bad",
    };
    html! {
        span class=(format!("badge {class}")) {
            @match days {
                ..0 => { (words::count(i64::from(-days), "day")) " ago" },
                0 => "today",
                _ => { (words::count(i64::from(days), "day")) " left" },
            }
        }
        " " time datetime=(date) { (date) }
        @if class != "good" { ": make a new one in time, and put it in place; that needs no restart. The date of a secret is the one in secret_expires, as of the last start." }
    }
}
