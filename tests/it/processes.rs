//! Several real processes on one database: killed, frozen past their leases, and woken up again. Time is real here.

use serde_json::json;

use super::support::{AMY, fleet::Fleet, until};

/// The shortest lease that is safe, so that a takeover does not take long.
const SHORT: [(&str, &str); 2] = [("SYNC__CALL_TIMEOUT", "1s"), ("SYNC__LEASE", "11s")];
const HELD: &str = "EXISTS (SELECT FROM mailboxes WHERE lease_until IS NOT NULL)";

#[tokio::test]
async fn a_process_that_was_frozen_past_its_lease_does_not_have_the_last_word() {
    let fleet = Fleet::in_real_time().await;
    let frozen = fleet.start(&SHORT, &[]).await;
    let end = async || fleet.microsoft.events(AMY).await[0]["end"]["dateTime"].clone();
    frozen.post(&fleet.webhook(0, Some(&json!({})))).await.unwrap();
    until("it is in Outlook", async || fleet.mappings("state = 'synced'").await == 1).await;

    // Its answer comes late enough for the process to be frozen while it waits.
    let slow = json!([{"method": "PATCH", "path": "/v1.0/users/*/events/*", "times": 1, "delay_ms": 400}]);
    fleet.microsoft.faults(slow).await;
    frozen.post(&fleet.webhook(1, Some(&json!({"end": "2026-12-22"})))).await.unwrap();
    until("it works on the change", async || fleet.mappings(HELD).await == 1).await;
    frozen.program.signal("-STOP");

    let other = fleet.start(&SHORT, &[]).await;
    other.post(&fleet.webhook(2, Some(&json!({"end": "2026-12-24"})))).await.unwrap();
    until("the other one has taken over", async || end().await == "2026-12-25T00:00:00.0000000").await;

    frozen.program.signal("-CONT");
    let body = fleet.webhook(3, Some(&json!({"end": "2026-12-28"})));
    until("it works again", async || frozen.post(&body).await.is_some_and(|answer| answer.status < 300)).await;
    until("the last change is in Outlook", async || end().await == "2026-12-29T00:00:00.0000000").await;
    until("nobody holds the mailbox", async || fleet.mappings(HELD).await == 0).await;
    assert_eq!(end().await, "2026-12-29T00:00:00.0000000");
    let score = fleet.microsoft.score().await;
    assert_eq!((&score["duplicates"], &score["limit_violations"]), (&json!(0), &json!(0)), "{score}");
}

#[tokio::test]
async fn three_processes_of_which_one_is_killed_and_one_is_frozen_lose_and_double_nothing() {
    let fleet = Fleet::in_real_time().await;
    let replicas = [fleet.start(&SHORT, &[]).await, fleet.start(&SHORT, &[]).await, fleet.start(&SHORT, &[]).await];
    for n in 0..6 {
        let person = json!({"address": format!("person{n}@contoso.com"), "name": "P", "time_zone": "UTC"});
        fleet.microsoft.person(person).await;
    }
    fleet.microsoft.settings(json!({"answer_delay_ms": 20})).await;
    for n in 0..60 {
        let address = format!("person{}@contoso.com", n % 6);
        let mut webhook = fleet.webhook(0, Some(&json!({"staff": {"email": address}})));
        webhook["data"]["id"] = json!(format!("LA-{n}"));
        let answer = replicas[n % 3].post(&webhook).await.unwrap();
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let [killed, frozen, alive] = replicas;
    until("they work", async || fleet.mappings(HELD).await > 0).await;
    frozen.program.signal("-STOP");
    killed.kill().await;
    until("all is in Outlook", async || fleet.mappings("state = 'synced'").await == 60).await;
    frozen.program.signal("-CONT");
    // The dead one's leases are over, and nothing is due there: nobody takes them up.
    let held = "EXISTS (SELECT FROM mailboxes WHERE lease_until > leavebridge_now())";
    until("nobody holds a mailbox", async || fleet.mappings(held).await == 0).await;
    until("it is still so", async || fleet.mappings("state = 'synced'").await == 60).await;
    let score = fleet.microsoft.score().await;
    assert_eq!((&score["duplicates"], &score["limit_violations"]), (&json!(0), &json!(0)), "{score}");
    assert!(score["max_in_flight_per_mailbox"].as_i64().unwrap() <= 3, "{score}");
    for n in 0..6 {
        assert_eq!(fleet.microsoft.events(&format!("person{n}@contoso.com")).await.len(), 10);
    }
    drop(alive);
}
