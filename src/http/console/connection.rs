//! `GET /console/connection`: the doctor's examination as a page, for those who would rather click.

use axum::{
    body::Bytes,
    extract::State,
    response::{IntoResponse as _, Response},
};
use maud::{Markup, html};

use super::{page, page_error::PageError, session::ConsoleSession};
use crate::{
    config::Scope,
    doctor::Order,
    domain::finding::{Finding, Severity},
    http::{api::Api, doctor, problem::ApiError},
};

const HERE: &str = "/console/connection";

pub(super) async fn show(session: ConsoleSession) -> Response {
    answer(&session, &Order::default(), &html! {})
}

/// `POST /console/connection`.
pub(super) async fn examine(
    State(api): State<Api>,
    session: ConsoleSession,
    body: Bytes,
) -> Result<Response, PageError> {
    session.caller.require(Scope::OpsWrite).map_err(|error| session.refused(error))?;
    let order = order(&body);
    let found = match doctor::examine(&api, &session.caller, order.clone()).await {
        Ok(findings) => shown(&findings),
        Err(ApiError::Invalid(problems)) => html! {
            div.note.bad role="alert" {
                ul { @for problem in problems.iter() { li { (label(&problem.field)) " " (problem.problem) } } }
            }
        },
        Err(error) => return Err(session.refused(error)),
    };
    Ok(answer(&session, &order, &found))
}

/// What was asked for in the form. An empty field is none.
fn order(body: &[u8]) -> Order {
    let field = |name: &str| {
        let mut fields = url::form_urlencoded::parse(body);
        let value = fields.find(|(key, _)| key == name).map(|(_, value)| value.trim().to_owned());
        value.filter(|value| !value.is_empty())
    };
    Order {
        tenant: field("tenant"),
        mailbox: field("mailbox"),
        outside_mailbox: field("outside_mailbox"),
        write_test: field("write_test").is_some(),
    }
}

fn label(field: &str) -> &'static str {
    match field {
        "tenant" => "The tenant",
        "mailbox" => "The mailbox",
        _ => "The mailbox outside",
    }
}

fn answer(session: &ConsoleSession, order: &Order, found: &Markup) -> Response {
    let what = html! {
        h1 { "Connection" }
        p { "Looks at the whole connection, from the database to an event in a calendar, and says of each thing what to do." }
        @if session.caller.require(Scope::OpsWrite).is_ok() {
            (form(&session.caller.client.tenants, order))
        } @else {
            p.quiet { "To have it examined, sign in with a token that has ops:write." }
        }
        (found)
    };
    page::page(Some(session), HERE, "Connection", &what).into_response()
}

fn form(tenants: &[String], order: &Order) -> Markup {
    let text = |value: &Option<String>| value.clone().unwrap_or_default();
    html! {
        form.card method="post" action=(HERE) {
            @if tenants.len() > 1 {
                label for="tenant" { "Tenant" }
                select #tenant name="tenant" {
                    option value="" { "all" }
                    @for tenant in tenants {
                        option value=(tenant) selected[order.tenant.as_ref() == Some(tenant)] { (tenant) }
                    }
                }
            }
            label for="mailbox" { "A mailbox that must open, for example your own" }
            input #mailbox name="mailbox" type="text" autocomplete="off" spellcheck="false" value=(text(&order.mailbox));
            label for="outside" { "A mailbox that must stay closed (where the app is limited to a group)" }
            input #outside name="outside_mailbox" type="text" autocomplete="off" spellcheck="false"
                value=(text(&order.outside_mailbox));
            p {
                label.check {
                    input type="checkbox" name="write_test" value="yes" checked[order.write_test];
                    " Write one private event into the first, change it and delete it again"
                }
            }
            button type="submit" { "Examine" }
            p.quiet { "It takes some seconds." }
        }
    }
}

fn shown(findings: &[Finding]) -> Markup {
    let errors = findings.iter().filter(|found| found.severity == Severity::Error).count();
    let warnings = findings.iter().filter(|found| found.severity == Severity::Warning).count();
    let (class, sentence) = match (errors, warnings) {
        (0, 0) => ("good", "Everything is as it should be."),
        (0, _) => ("warn", "It works as far as it was tried; see the warnings."),
        _ => ("bad", "Something is wrong. Begin with the first error."),
    };
    html! {
        div class=(format!("note {class}")) role="status" { p { strong { (sentence) } } }
        ul.findings { @for found in findings { (one(found)) } }
    }
}

fn one(found: &Finding) -> Markup {
    let class = match found.severity {
        Severity::Ok => "good",
        Severity::Warning => "warn",
        Severity::Error => "bad",
    };
    html! {
        li.card {
            p {
                span class=(format!("badge {class}")) { (found.severity.word()) } " " strong { (found.id) }
                @if let Some(tenant) = &found.tenant { span.quiet { " " (tenant) } }
            }
            p { (found.seen) }
            @if !found.meaning.is_empty() { p { span.quiet { "What it means: " } (found.meaning) } }
            @if !found.next.is_empty() { p { span.quiet { "Next: " } (found.next) } }
        }
    }
}
