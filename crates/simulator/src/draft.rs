//! An event as a caller writes it in JSON, before anything is checked but its shape.
//!
//! It must tell "left out" from "null": a PATCH keeps what it does not mention and clears what it sets to null.

use serde::{Deserialize, Deserializer};

/// A JSON property that may be missing, null or given.
#[derive(Debug, Clone, Default, PartialEq)]
pub(crate) enum Field<T> {
    /// Not mentioned.
    #[default]
    Absent,
    /// Mentioned as null.
    Null,
    /// Given.
    Given(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Field<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Option::deserialize(deserializer)?.map_or(Self::Null, Self::Given))
    }
}

impl<T> Field<T> {
    /// The new value of something that was `old`, where null means `empty`.
    pub(crate) fn over(self, old: &mut T, empty: T) {
        match self {
            Self::Absent => {}
            Self::Null => *old = empty,
            Self::Given(new) => *old = new,
        }
    }
}

/// The properties of an event that a caller may write. Others are ignored: `id`, `changeKey`, `transactionId` on PATCH
/// and the rest are read-only.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct Draft {
    pub(crate) subject: Field<Box<str>>,
    pub(crate) body: Field<BodyDraft>,
    pub(crate) is_all_day: Field<bool>,
    pub(crate) start: Field<TimeDraft>,
    pub(crate) end: Field<TimeDraft>,
    pub(crate) show_as: Field<ShowAs>,
    pub(crate) sensitivity: Field<Sensitivity>,
    pub(crate) importance: Field<Importance>,
    pub(crate) categories: Field<Vec<Box<str>>>,
    pub(crate) is_reminder_on: Field<bool>,
    pub(crate) reminder_minutes_before_start: Field<i32>,
    pub(crate) location: Field<LocationDraft>,
    pub(crate) attendees: Field<Vec<Attendee>>,
    pub(crate) response_requested: Field<bool>,
    pub(crate) hide_attendees: Field<bool>,
    pub(crate) allow_new_time_proposals: Field<bool>,
    pub(crate) transaction_id: Field<Box<str>>,
    pub(crate) single_value_extended_properties: Field<Vec<PropertyDraft>>,
    pub(crate) recurrence: Field<serde_json::Map<String, serde_json::Value>>,
}

impl Draft {
    /// Every name a caller may write or get back; a tenant that refuses others refuses by this list.
    pub(crate) const NAMES: [&'static str; 44] = [
        "subject",
        "body",
        "isAllDay",
        "start",
        "end",
        "showAs",
        "sensitivity",
        "importance",
        "categories",
        "isReminderOn",
        "reminderMinutesBeforeStart",
        "location",
        "attendees",
        "responseRequested",
        "hideAttendees",
        "allowNewTimeProposals",
        "transactionId",
        "singleValueExtendedProperties",
        "recurrence",
        "id",
        "changeKey",
        "createdDateTime",
        "lastModifiedDateTime",
        "originalStartTimeZone",
        "originalEndTimeZone",
        "iCalUId",
        "hasAttachments",
        "bodyPreview",
        "isCancelled",
        "isOrganizer",
        "isDraft",
        "seriesMasterId",
        "type",
        "webLink",
        "onlineMeetingUrl",
        "isOnlineMeeting",
        "onlineMeetingProvider",
        "onlineMeeting",
        "responseStatus",
        "locations",
        "organizer",
        "originalStart",
        "multiValueExtendedProperties",
        "extensions",
    ];

    /// The first property that no event has; annotations such as `@odata.type` are no properties.
    pub(crate) fn stranger(body: &serde_json::Map<String, serde_json::Value>) -> Option<&str> {
        body.keys().map(String::as_str).find(|name| !name.contains('@') && !Self::NAMES.contains(name))
    }
}

/// `{"contentType", "content"}`.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct BodyDraft {
    pub(crate) content_type: Option<ContentType>,
    pub(crate) content: Option<Box<str>>,
}

/// What a body is written in.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum ContentType {
    #[serde(alias = "Text")]
    Text,
    #[serde(alias = "HTML", alias = "Html")]
    Html,
}

/// `{"dateTime", "timeZone"}`.
#[derive(Debug, Clone, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct TimeDraft {
    pub(crate) date_time: Box<str>,
    /// Left out it is UTC.
    pub(crate) time_zone: Option<Box<str>>,
}

/// `{"displayName"}`; addresses and coordinates are accepted and dropped.
#[derive(Debug, Clone, Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
pub(crate) struct LocationDraft {
    pub(crate) display_name: Option<Box<str>>,
}

/// `{"id", "value"}`; a null value takes the property away.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct PropertyDraft {
    pub(crate) id: Box<str>,
    pub(crate) value: Option<Box<str>>,
}

/// One person who would get an invitation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub(crate) struct Attendee {
    pub(crate) email_address: EmailAddress,
    #[serde(rename = "type", default = "required")]
    pub(crate) kind: Box<str>,
}

/// A name and an address.
#[derive(Debug, Clone, PartialEq, Eq, Hash, serde::Serialize, Deserialize)]
pub(crate) struct EmailAddress {
    pub(crate) address: Box<str>,
    #[serde(default)]
    pub(crate) name: Option<Box<str>>,
}

fn required() -> Box<str> {
    "required".into()
}

macro_rules! words {
    ($(#[$doc:meta])* $name:ident { $($(#[$variant_doc:meta])* $variant:ident = $word:literal),+ $(,)? }) => {
        $(#[$doc])*
        #[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Deserialize)]
        pub(crate) enum $name { $($(#[$variant_doc])* #[serde(rename = $word)] $variant),+ }

        impl $name {
            /// The word in JSON.
            pub(crate) const fn word(self) -> &'static str {
                match self { $(Self::$variant => $word),+ }
            }
        }
    };
}

words! {
    /// How the time shows to others.
    ShowAs {
        Free = "free", Tentative = "tentative",
        #[default] Busy = "busy",
        Oof = "oof", WorkingElsewhere = "workingElsewhere", Unknown = "unknown",
    }
}

words! {
    /// Who may see the details.
    Sensitivity { #[default] Normal = "normal", Personal = "personal", Private = "private", Confidential = "confidential" }
}

words! {
    /// How it is flagged.
    Importance { Low = "low", #[default] Normal = "normal", High = "high" }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn left_out_null_and_given_are_three_things() {
        let draft: Draft = serde_json::from_str(r#"{"subject":null,"isAllDay":true}"#).unwrap();
        assert_eq!(draft.subject, Field::Null);
        assert_eq!(draft.is_all_day, Field::Given(true));
        assert_eq!(draft.show_as, Field::Absent);
    }

    #[test]
    fn wrong_types_and_unknown_words_are_errors_and_unknown_properties_are_not() {
        for body in
            [r#"{"subject":7}"#, r#"{"showAs":"vacation"}"#, r#"{"start":"2026-12-21"}"#, r#"{"categories":"Leave"}"#]
        {
            assert!(serde_json::from_str::<Draft>(body).is_err(), "{body}");
        }
        assert!(serde_json::from_str::<Draft>(r#"{"somethingNew":1,"@odata.type":"x"}"#).is_ok());
    }
}
