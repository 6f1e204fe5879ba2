//! A mailbox's settings, as far as anything of ours reads them.
//!
//! Zones must come in Windows' names, as Exchange keeps them, whatever name the person was entered with.

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use super::{
    super::{event::into_map, exchange, failure::Failure, zones},
    MailboxCall,
};

pub(super) fn get(call: &MailboxCall<'_>, one: Option<&str>) -> Result<Response, Failure> {
    let all = shown(call);
    let body = match one {
        None => {
            let mut body = call.query.pick(all);
            body.insert("@odata.context".to_owned(), call.context("mailboxSettings").into());
            body
        }
        Some(one) => {
            let named = all.into_iter().find(|(name, _)| name.eq_ignore_ascii_case(one));
            let unknown = || Failure::bad_request("BadRequest", format!("Resource not found for the segment '{one}'."));
            let (name, value) = named.ok_or_else(unknown)?;
            let context = call.context(&format!("mailboxSettings/{name}"));
            into_map(json!({"@odata.context": context, "value": value}))
        }
    };
    Ok(exchange::json(StatusCode::OK, &Value::Object(body)))
}

fn shown(call: &MailboxCall<'_>) -> Map<String, Value> {
    let zone = zones::zone(&call.profile.time_zone, true);
    let zone = zone.map_or_else(|| call.profile.time_zone.clone(), |zone| zone.windows.to_string());
    let (start, end) = call.profile.working_hours.split_once('-').unwrap_or(("08:00", "17:00"));
    into_map(json!({
        "timeZone": zone,
        "workingHours": {
            "daysOfWeek": ["monday", "tuesday", "wednesday", "thursday", "friday"],
            "startTime": format!("{start}:00.0000000"), "endTime": format!("{end}:00.0000000"),
            "timeZone": {"name": zone},
        },
    }))
}
