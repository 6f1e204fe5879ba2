//! From a webhook to the right event in Outlook, through its changes, and away again.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{AMY, BEN, TestApp, cancelled, leave, until, updated};

#[tokio::test]
async fn a_leave_becomes_exactly_one_private_event_on_its_days() {
    let app = TestApp::new().await;
    let answer = app.deliver("ess", &updated("LA-1", 0, &json!({"end": "2026-12-23"}))).await;
    assert_eq!(answer.status, 202, "{answer:?}");
    assert_eq!(answer.body["outcome"], "accepted");
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced");
    assert_eq!(answer.headers["preference-applied"], "wait=30");

    let events = app.microsoft.events(AMY).await;
    let [event] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event["subject"], "Out of office");
    assert_eq!(event["isAllDay"], true);
    assert_eq!(event["start"], json!({"dateTime": "2026-12-21T00:00:00.0000000", "timeZone": "China Standard Time"}));
    assert_eq!(event["end"], json!({"dateTime": "2026-12-24T00:00:00.0000000", "timeZone": "China Standard Time"}));
    assert_eq!(event["showAs"], "oof");
    assert_eq!(event["sensitivity"], "private");
    assert_eq!(event["isReminderOn"], false);
    assert_eq!(event["attendees"], json!([]));
    assert_eq!(app.microsoft.calls().await, ["POST 201"], "one request, and nothing read before it");

    let mapping = app.mapping("LA-1").await;
    assert_eq!(mapping["event_id"], event["id"]);
    assert_eq!(mapping["web_link"], event["webLink"]);
    assert_eq!(
        (&mapping["mailbox"], &mapping["calendar"], &mapping["attempts"]),
        (&json!(AMY), &json!("default"), &json!(0))
    );
}

#[tokio::test]
async fn a_change_is_written_into_the_same_event_and_leaves_what_staff_made_of_it() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let event = app.microsoft.events(AMY).await.remove(0);
    let path = format!("users/{AMY}/events/{}", event["id"].as_str().unwrap());
    app.microsoft.control(Method::PATCH, &path, Some(&json!({"subject": "Skiing!", "showAs": "free"}))).await;

    app.deliver("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;

    let events = app.microsoft.stored_events(AMY).await;
    let [changed] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(changed["id"], event["id"]);
    assert_eq!(changed["end"]["dateTime"], "2026-12-23T00:00:00.0000000");
    assert_eq!((&changed["subject"], &changed["showAs"]), (&json!("Skiing!"), &json!("free")));
}

#[tokio::test]
async fn a_cancellation_takes_the_event_away_and_a_later_approval_makes_a_new_one() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let first = app.microsoft.events(AMY).await.remove(0);

    let answer = app.deliver("ess", &cancelled("LA-1", 1)).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "removed");
    assert_eq!(answer.body["leave"]["status"], "cancelled");
    assert_eq!(app.microsoft.events(AMY).await, Vec::<Value>::new());
    assert_eq!(app.mapping("LA-1").await["event_id"], Value::Null);

    // Back to exactly what it was: the deleted event must not be taken for the new one.
    app.deliver("ess", &updated("LA-1", 2, &json!({}))).await;
    let events = app.microsoft.events(AMY).await;
    let [second] = events.as_slice() else { panic!("{events:?}") };
    assert_ne!(second["id"], first["id"]);
    assert_ne!(second["transactionId"], first["transactionId"]);
    assert_eq!(app.microsoft.score().await["duplicates"], 0);
}

#[tokio::test]
async fn each_status_shows_as_the_policy_says() {
    let app = TestApp::new().await;
    for (n, (status, shows)) in [
        ("pending", Some("tentative")),
        ("approved", Some("oof")),
        ("rejected", None),
        ("approved", Some("oof")),
        ("cancelled", None),
    ]
    .into_iter()
    .enumerate()
    {
        let minutes = i64::try_from(n).unwrap();
        app.deliver("ess", &updated("LA-1", minutes, &json!({"status": status}))).await;
        let shown: Vec<_> = app.microsoft.events(AMY).await.into_iter().map(|event| event["showAs"].clone()).collect();
        assert_eq!(shown, shows.map(Value::from).into_iter().collect::<Vec<_>>(), "step {n}: {status}");
    }
}

#[tokio::test]
async fn a_leave_that_never_took_place_costs_no_request() {
    let app = TestApp::new().await;
    let answer = app.deliver("ess", &updated("LA-1", 0, &json!({"status": "rejected"}))).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "removed");
    let answer = app.deliver("ess", &cancelled("LA-2", 0)).await;
    assert_eq!(answer.body["leave"]["mappings"], json!([]));
    assert_eq!(app.microsoft.calls().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_policy_may_hide_leave_until_it_is_approved() {
    let app = TestApp::with(&[("POLICY__PUBLISH", "on-approval")]).await;
    let answer = app.deliver("ess", &updated("LA-1", 0, &json!({"status": "pending"}))).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "hidden");
    assert_eq!(app.microsoft.events(AMY).await, Vec::<Value>::new());
    app.deliver("ess", &updated("LA-1", 1, &json!({}))).await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
}

#[tokio::test]
async fn blanks_around_a_code_hide_and_show_nothing_else() {
    let app =
        TestApp::with_file("[policy.types.UNION]\npublish = \"never\"\n[policy.types.SICK]\npublish = \"on-approval\"")
            .await;
    app.deliver("ess", &updated("LA-1", 0, &json!({"leave_type": "UNION     "}))).await;
    app.deliver("ess", &updated("LA-2", 0, &json!({"leave_type": " sick", "status": "pending"}))).await;
    assert_eq!(app.microsoft.events(AMY).await, Vec::<Value>::new());
}

#[tokio::test]
async fn halves_and_hours_land_at_local_times() {
    let app = TestApp::new().await;
    for (id, changes, start, end) in [
        ("AM", json!({"end_session": "am"}), "2026-12-21T09:00", "2026-12-21T13:00"),
        ("PM", json!({"start_session": "pm"}), "2026-12-21T13:00", "2026-12-21T18:00"),
        (
            "HOURS",
            json!({"start": "2026-12-21T14:00", "end": "2026-12-21T15:30"}),
            "2026-12-21T14:00",
            "2026-12-21T15:30",
        ),
        (
            "NIGHT",
            json!({"start": "2026-12-21T22:00", "end": "2026-12-22T06:00"}),
            "2026-12-21T22:00",
            "2026-12-22T06:00",
        ),
    ] {
        let answer = app.deliver("ess", &updated(id, 0, &changes)).await;
        let event_id = &answer.body["leave"]["mappings"][0]["event_id"];
        let events = app.microsoft.events(AMY).await;
        let event = events.iter().find(|event| event["id"] == *event_id).unwrap();
        assert_eq!(event["isAllDay"], false, "{id}");
        for (field, expected) in [("start", start), ("end", end)] {
            assert_eq!(event[field]["dateTime"], format!("{expected}:00.0000000"), "{id}");
            assert_eq!(event[field]["timeZone"], "China Standard Time", "{id}");
        }
    }
}

#[tokio::test]
async fn a_leave_that_moves_to_another_person_moves_its_event_and_back() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    app.deliver("ess", &updated("LA-1", 1, &json!({"staff": {"email": BEN}}))).await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 0);
    assert_eq!(app.microsoft.events(BEN).await.len(), 1);
    let answer = app.deliver("ess", &updated("LA-1", 2, &json!({"staff": {"email": AMY}}))).await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1);
    assert_eq!(app.microsoft.events(BEN).await.len(), 0);
    let states: Vec<_> = answer.body["leave"]["mappings"].as_array().unwrap().iter().map(|m| &m["state"]).collect();
    assert_eq!(states, ["synced", "removed"]);
}

#[tokio::test]
async fn an_event_that_staff_deleted_is_made_anew_by_the_next_change_whatever_graph_says_of_deleted_events() {
    for deleted_item_get in ["not-found", "still-there"] {
        let app = TestApp::new().await;
        app.microsoft.settings(json!({"deleted_item_get": deleted_item_get})).await;
        app.deliver("ess", &leave("LA-1")).await;
        let event = app.microsoft.events(AMY).await.remove(0);
        let path = format!("users/{AMY}/events/{}", event["id"].as_str().unwrap());
        app.microsoft.control(Method::DELETE, &path, None).await;

        let answer = app.deliver("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
        assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{deleted_item_get}");
        let events = app.microsoft.events(AMY).await;
        let [anew] = events.as_slice() else { panic!("{deleted_item_get}: {events:?}") };
        assert_ne!(anew["id"], event["id"]);
        assert_eq!(anew["end"]["dateTime"], "2026-12-23T00:00:00.0000000");
        assert_eq!(app.mapping("LA-1").await["event_id"], anew["id"]);
    }
}

#[tokio::test]
async fn a_cancellation_is_content_when_staff_deleted_the_event_themselves() {
    let app = TestApp::new().await;
    app.deliver("ess", &leave("LA-1")).await;
    let event = app.microsoft.events(AMY).await.remove(0);
    let path = format!("users/{AMY}/events/{}", event["id"].as_str().unwrap());
    app.microsoft.control(Method::DELETE, &path, None).await;
    let answer = app.deliver("ess", &cancelled("LA-1", 1)).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "removed");
}

#[tokio::test]
async fn an_event_that_somebody_else_made_is_never_touched() {
    let app = TestApp::new().await;
    let own = json!({
        "subject": "Out of office", "isAllDay": true, "showAs": "oof",
        "start": {"dateTime": "2026-12-21T00:00:00", "timeZone": "China Standard Time"},
        "end": {"dateTime": "2026-12-22T00:00:00", "timeZone": "China Standard Time"},
    });
    app.microsoft.control(Method::POST, &format!("users/{AMY}/events"), Some(&own)).await;
    let before = app.microsoft.events(AMY).await;
    app.deliver("ess", &leave("LA-1")).await;
    app.deliver("ess", &cancelled("LA-1", 1)).await;
    assert_eq!(app.microsoft.events(AMY).await, before);
}

#[tokio::test]
async fn somebody_without_a_mailbox_waits_with_the_reason_and_heals_when_the_mailbox_comes() {
    let app = TestApp::new().await;
    let joiner = "new.joiner@contoso.com";
    app.post("ess", &updated("LA-1", 0, &json!({"staff": {"email": joiner}}))).await;
    let mapping = app.mapping_in("LA-1", "waiting").await;
    assert_eq!(mapping["reason"], "mailbox-missing");
    assert!(mapping["detail"].as_str().unwrap().contains("ErrorInvalidUser"), "{mapping}");
    let next: jiff::Timestamp = mapping["next_attempt_at"].as_str().unwrap().parse().unwrap();
    assert!(next.duration_since(app.now()) >= SignedDuration::from_hours(1), "{mapping}");

    // A second leave of the same person waits with the first instead of asking once more.
    app.post("ess", &updated("LA-2", 0, &json!({"staff": {"email": joiner}}))).await;
    assert_eq!(app.mapping("LA-2").await["state"], "waiting");
    assert_eq!(app.microsoft.calls().await.len(), 1);

    app.microsoft.person(json!({"address": joiner, "name": "New Joiner", "time_zone": "Europe/London"})).await;
    app.advance(SignedDuration::from_hours(2)).await;
    app.mapping_in("LA-1", "synced").await;
    app.mapping_in("LA-2", "synced").await;
    assert_eq!(app.microsoft.events(joiner).await.len(), 2);
}

#[tokio::test]
async fn somebody_without_a_mailbox_is_parked_after_a_month_and_a_person_can_try_again() {
    let app = TestApp::new().await;
    let joiner = "new.joiner@contoso.com";
    app.post("ess", &updated("LA-1", 0, &json!({"staff": {"email": joiner}}))).await;
    app.mapping_in("LA-1", "waiting").await;
    let mut attempts = 1;
    while app.mapping("LA-1").await["state"] == "waiting" {
        app.advance(SignedDuration::from_hours(25)).await;
        attempts += 1;
        until("it was tried again", async || app.mapping("LA-1").await["attempts"] == attempts).await;
        assert!(attempts < 40, "it is never parked");
    }
    let parked = app.mapping("LA-1").await;
    assert_eq!((&parked["state"], &parked["reason"]), (&json!("parked"), &json!("mailbox-missing")));

    app.microsoft.person(json!({"address": joiner, "name": "New Joiner", "time_zone": "Europe/London"})).await;
    let path = format!("/mappings/{}/retry", parked["id"].as_str().unwrap());
    let retried = super::support::answer(app.request(Method::POST, &path).bearer_auth(app.token("ops"))).await;
    assert_eq!((retried.status, &retried.body["retried"]), (202, &json!(1)));
    app.mapping_in("LA-1", "synced").await;
}

#[tokio::test]
async fn many_leaves_of_one_person_are_delivered_a_few_at_a_time() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    barrier.close("POST", "/events");
    app.post("ess", &leave("LA-0")).await;
    until("the first is under way", async || barrier.held().len() == 1).await;
    for n in 1..12 {
        app.post("ess", &leave(&format!("LA-{n}"))).await;
    }
    // The others are due together once it is done.
    barrier.let_one_through();
    until("three are under way at once", async || barrier.held().len() == 3).await;
    barrier.open();
    until("all are in Outlook", async || app.microsoft.events(AMY).await.len() == 12).await;
    let score = app.microsoft.score().await;
    assert_eq!((&score["limit_violations"], &score["duplicates"]), (&json!(0), &json!(0)));
    assert!(score["max_in_flight_per_mailbox"].as_i64().unwrap() <= 3, "{score}");
}

#[tokio::test]
async fn no_more_mailboxes_are_worked_on_at_once_than_the_configuration_says() {
    let (app, barrier) = TestApp::with_barrier(&[("SYNC__MAILBOXES", "2")]).await;
    barrier.close("POST", "/events");
    // Every change of a lease notes how many there are for work that is not done.
    app.database
        .execute(
            "CREATE TABLE noted (leases bigint);
             CREATE FUNCTION note_leases() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN
                 INSERT INTO noted SELECT count(*) FROM mailboxes b JOIN items m ON m.kind = 'event' AND m.mailbox = b.id
                 WHERE b.lease_until IS NOT NULL AND m.state = 'pending';
                 RETURN NULL;
             END $$;
             CREATE TRIGGER note_leases AFTER UPDATE ON mailboxes EXECUTE FUNCTION note_leases()",
        )
        .await;
    for n in 0..12 {
        let address = format!("person{n}@contoso.com");
        app.microsoft.person(json!({"address": address, "name": "P", "time_zone": "UTC"})).await;
        app.post("ess", &updated(&format!("LA-{n}"), 0, &json!({"staff": {"email": address}}))).await;
    }
    until("two are worked on at once", async || barrier.held().len() == 2).await;
    barrier.open();
    for n in 0..12 {
        app.mapping_in(&format!("LA-{n}"), "synced").await;
    }
    assert_eq!(app.database.number("SELECT max(leases) FROM noted").await, 2);
}
