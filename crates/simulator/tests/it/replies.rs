//! Automatic replies as Graph keeps them: one setting, in the future only, and for those who may.

use leavebridge_simulator::Simulator;
use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Stage, finish};

fn moment(time: &str, zone: &str) -> Value {
    json!({"dateTime": time, "timeZone": zone})
}

async fn stage() -> Stage {
    let mut stage = Stage::new().await;
    allow(&mut stage, &["MailboxSettings.ReadWrite"]).await;
    stage
}

async fn allow(stage: &mut Stage, roles: &[&str]) {
    stage
        .settings(json!({"apps": [{
            "directory_id": Simulator::DIRECTORY_ID, "client_id": Simulator::CLIENT_ID,
            "secrets": [{"value": Simulator::CLIENT_SECRET}], "roles": roles,
        }]}))
        .await;
    stage.renew_token().await;
}

#[tokio::test]
async fn what_is_set_comes_back_as_exchange_keeps_it_and_shows_on_the_page() {
    let stage = stage().await;
    let path = format!("/users/{AMY}/mailboxSettings");
    assert_eq!(stage.get(&path).await.body["automaticRepliesSetting"]["status"], "disabled");
    let setting = json!({
        "status": "scheduled", "externalAudience": "none", "internalReplyMessage": "Away", "externalReplyMessage": "",
        "scheduledStartDateTime": moment("2090-03-01T00:00:00", "China Standard Time"),
        "scheduledEndDateTime": moment("2090-03-02T00:00:00", "China Standard Time"),
    });
    let answer = stage.patch(&path, &json!({"automaticRepliesSetting": setting})).await;
    let kept = &answer.body["automaticRepliesSetting"];
    assert_eq!(kept["scheduledStartDateTime"], moment("2090-02-28T16:00:00.0000000", "UTC"));
    assert_eq!(kept["internalReplyMessage"], "<html>\n<body>\nAway\n</body>\n</html>\n");
    assert_eq!(&stage.get(&path).await.body["automaticRepliesSetting"], kept);
    assert_eq!(&stage.control(Method::GET, &format!("/users/{AMY}/automatic-replies"), Value::Null).await, kept);
    let page = finish(stage.client.get(format!("{}/outlook", stage.base))).await.body;
    assert!(page.as_str().unwrap().contains("Automatic reply: "), "{page}");
}

#[tokio::test]
async fn only_a_range_ahead_may_be_set_and_no_other_setting() {
    let stage = stage().await;
    let path = format!("/users/{AMY}/mailboxSettings");
    let scheduled = |from: &str, until: &str| {
        let (from, until) = (moment(from, "UTC"), moment(until, "UTC"));
        json!({"status": "scheduled", "scheduledStartDateTime": from, "scheduledEndDateTime": until})
    };
    let bad_zone = json!({"scheduledEndDateTime": moment("2090-03-01T00:00:00", "Nowhere Time")});
    for (body, code) in [
        (
            json!({"automaticRepliesSetting": scheduled("2001-01-01T00:00:00", "2090-01-01T00:00:00")}),
            "ErrorInvalidScheduledOofDuration",
        ),
        (
            json!({"automaticRepliesSetting": scheduled("2090-01-02T00:00:00", "2090-01-01T00:00:00")}),
            "ErrorInvalidScheduledOofDuration",
        ),
        (json!({"automaticRepliesSetting": {"status": "scheduled"}}), "ErrorInvalidScheduledOofDuration"),
        (json!({"automaticRepliesSetting": bad_zone}), "InvalidTimeZone"),
        (json!({"automaticRepliesSetting": {"status": "sometimes"}}), "RequestBodyRead"),
        (json!({"automaticRepliesSetting": {"colour": "red"}}), "RequestBodyRead"),
        (json!({"automaticRepliesSetting": {"status": "alwaysEnabled"}, "timeZone": "UTC"}), "BadRequest"),
        (json!({}), "BadRequest"),
    ] {
        assert_eq!(stage.patch(&path, &body).await.refusal(), (400, code), "{body}");
    }
    assert_eq!(stage.get(&path).await.body["automaticRepliesSetting"]["status"], "disabled");
}

#[tokio::test]
async fn reading_is_one_permission_and_writing_another() {
    let mut stage = stage().await;
    let path = format!("/users/{AMY}/mailboxSettings");
    let on = json!({"automaticRepliesSetting": {"status": "alwaysEnabled"}});
    for (roles, read, written) in [
        (&["Calendars.ReadWrite"][..], 403, 403),
        (&["MailboxSettings.Read"], 200, 403),
        (&["MailboxSettings.ReadWrite"], 200, 200),
    ] {
        allow(&mut stage, roles).await;
        assert_eq!(stage.get(&path).await.status, read, "{roles:?}");
        assert_eq!(stage.patch(&path, &on).await.status, written, "{roles:?}");
    }
}
