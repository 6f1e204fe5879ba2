//! `GET /console/mappings`: the list of the API with its filters, as a table.

use axum::{
    extract::State,
    http::{StatusCode, Uri},
    response::{IntoResponse as _, Response},
};
use jiff::{Timestamp, civil::Date};
use maud::{Markup, html};
use url::form_urlencoded;

use super::{page, page_error::PageError, session::ConsoleSession, words};
use crate::http::{
    api::Api,
    mappings::{self, MappingList},
    problem::ApiError,
    query,
    shapes::MappingView,
};

const AT: &str = "/console/mappings";
const ROWS: &str = "50";

/// What the form was sent with; fields left empty are no filters.
struct Asked(Vec<(String, String)>);

impl Asked {
    fn read(uri: &Uri) -> Self {
        let fields = form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes());
        let trimmed = fields.map(|(name, value)| (name.into_owned(), value.trim().to_owned()));
        Self(trimmed.filter(|(_, value)| !value.is_empty()).collect())
    }

    fn get(&self, name: &str) -> &str {
        self.0.iter().find(|(known, _)| known == name).map_or("", |(_, value)| value)
    }

    /// The same question for the API, which takes moments and not days.
    fn question(&self) -> Uri {
        let mut question = form_urlencoded::Serializer::new(String::new());
        for (name, value) in &self.0 {
            match value.parse::<Date>() {
                Ok(day) if ["since", "until"].contains(&name.as_str()) && value.len() == 10 => {
                    question.append_pair(name, &format!("{day}T00:00:00Z"))
                }
                _ => question.append_pair(name, value),
            };
        }
        if self.get("limit").is_empty() {
            question.append_pair("limit", ROWS);
        }
        format!("{AT}?{}", question.finish()).parse().unwrap_or_default()
    }

    /// The address of the page from that cursor on.
    fn from(&self, cursor: &str) -> String {
        let kept =
            self.0.iter().filter(|(name, _)| name != "cursor").map(|(name, value)| (name.as_str(), value.as_str()));
        let query = form_urlencoded::Serializer::new(String::new())
            .extend_pairs(kept.chain((!cursor.is_empty()).then_some(("cursor", cursor))))
            .finish();
        format!("{AT}?{query}")
    }
}

pub(super) async fn show(State(api): State<Api>, uri: Uri, session: ConsoleSession) -> Result<Response, PageError> {
    let asked = Asked::read(&uri);
    let listed = match query::list(&asked.question(), &session.caller) {
        Ok(query) => mappings::page(&api, &query).await,
        Err(error) => Err(error),
    };
    let now = api.0.authenticator.now();
    let (status, result) = match listed {
        Ok(list) => (StatusCode::OK, table(&list, &asked, now)),
        // What is wrong with the filters belongs next to them.
        Err(error @ (ApiError::Invalid(_) | ApiError::Forbidden(_))) => (error.parts().0, wrong(error)),
        Err(error) => return Err(session.refused(error)),
    };
    let what = html! {
        h1 { "Mappings" }
        p.quiet { "One line for each calendar that a leave's event is in, should be in, or was in; newest change first." }
        (filters(&asked, &session.caller.client.tenants))
        (result)
    };
    Ok((status, page::page(Some(&session), AT, "Mappings", &what)).into_response())
}

fn filters(asked: &Asked, tenants: &[String]) -> Markup {
    let choice = |name: &str, values: &[&str]| {
        html! {
            select id=(name) name=(name) {
                option value="" { "any" }
                @for value in values { option value=(value) selected[asked.get(name) == *value] { (value) } }
            }
        }
    };
    let tenants: Vec<&str> = tenants.iter().map(String::as_str).collect();
    html! {
        form.filters method="get" action=(AT) role="search" aria-label="Filters" {
            div { label for="state" { "State" } (choice("state", &query::STATES)) }
            @if tenants.len() > 1 { div { label for="tenant" { "Tenant" } (choice("tenant", &tenants)) } }
            @for (name, label) in [("leave", "Leave id"), ("mailbox", "Mailbox"), ("source", "Source")] {
                div { label for=(name) { (label) } input id=(name) name=(name) value=(asked.get(name)) spellcheck="false" autocomplete="off"; }
            }
            @for (name, label) in [("since", "Changed from (UTC)"), ("until", "Changed before (UTC)")] {
                div { label for=(name) { (label) } input type="date" id=(name) name=(name) value=(asked.get(name).get(..10).unwrap_or_default()); }
            }
            div.buttons { button type="submit" { "Show" } a href=(AT) { "Clear" } }
        }
    }
}

fn wrong(error: ApiError) -> Markup {
    let (_, _, _, detail) = error.parts();
    html! {
        div.note.bad role="alert" {
            @if let ApiError::Invalid(problems) = error {
                ul { @for found in problems.into_vec() { li { strong { (found.field) } " " (found.problem) } } }
            } @else {
                p { (detail) }
            }
        }
    }
}

fn table(list: &MappingList, asked: &Asked, now: Timestamp) -> Markup {
    html! {
        @if list.mappings.is_empty() {
            p.note { "There is nothing that matches." }
        } @else {
            table {
                caption.unseen { "Mappings, newest change first" }
                thead {
                    tr {
                        @for name in ["State", "Leave", "Mailbox", "Why", "Next try", "Changed"] { th scope="col" { (name) } }
                    }
                }
                tbody { @for one in &list.mappings { (row(&one.mapping, now)) } }
            }
        }
        nav.paging aria-label="Pages" {
            @if !asked.get("cursor").is_empty() { a href=(asked.from("")) rel="first" { "Newest" } }
            @if let Some(cursor) = &list.next_cursor { a href=(asked.from(cursor)) rel="next" { "Older" } }
        }
    }
}

fn row(mapping: &MappingView, now: Timestamp) -> Markup {
    html! {
        tr {
            td data-name="State" { (words::badge(&mapping.state)) }
            th scope="row" data-name="Leave" {
                a href=(format!("{AT}/{}", mapping.id)) { (mapping.leave_id) }
                span.quiet { (mapping.source) " · " (mapping.tenant) }
            }
            td data-name="Mailbox" { (mapping.mailbox) }
            @if let Some(reason) = &mapping.reason { td data-name="Why" { (reason) } } @else { td.none { "–" } }
            @if let Some(at) = mapping.next_attempt_at { td data-name="Next try" { (words::moment(at, now)) } }
            @else { td.none { "–" } }
            td data-name="Changed" { (words::moment(mapping.updated_at, now)) }
        }
    }
}
