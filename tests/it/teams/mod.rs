//! Team calendars from the webhook to the shared mailbox: beside the person's own event, never instead of it.

mod calendars;
mod trouble;

use reqwest::Method;
use serde_json::{Value, json};

use super::support::{AMY, BEN, TestApp, cancelled, leave, updated};

pub(crate) const SALES: &str = "sales-team@contoso.com";
pub(crate) const SERVICE: &str = "service-team@contoso.com";
pub(crate) const TEAMS: &str = r#"
    [policy.types.UNION]
    publish = "never"

    [[tenants.default.team_calendars]]
    mailbox = "sales-team@contoso.com"
    calendar = "Who is away"
    departments = ["Sales"]

    [[tenants.default.team_calendars]]
    mailbox = "service-team@contoso.com"
    calendar = "Who is away"
    departments = ["Service"]
"#;

/// A service with two teams, whose mailboxes are there.
pub(crate) async fn teams() -> TestApp {
    let app = TestApp::with_file(TEAMS).await;
    make_mailboxes(&app).await;
    app
}

/// The mailboxes of both teams.
async fn make_mailboxes(app: &TestApp) {
    for address in [SALES, SERVICE] {
        app.microsoft.person(json!({"address": address, "name": "Team", "kind": "shared"})).await;
    }
}

/// Amy's leave in the department Sales, with these fields of `data` changed.
pub(crate) fn of_sales(id: &str, minutes: i64, changes: &Value) -> Value {
    let mut body = updated(id, minutes, &json!({"department": "Sales"}));
    for (name, value) in changes.as_object().unwrap() {
        body["data"][name] = value.clone();
    }
    body
}

/// The mappings of a leave as `mailbox calendar state`.
pub(crate) async fn stand(app: &TestApp, leave: &str) -> Vec<String> {
    let answer = app.get(&format!("/leaves/{leave}"), Some("ess")).await;
    let mappings = answer.body["mappings"].as_array().unwrap_or_else(|| panic!("{answer:?}"));
    let word = |mapping: &Value, name: &str| mapping[name].as_str().unwrap().to_owned();
    mappings
        .iter()
        .map(|one| format!("{} {} {}", word(one, "mailbox"), word(one, "calendar"), word(one, "state")))
        .collect()
}

/// Subject and calendar of what is in a mailbox now.
pub(crate) async fn shown(app: &TestApp, address: &str) -> Vec<(String, String)> {
    let events = app.microsoft.events(address).await;
    let word = |event: &Value, name: &str| event[name].as_str().unwrap().to_owned();
    events.iter().map(|event| (word(event, "subject"), word(event, "calendar"))).collect()
}

pub(crate) fn away(name: &str) -> Vec<(String, String)> {
    vec![(format!("{name} – away"), "Who is away".to_owned())]
}

#[tokio::test]
async fn a_leave_stands_in_the_persons_own_calendar_and_in_the_teams_and_says_there_only_who_and_when() {
    let app = teams().await;
    let answer = app.deliver("backstage", &of_sales("LA-1", 0, &json!({"end": "2026-12-23"}))).await;
    assert_eq!(answer.body["mappings"].as_array().unwrap().len(), 2, "{answer:?}");

    let again = app.deliver("backstage", &of_sales("LA-1", 0, &json!({"end": "2026-12-23"}))).await;
    assert_eq!((&again.body["outcome"], &again.body["mappings"]), (&json!("unchanged"), &answer.body["mappings"]));

    let own = app.microsoft.events(AMY).await.remove(0);
    assert_eq!(
        (&own["subject"], &own["showAs"], &own["calendar"]),
        (&json!("Out of office"), &json!("oof"), &json!("Calendar"))
    );
    let events = app.microsoft.events(SALES).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!((&event["subject"], &event["calendar"]), (&json!("Amy Chan – away"), &json!("Who is away")));
    assert_eq!(
        (&event["showAs"], &event["sensitivity"], &event["isReminderOn"]),
        (&json!("free"), &json!("normal"), &json!(false))
    );
    assert_eq!((&event["isAllDay"], &event["attendees"]), (&json!(true), &json!([])));
    let days = |event: &Value| (event["start"]["dateTime"].clone(), event["end"]["dateTime"].clone());
    assert_eq!(days(event), days(&own), "the same days, each by its own calendar's clock");
    assert_eq!(app.microsoft.events(SERVICE).await.len(), 0);
    let said = event.to_string();
    for private in ["ANNUAL", "family", "Sales", "10042", "LA-1", "backstage"] {
        assert!(!said.contains(private), "{private} in {said}");
    }
    assert_ne!(event["transactionId"], own["transactionId"], "two mappings, two events");
}

#[tokio::test]
async fn what_a_kind_of_leave_keeps_to_itself_is_on_no_teams_calendar() {
    let app = teams().await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({"leave_type": "union"}))).await;
    assert_eq!(stand(&app, "LA-1").await, [format!("{AMY} default hidden"), format!("{SALES} Who is away hidden")]);
    app.deliver("ess", &of_sales("LA-1", 1, &json!({"status": "pending"}))).await;
    assert_eq!(app.microsoft.events(SALES).await[0]["showAs"], "tentative");
    app.deliver("ess", &of_sales("LA-1", 2, &json!({}))).await;
    assert_eq!(app.microsoft.events(SALES).await[0]["showAs"], "free");
    app.deliver("ess", &of_sales("LA-1", 3, &json!({"leave_type": "UNION"}))).await;
    assert_eq!(stand(&app, "LA-1").await, [format!("{AMY} default hidden"), format!("{SALES} Who is away hidden")]);
    assert_eq!((shown(&app, AMY).await, shown(&app, SALES).await), (vec![], vec![]));
}

#[tokio::test]
async fn a_leave_that_changes_department_moves_from_one_teams_calendar_to_the_others() {
    let app = teams().await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    app.deliver("ess", &of_sales("LA-1", 1, &json!({"department": "service"}))).await;
    let expected = [
        format!("{AMY} default synced"),
        format!("{SALES} Who is away removed"),
        format!("{SERVICE} Who is away synced"),
    ];
    assert_eq!(stand(&app, "LA-1").await, expected);
    assert_eq!((shown(&app, SALES).await, shown(&app, SERVICE).await), (vec![], away("Amy Chan")));

    // To no team at all, and back to the first: a new event, not the deleted one.
    app.deliver("ess", &of_sales("LA-1", 2, &json!({"department": "Research"}))).await;
    assert_eq!((shown(&app, SALES).await, shown(&app, SERVICE).await), (vec![], vec![]));
    app.deliver("ess", &of_sales("LA-1", 3, &json!({}))).await;
    assert_eq!((shown(&app, SALES).await, shown(&app, SERVICE).await), (away("Amy Chan"), vec![]));
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
    assert_eq!(app.microsoft.stored_events(AMY).await.len(), 1, "the person's own event was never touched");
}

#[tokio::test]
async fn a_leave_that_becomes_somebody_elses_stays_one_event_of_the_team_under_the_other_name() {
    let app = teams().await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    let before = app.microsoft.events(SALES).await.remove(0);
    app.deliver("ess", &of_sales("LA-1", 1, &json!({"staff": {"email": BEN, "name": "Ben Okafor"}}))).await;
    let stored = app.microsoft.stored_events(SALES).await;
    assert_eq!(
        (stored.len(), &stored[0]["id"], &stored[0]["subject"]),
        (1, &before["id"], &json!("Ben Okafor – away"))
    );
    assert_eq!((app.microsoft.events(AMY).await.len(), app.microsoft.events(BEN).await.len()), (0, 1));
}

#[tokio::test]
async fn a_cancellation_that_names_only_the_leave_takes_it_from_every_calendar() {
    let app = teams().await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    let answer = app.deliver("ess", &cancelled("LA-1", 1)).await;
    assert_eq!(answer.body["leave"]["status"], "cancelled");
    assert_eq!(stand(&app, "LA-1").await, [format!("{AMY} default removed"), format!("{SALES} Who is away removed")]);
    assert_eq!((shown(&app, AMY).await, shown(&app, SALES).await), (vec![], vec![]));
    // A late change brings back neither.
    app.deliver("ess", &of_sales("LA-1", 0, &json!({"end": "2026-12-22"}))).await;
    app.deliver("ess", &of_sales("LA-2", 0, &json!({}))).await;
    assert_eq!(shown(&app, SALES).await, away("Amy Chan"), "of the other leave");
}

#[tokio::test]
async fn operators_find_both_mappings_each_by_its_mailbox_with_one_history() {
    let app = teams().await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    app.deliver("ess", &leave("LA-2")).await;
    for (query, expected) in [
        (format!("mailbox={SALES}"), vec![(SALES, "Who is away")]),
        (format!("mailbox={AMY}&leave=LA-1"), vec![(AMY, "default")]),
        ("leave=LA-2".into(), vec![(AMY, "default")]),
        ("leave=LA-1&state=synced".into(), vec![(AMY, "default"), (SALES, "Who is away")]),
        ("leave=LA-1&state=parked".into(), vec![]),
    ] {
        let answer = app.get(&format!("/mappings?{query}"), Some("ops")).await;
        let mappings = answer.body["mappings"].as_array().unwrap();
        let mut seen: Vec<_> =
            mappings.iter().map(|one| (one["mailbox"].as_str().unwrap(), one["calendar"].as_str().unwrap())).collect();
        seen.sort_unstable();
        assert_eq!(seen, expected, "{query}");
    }
    let list = app.get(&format!("/mappings?mailbox={SALES}"), Some("ops")).await;
    let one = app.get(&format!("/mappings/{}", list.body["mappings"][0]["id"].as_str().unwrap()), Some("ops")).await;
    assert_eq!(one.body["event_id"], app.microsoft.events(SALES).await[0]["id"]);
    let told: Vec<_> = one.body["timeline"].as_array().unwrap().iter().map(|line| line["kind"].clone()).collect();
    assert_eq!(told, ["received", "delivered", "delivered"]);
}

#[tokio::test]
async fn the_teams_event_keeps_the_persons_time_not_the_shared_mailboxs() {
    let app = teams().await;
    // As a mailbox whose settings have been read.
    app.deliver("ess", &of_sales("LA-0", 0, &json!({}))).await;
    app.database
        .execute(&format!(
            "UPDATE mailboxes SET time_zone = CASE address WHEN '{AMY}' THEN 'Asia/Tokyo' ELSE 'America/New_York' END"
        ))
        .await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({"time_zone": null, "start_session": "pm"}))).await;
    for address in [AMY, SALES] {
        let event = app.microsoft.events(address).await.pop().unwrap();
        let start = json!({"dateTime": "2026-12-21T13:00:00.0000000", "timeZone": "Tokyo Standard Time"});
        assert_eq!(event["start"], start, "{address}");
    }
}

#[tokio::test]
async fn what_people_make_of_the_teams_calendar_stays_theirs() {
    let app = teams().await;
    app.deliver("ess", &of_sales("LA-1", 0, &json!({}))).await;
    let meeting = json!({"subject": "Team lunch", "start": {"dateTime": "2026-12-21T12:00:00", "timeZone": "UTC"},
                         "end": {"dateTime": "2026-12-21T13:00:00", "timeZone": "UTC"}});
    app.microsoft.control(Method::POST, &format!("users/{SALES}/events"), Some(&meeting)).await;
    app.deliver("ess", &of_sales("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    app.deliver("ess", &cancelled("LA-1", 2)).await;
    assert_eq!(shown(&app, SALES).await, [("Team lunch".to_owned(), "Calendar".to_owned())]);
}
