//! Events: what they look like, what is refused, what a change changes, what is left after a delete.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, MARKER, Stage, event, events, finish, hour, leave, leave_with};

#[tokio::test]
async fn a_new_event_looks_as_documented() {
    let stage = Stage::new().await;
    let request = stage.request(Method::POST, &events(AMY)).header("client-request-id", "my-id").json(&leave());
    let answer = finish(request).await;
    assert_eq!(answer.status, 201, "{}", answer.body);
    let body = &answer.body;
    for (name, value) in [
        ("subject", json!("Annual leave")),
        ("isAllDay", json!(true)),
        ("showAs", json!("oof")),
        ("sensitivity", json!("private")),
        ("isReminderOn", json!(false)),
        ("reminderMinutesBeforeStart", json!(15)),
        ("createdDateTime", json!("2026-11-22T03:00:50.7579581Z")),
        ("originalStartTimeZone", json!("China Standard Time")),
        ("start", json!({"dateTime": "2026-12-21T00:00:00.0000000", "timeZone": "UTC"})),
        ("end", json!({"dateTime": "2026-12-24T00:00:00.0000000", "timeZone": "UTC"})),
        ("type", json!("singleInstance")),
        ("attendees", json!([])),
        ("organizer", json!({"emailAddress": {"name": "Amy Chan", "address": AMY}})),
    ] {
        assert_eq!(body[name], value, "{name}");
    }
    assert_eq!(body["@odata.etag"], format!("W/\"{}\"", body["changeKey"].as_str().unwrap()));
    assert_eq!(body["body"]["contentType"], "html");
    assert!(body["body"]["content"].as_str().unwrap().contains("Recorded by leave bridge."));
    assert_eq!(body["bodyPreview"], "Recorded by leave bridge.");
    assert_eq!(body.get("singleValueExtendedProperties"), None);
    assert_eq!(body.get("transactionId"), None);
    assert!(body["@odata.context"].as_str().unwrap().ends_with("/events/$entity"));
    assert_eq!(answer.header("client-request-id"), "my-id");
    assert_eq!(answer.header("date"), "Sun, 22 Nov 2026 03:00:50 GMT");
    assert!(answer.header("request-id").len() == 36 && !answer.header("x-ms-ags-diagnostic").is_empty());
    assert!(answer.header("content-type").starts_with("application/json;odata.metadata=minimal"));
    assert_eq!(answer.header("preference-applied"), "IdType=\"ImmutableId\"");
    assert!(answer.header("location").contains("/events('"));
}

#[tokio::test]
async fn bad_dates_and_zones_are_refused_in_microsofts_words() {
    let stage = Stage::new().await;
    let time = |at: &str, zone: &str| json!({"dateTime": at, "timeZone": zone});
    let (shanghai, day, next) = ("Asia/Shanghai", "2026-12-21T00:00:00", "2026-12-22T00:00:00");
    for (change, code, words) in [
        (
            json!({"start": time("2026-12-21T09:00:00", shanghai)}),
            "ErrorInvalidRequest",
            "Event.Start property for an all-day event needs to be set to midnight.",
        ),
        (
            json!({"end": time("2026-12-24T09:00:00", shanghai)}),
            "ErrorInvalidRequest",
            "Event.End property for an all-day event needs to be set to midnight.",
        ),
        (
            json!({"end": time(day, shanghai)}),
            "ErrorInvalidRequest",
            "The duration of an event marked as All day must be at least 24 hours.",
        ),
        (json!({"end": time(next, "UTC")}), "ErrorInvalidRequest", "same time zone"),
        (
            json!({"start": time(day, "Mars"), "end": time(next, "Mars")}),
            "TimeZoneNotSupportedException",
            "not supported: 'Mars'.",
        ),
        (
            json!({"start": time(day, "Europe/Dublin"), "end": time(next, "Europe/Dublin")}),
            "TimeZoneNotSupportedException",
            "'Europe/Dublin'",
        ),
        (
            json!({"isAllDay": false, "end": time("2026-12-20T00:00:00", shanghai)}),
            "ErrorPropertyValidationFailure",
            "At least one property failed validation.",
        ),
        (
            json!({"isAllDay": false, "start": time("2026-12-21T00:00:00Z", shanghai)}),
            "ErrorPropertyValidationFailure",
            "",
        ),
        (json!({"end": time("2032-12-24T00:00:00", shanghai)}), "ErrorCalendarDurationIsTooLong", ""),
        (json!({"end": null}), "ErrorPropertyValidationFailure", ""),
        (json!({"showAs": "vacation"}), "UnableToDeserializePostBody", ""),
        (json!({"subject": 7}), "UnableToDeserializePostBody", ""),
        (
            json!({"singleValueExtendedProperties": [{"id": "Name X", "value": "1"}]}),
            "ErrorInvalidExtendedProperty",
            "",
        ),
    ] {
        let answer = stage.post(&events(AMY), &leave_with(change.clone())).await;
        assert_eq!(answer.refusal(), (400, code), "{change} {}", answer.body);
        assert!(answer.message().contains(words), "{change} {}", answer.message());
    }
    assert!(stage.stored(AMY).await.is_empty());
}

#[tokio::test]
async fn what_is_not_json_is_refused_and_unknown_properties_are_ignored_until_switched() {
    let stage = Stage::new().await;
    let raw = |body: &'static str, kind: &str| {
        stage.request(Method::POST, &events(AMY)).header("content-type", kind.to_owned()).body(body)
    };
    assert_eq!(finish(raw("{", "application/json")).await.refusal(), (400, "BadRequest"));
    assert_eq!(finish(raw("[]", "application/json")).await.refusal(), (400, "BadRequest"));
    assert_eq!(finish(raw("{}", "text/plain")).await.status, 415);
    let odd = leave_with(json!({"favouriteColour": "green"}));
    assert_eq!(stage.post(&events(AMY), &odd).await.status, 201);
    stage.settings(json!({"unknown_properties_refused": true})).await;
    assert_eq!(stage.post(&events(AMY), &odd).await.refusal(), (400, "RequestBodyRead"));
}

#[tokio::test]
async fn an_event_has_two_ids_and_both_find_it() {
    let stage = Stage::new().await;
    let immutable = stage.leave(&leave()).await;
    let plain = stage.client.get(format!("{}/v1.0{}", stage.base, event(AMY, &immutable))).bearer_auth(&stage.token);
    let default = finish(plain).await.body["id"].as_str().unwrap().to_owned();
    assert_ne!(default, immutable);
    assert_eq!(stage.get(&event(AMY, &default)).await.body["id"], immutable.as_str());
    assert_eq!(stage.patch(&event(AMY, &default), &json!({"subject": "x"})).await.status, 200);
}

#[tokio::test]
async fn ids_are_case_sensitive_and_strangers_are_told_from_nonsense() {
    let stage = Stage::new().await;
    stage.person(json!({"address": "ben@contoso.com"})).await;
    let id = stage.leave(&leave()).await;
    let swapped: String = id
        .chars()
        .map(|c| if c.is_ascii_lowercase() { c.to_ascii_uppercase() } else { c.to_ascii_lowercase() })
        .collect();
    assert!(stage.get(&event(AMY, &swapped)).await.status >= 400);
    let last = id.char_indices().rfind(|(_, c)| c.is_ascii_alphabetic()).unwrap().0;
    let mut other_case = id.clone();
    let flipped = if id.as_bytes()[last].is_ascii_lowercase() {
        id[last..=last].to_uppercase()
    } else {
        id[last..=last].to_lowercase()
    };
    other_case.replace_range(last..=last, &flipped);
    assert!(stage.get(&event(AMY, &other_case)).await.status >= 400, "{id} {other_case}");
    assert_eq!(stage.get(&event("ben@contoso.com", &id)).await.refusal(), (404, "ErrorItemNotFound"));
    assert_eq!(stage.get(&event(AMY, "nonsense")).await.refusal(), (400, "ErrorInvalidIdMalformed"));
}

#[tokio::test]
async fn some_ids_hold_a_slash_and_must_be_encoded() {
    let stage = Stage::new().await;
    let mut found = None;
    for number in 0..400 {
        let id = stage.leave(&hour(&format!("{number}"), "2026-12-21")).await;
        assert!(id.contains('='));
        if id.contains('/') {
            found = Some(id);
            break;
        }
    }
    let id = found.expect("one id in so many holds a slash");
    assert_eq!(stage.get(&event(AMY, &id)).await.status, 200);
    assert!(stage.get(&format!("/users/{AMY}/events/{id}")).await.status >= 400);
}

#[tokio::test]
async fn times_come_in_utc_or_in_the_preferred_zone() {
    let stage = Stage::new().await;
    let mut timed = hour("Dentist", "2026-12-21");
    timed["start"]["timeZone"] = json!("China Standard Time");
    timed["end"]["timeZone"] = json!("Asia/Shanghai");
    let id = stage.leave(&timed).await;
    assert_eq!(
        stage.get(&event(AMY, &id)).await.body["start"],
        json!({"dateTime": "2026-12-21T01:00:00.0000000", "timeZone": "UTC"})
    );
    let prefer = |zone: &str| {
        let request = stage.client.get(format!("{}/v1.0{}", stage.base, event(AMY, &id))).bearer_auth(&stage.token);
        finish(
            request
                .header("prefer", "outlook.body-content-type=\"text\"")
                .header("prefer", format!("outlook.timezone=\"{zone}\"")),
        )
    };
    let answer = prefer("Tokyo Standard Time").await;
    assert_eq!(
        answer.body["start"],
        json!({"dateTime": "2026-12-21T10:00:00.0000000", "timeZone": "Tokyo Standard Time"})
    );
    assert_eq!(answer.body["body"]["contentType"], "text");
    assert_eq!(prefer("Mars").await.refusal(), (400, "TimeZoneNotSupportedException"));
}

#[tokio::test]
async fn a_patch_keeps_what_it_does_not_mention_and_gives_a_new_tag() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave_with(json!({"transactionId": "t1"}))).await;
    let before = stage.get(&event(AMY, &id)).await.body;
    stage.advance(1);
    let answer = stage.patch(&event(AMY, &id), &json!({"subject": "Sick", "transactionId": "t2", "id": "x"})).await;
    assert_eq!(answer.status, 200, "{}", answer.body);
    assert_eq!(answer.body["subject"], "Sick");
    for same in ["id", "transactionId", "showAs", "start", "categories", "createdDateTime", "iCalUId"] {
        assert_eq!(answer.body[same], before[same], "{same}");
    }
    for new in ["changeKey", "@odata.etag", "lastModifiedDateTime"] {
        assert_ne!(answer.body[new], before[new], "{new}");
    }
    assert_eq!(stage.stored(AMY).await[0]["singleValueExtendedProperties"][0]["value"], "ess:10042");
    let bad = stage
        .patch(&event(AMY, &id), &json!({"start": {"dateTime": "2026-12-30T00:00:00", "timeZone": "Asia/Shanghai"}}))
        .await;
    assert_eq!(bad.refusal(), (400, "ErrorInvalidRequest"));
}

#[tokio::test]
async fn if_match_guards_changes_unless_switched_off() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    let tag = stage.get(&event(AMY, &id)).await.body["@odata.etag"].as_str().unwrap().to_owned();
    let patch = |tag: &str| {
        let request = stage.request(Method::PATCH, &event(AMY, &id)).header("if-match", tag.to_owned());
        finish(request.json(&json!({"subject": "x"})))
    };
    assert_eq!(patch(&tag).await.status, 200);
    let refused = patch(&tag).await;
    assert_eq!(refused.refusal(), (412, "ErrorIrresolvableConflict"));
    assert_eq!(patch("*").await.status, 200);
    let delete = stage.request(Method::DELETE, &event(AMY, &id)).header("if-match", &tag);
    assert_eq!(finish(delete).await.status, 412);
    stage.settings(json!({"if_match": "ignored"})).await;
    assert_eq!(patch(&tag).await.status, 200);
}

#[tokio::test]
async fn a_deleted_event_is_gone_from_graph_and_kept_in_the_store() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    let answer = stage.delete(&event(AMY, &id)).await;
    assert_eq!((answer.status, answer.body), (204, Value::String(String::new())));
    for answer in [
        stage.delete(&event(AMY, &id)).await,
        stage.get(&event(AMY, &id)).await,
        stage.patch(&event(AMY, &id), &json!({"subject": "x"})).await,
    ] {
        assert_eq!(answer.refusal(), (404, "ErrorItemNotFound"));
    }
    assert_eq!(stage.stored(AMY).await[0]["deleted"], true);
}

#[tokio::test]
async fn a_deleted_event_can_be_made_to_answer_but_never_to_be_found() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    stage.settings(json!({"deleted_item_get": "still-there"})).await;
    assert_eq!(stage.delete(&event(AMY, &id)).await.status, 204);
    assert_eq!(stage.get(&event(AMY, &id)).await.status, 200);
    assert_eq!(stage.patch(&event(AMY, &id), &json!({"subject": "Ghost"})).await.status, 200);
    assert_eq!(stage.delete(&event(AMY, &id)).await.status, 404);
    assert_eq!(stage.stored(AMY).await[0]["deleted"], true);
    let filter = format!(
        "{}?$filter=singleValueExtendedProperties/Any(ep: ep/id eq '{MARKER}' and ep/value eq 'ess:10042')",
        events(AMY)
    );
    let view = format!("/users/{AMY}/calendarView?startDateTime=2026-12-01&endDateTime=2027-01-01");
    for list in [filter, view, events(AMY)] {
        assert_eq!(stage.get(&list).await.body["value"], json!([]), "{list}");
    }
}

#[tokio::test]
async fn permanent_delete_leaves_nothing() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave_with(json!({"transactionId": "t"}))).await;
    let path = format!("{}/permanentDelete", event(AMY, &id));
    assert_eq!(stage.post(&path, &json!({})).await.status, 204);
    assert!(stage.stored(AMY).await.is_empty());
    assert_eq!(stage.post(&path, &json!({})).await.status, 404);
}

#[tokio::test]
async fn only_a_meeting_can_be_cancelled_and_attendees_get_mail() {
    let stage = Stage::new().await;
    let attendee = json!({"emailAddress": {"address": "ben@contoso.com", "name": "Ben"}, "type": "required"});
    let meeting = stage.leave(&leave_with(json!({"attendees": [attendee]}))).await;
    assert_eq!(
        stage.get(&event(AMY, &meeting)).await.body["attendees"][0]["emailAddress"]["address"],
        "ben@contoso.com"
    );
    assert_eq!(stage.score().await["invitations"], 1);
    let alone = stage.leave(&leave()).await;
    let cancel = |id: &str| format!("{}/cancel", event(AMY, id));
    assert_eq!(stage.post(&cancel(&alone), &json!({})).await.refusal(), (400, "ErrorInvalidRequest"));
    assert_eq!(stage.post(&cancel(&meeting), &json!({})).await.status, 202);
    assert_eq!(stage.score().await["invitations"], 2);
    let crowd = vec![attendee; 501];
    assert_eq!(stage.post(&events(AMY), &leave_with(json!({"attendees": crowd}))).await.status, 400);
}

#[tokio::test]
async fn the_marker_is_shown_when_asked_for() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    let path = |name: &str| {
        let marker = MARKER.replace("LeaveBridgeKey", name);
        format!("{}?$expand=singleValueExtendedProperties($filter=id eq '{marker}')", event(AMY, &id))
    };
    let shown = stage.get(&path("LeaveBridgeKey")).await.body;
    assert_eq!(shown["singleValueExtendedProperties"], json!([{"id": MARKER, "value": "ess:10042"}]));
    assert_eq!(stage.get(&path("leavebridgekey")).await.body.get("singleValueExtendedProperties"), None);
    let renamed = json!({"singleValueExtendedProperties": [{"id": MARKER, "value": "ess:2"}]});
    stage.patch(&event(AMY, &id), &renamed).await;
    assert_eq!(stage.get(&path("LeaveBridgeKey")).await.body["singleValueExtendedProperties"][0]["value"], "ess:2");
}

#[tokio::test]
async fn long_subjects_are_cut_or_refused_as_switched() {
    let stage = Stage::new().await;
    let long = leave_with(json!({"subject": "x".repeat(300)}));
    let subject = stage.post(&events(AMY), &long).await.body["subject"].as_str().unwrap().to_owned();
    assert_eq!(subject.chars().count(), 255);
    stage.settings(json!({"long_subject": "reject"})).await;
    assert_eq!(stage.post(&events(AMY), &long).await.status, 400);
}

#[tokio::test]
async fn a_selection_shows_only_what_was_asked_for() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    let body = stage.get(&format!("{}?$select=subject,changeKey", event(AMY, &id))).await.body;
    let names: Vec<&String> = body.as_object().unwrap().keys().collect();
    assert_eq!(names, ["@odata.context", "@odata.etag", "changeKey", "id", "subject"]);
    assert_eq!(stage.get(&format!("{}?$select=colour", event(AMY, &id))).await.refusal(), (400, "BadRequest"));
}
