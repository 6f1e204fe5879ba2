//! The JSON and the paths of Graph's events.

use jiff::civil::DateTime;
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde::Deserialize;
use serde_json::{Map, Value, json};
use uuid::Uuid;

use crate::domain::{
    event::{EventPatch, Times},
    marker::Marker,
};

/// The property by which we recognise our events. Never to be changed: named properties are a limited resource of a mailbox,
/// and events written under another name would no longer be found.
pub(super) const MARKER: &str = "String {7c1d2f0e-5b7a-4e0e-9d51-0b6a3c5e8f42} Name LeavebridgeMapping";

/// The property that names the installation and tenant that wrote an event: what another one wrote is not ours to touch.
pub(super) const OWNER: &str = "String {7c1d2f0e-5b7a-4e0e-9d51-0b6a3c5e8f42} Name LeavebridgeOwner";

/// Everything but unreserved characters and `@`: `#` of guests, `+`, `'`, and the `=` and `/` of event ids.
const SEGMENT: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~').remove(b'@');

/// One path segment.
pub(super) fn segment(text: &str) -> String {
    utf8_percent_encode(text, SEGMENT).to_string()
}

/// The path of a user behind `/users`. A name that begins with `$` would be taken for an operator (Microsoft: user page).
pub(super) fn user(key: &str) -> String {
    if key.starts_with('$') {
        format!("('{}')", segment(&key.replace('\'', "''")))
    } else {
        format!("/{}", segment(key))
    }
}

/// The body of a create: what is wanted, and what makes it ours and harmless.
pub(super) fn create(event: &EventPatch, marker: Marker, transaction: Uuid) -> Value {
    let mut body = fields(event);
    // When omitted, Outlook reminds people of their own leave.
    body.entry("isReminderOn").or_insert(false.into());
    body.insert("responseRequested".into(), false.into());
    body.insert("transactionId".into(), transaction.hyphenated().to_string().into());
    body.insert(
        "singleValueExtendedProperties".into(),
        json!([
            {"id": MARKER, "value": marker.event.hyphenated().to_string()},
            {"id": OWNER, "value": marker.owner.hyphenated().to_string()},
        ]),
    );
    Value::Object(body)
}

/// The body of an update: only the fields that are to change.
pub(super) fn update(event: &EventPatch) -> Value {
    Value::Object(fields(event))
}

fn fields(event: &EventPatch) -> Map<String, Value> {
    let mut fields = Map::new();
    let EventPatch { subject, body, times, show_as, sensitivity, category, reminder } = event;
    if let Some(subject) = subject {
        fields.insert("subject".into(), json!(subject));
    }
    if let Some(body) = body {
        fields.insert("body".into(), json!({"contentType": "text", "content": body}));
    }
    if let Some(Times { all_day, start, end, zone }) = times {
        fields.insert("isAllDay".into(), json!(all_day));
        fields.insert("start".into(), moment(*start, zone));
        fields.insert("end".into(), moment(*end, zone));
    }
    if let Some(show_as) = show_as {
        fields.insert("showAs".into(), json!(show_as));
    }
    if let Some(sensitivity) = sensitivity {
        fields.insert("sensitivity".into(), json!(sensitivity));
    }
    if let Some(category) = category {
        fields.insert("categories".into(), json!(category.as_slice()));
    }
    if let Some(reminder) = reminder {
        fields.insert("isReminderOn".into(), reminder.is_some().into());
        if let Some(minutes) = reminder {
            fields.insert("reminderMinutesBeforeStart".into(), json!(minutes));
        }
    }
    fields
}

fn moment(at: DateTime, zone: &str) -> Value {
    json!({"dateTime": at.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": zone})
}

/// The events that carry a marker, and what we need to know of them.
pub(super) fn marked(marker: Uuid) -> [(&'static str, String); 3] {
    let filter = format!("singleValueExtendedProperties/Any(ep: ep/id eq '{MARKER}' and ep/value eq '{marker}')");
    [("$filter", filter), ("$select", "id,webLink,transactionId,createdDateTime".into()), ("$top", "50".into())]
}

/// What we read of an event.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct WireEvent {
    pub(super) id: String,
    pub(super) web_link: Option<String>,
    pub(super) transaction_id: Option<String>,
    pub(super) created_date_time: Option<String>,
}

/// A page of events.
#[derive(Debug, Deserialize)]
pub(super) struct EventPage {
    pub(super) value: Vec<WireEvent>,
    #[serde(rename = "@odata.nextLink")]
    pub(super) next_link: Option<String>,
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::appearance::{Sensitivity, ShowAs};

    #[test]
    fn a_create_says_exactly_what_it_must() {
        let event = EventPatch {
            subject: Some("Out of office".into()),
            body: Some("Kept by the leave system.".into()),
            times: Some(Times {
                all_day: true,
                start: "2026-12-21T00:00".parse().unwrap(),
                end: "2026-12-24T00:00".parse().unwrap(),
                zone: "GMT Standard Time".into(),
            }),
            show_as: Some(ShowAs::Oof),
            sensitivity: Some(Sensitivity::Private),
            category: None,
            reminder: None,
        };
        let marker = Marker { event: Uuid::from_u128(1), owner: Uuid::from_u128(3) };
        assert_eq!(
            create(&event, marker, Uuid::from_u128(2)),
            json!({
                "subject": "Out of office",
                "body": {"contentType": "text", "content": "Kept by the leave system."},
                "isAllDay": true,
                "start": {"dateTime": "2026-12-21T00:00:00", "timeZone": "GMT Standard Time"},
                "end": {"dateTime": "2026-12-24T00:00:00", "timeZone": "GMT Standard Time"},
                "showAs": "oof",
                "sensitivity": "private",
                "isReminderOn": false,
                "responseRequested": false,
                "transactionId": "00000000-0000-0000-0000-000000000002",
                "singleValueExtendedProperties": [
                    {"id": MARKER, "value": "00000000-0000-0000-0000-000000000001"},
                    {"id": OWNER, "value": "00000000-0000-0000-0000-000000000003"},
                ],
            })
        );
    }

    #[test]
    fn an_update_leaves_out_what_stays() {
        let event = EventPatch { show_as: Some(ShowAs::Tentative), ..EventPatch::default() };
        assert_eq!(update(&event), json!({"showAs": "tentative"}));
        let event =
            EventPatch { category: Some(Some("Leave".into())), reminder: Some(Some(15)), ..EventPatch::default() };
        let said = json!({"categories": ["Leave"], "isReminderOn": true, "reminderMinutesBeforeStart": 15});
        assert_eq!(update(&event), said);
    }

    #[test]
    fn paths_survive_every_address_and_id() {
        for (key, path) in [
            ("amy.chan@contoso.com", "/amy.chan@contoso.com"),
            ("alice_adatum.com#EXT#@contoso.com", "/alice_adatum.com%23EXT%23@contoso.com"),
            ("o'neil+x@contoso.com", "/o%27neil%2Bx@contoso.com"),
            ("$x@contoso.com", "('%24x@contoso.com')"),
            ("ä@contoso.com", "/%C3%A4@contoso.com"),
        ] {
            assert_eq!(user(key), path);
        }
        assert_eq!(segment("AAk/x+y=="), "AAk%2Fx%2By%3D%3D");
    }
}
