//! Lists of events: `/events` with its filters, and calendarView with its window.
//!
//! They must never show a deleted event, nor look through a mailbox for a marker that the index knows.

use std::cmp::Ordering;

use axum::{http::StatusCode, response::Response};
use jiff::Timestamp;
use serde_json::{Map, Value};

use super::{
    super::{
        event::{Event, Owner},
        failure::Failure,
        filter::{Filter, Test},
        json,
        mailbox::Mailbox,
        odata::invalid_filter,
        property::PropertyId,
        route::Which,
        times::window_side,
    },
    MailboxCall, events,
};

/// What calendarView cannot return; Microsoft documents these two.
const NOT_IN_VIEW: [&str; 2] = ["createdDateTime", "lastModifiedDateTime"];

pub(super) fn events(call: &MailboxCall<'_>, calendar: &Which) -> Result<Response, Failure> {
    events::check_select(call)?;
    let mailbox = call.person.mailbox();
    let number = number(&mailbox, calendar)?;
    let mut found = match call.query.filter.as_ref() {
        Some(filter) => filtered(&mailbox, filter)?,
        None => mailbox.living().collect(),
    };
    found.retain(|event| number.is_none_or(|number| event.calendar == number));
    answer(call, &mailbox, found, None)
}

pub(super) fn view(call: &MailboxCall<'_>, calendar: &Which) -> Result<Response, Failure> {
    events::check_select(call)?;
    let not_here = |name: &&String| NOT_IN_VIEW.contains(&name.as_str());
    if let Some(name) = call.query.select.iter().flatten().find(not_here) {
        let message = format!("The property '{name}' cannot be selected from a calendar view.");
        return Err(Failure::bad_request("ErrorInvalidProperty", message));
    }
    let (Some(start), Some(end)) = (&call.query.start, &call.query.end) else {
        let message = "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.";
        return Err(Failure::bad_request("ErrorInvalidParameter", message));
    };
    let side = |text: &str| {
        let message = format!("The value '{text}' of the time window is not valid.");
        window_side(text).ok_or_else(|| Failure::bad_request("ErrorInvalidParameter", message))
    };
    let (start, end) = (side(start)?, side(end)?);
    if end < start {
        let message = "The time window ends before it starts.";
        return Err(Failure::bad_request("ErrorInvalidParameter", message));
    }
    let mailbox = call.person.mailbox();
    // Without a calendar in the path it is the default one, unlike for /events.
    let number = number(&mailbox, calendar)?.unwrap_or(0);
    let mut found: Vec<&Event> =
        mailbox.living().filter(|event| event.calendar == number && overlaps(event, start, end)).collect();
    if let Some(filter) = &call.query.filter {
        let mut kept = Vec::with_capacity(found.len());
        for event in found {
            if holds(filter, &mailbox, event)? {
                kept.push(event);
            }
        }
        found = kept;
    }
    answer(call, &mailbox, found, Some(("start/dateTime".to_owned(), false)))
}

fn overlaps(event: &Event, start: Timestamp, end: Timestamp) -> bool {
    let (from, to) = (event.content.start.at, event.content.end.at);
    from < end && (to > start || (from == to && from >= start))
}

fn number(mailbox: &Mailbox, calendar: &Which) -> Result<Option<u32>, Failure> {
    match calendar {
        Which::Any => Ok(None),
        Which::Default => Ok(Some(0)),
        Which::Named(id) => mailbox.calendar(id).map(Some),
    }
}

fn answer(
    call: &MailboxCall<'_>,
    mailbox: &Mailbox,
    mut found: Vec<&Event>,
    usual: Option<(String, bool)>,
) -> Result<Response, Failure> {
    if let Some((path, down)) = call.query.order.clone().or(usual) {
        let by = order(&path)?;
        found.sort_by(|a, b| if down { by(b, a) } else { by(a, b) });
    }
    let owner = Owner { seal: mailbox.seal, profile: &call.profile };
    let show = |event: &&Event| -> Map<String, Value> { event.shown(&owner, &call.prefer, &call.query.expand) };
    let page = call.query.page(&found, &call.prefer, &call.here("events"), show);
    Ok(call.finish(json::answer(StatusCode::OK, &page)))
}

fn order(path: &str) -> Result<fn(&Event, &Event) -> Ordering, Failure> {
    Ok(match path {
        "start/dateTime" => |a, b| a.content.start.at.cmp(&b.content.start.at),
        "end/dateTime" => |a, b| a.content.end.at.cmp(&b.content.end.at),
        "subject" => |a, b| a.content.subject.cmp(&b.content.subject),
        "createdDateTime" => |a, b| a.created.cmp(&b.created),
        "lastModifiedDateTime" => |a, b| a.modified.cmp(&b.modified),
        _ => {
            let message = "The property cannot be used to order events.";
            return Err(Failure::bad_request("ErrorInvalidUrlQuery", message));
        }
    })
}

/// The marker decides by the index; only what it leaves is looked at.
fn filtered<'a>(mailbox: &'a Mailbox, filter: &Filter) -> Result<Vec<&'a Event>, Failure> {
    let candidates: Vec<&Event> = match marker(filter) {
        Some((property, value)) => mailbox.marked(&property, value).collect(),
        None => mailbox.living().collect(),
    };
    let mut found = Vec::with_capacity(candidates.len());
    for event in candidates {
        if holds(filter, mailbox, event)? {
            found.push(event);
        }
    }
    // A filter that cannot be used is refused in an empty mailbox too.
    check(filter)?;
    Ok(found)
}

/// The property and value that every match of `filter` must carry.
fn marker(filter: &Filter) -> Option<(PropertyId, &str)> {
    match filter {
        Filter::And(left, right) => marker(left).or_else(|| marker(right)),
        Filter::Any { collection, conditions } if is_properties(collection) => {
            let given = |name: &str| {
                let mut all = conditions.iter().filter(|(path, test, _)| path == name && *test == Test::Eq);
                all.next().map(|(_, _, literal)| literal.as_str())
            };
            Some((PropertyId::parse(given("id")?)?, given("value")?))
        }
        _ => None,
    }
}

fn is_properties(collection: &str) -> bool {
    collection.eq_ignore_ascii_case("singleValueExtendedProperties")
}

fn check(filter: &Filter) -> Result<(), Failure> {
    match filter {
        Filter::And(left, right) | Filter::Or(left, right) => {
            check(left)?;
            check(right)
        }
        Filter::Not(inner) => check(inner),
        Filter::Any { collection, conditions } if is_properties(collection) => {
            let id = conditions.iter().find(|(path, test, _)| path == "id" && *test == Test::Eq);
            let known = conditions.iter().all(|(path, _, _)| path == "id" || path == "value");
            let readable = id.is_some_and(|(_, _, literal)| PropertyId::parse(literal).is_some());
            if readable && known { Ok(()) } else { Err(invalid_filter()) }
        }
        Filter::Any { collection, .. } if collection == "categories" => Ok(()),
        Filter::Any { .. } => Err(invalid_filter()),
        Filter::Field { path, literal, .. } => match path.as_str() {
            "subject" | "iCalUId" | "showAs" | "sensitivity" | "importance" | "isAllDay" | "type" => Ok(()),
            "start/dateTime" | "end/dateTime" | "createdDateTime" | "lastModifiedDateTime" => {
                window_side(literal).map(drop).ok_or_else(invalid_filter)
            }
            _ => Err(invalid_filter()),
        },
    }
}

fn holds(filter: &Filter, mailbox: &Mailbox, event: &Event) -> Result<bool, Failure> {
    let content = &event.content;
    match filter {
        Filter::And(left, right) => Ok(holds(left, mailbox, event)? && holds(right, mailbox, event)?),
        Filter::Or(left, right) => Ok(holds(left, mailbox, event)? || holds(right, mailbox, event)?),
        Filter::Not(inner) => Ok(!holds(inner, mailbox, event)?),
        Filter::Any { collection, conditions } if is_properties(collection) => {
            check(filter)?;
            Ok(content.properties.iter().any(|(id, value)| {
                conditions.iter().all(|(path, test, literal)| match path.as_str() {
                    "id" => PropertyId::parse(literal).is_some_and(|wanted| wanted == *id),
                    _ => test.holds_for_text(value, literal),
                })
            }))
        }
        Filter::Any { collection, conditions } if collection == "categories" => Ok(content
            .categories
            .iter()
            .any(|category| conditions.iter().all(|(_, test, literal)| test.holds_for_text(category, literal)))),
        Filter::Any { .. } => Err(invalid_filter()),
        Filter::Field { path, test, literal } => {
            let text = |value: &str| Ok(test.holds_for_text(value, literal));
            let time =
                |at: Timestamp| window_side(literal).map(|wanted| test.holds(&at, &wanted)).ok_or_else(invalid_filter);
            match path.as_str() {
                "subject" => text(&content.subject),
                "iCalUId" => text(&mailbox.seal.ical_uid(event.serial)),
                "showAs" => text(content.show_as.word()),
                "sensitivity" => text(content.sensitivity.word()),
                "importance" => text(content.importance.word()),
                "isAllDay" => text(if content.all_day { "true" } else { "false" }),
                "type" => text("singleInstance"),
                "start/dateTime" => time(content.start.at),
                "end/dateTime" => time(content.end.at),
                "createdDateTime" => time(event.created),
                "lastModifiedDateTime" => time(event.modified),
                _ => Err(invalid_filter()),
            }
        }
    }
}
