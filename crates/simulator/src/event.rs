//! An event in a mailbox and the JSON that Graph makes of it.
//!
//! It must never put an extended property into an answer that did not ask for it: Graph returns them on `$expand` only.

use jiff::Timestamp;
use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Map, Value, json};

use super::{
    content::Content,
    ids::{Form, Seal},
    prefer::Prefer,
    profile::Profile,
    property::PropertyId,
    times::seven_digits_utc,
};

/// One event, alive or in Deleted Items.
#[derive(Debug)]
pub(crate) struct Event {
    pub(crate) serial: u32,
    pub(crate) calendar: u32,
    /// The mailbox's change number at the last change.
    pub(crate) change: u64,
    pub(crate) created: Timestamp,
    pub(crate) modified: Timestamp,
    pub(crate) transaction_id: Option<Box<str>>,
    /// Of the content as it was created, by which a repeated POST is told from another one.
    pub(crate) fingerprint: u64,
    pub(crate) deleted: bool,
    pub(crate) content: Content,
}

/// Whose event it is, for the parts of the JSON that name the mailbox.
#[derive(Debug)]
pub(crate) struct Owner<'a> {
    pub(crate) seal: Seal,
    pub(crate) profile: &'a Profile,
}

impl Event {
    /// The weak tag that `If-Match` compares.
    pub(crate) fn etag(&self, seal: Seal) -> String {
        format!("W/\"{}\"", seal.change_key(self.change))
    }

    /// The event as Graph answers it, without `@odata.context`.
    pub(crate) fn shown(&self, owner: &Owner<'_>, prefer: &Prefer, expand: &[PropertyId]) -> Map<String, Value> {
        let content = &self.content;
        let id = owner.seal.event(self.serial, prefer.form());
        let zone = prefer.zone.as_deref();
        let location = match &*content.location {
            "" => {
                json!({"displayName": "", "locationType": "default", "uniqueIdType": "unknown", "address": {}, "coordinates": {}})
            }
            name => {
                json!({"displayName": name, "locationType": "default", "uniqueId": name, "uniqueIdType": "private"})
            }
        };
        let locations = if content.location.is_empty() { json!([]) } else { json!([location]) };
        let web_link = format!(
            "https://outlook.office365.com/owa/?itemid={}&exvsurl=1&path=/calendar/item",
            utf8_percent_encode(&id, NON_ALPHANUMERIC)
        );
        let mut shown = into_map(json!({
            "@odata.etag": self.etag(owner.seal),
            "webLink": web_link,
            "id": id,
            "createdDateTime": seven_digits_utc(self.created),
            "lastModifiedDateTime": seven_digits_utc(self.modified),
            "changeKey": owner.seal.change_key(self.change),
            "categories": content.categories,
            "originalStartTimeZone": content.start.zone.windows,
            "originalEndTimeZone": content.end.zone.windows,
            "iCalUId": owner.seal.ical_uid(self.serial),
            "reminderMinutesBeforeStart": content.reminder_minutes,
            "isReminderOn": content.reminder,
            "hasAttachments": false,
            "subject": content.subject,
            "bodyPreview": preview(content),
            "importance": content.importance.word(),
            "sensitivity": content.sensitivity.word(),
            "isAllDay": content.all_day,
            "isCancelled": false,
            "isOrganizer": true,
            "isDraft": false,
        }));
        shown.extend(into_map(json!({
            "hideAttendees": content.hide_attendees,
            "responseRequested": content.response_requested,
            "seriesMasterId": null,
            "showAs": content.show_as.word(),
            "type": "singleInstance",
            "onlineMeetingUrl": null,
            "isOnlineMeeting": false,
            "onlineMeetingProvider": "unknown",
            "onlineMeeting": null,
            "allowNewTimeProposals": content.allow_new_time_proposals,
            "recurrence": null,
            "responseStatus": {"response": "organizer", "time": "0001-01-01T00:00:00Z"},
            "body": body(content, prefer.text_body),
            "start": content.start.shown(content.all_day, zone),
            "end": content.end.shown(content.all_day, zone),
            "location": location,
            "locations": locations,
            "attendees": attendees(content),
            "organizer": {"emailAddress": {"name": owner.profile.name, "address": owner.profile.address}},
        })));
        // Microsoft documents that it is only there when it was set.
        if let Some(transaction_id) = &self.transaction_id {
            shown.insert("transactionId".to_owned(), (**transaction_id).into());
        }
        let expanded: Vec<Value> = content
            .properties
            .iter()
            .filter(|(id, _)| expand.contains(id))
            .map(|(id, value)| json!({"id": id.as_str(), "value": value}))
            .collect();
        if !expanded.is_empty() {
            shown.insert("singleValueExtendedProperties".to_owned(), expanded.into());
        }
        shown
    }

    /// The event as it is stored, with everything Graph hides: times in the zones they were sent in, the body as sent.
    pub(crate) fn stored(&self, owner: &Owner<'_>, calendar: &str) -> Value {
        let content = &self.content;
        let plain = Prefer { immutable: true, ..Prefer::default() };
        let mut stored = self.shown(owner, &plain, &[]);
        let properties: Vec<Value> =
            content.properties.iter().map(|(id, value)| json!({"id": id.as_str(), "value": value})).collect();
        stored.extend(into_map(json!({
            "restId": owner.seal.event(self.serial, Form::Default),
            "start": content.start.sent(),
            "end": content.end.sent(),
            "startsAt": content.start.at,
            "endsAt": content.end.at,
            "body": {"contentType": if content.html { "html" } else { "text" }, "content": content.body},
            "transactionId": self.transaction_id,
            "singleValueExtendedProperties": properties,
            "calendar": calendar,
            "deleted": self.deleted,
        })));
        Value::Object(stored)
    }
}

/// An object made by `json!`, as a map.
pub(crate) fn into_map(value: Value) -> Map<String, Value> {
    match value {
        Value::Object(map) => map,
        _ => Map::new(),
    }
}

fn attendees(content: &Content) -> Vec<Value> {
    let none = json!({"response": "none", "time": "0001-01-01T00:00:00Z"});
    content
        .attendees
        .iter()
        .map(|attendee| json!({"type": attendee.kind, "status": none, "emailAddress": attendee.email_address}))
        .collect()
}

/// Graph hands a body back as an HTML document, whatever was sent, unless the caller prefers text.
fn body(content: &Content, as_text: bool) -> Value {
    let text = match (as_text, content.html) {
        (true, true) => plain(&content.body),
        (true, false) => content.body.to_string(),
        (false, _) if content.body.is_empty() => String::new(),
        (false, true) if content.body.trim_start().starts_with("<html") => content.body.to_string(),
        (false, true) => document(&content.body),
        (false, false) => {
            document(&format!("<div class=\"PlainText\">{}</div>", escape(&content.body).replace('\n', "<br>\n")))
        }
    };
    json!({"contentType": if as_text { "text" } else { "html" }, "content": text})
}

fn document(body: &str) -> String {
    format!(
        "<html>\r\n<head>\r\n<meta http-equiv=\"Content-Type\" content=\"text/html; charset=utf-8\">\r\n</head>\r\n<body>\r\n{body}\r\n</body>\r\n</html>\r\n"
    )
}

fn preview(content: &Content) -> String {
    let text = if content.html { plain(&content.body) } else { content.body.to_string() };
    text.trim().chars().take(255).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

/// The text of a piece of HTML, as far as a preview needs it.
fn plain(html: &str) -> String {
    let mut text = String::with_capacity(html.len());
    let mut in_tag = false;
    for c in html.chars() {
        match c {
            '<' => in_tag = true,
            '>' => in_tag = false,
            _ if !in_tag => text.push(c),
            _ => {}
        }
    }
    text.replace("&lt;", "<").replace("&gt;", ">").replace("&nbsp;", " ").replace("&amp;", "&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn html_becomes_readable_text() {
        assert_eq!(plain("<p>Tea &amp; <b>cake</b></p>"), "Tea & cake");
        assert_eq!(escape("a < b & c"), "a &lt; b &amp; c");
    }
}
