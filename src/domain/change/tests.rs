use proptest::prelude::*;
use serde_json::json;

use super::*;

fn now() -> Timestamp {
    "2026-11-22T01:30:00Z".parse().unwrap()
}

fn whole() -> Value {
    json!({
        "type": "leave.created", "timestamp": "2026-11-22T09:30:00+08:00",
        "data": {
            "id": "LA-2026-000123", "tenant": "acme",
            "staff": {"email": "Amy.Chan@Contoso.com", "employee_id": "10042", "name": "陳 Amy"},
            "leave_type": "ANNUAL", "status": "approved", "start": "2026-12-21", "end": "2026-12-23",
            "start_session": "pm", "end_session": "am", "time_zone": "Asia/Hong_Kong", "reason": "family trip",
            "department": "Sales"
        }
    })
}

fn with(pointer: &str, value: Value) -> Value {
    let mut body = whole();
    let (parent, name) = pointer.rsplit_once('/').unwrap();
    body.pointer_mut(parent).unwrap()[name] = value;
    body
}

fn fields_with_problems(body: &Value) -> Vec<String> {
    match LeaveChange::parse(body, now()) {
        Ok(_) => Vec::new(),
        Err(problems) => problems.into_vec().into_iter().map(|problem| problem.field).collect(),
    }
}

#[test]
fn a_whole_leave_is_read_and_its_reason_is_left_behind() {
    let change = LeaveChange::parse(&whole(), now()).unwrap();
    assert_eq!(change.id, "LA-2026-000123");
    assert_eq!(change.tenant.as_deref(), Some("acme"));
    assert_eq!(change.at, now());
    assert_eq!(change.status, Status::Approved);
    let leave = change.leave.unwrap();
    assert_eq!(leave.staff.mailbox(), "amy.chan@contoso.com");
    assert_eq!(leave.time_zone.as_ref().unwrap().name(), "Asia/Hong_Kong");
    let stored = serde_json::to_string(&leave).unwrap();
    assert!(!stored.contains("family trip"));
    assert_eq!(serde_json::from_str::<Leave>(&stored).unwrap(), leave);
}

#[test]
fn a_cancellation_needs_only_the_id_and_the_time() {
    let body = json!({"type": "leave.cancelled", "timestamp": "2026-11-22T01:00:00Z", "data": {"id": "A"}});
    let change = LeaveChange::parse(&body, now()).unwrap();
    assert_eq!((change.status, change.leave), (Status::Cancelled, None));
}

#[test]
fn all_problems_are_named_at_once() {
    let body = json!({
        "type": "leave.made", "timestamp": "yesterday",
        "data": {"id": "", "start": "21.12.2026", "end": "2026-12-20T10:00:00Z", "status": "maybe", "staff": {}}
    });
    assert_eq!(
        fields_with_problems(&body),
        ["type", "timestamp", "data.id", "data.status", "data.start", "data.end", "data.staff.email"]
    );
}

#[test]
fn each_field_refuses_what_it_must_refuse() {
    let long = "x".repeat(300);
    let cases: Vec<(&str, Value)> = vec![
        ("/type", json!("leave.deleted")),
        ("/type", json!(null)),
        ("/timestamp", json!("2026-11-22T09:30:00")),
        ("/timestamp", json!("2026-11-22T01:35:01Z")),
        ("/timestamp", json!("1999-12-31T23:59:59Z")),
        ("/timestamp", json!("-009999-01-02T01:00:00Z")),
        ("/data", json!([])),
        ("/data/id", json!("")),
        ("/data/id", json!(" A")),
        ("/data/id", json!("..")),
        ("/data/id", json!("A\u{0}B")),
        ("/data/id", json!("A\nB")),
        ("/data/id", json!("A\u{202e}B")),
        ("/data/id", json!("x".repeat(129))),
        ("/data/tenant", json!(long)),
        ("/data/staff", json!("amy")),
        ("/data/staff/email", json!("amy")),
        ("/data/staff/email", json!("a@b@c")),
        ("/data/staff/email", json!("amy chan@contoso.com")),
        ("/data/staff/email", json!("../x@contoso.com")),
        ("/data/staff/email", json!(format!("{long}@contoso.com"))),
        ("/data/staff/entra_id", json!("10042")),
        ("/data/staff/employee_id", json!(long)),
        ("/data/staff/name", json!("\u{7}")),
        ("/data/leave_type", json!("")),
        ("/data/status", json!("Approved")),
        ("/data/start", json!("2026-12-24")),
        ("/data/start", json!("2026-02-29")),
        ("/data/start", json!("1999-12-31")),
        ("/data/start", json!("2026-12-21T09:00")),
        ("/data/end", json!("2026-12-23+08:00")),
        ("/data/end", json!("2026-12-23Z")),
        ("/data/end", json!("2026-12-20")),
        ("/data/end", json!("2027-12-23")),
        ("/data/end", json!("2101-01-01")),
        ("/data/start_session", json!("AM")),
        ("/data/end_session", json!("evening")),
        ("/data/time_zone", json!("Mars/Olympus")),
        ("/data/time_zone", json!("+08:00")),
        ("/data/department", json!("\u{0}")),
    ];
    for (pointer, value) in cases {
        let field = pointer[1..].replace('/', ".");
        let problems = fields_with_problems(&with(pointer, value.clone()));
        let about_the_span = field == "data.start" && problems == ["data.end"];
        assert!(problems == [field.as_str()] || about_the_span, "{field} = {value}: {problems:?}");
    }
}

#[test]
fn every_field_refuses_every_other_type() {
    for pointer in [
        "/type",
        "/timestamp",
        "/data",
        "/data/id",
        "/data/tenant",
        "/data/staff",
        "/data/staff/email",
        "/data/staff/entra_id",
        "/data/staff/employee_id",
        "/data/staff/name",
        "/data/leave_type",
        "/data/status",
        "/data/start",
        "/data/end",
        "/data/start_session",
        "/data/end_session",
        "/data/time_zone",
        "/data/department",
    ] {
        for value in [json!(7), json!(true), json!([]), json!(["x"]), json!(1.5)] {
            let problems = fields_with_problems(&with(pointer, value.clone()));
            assert_eq!(problems, [pointer[1..].replace('/', ".")], "{value}");
        }
    }
    for value in [json!(null), json!(7), json!([[[[]]]]), json!("text")] {
        assert_eq!(fields_with_problems(&value), ["body"]);
    }
}

#[test]
fn optional_fields_may_be_null() {
    for pointer in ["/data/tenant", "/data/leave_type", "/data/status", "/data/time_zone", "/data/staff/name"] {
        assert!(fields_with_problems(&with(pointer, json!(null))).is_empty(), "{pointer}");
    }
}

#[test]
fn a_span_ends_after_it_begins() {
    for (start, end, start_session, end_session, fine) in [
        ("2026-12-21", "2026-12-21", json!(null), json!(null), true),
        ("2026-12-21", "2026-12-21", json!("am"), json!("am"), true),
        ("2026-12-21", "2026-12-21", json!("pm"), json!("pm"), true),
        ("2026-12-21", "2026-12-21", json!("pm"), json!("am"), false),
        ("2026-01-01", "2027-01-01", json!(null), json!(null), true),
        ("2026-01-01", "2027-01-02", json!(null), json!(null), false),
        ("2026-12-21T14:00", "2026-12-21T15:00", json!(null), json!(null), true),
        ("2026-12-21T14:00", "2026-12-21T14:00", json!(null), json!(null), false),
        ("2026-12-21T14:00", "2026-12-21T13:00", json!(null), json!(null), false),
        ("2026-12-21T14:00", "2026-12-21T15:00", json!("am"), json!(null), false),
        ("2026-12-21T22:00", "2026-12-22T06:00:00", json!(null), json!(null), true),
        ("2026-12-21", "2026-12-21T15:00", json!(null), json!(null), false),
    ] {
        let mut body = whole();
        body["data"]["start"] = json!(start);
        body["data"]["end"] = json!(end);
        body["data"]["start_session"] = start_session;
        body["data"]["end_session"] = end_session;
        assert_eq!(fields_with_problems(&body).is_empty(), fine, "{start} {end}");
    }
}

#[test]
fn whole_days_need_a_zone_that_outlook_knows_and_hours_do_not() {
    let mut body = with("/data/time_zone", json!("Antarctica/Troll"));
    body["data"]["start_session"] = json!(null);
    body["data"]["end_session"] = json!(null);
    assert_eq!(fields_with_problems(&body), ["data.time_zone"]);
    body["data"]["start"] = json!("2026-12-21T09:00");
    body["data"]["end"] = json!("2026-12-21T10:00");
    assert!(fields_with_problems(&body).is_empty());
}

proptest! {
    #[test]
    fn no_body_whatever_makes_it_panic_or_repeats_a_value(text in "\\PC{0,40}", pointer in 0..4_usize) {
        let pointer = ["/data/id", "/data/start", "/data/staff/email", "/data/time_zone"][pointer];
        if let Err(problems) = LeaveChange::parse(&with(pointer, json!(format!("§{text}§"))), now()) {
            prop_assert!(!problems.to_string().contains('§'));
        }
    }
}
