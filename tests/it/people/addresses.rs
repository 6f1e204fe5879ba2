//! An address belongs to whoever the directory says holds it now; leave that is written stays with its person.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::{DAY_AND_MORE, change, comes_true, delivers, events, id_of, mailboxes, of, synced};
use crate::support::{AMY, BEN, TestApp, cancelled, leave, until, updated};

const RENAMED: &str = "amy.li@contoso.com";
const HOUR: SignedDuration = SignedDuration::from_hours(1);

/// Amy gets another address, and somebody else the one that she had.
async fn passes_on(app: &TestApp) {
    change(app, AMY, json!({"kind": "renamed", "address": RENAMED})).await;
    app.microsoft.person(json!({"address": AMY, "name": "Another Amy Chan", "time_zone": "Europe/London"})).await;
}

async fn last_day(app: &TestApp, address: &str) -> Value {
    app.microsoft.events(address).await[0]["end"]["dateTime"].clone()
}

#[tokio::test]
async fn new_leave_goes_to_the_new_holder_of_an_address_and_what_was_written_stays_with_the_former_one() {
    let app = TestApp::new().await;
    assert_eq!(delivers(&app, &leave("LA-1")).await, ["synced"]);
    passes_on(&app).await;
    // For a day the directory's answer counts.
    app.advance(HOUR * 23).await;
    assert_eq!(delivers(&app, &leave("LA-2")).await, ["synced"]);
    assert_eq!(events(&app, [RENAMED, AMY]).await, [2, 0]);
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"]);

    app.advance(HOUR * 2).await;
    assert_eq!(delivers(&app, &leave("LA-3")).await, ["synced"]);
    assert_eq!(events(&app, [RENAMED, AMY]).await, [2, 1]);
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"; 2]);
    assert_eq!(mailboxes(&app).await, 2);

    // A change that names the same person as before is the former holder's.
    assert_eq!(delivers(&app, &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await, ["synced"]);
    assert_eq!(events(&app, [RENAMED, AMY]).await, [2, 1]);
    assert_eq!(last_day(&app, RENAMED).await, "2026-12-23T00:00:00.0000000");
    assert_eq!(last_day(&app, AMY).await, "2026-12-22T00:00:00.0000000");
    assert_eq!(delivers(&app, &cancelled("LA-1", 2)).await, ["removed"]);
    assert_eq!(events(&app, [RENAMED, AMY]).await, [1, 1]);
    assert_eq!(delivers(&app, &cancelled("LA-3", 1)).await, ["removed"]);
    assert_eq!(events(&app, [RENAMED, AMY]).await, [1, 0]);
    // Neither ever had anything of the other's.
    let stored = [app.microsoft.stored_events(RENAMED).await.len(), app.microsoft.stored_events(AMY).await.len()];
    assert_eq!(stored, [2, 1]);
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"; 2]);
}

#[tokio::test]
async fn leave_whose_staff_changed_goes_to_the_present_holder_of_the_new_address() {
    let app = TestApp::new().await;
    assert_eq!(delivers(&app, &leave("LA-1")).await, ["synced"]);
    assert_eq!(delivers(&app, &of("LA-2", 0, BEN)).await, ["synced"]);
    passes_on(&app).await;
    app.advance(DAY_AND_MORE).await;
    assert_eq!(delivers(&app, &of("LA-2", 1, AMY)).await, ["removed", "synced"]);
    assert_eq!(events(&app, [BEN, RENAMED, AMY]).await, [0, 1, 1]);
    // The former holder's leave names the new address of theirs from now on: it stays where it is.
    app.post("ess", &of("LA-1", 1, RENAMED)).await;
    comes_true(&app, "it is in Outlook", &synced(2)).await;
    assert_eq!(events(&app, [BEN, RENAMED, AMY]).await, [0, 1, 1]);
    assert_eq!(mailboxes(&app).await, 3);
}

#[tokio::test]
async fn leave_that_was_written_for_the_former_holder_moves_when_its_staff_changed_back_to_the_address() {
    let app = TestApp::new().await;
    assert_eq!(delivers(&app, &leave("LA-0")).await, ["synced"]);
    change(&app, AMY, json!({"kind": "renamed", "address": RENAMED})).await;
    assert_eq!(delivers(&app, &of("LA-1", 0, RENAMED)).await, ["synced"]);
    app.microsoft.person(json!({"address": AMY, "name": "Another Amy Chan", "time_zone": "Europe/London"})).await;
    app.advance(DAY_AND_MORE).await;
    // As far as was known both addresses are one person's; but by now they are two.
    assert_eq!(delivers(&app, &of("LA-1", 1, AMY)).await, ["removed", "synced"]);
    assert_eq!(events(&app, [RENAMED, AMY]).await, [1, 1]);
    assert_eq!(app.microsoft.stored_events(AMY).await.len(), 1);
}

#[tokio::test]
async fn leave_that_was_nowhere_yet_goes_to_the_holder_of_the_address_when_it_is_approved() {
    let app = TestApp::new().await;
    assert_eq!(delivers(&app, &leave("LA-1")).await, ["synced"]);
    app.advance(DAY_AND_MORE).await;
    assert_eq!(delivers(&app, &updated("LA-2", 0, &json!({"status": "rejected"}))).await, ["removed"]);
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"], "nobody was asked for what is nowhere");
    passes_on(&app).await;
    assert_eq!(delivers(&app, &updated("LA-2", 1, &json!({"status": "approved"}))).await, ["synced"]);
    assert_eq!(events(&app, [RENAMED, AMY]).await, [1, 1]);
}

#[tokio::test]
async fn an_address_may_pass_on_and_come_back() {
    let app = TestApp::new().await;
    assert_eq!(delivers(&app, &leave("LA-1")).await, ["synced"]);
    assert_eq!(delivers(&app, &of("LA-1", 1, BEN)).await, ["removed", "synced"]);
    passes_on(&app).await;
    app.advance(DAY_AND_MORE).await;
    delivers(&app, &of("LA-1", 2, AMY)).await;
    assert_eq!(events(&app, [BEN, RENAMED, AMY]).await, [0, 0, 1]);
    delivers(&app, &of("LA-1", 3, BEN)).await;
    assert_eq!(events(&app, [BEN, RENAMED, AMY]).await, [1, 0, 0]);

    app.microsoft.control(Method::DELETE, &format!("users/{AMY}"), None).await;
    change(&app, RENAMED, json!({"address": AMY})).await;
    app.advance(DAY_AND_MORE).await;
    assert!(delivers(&app, &of("LA-1", 4, AMY)).await.contains(&"synced".to_owned()));
    assert_eq!(events(&app, [BEN, AMY]).await, [0, 1]);
    assert_eq!(app.database.number("SELECT count(*) FROM items WHERE wanted AND kind = 'event'").await, 1);
}

#[tokio::test]
async fn the_new_holders_own_zone_and_automatic_reply_come_with_their_leave() {
    let app = TestApp::with(&[("POLICY__AUTOMATIC_REPLIES__ENABLED", "true")]).await;
    app.microsoft.consent(&["Calendars.ReadWrite", "User.Read.All", "MailboxSettings.ReadWrite"]).await;
    let days = |id: &str, first: &str, last: &str| {
        let mut body = updated(id, 0, &json!({"start": first, "end": last}));
        body["data"].as_object_mut().unwrap().remove("time_zone");
        body
    };
    assert_eq!(delivers(&app, &days("LA-1", "2026-12-21", "2026-12-22")).await, ["synced"]);
    let reply = async |address: &str| {
        app.microsoft.control(Method::GET, &format!("users/{address}/automatic-replies"), None).await
    };
    let starts = |reply: &Value| reply["scheduledStartDateTime"]["dateTime"].clone();
    until("Amy's reply is set", async || reply(AMY).await["status"] == "scheduled").await;
    passes_on(&app).await;
    app.advance(DAY_AND_MORE).await;

    assert_eq!(delivers(&app, &days("LA-2", "2026-12-10", "2026-12-11")).await, ["synced"]);
    until("the new holder's reply is set", async || reply(AMY).await["status"] == "scheduled").await;
    let open = "SELECT (SELECT count(*) FROM items WHERE next_at <= leavebridge_now())
                     + (SELECT count(*) FROM mailboxes WHERE lease_until IS NOT NULL)";
    until("all is settled", async || app.database.number(open).await == 0).await;
    // In London it is winter; in Hong Kong the day begins eight hours earlier.
    assert_eq!(starts(&reply(AMY).await), "2026-12-10T00:00:00.0000000");
    assert_eq!(starts(&reply(RENAMED).await), "2026-12-20T16:00:00.0000000");
    assert_eq!(app.microsoft.events(AMY).await[0]["start"]["timeZone"], "GMT Standard Time");
    assert_eq!(app.microsoft.events(RENAMED).await[0]["start"]["timeZone"], "China Standard Time");
}

#[tokio::test]
async fn an_object_id_that_a_source_gives_counts_for_that_leave_alone_and_a_contradiction_shows() {
    let app = TestApp::new().await;
    let [amy, ben] = [id_of(&app, AMY).await, id_of(&app, BEN).await];
    let given = |id: &str, entra: &str| updated(id, 0, &json!({"staff": {"email": AMY, "entra_id": entra}}));
    // Nothing is known of the address yet: there is nothing to contradict.
    let first = app.deliver("ess", &given("LA-1", &ben)).await;
    assert_eq!((first.status, &first.body["notes"]), (202, &Value::Null), "{first:?}");
    assert_eq!(events(&app, [AMY, BEN]).await, [0, 1]);
    // Other leave by that address goes to the one who holds it.
    let second = app.deliver("ess", &leave("LA-2")).await;
    assert_eq!(second.body["notes"], Value::Null, "{second:?}");
    assert_eq!(events(&app, [AMY, BEN]).await, [1, 1]);
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"]);

    let third = app.deliver("ess", &given("LA-3", &ben)).await;
    assert_eq!(third.body["notes"].as_array().map(Vec::len), Some(1), "{third:?}");
    assert_eq!(events(&app, [AMY, BEN]).await, [1, 2]);
    for (leave, reason) in [("LA-3", json!("identity-conflict")), ("LA-1", Value::Null), ("LA-2", Value::Null)] {
        let id = app.mapping(leave).await["id"].as_str().unwrap().to_owned();
        let shown = app.get(&format!("/mappings/{id}"), Some("ops")).await;
        let received = shown.body["timeline"].as_array().unwrap()[0].clone();
        assert_eq!(received["kind"], "received", "{shown:?}");
        assert_eq!(received["detail"]["reason"], reason, "{shown:?}");
    }
    // The same id as the directory's is none.
    let fourth = app.deliver("ess", &given("LA-4", &amy)).await;
    assert_eq!(fourth.body["notes"], Value::Null, "{fourth:?}");
    assert_eq!(events(&app, [AMY, BEN]).await, [2, 2]);
    // Whose the address is has not changed by any of it.
    assert_eq!(delivers(&app, &leave("LA-5")).await, ["synced"]);
    assert_eq!(events(&app, [AMY, BEN]).await, [3, 2]);
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"]);
}

#[tokio::test]
async fn an_address_that_the_directory_does_not_know_any_more_keeps_its_mailbox() {
    let app = TestApp::new().await;
    assert_eq!(delivers(&app, &leave("LA-1")).await, ["synced"]);
    for path in [format!("/v1.0/users/{AMY}"), "/v1.0/users".to_owned()] {
        app.microsoft.faults(json!([{"path": path, "error": "Request_ResourceNotFound"}])).await;
    }
    app.advance(DAY_AND_MORE).await;
    assert_eq!(delivers(&app, &leave("LA-2")).await, ["synced"]);
    assert_eq!(app.microsoft.look_ups().await, ["GET 200", "GET 404", "GET 404", "GET 404"]);
    assert_eq!(events(&app, [AMY]).await, [2]);
    assert_eq!(mailboxes(&app).await, 1);
    // That answer counts for a day as well.
    assert_eq!(delivers(&app, &leave("LA-3")).await, ["synced"]);
    assert_eq!(app.microsoft.look_ups().await.len(), 4);
}
