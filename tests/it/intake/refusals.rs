//! What is refused, in which words, and that nothing of it is stored.

use serde_json::{Value, json};

use super::{assert_nothing_stored, post};
use crate::support::{TestApp, answer, assert_refused, fields, leave};

/// The usual leave with one field set to something else; `null` is the same as leaving it out.
fn with(pointer: &str, value: &Value) -> Value {
    let mut body = leave("LA-1");
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value.clone();
    body
}

#[tokio::test]
async fn what_is_not_json_is_refused_with_400() {
    let app = TestApp::new().await;
    let (nested, unclosed) = (format!("{}{}", "[".repeat(200), "]".repeat(200)), leave("LA-1").to_string());
    for body in [
        b"".as_slice(),
        b" ",
        b"leave",
        b"{",
        b"{'type': 'leave.created'}",
        b"{\"type\": NaN}",
        b"{} {}",
        b"\xef\xbb\xbf{}",
        b"{\"type\": \"\xff\"}",
        b"type=leave.created",
        nested.as_bytes(),
        &unclosed.as_bytes()[..unclosed.len() - 1],
    ] {
        assert_refused(&answer(post(&app, body.to_vec())).await, 400, "not-json");
    }
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn json_that_is_no_object_is_refused_with_422() {
    let app = TestApp::new().await;
    let nested = format!("{}{}", "[".repeat(64), "]".repeat(64));
    for body in ["null", "true", "7", "1e9", "\"leave.created\"", "[]", "[{}]", nested.as_str()] {
        assert_eq!(fields(&answer(post(&app, body.to_owned())).await), ["body"], "{body}");
    }
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn every_field_refuses_every_other_type_by_its_name() {
    let app = TestApp::new().await;
    let texts = "type timestamp data.id data.tenant data.staff.email data.staff.entra_id data.staff.employee_id \
                 data.staff.name data.leave_type data.status data.start data.end data.start_session data.end_session \
                 data.time_zone data.department";
    let fields_and_strangers = texts.split_whitespace().map(|text| (text, json!({"x": "y"})));
    for (field, stranger) in fields_and_strangers.chain(["data", "data.staff"].map(|object| (object, json!("x")))) {
        for value in [json!(7), json!(true), json!(["x"]), json!(1.5), stranger] {
            let body = with(&format!("/{}", field.replace('.', "/")), &value);
            assert_eq!(fields(&answer(post(&app, body.to_string())).await), [field], "{value}");
        }
    }
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn every_field_refuses_what_it_cannot_mean_by_its_name() {
    let app = TestApp::new().await;
    for (pointer, value, field) in [
        ("/type", json!("leave.deleted"), "type"),
        ("/type", json!("Leave.Created"), "type"),
        ("/type", json!(null), "type"),
        ("/timestamp", json!(null), "timestamp"),
        ("/timestamp", json!("2026-11-22"), "timestamp"),
        ("/timestamp", json!("2026-11-22T09:30:00"), "timestamp"),
        ("/timestamp", json!("1763775000"), "timestamp"),
        ("/data", json!(null), "data"),
        ("/data/id", json!(null), "data.id"),
        ("/data/id", json!(""), "data.id"),
        ("/data/id", json!(" LA-1"), "data.id"),
        ("/data/staff", json!(null), "data.staff"),
        ("/data/staff/email", json!(null), "data.staff.email"),
        ("/data/staff/email", json!("amy.chan"), "data.staff.email"),
        ("/data/staff/email", json!("amy.chan@contoso.com/../ben"), "data.staff.email"),
        ("/data/staff/entra_id", json!("10042"), "data.staff.entra_id"),
        ("/data/status", json!("granted"), "data.status"),
        ("/data/status", json!("APPROVED"), "data.status"),
        ("/data/status", json!(""), "data.status"),
        ("/data/start", json!("2026-12-22"), "data.end"),
        ("/data/end", json!("2026-12-20"), "data.end"),
        ("/data/end", json!("2027-12-22"), "data.end"),
        ("/data/end", json!("2026-12-21T18:00"), "data.end"),
        ("/data/end", json!(null), "data.end"),
        ("/data/start", json!("2026-12-21Z"), "data.start"),
        ("/data/start", json!("2026-12-21+08:00"), "data.start"),
        ("/data/start", json!("2026-12-21T09:00Z"), "data.start"),
        ("/data/start", json!("2026-12-21T09:00+08:00"), "data.start"),
        ("/data/start", json!("2026-12-21T09:00:00[Asia/Hong_Kong]"), "data.start"),
        ("/data/start", json!("21/12/2026"), "data.start"),
        ("/data/start", json!("2026-02-30"), "data.start"),
        ("/data/start", json!("1999-12-31"), "data.start"),
        ("/data/end", json!("2101-01-01"), "data.end"),
        ("/data/start_session", json!("morning"), "data.start_session"),
        ("/data/end_session", json!("PM"), "data.end_session"),
        ("/data/time_zone", json!("Mars/Olympus_Mons"), "data.time_zone"),
        ("/data/time_zone", json!("+08:00"), "data.time_zone"),
        ("/data/time_zone", json!("../../etc/passwd"), "data.time_zone"),
        ("/data/leave_type", json!(""), "data.leave_type"),
        ("/data/department", json!("Sales\u{7}"), "data.department"),
    ] {
        let body = with(pointer, &value);
        assert_eq!(fields(&answer(post(&app, body.to_string())).await), [field], "{pointer} = {value}");
    }
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn all_that_is_wrong_is_named_at_once_and_no_value_is_repeated() {
    let app = TestApp::new().await;
    let mut body = json!({
        "type": "§type", "timestamp": "§timestamp",
        "data": {
            "id": " §id", "tenant": "§\u{0}", "status": "§status", "leave_type": "§\u{1}", "department": "§\u{2}",
            "time_zone": "§zone", "start": "§start", "end": "§end", "start_session": "§am", "end_session": "§pm",
            "staff": {"email": "§email", "entra_id": "§entra", "employee_id": "§\u{3}", "name": "§\u{4}"},
        }
    });
    let refusal = answer(post(&app, body.to_string()).header("idempotency-key", "§")).await;
    let mut named = fields(&refusal);
    named.sort_unstable();
    let mut all: Vec<String> = ["type", "timestamp"].map(str::to_owned).to_vec();
    let data = body["data"].as_object_mut().unwrap();
    all.extend(data["staff"].as_object().unwrap().keys().map(|name| format!("data.staff.{name}")));
    data.remove("staff");
    all.extend(data.keys().map(|name| format!("data.{name}")));
    all.sort_unstable();
    assert_eq!(named, all);
    assert!(!refusal.body.to_string().contains('§'), "{refusal:?}");
    assert_nothing_stored(&app).await;
}

#[tokio::test]
async fn a_body_must_be_declared_as_json() {
    let app = TestApp::new().await;
    let body = leave("LA-1").to_string();
    for declared in [
        None,
        Some(""),
        Some("text/plain"),
        Some("text/json"),
        Some("application/x-www-form-urlencoded"),
        Some("application/jsonp"),
        Some("application/xml; charset=json"),
        Some("multipart/form-data; boundary=application/json"),
    ] {
        let mut request = post(&app, body.clone()).build().unwrap();
        request.headers_mut().remove("content-type");
        if let Some(declared) = declared {
            request.headers_mut().insert("content-type", declared.parse().unwrap());
        }
        let request = reqwest::RequestBuilder::from_parts(app.client.clone(), request);
        assert_refused(&answer(request).await, 415, "not-json-media-type");
    }
    assert_nothing_stored(&app).await;
    for (n, declared) in
        ["application/json; charset=utf-8", "Application/JSON", "application/cloudevents+json"].into_iter().enumerate()
    {
        let mut request = post(&app, leave(&format!("LA-{n}")).to_string()).build().unwrap();
        request.headers_mut().insert("content-type", declared.parse().unwrap());
        request.headers_mut().remove("idempotency-key");
        let request = reqwest::RequestBuilder::from_parts(app.client.clone(), request);
        assert_eq!(answer(request).await.status, 202, "{declared}");
    }
}

#[tokio::test]
async fn a_body_of_64_kib_is_read_and_one_byte_more_or_10_mb_are_refused_with_an_answer() {
    let app = TestApp::new().await;
    let padded = |length: usize| {
        let mut body = leave("LA-1").to_string().into_bytes();
        body.resize(length, b' ');
        body
    };
    for length in [(64 << 10) + 1, 10_000_000] {
        assert_refused(&answer(post(&app, padded(length))).await, 413, "too-large");
    }
    assert_nothing_stored(&app).await;
    assert_eq!(answer(post(&app, padded(64 << 10))).await.status, 202);
}
