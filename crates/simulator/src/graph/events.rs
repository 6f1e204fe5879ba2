//! One event: create, read, change, delete.
//!
//! It must never create a second event for a transactionId that it remembers.

use axum::{
    http::{HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value};

use super::{
    super::{
        content::Content,
        draft::{Draft, Field},
        event::{Event, Owner},
        failure::Failure,
        json,
        mailbox::{Created, Mailbox},
        route::Which,
        settings::{DeletedItem, IfMatch, TransactionMemory},
    },
    Call, MailboxCall,
};

pub(super) fn create(call: &MailboxCall<'_>, calendar: &Which) -> Result<Response, Failure> {
    let draft = draft(call)?;
    let transaction_id = match &draft.transaction_id {
        Field::Given(id) => Some(id.clone()),
        Field::Null | Field::Absent => None,
    };
    let content = Content::create(draft, &call.switches)?;
    let mut mailbox = call.person.mailbox();
    let calendar = match calendar {
        Which::Any | Which::Default => 0,
        Which::Named(id) => mailbox.calendar(id)?,
    };
    let quota = call.switches.mailbox_quota_events;
    if quota > 0 && mailbox.count() >= quota {
        let status = StatusCode::from_u16(call.switches.quota_status.into()).unwrap_or(StatusCode::FORBIDDEN);
        return Err(Failure::new(status, "ErrorQuotaExceeded", "The mailbox has exceeded its quota."));
    }
    match mailbox.create(calendar, content, transaction_id, call.call.now) {
        // Observed by Microsoft's support: the same content again is answered 201 with the event that is already there.
        Created::New(serial) | Created::Known(serial) => {
            let event = mailbox.at(serial).ok_or_else(Failure::item_not_found)?;
            Ok(created(call, &mailbox, event))
        }
        Created::Taken(serial) => Err(taken(call, &mailbox, serial)),
    }
}

pub(super) fn get(call: &MailboxCall<'_>, id: &str) -> Result<Response, Failure> {
    check_select(call)?;
    let mailbox = call.person.mailbox();
    let event = visible(call, &mailbox, id)?;
    Ok(shown(call, &mailbox, event, StatusCode::OK))
}

pub(super) fn patch(call: &MailboxCall<'_>, id: &str) -> Result<Response, Failure> {
    let draft = draft(call)?;
    let mut mailbox = call.person.mailbox();
    let event = visible(call, &mailbox, id)?;
    check_match(call, &mailbox, event)?;
    let merged = event.content.merge(draft, &call.switches)?;
    let serial = event.serial;
    mailbox.replace(serial, merged, call.call.now);
    let event = mailbox.at(serial).ok_or_else(Failure::item_not_found)?;
    Ok(shown(call, &mailbox, event, StatusCode::OK))
}

pub(super) fn delete(call: &MailboxCall<'_>, id: &str) -> Result<Response, Failure> {
    let mut mailbox = call.person.mailbox();
    let event = mailbox.find(id)?;
    // Whether or not a deleted item can still be read, deleting it again finds nothing on the calendar.
    if event.deleted {
        return Err(Failure::item_not_found());
    }
    check_match(call, &mailbox, event)?;
    let serial = event.serial;
    mailbox.delete(serial, forgets(call), call.call.now);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Into the mailbox's Purges folder, from where nobody but an administrator gets it back.
pub(super) fn permanent_delete(call: &MailboxCall<'_>, id: &str) -> Result<Response, Failure> {
    let mut mailbox = call.person.mailbox();
    let serial = mailbox.find(id)?.serial;
    mailbox.purge(serial, call.call.now);
    Ok(StatusCode::NO_CONTENT.into_response())
}

/// Only the organiser of a meeting can cancel it.
pub(super) fn cancel(call: &MailboxCall<'_>, id: &str) -> Result<Response, Failure> {
    let mut mailbox = call.person.mailbox();
    let event = visible(call, &mailbox, id)?;
    if event.content.attendees.is_empty() {
        let message = "Your request can't be completed. You need to be an organizer of a meeting to cancel it.";
        return Err(Failure::bad_request("ErrorInvalidRequest", message));
    }
    let serial = event.serial;
    mailbox.delete(serial, forgets(call), call.call.now);
    Ok(StatusCode::ACCEPTED.into_response())
}

fn draft(call: &MailboxCall<'_>) -> Result<Draft, Failure> {
    let body = call.call.json()?;
    if call.switches.unknown_properties_refused
        && let Some(stranger) = Draft::stranger(&body)
    {
        let message = format!(
            "The property '{stranger}' does not exist on type 'microsoft.graph.event'. Make sure to only use property names that are defined by the type."
        );
        return Err(Failure::bad_request("RequestBodyRead", message));
    }
    Call::shape(body)
}

/// The event behind an id, unless it is deleted and this tenant hides such.
fn visible<'a>(call: &MailboxCall<'_>, mailbox: &'a Mailbox, id: &str) -> Result<&'a Event, Failure> {
    let event = mailbox.find(id)?;
    let hidden = event.deleted && call.switches.deleted_item_get == DeletedItem::NotFound;
    if hidden { Err(Failure::item_not_found()) } else { Ok(event) }
}

fn check_match(call: &MailboxCall<'_>, mailbox: &Mailbox, event: &Event) -> Result<(), Failure> {
    let sent = call.call.parts.headers.get(header::IF_MATCH).and_then(|value| value.to_str().ok());
    let current = event.etag(mailbox.seal);
    match sent {
        Some(sent)
            if call.switches.if_match == IfMatch::Honoured
                && sent != "*"
                && !sent.split(", ").any(|tag| tag == current) =>
        {
            let message = "The send or update operation could not be performed because the change key passed in the request does not match the current change key for the item.";
            Err(Failure::new(StatusCode::PRECONDITION_FAILED, "ErrorIrresolvableConflict", message))
        }
        _ => Ok(()),
    }
}

fn forgets(call: &MailboxCall<'_>) -> bool {
    call.switches.transaction_memory == TransactionMemory::ForgottenOnDelete
}

fn taken(call: &MailboxCall<'_>, mailbox: &Mailbox, serial: u32) -> Failure {
    let status =
        StatusCode::from_u16(call.switches.duplicate_transaction_status.into()).unwrap_or(StatusCode::BAD_REQUEST);
    let message = "Your request can't be completed. The TransactionId specified in the request has already been used to create a different event.";
    let failure = Failure::new(status, "ErrorDuplicateTransactionId", message);
    if call.switches.existing_event_id_given {
        return failure.naming_event(mailbox.seal.event(serial, call.prefer.form()));
    }
    failure
}

fn created(call: &MailboxCall<'_>, mailbox: &Mailbox, event: &Event) -> Response {
    let mut response = shown(call, mailbox, event, StatusCode::CREATED);
    let encode = |text: &str| utf8_percent_encode(text, NON_ALPHANUMERIC).to_string();
    let id = mailbox.seal.event(event.serial, call.prefer.form());
    let location = format!("{}/users('{}')/events('{}')", call.call.root(), encode(call.user), encode(&id));
    if let Ok(location) = HeaderValue::from_str(&location) {
        response.headers_mut().insert(header::LOCATION, location);
    }
    response
}

fn shown(call: &MailboxCall<'_>, mailbox: &Mailbox, event: &Event, status: StatusCode) -> Response {
    let owner = Owner { seal: mailbox.seal, profile: &call.profile };
    let mut body: Map<String, Value> = call.query.pick(event.shown(&owner, &call.prefer, &call.query.expand));
    body.insert("@odata.context".to_owned(), call.context("events/$entity").into());
    call.finish(json::answer(status, &Value::Object(body)))
}

pub(super) fn check_select(call: &MailboxCall<'_>) -> Result<(), Failure> {
    call.query.check_select(&Draft::NAMES, "event")
}
