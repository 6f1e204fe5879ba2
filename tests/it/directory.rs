//! People behind addresses: looked up once where that is allowed, followed when they are renamed, found again when they
//! were made anew; and nobody waits for a directory that does not answer.

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::support::{AMY, BEN, TestApp, cancelled, leave, until, updated};

const RENAMED: &str = "amy.li@contoso.com";
const MIN: SignedDuration = SignedDuration::from_mins(1);

/// A service whose app may write calendars and nothing else.
async fn without_permission() -> TestApp {
    let app = TestApp::new().await;
    app.microsoft.consent(&["Calendars.ReadWrite"]).await;
    app
}

async fn change(app: &TestApp, address: &str, change: Value) -> Value {
    app.microsoft.control(Method::PATCH, &format!("users/{address}"), Some(&change)).await
}

async fn id_of(app: &TestApp, address: &str) -> String {
    change(app, address, json!({})).await["id"].as_str().unwrap().to_owned()
}

/// Whom the requests to mailboxes named, each once.
async fn named(app: &TestApp) -> Vec<String> {
    let mut named = Vec::new();
    for entry in app.microsoft.journal().await {
        let segments: Vec<&str> = entry["path"].as_str().unwrap().trim_matches('/').split('/').collect();
        if segments[0] == "v1.0" && segments.len() > 3 && named.last().is_none_or(|last| last != segments[2]) {
            named.push(segments[2].to_owned());
        }
    }
    named
}

async fn syncs(app: &TestApp, body: &Value) {
    let answer = app.deliver("ess", body).await;
    assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
}

fn of(id: &str, address: &str) -> Value {
    updated(id, 0, &json!({"staff": {"email": address}}))
}

#[tokio::test]
async fn a_person_is_looked_up_once_and_kept_over_restarts() {
    let mut app = TestApp::new().await;
    let id = id_of(&app, AMY).await;
    syncs(&app, &leave("LA-1")).await;
    syncs(&app, &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    syncs(&app, &leave("LA-2")).await;
    app.stop().await;
    app.advance(SignedDuration::from_hours(24 * 40)).await;
    app.restart().await;
    syncs(&app, &updated("LA-1", 2, &json!({"end": "2026-12-23"}))).await;
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"]);
    assert_eq!(named(&app).await, [id]);
    // What people see is the address that the source gave.
    assert_eq!(app.mapping("LA-1").await["mailbox"], AMY);
    let kept = "SELECT count(entra_id) FROM mailboxes JOIN addresses ON mailbox = id WHERE asked_at IS NOT NULL";
    assert_eq!(app.database.number(kept).await, 1);
}

#[tokio::test]
async fn changes_follow_somebody_who_is_renamed_between_them() {
    let app = TestApp::new().await;
    syncs(&app, &leave("LA-1")).await;
    let event = app.mapping("LA-1").await["event_id"].clone();
    change(&app, AMY, json!({"kind": "renamed", "address": RENAMED})).await;
    syncs(&app, &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    assert_eq!(app.mapping("LA-1").await["event_id"], event);
    let events = app.microsoft.stored_events(RENAMED).await;
    assert_eq!((events.len(), &events[0]["end"]["dateTime"]), (1, &json!("2026-12-23T00:00:00.0000000")));
    app.deliver("ess", &cancelled("LA-1", 2)).await;
    assert_eq!(app.mapping("LA-1").await["state"], "removed");
    assert_eq!(app.microsoft.events(RENAMED).await, [] as [Value; 0]);
    assert_eq!(app.microsoft.stored_events(RENAMED).await.len(), 1, "no second event was ever made");
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"]);
}

#[tokio::test]
async fn somebody_renamed_before_they_were_ever_looked_up_is_found_by_the_former_address() {
    let app = without_permission().await;
    syncs(&app, &leave("LA-1")).await;
    let event = app.mapping("LA-1").await["event_id"].clone();
    change(&app, AMY, json!({"kind": "renamed", "address": RENAMED})).await;
    app.microsoft.consent(&["Calendars.ReadWrite", "User.Read.All"]).await;
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    assert_eq!(app.mapping_in("LA-1", "waiting").await["reason"], "mailbox-missing");
    app.advance(70 * MIN).await;
    app.mapping_in("LA-1", "synced").await;
    assert_eq!(app.mapping("LA-1").await["event_id"], event);
    assert_eq!(app.microsoft.stored_events(RENAMED).await.len(), 1);
    // Not allowed; then by sign-in name, by address, by alias.
    assert_eq!(app.microsoft.look_ups().await, ["GET 403", "GET 404", "GET 200", "GET 200"]);
}

#[tokio::test]
async fn an_alias_or_an_address_that_is_not_the_sign_in_name_does() {
    let app = TestApp::new().await;
    let people = json!({"address": "o'neil+hr@contoso.com", "user_principal_name": "on@contoso.com", "aliases": ["neil@contoso.com"]});
    app.microsoft.person(people).await;
    for (leave, address, look_ups) in [
        ("LA-1", "neil@contoso.com", vec!["GET 404", "GET 200", "GET 200"]),
        ("LA-2", "o'neil+hr@contoso.com", vec!["GET 404", "GET 200"]),
        ("LA-3", "on@contoso.com", vec!["GET 200"]),
    ] {
        let before = app.microsoft.look_ups().await.len();
        syncs(&app, &of(leave, address)).await;
        assert_eq!(app.microsoft.look_ups().await[before..], look_ups, "{address}");
        assert_eq!(app.mapping(leave).await["mailbox"], address);
    }
    assert_eq!(app.microsoft.events("on@contoso.com").await.len(), 3);
}

#[tokio::test]
async fn where_the_directory_is_closed_the_address_is_used_as_given_at_one_look_up_an_hour() {
    let mut app = without_permission().await;
    for n in 0..4 {
        syncs(&app, &of(&format!("LA-{n}"), if n % 2 == 0 { AMY } else { BEN })).await;
    }
    assert_eq!(app.microsoft.look_ups().await, ["GET 403"]);
    assert_eq!(named(&app).await, [AMY, BEN, AMY, BEN]);
    assert_eq!(app.microsoft.calls().await, ["POST 201"; 4], "one request per leave");
    app.advance(59 * MIN).await;
    syncs(&app, &of("LA-5", AMY)).await;
    assert_eq!(app.microsoft.look_ups().await.len(), 1);
    app.advance(2 * MIN).await;
    for id in ["LA-6", "LA-7"] {
        syncs(&app, &of(id, AMY)).await;
    }
    assert_eq!(app.microsoft.look_ups().await, ["GET 403"; 2]);

    // With the permission, and a token that has it, everybody is looked up when next needed.
    app.microsoft.consent(&["Calendars.ReadWrite", "User.ReadBasic.All"]).await;
    app.advance(61 * MIN).await;
    for (id, address) in [("LA-8", AMY), ("LA-9", BEN), ("LA-10", AMY)] {
        syncs(&app, &of(id, address)).await;
    }
    assert_eq!(app.microsoft.look_ups().await[2..], ["GET 200"; 2]);
    app.stop().await;
}

#[tokio::test]
async fn while_one_finds_out_whether_the_directory_is_open_the_others_go_on() {
    let (app, barrier) = TestApp::with_barrier(&[("SYNC__CALL_TIMEOUT", "1m"), ("SYNC__LEASE", "2m")]).await;
    app.microsoft.consent(&["Calendars.ReadWrite"]).await;
    barrier.close("GET", "@contoso.com");
    app.post("ess", &leave("LA-0")).await;
    until("Amy is looked up", async || barrier.held().len() == 1).await;
    for n in 1..10 {
        let address = format!("person{n}@contoso.com");
        app.microsoft.person(json!({"address": address})).await;
        syncs(&app, &of(&format!("LA-{n}"), &address)).await;
    }
    assert_eq!(barrier.held(), [format!("/v1.0/users/{AMY}")]);
    barrier.open();
    app.mapping_in("LA-0", "synced").await;
    assert_eq!(app.microsoft.look_ups().await, ["GET 403"]);
}

#[tokio::test]
async fn a_directory_in_trouble_fails_no_delivery_and_is_left_alone_for_a_while() {
    let ask = format!("/v1.0/users/{AMY}");
    for (rule, rest) in [
        (json!({"error": "TooManyRequests", "headers": {"retry-after": "600"}}), 10),
        (json!({"error": "serviceNotAvailable"}), 1),
        (json!({"error": "UnknownError"}), 1),
        (json!({"error": "ErrorInternalServerError"}), 1),
        (json!({"error": "InvalidAuthenticationToken"}), 1),
        (json!({"status": 200, "body": "<html>a proxy</html>"}), 1),
        (json!({"status": 200, "body": {"id": "../../groups"}}), 1),
        (json!({"drop": true}), 1),
        (json!({"delay_ms": 60_000}), 1),
    ] {
        let app = TestApp::new().await;
        let mut script = rule.clone();
        script["path"] = json!(ask);
        app.microsoft.faults(json!([script])).await;
        for id in ["LA-1", "LA-2"] {
            syncs(&app, &leave(id)).await;
        }
        assert_eq!(named(&app).await, [AMY], "{rule}");
        assert_eq!(app.microsoft.calls().await, ["POST 201"; 2], "{rule}");
        app.microsoft.clear_faults().await;
        app.advance(rest * MIN - SignedDuration::from_secs(1)).await;
        syncs(&app, &leave("LA-3")).await;
        assert_eq!(named(&app).await, [AMY], "{rule}");
        app.advance(SignedDuration::from_secs(2)).await;
        syncs(&app, &leave("LA-4")).await;
        assert_eq!(named(&app).await, [AMY, &id_of(&app, AMY).await], "{rule}");
        assert_eq!(app.microsoft.events(AMY).await.len(), 4, "{rule}");
    }
}

#[tokio::test]
async fn an_address_that_the_directory_does_not_know_is_used_as_given_and_not_asked_for_again() {
    let app = TestApp::new().await;
    // The directory is behind, Exchange is not.
    for path in [format!("/v1.0/users/{AMY}"), "/v1.0/users".to_owned()] {
        app.microsoft.faults(json!([{"path": path, "error": "Request_ResourceNotFound"}])).await;
    }
    for id in ["LA-1", "LA-2"] {
        syncs(&app, &leave(id)).await;
    }
    assert_eq!(app.microsoft.look_ups().await, ["GET 404"; 3]);
    assert_eq!(named(&app).await, [AMY]);
}

#[tokio::test]
async fn who_was_deleted_and_made_anew_is_found_again() {
    let app = TestApp::new().await;
    syncs(&app, &leave("LA-1")).await;
    let former = app.mapping("LA-1").await["event_id"].clone();
    app.microsoft.control(Method::DELETE, &format!("users/{AMY}"), None).await;
    app.microsoft.person(json!({"address": AMY, "time_zone": "Asia/Hong_Kong"})).await;
    app.post("ess", &updated("LA-1", 1, &json!({"end": "2026-12-22"}))).await;
    assert_eq!(app.mapping_in("LA-1", "waiting").await["reason"], "mailbox-missing");
    app.advance(70 * MIN).await;
    app.mapping_in("LA-1", "synced").await;
    let events = app.microsoft.events(AMY).await;
    assert_eq!((events.len(), &events[0]["end"]["dateTime"]), (1, &json!("2026-12-23T00:00:00.0000000")));
    assert_ne!(app.mapping("LA-1").await["event_id"], former);
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"; 2]);
    assert_eq!(named(&app).await.last(), Some(&id_of(&app, AMY).await));
}

#[tokio::test]
async fn unlicensed_today_and_licensed_tomorrow_heals_by_itself() {
    let app = TestApp::new().await;
    change(&app, AMY, json!({"kind": "unlicensed"})).await;
    app.post("ess", &leave("LA-1")).await;
    for attempts in 1..=3_usize {
        until("it was tried", async || app.mapping("LA-1").await["attempts"] == attempts).await;
        assert_eq!(app.mapping("LA-1").await["reason"], "mailbox-missing");
        // A look-up and a create each hour, and nothing between.
        assert_eq!(app.microsoft.look_ups().await, vec!["GET 200"; attempts]);
        assert_eq!(app.microsoft.calls().await, vec!["POST 404"; attempts]);
        if attempts == 3 {
            change(&app, AMY, json!({"kind": "normal"})).await;
        }
        app.advance(70 * MIN).await;
    }
    app.mapping_in("LA-1", "synced").await;
    syncs(&app, &leave("LA-2")).await;
    assert_eq!(app.microsoft.look_ups().await, ["GET 200"; 4]);
    assert_eq!(app.microsoft.calls().await, ["POST 404", "POST 404", "POST 404", "POST 201", "POST 201"]);
}

#[tokio::test]
async fn an_object_id_that_the_source_gives_is_used_without_a_look_up() {
    let app = TestApp::new().await;
    let id = id_of(&app, AMY).await;
    let staff = |email: &str| json!({"staff": {"email": email, "entra_id": id}});
    syncs(&app, &updated("LA-1", 0, &staff("amy.former@contoso.com"))).await;
    syncs(&app, &updated("LA-2", 0, &json!({"staff": {"entra_id": id}}))).await;
    assert_eq!(app.microsoft.look_ups().await, [] as [&str; 0]);
    assert_eq!(named(&app).await, [id.as_str()]);
    // Nobody has this one: the address is what is left.
    let stranger = json!({"staff": {"email": BEN, "entra_id": "11111111-1111-4111-8111-111111111111"}});
    app.post("ess", &updated("LA-3", 0, &stranger)).await;
    assert_eq!(app.mapping_in("LA-3", "waiting").await["reason"], "mailbox-missing");
    app.advance(70 * MIN).await;
    app.mapping_in("LA-3", "synced").await;
    assert_eq!(app.microsoft.events(BEN).await.len(), 1);
}

#[tokio::test]
async fn an_object_id_decides_where_its_address_was_somebody_elses_before() {
    let app = TestApp::new().await;
    syncs(&app, &leave("LA-1")).await;
    let former = id_of(&app, AMY).await;
    change(&app, AMY, json!({"kind": "renamed", "address": RENAMED})).await;
    app.microsoft.person(json!({"address": AMY, "time_zone": "Asia/Hong_Kong"})).await;
    let new = id_of(&app, AMY).await;
    let staff = |id: &str| json!({"staff": {"email": AMY, "entra_id": id}});
    for n in [2, 3] {
        syncs(&app, &updated(&format!("LA-{n}"), 0, &staff(&new))).await;
    }
    assert_eq!((app.microsoft.events(RENAMED).await.len(), app.microsoft.events(AMY).await.len()), (1, 2));
    // What was the former person's is found by their id.
    app.deliver("ess", &updated("LA-1", 1, &staff(&former))).await;
    app.deliver("ess", &cancelled("LA-1", 2)).await;
    assert_eq!((app.microsoft.events(RENAMED).await.len(), app.microsoft.events(AMY).await.len()), (0, 2));
    app.deliver("ess", &cancelled("LA-2", 1)).await;
    assert_eq!((app.microsoft.events(RENAMED).await.len(), app.microsoft.events(AMY).await.len()), (0, 1));
}

#[tokio::test]
async fn a_wrong_object_id_is_put_right_by_whoever_gave_it() {
    let app = TestApp::new().await;
    let [amy, ben] = [id_of(&app, AMY).await, id_of(&app, BEN).await];
    let staff = |id: &str| json!({"staff": {"email": AMY, "entra_id": id}});
    syncs(&app, &updated("LA-1", 0, &staff(&ben))).await;
    assert_eq!((app.microsoft.events(BEN).await.len(), app.microsoft.events(AMY).await.len()), (1, 0));
    let answer = app.deliver("ess", &updated("LA-1", 1, &staff(&amy))).await;
    let states: Vec<_> =
        answer.body["leave"]["mappings"].as_array().unwrap().iter().map(|m| m["state"].clone()).collect();
    assert_eq!(states.len(), 2, "{answer:?}");
    assert!(states.contains(&json!("synced")) && states.contains(&json!("removed")), "{answer:?}");
    assert_eq!((app.microsoft.events(BEN).await.len(), app.microsoft.events(AMY).await.len()), (0, 1));
    // And back, as with any move.
    app.deliver("ess", &updated("LA-1", 2, &staff(&ben))).await;
    assert_eq!((app.microsoft.events(BEN).await.len(), app.microsoft.events(AMY).await.len()), (1, 0));
}

#[tokio::test]
async fn people_given_with_one_address_at_the_same_moment_are_kept_apart_by_their_object_ids() {
    let app = TestApp::new().await;
    let ids = [id_of(&app, AMY).await, id_of(&app, BEN).await];
    let bodies: Vec<Value> = (0..8)
        .map(|n| {
            updated(&format!("LA-{n}"), 0, &json!({"staff": {"email": "team@contoso.com", "entra_id": ids[n % 2]}}))
        })
        .collect();
    let answers = futures_util::future::join_all(bodies.iter().map(|body| app.deliver("ess", body))).await;
    for answer in answers {
        assert_eq!(answer.body["leave"]["mappings"][0]["state"], "synced", "{answer:?}");
    }
    assert_eq!((app.microsoft.events(BEN).await.len(), app.microsoft.events(AMY).await.len()), (4, 4));
}

#[tokio::test]
async fn a_change_that_comes_too_late_leaves_nobody_behind_with_anothers_object_id() {
    let app = TestApp::new().await;
    let [amy, ben] = [id_of(&app, AMY).await, id_of(&app, BEN).await];
    let staff = |email: &str, id: &str| json!({"staff": {"email": email, "entra_id": id}});
    syncs(&app, &updated("LA-1", 5, &staff("new@contoso.com", &amy))).await;
    // Once the address was Amy's; it is Ben's by now.
    let late = app.post("ess", &updated("LA-1", 0, &staff("old@contoso.com", &amy))).await;
    assert_eq!(late.body["outcome"], "stale");
    assert_eq!(app.database.number("SELECT count(*) FROM mailboxes").await, 1);
    syncs(&app, &updated("LA-2", 0, &staff("old@contoso.com", &ben))).await;
    assert_eq!(named(&app).await, [amy, ben]);
}

#[tokio::test]
async fn what_the_directory_said_is_kept_only_under_the_lease_that_asked() {
    let (app, barrier) = TestApp::with_barrier(&[]).await;
    barrier.close("GET", AMY);
    app.post("ess", &leave("LA-1")).await;
    until("Amy is looked up", async || barrier.held().len() == 1).await;
    app.database.execute("UPDATE mailboxes SET lease_epoch = lease_epoch + 1").await;
    barrier.open();
    until("the event is written", async || app.microsoft.calls().await.len() == 1).await;
    assert_eq!(
        app.database
            .number("SELECT count(entra_id) + count(asked_at) FROM mailboxes JOIN addresses ON mailbox = id")
            .await,
        0
    );
}

#[tokio::test]
async fn an_object_id_under_which_there_was_a_mailbox_is_not_given_up_when_it_is_missing_for_a_while() {
    for given in [true, false] {
        let app = TestApp::new().await;
        let id = id_of(&app, AMY).await;
        let staff = json!({"staff": if given { json!({"email": AMY, "entra_id": id}) } else { json!({"email": AMY}) }});
        syncs(&app, &updated("LA-1", 0, &staff)).await;
        let event = app.mapping("LA-1").await["event_id"].clone();
        // Renamed, and the former address leads nowhere.
        change(&app, AMY, json!({"kind": "renamed", "address": RENAMED, "aliases": []})).await;
        let rule = json!([{"path": "/v1.0/users/*/events*", "times": 1, "error": "MailboxNotEnabledForRESTAPI"}]);
        app.microsoft.faults(rule).await;
        app.post("ess", &cancelled("LA-1", 1)).await;
        assert_eq!(app.mapping_in("LA-1", "waiting").await["reason"], "mailbox-missing");
        app.advance(70 * MIN).await;
        app.mapping_in("LA-1", "removed").await;
        assert_eq!(app.microsoft.events(RENAMED).await, [] as [Value; 0], "given: {given}, {event}");
    }
}

#[tokio::test]
async fn leave_of_somebody_who_has_left_never_lands_with_whoever_has_the_address_now() {
    let app = without_permission().await;
    let former = id_of(&app, AMY).await;
    let staff = |id: &str| json!({"staff": {"email": AMY, "entra_id": id}});
    syncs(&app, &updated("LA-1", 0, &staff(&former))).await;
    app.microsoft.control(Method::DELETE, &format!("users/{AMY}"), None).await;
    app.microsoft.person(json!({"address": AMY, "time_zone": "Asia/Hong_Kong"})).await;
    let new = id_of(&app, AMY).await;
    app.post("ess", &updated("LA-1", 1, &staff(&former))).await;
    app.post("ess", &updated("LA-1", 2, &json!({"staff": {"email": AMY, "entra_id": former}, "end": "2026-12-22"})))
        .await;
    assert_eq!(app.mapping_in("LA-1", "waiting").await["reason"], "mailbox-missing");
    syncs(&app, &updated("LA-2", 0, &staff(&new))).await;
    app.advance(70 * MIN).await;
    until("it was tried again", async || app.mapping("LA-1").await["attempts"].as_i64().is_some_and(|n| n > 1)).await;
    assert_eq!(app.microsoft.events(AMY).await.len(), 1, "LA-2 alone");
}
