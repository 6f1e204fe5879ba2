//! The automatic reply of a mailbox, read and written.
//!
//! It must never write any other setting of a mailbox: time zone and working hours are the person's.

use jiff::{Timestamp, civil::DateTime};
use reqwest::Method;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    client::{Answer, Graph, MailboxAccess, parse},
    error::{GraphError, RequestIds},
};
use crate::domain::{
    appearance::Audience,
    reply::{ReplyStatus, Setting, WantedReply},
    zone::Zone,
};

#[derive(Deserialize)]
struct SettingsBody {
    #[serde(rename = "automaticRepliesSetting")]
    replies: WireSetting,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireSetting {
    status: ReplyStatus,
    external_audience: Option<ExternalAudience>,
    scheduled_start_date_time: Option<WireDateTime>,
    scheduled_end_date_time: Option<WireDateTime>,
    internal_reply_message: Option<String>,
    external_reply_message: Option<String>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum ExternalAudience {
    None,
    ContactsOnly,
    All,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct WireDateTime {
    date_time: DateTime,
    time_zone: Option<String>,
}

impl Graph {
    /// The automatic reply that is set in a mailbox.
    ///
    /// # Errors
    /// See [`Failure`](crate::reconcile::failure::Failure); `AccessDenied` when the app may not look into mailbox settings.
    pub async fn automatic_reply(&self, mailbox: MailboxAccess<'_>) -> Result<(Setting, RequestIds), GraphError> {
        let Answer { body, request_ids } =
            self.call(mailbox.until, Method::GET, self.url(&mailbox, &["mailboxSettings"]), None).await?;
        let settings: SettingsBody = parse(body, &request_ids)?;
        Ok((settings.replies.setting(), request_ids))
    }

    /// Schedules a reply; gives it as Graph has it now, where it says so.
    ///
    /// # Errors
    /// See [`Failure`](crate::reconcile::failure::Failure).
    pub async fn schedule_reply(
        &self,
        mailbox: MailboxAccess<'_>,
        wanted: &WantedReply,
    ) -> Result<(Option<Setting>, RequestIds), GraphError> {
        let WantedReply { from, until, audience, inside, outside, .. } = wanted;
        let body = json!({
            "status": "scheduled",
            "externalAudience": external_audience(*audience),
            "scheduledStartDateTime": in_utc(*from),
            "scheduledEndDateTime": in_utc(*until),
            "internalReplyMessage": inside,
            "externalReplyMessage": outside,
        });
        self.write_reply(mailbox, body).await
    }

    /// Switches the automatic reply off, with these texts for another time.
    ///
    /// # Errors
    /// See [`Failure`](crate::reconcile::failure::Failure).
    pub async fn withdraw_reply(
        &self,
        mailbox: MailboxAccess<'_>,
        back: &Setting,
    ) -> Result<(Option<Setting>, RequestIds), GraphError> {
        let body = json!({
            "status": "disabled",
            "externalAudience": external_audience(back.audience),
            "internalReplyMessage": back.inside,
            "externalReplyMessage": back.outside,
        });
        self.write_reply(mailbox, body).await
    }

    async fn write_reply(
        &self,
        mailbox: MailboxAccess<'_>,
        setting: Value,
    ) -> Result<(Option<Setting>, RequestIds), GraphError> {
        let url = self.url(&mailbox, &["mailboxSettings"]);
        let body = json!({"automaticRepliesSetting": setting});
        let Answer { body, request_ids } = self.call(mailbox.until, Method::PATCH, url, Some(&body)).await?;
        let answered = body.and_then(|body| serde_json::from_value::<SettingsBody>(body).ok());
        Ok((answered.map(|settings| settings.replies.setting()), request_ids))
    }
}

impl WireSetting {
    fn setting(self) -> Setting {
        let start = self.scheduled_start_date_time.as_ref().and_then(moment);
        Setting {
            status: self.status,
            audience: match self.external_audience {
                Some(ExternalAudience::None) => Audience::None,
                Some(ExternalAudience::ContactsOnly) => Audience::ContactsOnly,
                // Exchange's own default.
                Some(ExternalAudience::All) | None => Audience::All,
            },
            window: start.zip(self.scheduled_end_date_time.as_ref().and_then(moment)),
            inside: self.internal_reply_message.unwrap_or_default(),
            outside: self.external_reply_message.unwrap_or_default(),
        }
    }
}

const fn external_audience(audience: Audience) -> &'static str {
    match audience {
        Audience::None => "none",
        Audience::ContactsOnly => "contactsOnly",
        Audience::All => "all",
    }
}

/// A reply is for moments, and Windows' clocks are not always those of the places that they are named after.
fn in_utc(at: Timestamp) -> Value {
    json!({"dateTime": at.strftime("%Y-%m-%dT%H:%M:%S").to_string(), "timeZone": "UTC"})
}

/// The moment; `None` in a zone that nobody knows.
fn moment(zoned: &WireDateTime) -> Option<Timestamp> {
    let zone = Zone::of_outlook(zoned.time_zone.as_deref().unwrap_or("UTC"))?;
    Some(zoned.date_time.to_zoned(zone.rules()).ok()?.timestamp())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_read_in_whatever_zone_it_is_told() {
        for (time, zone, at) in [
            ("2026-12-21T00:00:00.0000000", Some("UTC"), Some("2026-12-21T00:00:00Z")),
            ("2026-12-21T08:00:00", Some("China Standard Time"), Some("2026-12-21T00:00:00Z")),
            ("2026-07-01T01:00:00", Some("Europe/London"), Some("2026-07-01T00:00:00Z")),
            ("2026-12-21T00:00:00", None, Some("2026-12-21T00:00:00Z")),
            ("2026-12-21T00:00:00", Some("tzone://Microsoft/Utc"), Some("2026-12-21T00:00:00Z")),
            ("2026-12-21T00:00:00", Some("Customized Time Zone"), None),
        ] {
            let zoned = WireDateTime { date_time: time.parse().unwrap(), time_zone: zone.map(str::to_owned) };
            assert_eq!(moment(&zoned), at.map(|at| at.parse().unwrap()), "{time} {zone:?}");
        }
    }

    #[test]
    fn what_graph_leaves_out_is_nothing() {
        let wire: WireSetting =
            serde_json::from_value(json!({"status": "disabled", "scheduledStartDateTime": null})).unwrap();
        let setting = wire.setting();
        assert_eq!((setting.status, setting.window, setting.inside.as_str()), (ReplyStatus::Disabled, None, ""));
    }
}
