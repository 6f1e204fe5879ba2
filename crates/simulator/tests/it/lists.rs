//! Finding events: by marker, by window, page by page.

use reqwest::Method;
use serde_json::{Value, json};

use super::stage::{AMY, Answer, MARKER, Stage, event, events, finish, hour, leave, leave_with};

fn subjects(answer: &Answer) -> Vec<&str> {
    assert_eq!(answer.status, 200, "{}", answer.body);
    answer.body["value"].as_array().unwrap().iter().map(|event| event["subject"].as_str().unwrap()).collect()
}

async fn search(stage: &Stage, path: &str, query: &[(&str, &str)]) -> Answer {
    finish(stage.request(Method::GET, path).query(query)).await
}

#[tokio::test]
async fn a_marker_is_found_by_name_exactly_and_by_value_in_any_case() {
    let stage = Stage::new().await;
    let id = stage.leave(&leave()).await;
    stage.leave(&hour("Other", "2026-12-21")).await;
    let find = async |name: &str, value: &str| {
        let marker = MARKER.replace("LeaveBridgeKey", name);
        let filter = format!("singleValueExtendedProperties/Any(ep: ep/id eq '{marker}' and ep/value eq '{value}')");
        let answer = search(&stage, &events(AMY), &[("$filter", &filter)]).await;
        subjects(&answer).len()
    };
    assert_eq!(find("LeaveBridgeKey", "ess:10042").await, 1);
    assert_eq!(find("LeaveBridgeKey", "ESS:10042").await, 1);
    assert_eq!(find("leavebridgekey", "ess:10042").await, 0);
    assert_eq!(find("LeaveBridgeKey", "ess:1").await, 0);
    let renamed = json!({"singleValueExtendedProperties": [{"id": MARKER, "value": "o'neil"}]});
    stage.patch(&event(AMY, &id), &renamed).await;
    assert_eq!(find("LeaveBridgeKey", "ess:10042").await, 0);
    assert_eq!(find("LeaveBridgeKey", "o''neil").await, 1);
    stage.delete(&event(AMY, &id)).await;
    assert_eq!(find("LeaveBridgeKey", "o''neil").await, 0);
}

#[tokio::test]
async fn a_marker_is_found_in_every_calendar_of_the_mailbox() {
    let stage = Stage::new().await;
    let calendar = stage.post(&format!("/users/{AMY}/calendars"), &json!({"name": "Team"})).await;
    let id = calendar.body["id"].as_str().unwrap().replace('=', "%3D").replace('/', "%2F").replace('+', "%2B");
    let path = format!("/users/{AMY}/calendars/{id}/events");
    assert_eq!(stage.post(&path, &leave()).await.status, 201);
    let filter = format!("singleValueExtendedProperties/any(x: x/id eq '{MARKER}' and startswith(x/value, 'ESS:'))");
    assert_eq!(subjects(&search(&stage, &events(AMY), &[("$filter", &filter)]).await), ["Annual leave"]);
    assert_eq!(subjects(&stage.get(&path).await), ["Annual leave"]);
    assert!(subjects(&stage.get(&format!("/users/{AMY}/calendar/events")).await).is_empty());
    let window = "calendarView?startDateTime=2026-12-01&endDateTime=2027-01-01";
    assert!(subjects(&stage.get(&format!("/users/{AMY}/{window}")).await).is_empty());
    assert_eq!(subjects(&stage.get(&format!("/users/{AMY}/calendars/{id}/{window}")).await).len(), 1);
}

#[tokio::test]
async fn other_filters_work_and_nonsense_is_refused() {
    let stage = Stage::new().await;
    stage.leave(&leave()).await;
    stage.leave(&hour("Dentist", "2026-11-30")).await;
    for (filter, expected) in [
        ("subject eq 'dentist'", vec!["Dentist"]),
        ("start/dateTime ge '2026-12-01T00:00:00'", vec!["Annual leave"]),
        ("isAllDay eq false or contains(subject, 'leave')", vec!["Annual leave", "Dentist"]),
        ("categories/any(c: c eq 'Leave')", vec!["Annual leave"]),
        ("not (subject eq 'Dentist')", vec!["Annual leave"]),
        ("createdDateTime lt 2026-01-01T00:00:00Z", vec![]),
    ] {
        assert_eq!(subjects(&search(&stage, &events(AMY), &[("$filter", filter)]).await), expected, "{filter}");
    }
    for filter in ["subject", "transactionId eq 'x'", "attachments/any(a: a/name eq 'x')", "start/dateTime ge 'soon'"] {
        let answer = search(&stage, &events(AMY), &[("$filter", filter)]).await;
        assert_eq!(answer.refusal(), (400, "ErrorInvalidUrlQueryFilter"), "{filter}");
    }
}

#[tokio::test]
async fn a_view_holds_what_overlaps_its_window() {
    let stage = Stage::new().await;
    stage.leave(&leave()).await;
    stage.leave(&hour("Early", "2026-12-20")).await;
    let view = async |start: &str, end: &str| {
        let query = [("startDateTime", start), ("endDateTime", end)];
        let answer = search(&stage, &format!("/users/{AMY}/calendarView"), &query).await;
        subjects(&answer).iter().map(|subject| (*subject).to_owned()).collect::<Vec<_>>()
    };
    // In Shanghai the leave begins at 16:00 UTC of the day before.
    assert_eq!(view("2026-12-20T00:00:00Z", "2026-12-31T00:00:00Z").await, ["Early", "Annual leave"]);
    assert!(view("2026-12-20T10:00:00Z", "2026-12-20T16:00:00Z").await.is_empty());
    assert_eq!(view("2026-12-20T10:00:00", "2026-12-20T16:00:01").await, ["Annual leave"]);
    assert!(view("2026-12-24T00:00:00+08:00", "2026-12-25T00:00:00+08:00").await.is_empty());
}

#[tokio::test]
async fn a_view_needs_its_window() {
    let stage = Stage::new().await;
    let path = format!("/users/{AMY}/calendarView");
    let words =
        "This request requires a time window specified by the query string parameters StartDateTime and EndDateTime.";
    for query in ["", "?startDateTime=2026-12-01", "?endDateTime=2026-12-01"] {
        let answer = stage.get(&format!("{path}{query}")).await;
        assert_eq!((answer.refusal(), answer.message()), ((400, "ErrorInvalidParameter"), words), "{query}");
    }
    for query in ["?startDateTime=soon&endDateTime=2026-12-01", "?startDateTime=2026-12-02&endDateTime=2026-12-01"] {
        assert_eq!(stage.get(&format!("{path}{query}")).await.refusal(), (400, "ErrorInvalidParameter"), "{query}");
    }
    let select = format!("{path}?startDateTime=2026-12-01&endDateTime=2026-12-02&$select=createdDateTime");
    assert_eq!(stage.get(&select).await.status, 400);
}

#[tokio::test]
async fn pages_are_ten_long_and_linked() {
    let stage = Stage::new().await;
    for number in 0..23 {
        stage.leave(&hour(&format!("{number:02}"), "2026-12-21")).await;
    }
    let mut link = events(AMY);
    let mut lengths = Vec::new();
    let mut seen: Vec<String> = Vec::new();
    loop {
        let page = stage.get(&link).await;
        lengths.push(subjects(&page).len());
        seen.extend(subjects(&page).iter().map(|subject| (*subject).to_owned()));
        let Some(next) = page.body["@odata.nextLink"].as_str() else { break };
        assert!(next.starts_with(&format!("{}/v1.0/", stage.base)) && next.contains("skiptoken="), "{next}");
        link = next.to_owned();
    }
    assert_eq!(lengths, [10, 10, 3]);
    seen.dedup();
    assert_eq!(seen.len(), 23);
    assert_eq!(subjects(&stage.get(&format!("{}?$top=1000", events(AMY))).await).len(), 23);
    for bad in ["$top=0", "$top=1001", "$skiptoken=x"] {
        assert_eq!(
            stage.get(&format!("{}?{bad}", events(AMY))).await.refusal(),
            (400, "ErrorInvalidUrlQuery"),
            "{bad}"
        );
    }
}

#[tokio::test]
async fn lists_are_ordered_selected_counted_and_sized_as_asked() {
    let stage = Stage::new().await;
    for (subject, date) in [("b", "2026-12-22"), ("a", "2026-12-21"), ("c", "2026-12-23")] {
        stage.leave(&hour(subject, date)).await;
    }
    let query = [("$orderby", "start/dateTime desc"), ("$select", "subject"), ("$count", "true")];
    let request = stage.request(Method::GET, &events(AMY)).header("prefer", "odata.maxpagesize=2").query(&query);
    let answer = finish(request).await;
    assert_eq!(subjects(&answer), ["c", "b"]);
    assert_eq!(answer.body["@odata.count"], 3);
    assert_eq!(answer.body["value"][0].get("start"), None::<&Value>);
    let next = finish(stage.request(Method::GET, answer.body["@odata.nextLink"].as_str().unwrap())).await;
    assert_eq!(subjects(&next), ["a"]);
    assert_eq!(stage.get(&format!("{}?$orderby=webLink", events(AMY))).await.status, 400);
}

#[tokio::test]
async fn expansion_works_in_lists() {
    let stage = Stage::new().await;
    stage.leave(&leave_with(json!({"subject": "x"}))).await;
    let expand = format!("singleValueExtendedProperties($filter=id eq '{MARKER}')");
    let answer = search(&stage, &events(AMY), &[("$expand", &expand), ("$select", "subject")]).await;
    assert_eq!(answer.body["value"][0]["singleValueExtendedProperties"][0]["value"], "ess:10042");
    let all = search(&stage, &events(AMY), &[("$expand", "singleValueExtendedProperties")]).await;
    assert_eq!(all.status, 400);
}
