//! The calendars of a mailbox.
//!
//! Their ids must never change: Microsoft documents that containers have constant ids.

use axum::{http::StatusCode, response::Response};
use serde::Deserialize;
use serde_json::{Map, Value, json};

use super::{
    super::{event::into_map, failure::Failure, json, mailbox::Mailbox, route::Which},
    Call, MailboxCall,
};

#[derive(Deserialize)]
struct Draft {
    name: Box<str>,
}

pub(super) fn list(call: &MailboxCall<'_>) -> Response {
    let mailbox = call.person.mailbox();
    let numbers: Vec<u32> = mailbox.open_calendars().collect();
    let show = |number: &u32| shown(call, &mailbox, *number);
    let page = call.query.page(&numbers, &call.prefer, &call.here("calendars"), show);
    json::answer(StatusCode::OK, &page)
}

pub(super) fn get(call: &MailboxCall<'_>, calendar: &Which) -> Result<Response, Failure> {
    let mailbox = call.person.mailbox();
    let number = match calendar {
        Which::Any | Which::Default => 0,
        Which::Named(id) => mailbox.calendar(id)?,
    };
    Ok(answer(call, &mailbox, number, StatusCode::OK))
}

pub(super) fn create(call: &MailboxCall<'_>) -> Result<Response, Failure> {
    let draft: Draft = Call::shape(call.call.json()?)?;
    let mut mailbox = call.person.mailbox();
    if draft.name.trim().is_empty() {
        return Err(Failure::property());
    }
    if mailbox.calendar_named(&draft.name).is_some() {
        let message = "A folder with the specified name already exists.";
        return Err(Failure::new(StatusCode::CONFLICT, "ErrorFolderExists", message));
    }
    let number = u32::try_from(mailbox.calendars.len()).unwrap_or(u32::MAX);
    mailbox.calendars.push(draft.name);
    Ok(answer(call, &mailbox, number, StatusCode::CREATED))
}

fn answer(call: &MailboxCall<'_>, mailbox: &Mailbox, number: u32, status: StatusCode) -> Response {
    let mut body = call.query.pick(shown(call, mailbox, number));
    body.insert("@odata.context".to_owned(), call.context("calendars/$entity").into());
    json::answer(status, &Value::Object(body))
}

fn shown(call: &MailboxCall<'_>, mailbox: &Mailbox, number: u32) -> Map<String, Value> {
    into_map(json!({
        "id": mailbox.seal.calendar(number),
        "name": mailbox.calendars.get(number as usize),
        "color": "auto",
        "hexColor": "",
        "isDefaultCalendar": number == 0,
        "changeKey": mailbox.seal.change_key(0),
        "canShare": true,
        "canViewPrivateItems": true,
        "canEdit": true,
        "isRemovable": number != 0,
        "isTallyingResponses": number == 0,
        "allowedOnlineMeetingProviders": ["teamsForBusiness"],
        "defaultOnlineMeetingProvider": "teamsForBusiness",
        "owner": {"name": call.profile.name, "address": call.profile.address},
    }))
}
