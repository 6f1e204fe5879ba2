//! `GET /console/mappings/{id}`: one mapping with the history of its leave, and "try again now".

use axum::{
    extract::{Path, State, rejection::PathRejection},
    http::Uri,
    response::{IntoResponse as _, Redirect, Response},
};
use jiff::Timestamp;
use maud::{Markup, html};
use serde_json::Value;
use url::Url;

use super::{page, page_error::PageError, session::ConsoleSession, words};
use crate::{
    config::Scope,
    http::{
        api::Api,
        mappings,
        shapes::{AutomaticReply, MappingView, TimelineEntry},
    },
    store::lists::Filter,
};

pub(super) async fn show(
    State(api): State<Api>,
    uri: Uri,
    path: Result<Path<String>, PathRejection>,
    session: ConsoleSession,
) -> Result<Response, PageError> {
    let found = mappings::find(&api, &session.caller, path).await;
    let (mapping, timeline) = found.map_err(|error| session.refused(error))?;
    let reply = api.0.store.replies_of(&[mapping.id]).await.map_err(|error| session.refused(error.into()))?;
    let reply: Option<AutomaticReply> = reply.get(&mapping.id).cloned().map(Into::into);
    let reply = reply.as_ref();
    let now = api.0.authenticator.now();
    let was_retried = uri.query() == Some("retried");
    let what = html! {
        p { a href="/console/mappings" { "← Mappings" } }
        h1 { "Leave " (mapping.leave_id) }
        @if was_retried { p.note.good role="status" { "It is due now. This page shows how it went when you load it again." } }
        (standing(&mapping, now))
        @if let Some(reply) = reply { (answering(reply, now)) }
        (again(&mapping, reply, &session))
        h2 { "History of the leave" }
        ol.timeline { @for entry in &timeline { (happened(entry, &mapping)) } }
    };
    let title = format!("Leave {}", mapping.leave_id);
    Ok(page::page(Some(&session), "/console/mappings", &title, &what).into_response())
}

/// `POST /console/mappings/{id}/retry`.
pub(super) async fn retry(
    State(api): State<Api>,
    path: Result<Path<String>, PathRejection>,
    session: ConsoleSession,
) -> Result<Redirect, PageError> {
    session.caller.require(Scope::OpsWrite).map_err(|error| session.refused(error))?;
    let found = mappings::find(&api, &session.caller, path).await;
    let (mapping, _) = found.map_err(|error| session.refused(error))?;
    let retried = mappings::retry_now(&api, &session.caller, Some(mapping.id), &Filter::default()).await;
    let retried = retried.map_err(|error| session.refused(error))?;
    let said = if retried.retried + retried.replies > 0 { "?retried" } else { "" };
    Ok(Redirect::to(&format!("/console/mappings/{}{said}", mapping.id)))
}

fn standing(mapping: &MappingView, now: Timestamp) -> Markup {
    html! {
        section.card aria-label="How it stands" {
            p { (words::badge(&mapping.state)) " " (words::meaning(&mapping.state)) }
            dl.facts {
                @if let Some(reason) = &mapping.reason {
                    dt { "Why" }
                    dd {
                        strong { (reason) }
                        @if let Some(meaning) = words::reason(reason) { br; (meaning) }
                        @if let Some(told) = told(reason, mapping) { br; span.quiet { (told) } }
                    }
                }
                @if let Some(at) = mapping.next_attempt_at {
                    dt { "Next try" } dd { (words::moment(at, now)) ", " (words::stamp(at)) }
                }
                @if mapping.attempts > 0 { dt { "Failed attempts" } dd { (mapping.attempts) } }
                dt { "Mailbox" } dd { (mapping.mailbox) }
                dt { "Calendar" } dd { (mapping.calendar) }
                dt { "Source" } dd { (mapping.source) }
                dt { "Tenant" } dd { (mapping.tenant) }
                dt { "Last change" } dd { (words::moment(mapping.updated_at, now)) ", " (words::stamp(mapping.updated_at)) }
                @if let Some(link) = mapping.web_link.as_deref().filter(|link| leads_outside(link)) {
                    dt { "In Outlook" }
                    dd { a href=(link) target="_blank" rel="noopener noreferrer" { "Open the event (needs access to that calendar)" } }
                }
                @if let Some(event) = &mapping.event_id { dt { "Event id" } dd { code { (event) } } }
                dt { "Mapping id" } dd { code { (mapping.id) } }
            }
        }
    }
}

/// The automatic reply of the mailbox, which all of its leave has in common.
fn answering(reply: &AutomaticReply, now: Timestamp) -> Markup {
    html! {
        section.card aria-label="Automatic reply of the mailbox" {
            p { "Automatic reply of the mailbox: " (words::badge(&reply.state)) }
            dl.facts {
                @if let Some(reason) = &reply.reason {
                    dt { "Why" }
                    dd { strong { (reason) } @if let Some(detail) = &reply.detail { br; (detail) } }
                }
                @if let Some(from) = reply.from { dt { "From" } dd { (words::moment(from, now)) ", " (words::stamp(from)) } }
                @if let Some(until) = reply.until { dt { "Until" } dd { (words::moment(until, now)) ", " (words::stamp(until)) } }
            }
        }
    }
}

/// What the detail says beyond what the reason means, which it often repeats.
fn told<'a>(reason: &str, mapping: &'a MappingView) -> Option<&'a str> {
    let detail = mapping.detail.as_deref()?;
    let meaning = words::reason(reason).unwrap_or_default();
    Some(detail.strip_suffix(meaning).unwrap_or(detail).trim()).filter(|told| !told.is_empty())
}

/// Whether a link is one to a web page and no script.
fn leads_outside(link: &str) -> bool {
    Url::parse(link).is_ok_and(|url| matches!(url.scheme(), "https" | "http"))
}

fn again(mapping: &MappingView, reply: Option<&AutomaticReply>, session: &ConsoleSession) -> Markup {
    let is_held = reply.is_some_and(|reply| ["waiting", "parked"].contains(&reply.state.as_str()));
    let is_open = is_held || ["pending", "waiting", "parked"].contains(&mapping.state.as_str());
    html! {
        @if is_open && session.may_retry() {
            form method="post" action=(format!("/console/mappings/{}/retry", mapping.id)) {
                button type="submit" { "Try again now" }
            }
        } @else if is_open {
            p.quiet { "To try it again now, sign in with a token that has ops:write." }
        }
    }
}

fn happened(entry: &TimelineEntry, mapping: &MappingView) -> Markup {
    let elsewhere = entry.mapping.filter(|other| *other != mapping.id);
    html! {
        li {
            (words::stamp(entry.at)) " " strong { (entry.kind) }
            @if let Some(other) = elsewhere { " " a href=(format!("/console/mappings/{other}")) { "in another calendar" } }
            @if let Value::Object(detail) = &entry.detail {
                @if !detail.is_empty() { dl.detail { @for (name, value) in detail { (line(name, value)) } } }
            }
        }
    }
}

fn line(name: &str, value: &Value) -> Markup {
    html! {
        @match value {
            Value::Object(parts) => { @for (part, value) in parts { (line(&format!("{name} {part}"), value)) } },
            Value::String(text) => { div { dt { (name) } dd { (text) } } },
            other => { div { dt { (name) } dd { (other) } } },
        }
    }
}
