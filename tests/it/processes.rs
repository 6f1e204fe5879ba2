//! Several real processes on one database: killed, frozen past their leases, and woken up again. Time is real here.

use std::{collections::BTreeSet, future};

use futures_util::future::join_all;
use serde_json::{Value, json};

use super::support::{
    AMY,
    barrier::Barrier,
    fleet::{Fleet, Replica},
    until,
};

/// The shortest lease that is safe, so that a takeover does not take long.
const SHORT: [(&str, &str); 2] = [("SYNC__CALL_TIMEOUT", "2s"), ("SYNC__LEASE", "12s")];
const HELD: &str = "EXISTS (SELECT FROM mailboxes WHERE lease_until IS NOT NULL)";

#[tokio::test]
async fn a_process_that_was_frozen_past_its_lease_does_not_have_the_last_word() {
    let fleet = Fleet::in_real_time().await;
    let barrier = Barrier::before(&fleet.microsoft).await;
    let frozen = fleet.start(&[&SHORT[..], &barrier.keys()].concat(), &[]).await;
    let end = async || fleet.microsoft.events(AMY).await[0]["end"]["dateTime"].clone();
    frozen.post(&fleet.webhook(0, Some(&json!({})))).await.unwrap();
    until("it is in Outlook, and done", async || {
        fleet.mappings("state = 'synced'").await == 1 && fleet.mappings(HELD).await == 0
    })
    .await;

    // It is frozen while it waits for an answer, which comes then.
    barrier.close("PATCH", "");
    frozen.post(&fleet.webhook(1, Some(&json!({"end": "2026-12-22"})))).await.unwrap();
    until("it works on the change", async || barrier.held().len() == 1).await;
    frozen.program.signal("-STOP");
    barrier.open();
    until("its change is in Outlook", async || end().await == "2026-12-23T00:00:00.0000000").await;

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

/// Posts to a process that freezes once it works on that, perhaps before it answers.
#[cfg(debug_assertions)]
async fn posts_until_held(frozen: &Replica, fleet: &Fleet, webhook: &Value) {
    let posting = async {
        frozen.post(webhook).await;
        future::pending::<()>().await;
    };
    tokio::select! {
        () = posting => {}
        () = until("it works on the mailbox", async || fleet.mappings(HELD).await == 1) => {}
    }
}

/// Between the last look at the lease and the request lies no time, but a frozen process does not know that.
#[cfg(debug_assertions)]
#[tokio::test]
async fn a_process_that_wakes_up_past_its_lease_begins_no_call() {
    let fleet = Fleet::in_real_time().await;
    let mut frozen = fleet.start(&SHORT, &[("LEAVEBRIDGE_FREEZE_AT", "before update")]).await;
    frozen.post(&fleet.webhook(0, Some(&json!({})))).await.unwrap();
    until("it is in Outlook, and done", async || {
        fleet.mappings("state = 'synced'").await == 1 && fleet.mappings(HELD).await == 0
    })
    .await;
    posts_until_held(&frozen, &fleet, &fleet.webhook(1, Some(&json!({"end": "2026-12-22"})))).await;

    let other = fleet.start(&SHORT, &[]).await;
    other.post(&fleet.webhook(2, Some(&json!({"end": "2026-12-24"})))).await.unwrap();
    let end = async || fleet.microsoft.events(AMY).await[0]["end"]["dateTime"].clone();
    until("the other one has taken over", async || end().await == "2026-12-25T00:00:00.0000000").await;
    let writes = async || fleet.microsoft.calls().await.iter().filter(|call| call.starts_with("PATCH")).count();
    until("it has looked at what it wrote", async || fleet.mappings(HELD).await == 0).await;
    let before = writes().await;
    // It finds that the mailbox is not its own any more, and says so in its log.
    frozen.program.signal("-CONT");
    frozen.program.logs("a result came after its lease had ended; its event will be written once more").await;
    until("the event is written once more", async || writes().await > before).await;
    until("nobody holds the mailbox", async || fleet.mappings(HELD).await == 0).await;
    assert_eq!(writes().await, before + 1, "only the new holder's");
    assert_eq!(end().await, "2026-12-25T00:00:00.0000000");
}

/// The lease is looked at before each call, the first one included: here only that look keeps the process from writing.
#[cfg(debug_assertions)]
#[tokio::test]
async fn a_process_that_was_frozen_between_its_claim_and_its_first_call_makes_none() {
    let fleet = Fleet::in_real_time().await;
    let barrier = Barrier::before(&fleet.microsoft).await;
    let keys = [&SHORT[..], &barrier.keys()].concat();
    let mut frozen = fleet.start(&keys, &[("LEAVEBRIDGE_FREEZE_AT", "after claim")]).await;
    barrier.close("POST", "/events");
    posts_until_held(&frozen, &fleet, &fleet.webhook(0, Some(&json!({})))).await;

    let _other = fleet.start(&SHORT, &[]).await;
    until("the other one has taken over", async || fleet.mappings("state = 'synced'").await == 1).await;
    frozen.program.signal("-CONT");
    frozen.program.logs("the lease was lost; the mailbox's new holder goes on").await;
    assert_eq!(barrier.held(), [""; 0], "it has begun a call");
    assert_eq!(fleet.microsoft.stored_events(AMY).await.len(), 1);
}

#[tokio::test]
async fn three_processes_of_which_one_is_killed_and_one_is_frozen_lose_and_double_nothing() {
    let fleet = Fleet::in_real_time().await;
    let barrier = Barrier::before(&fleet.microsoft).await;
    // Two mailboxes each, and there are six. The calls are held for as long as it takes to take everything in.
    let few = [("SYNC__MAILBOXES", "2"), ("SYNC__CALL_TIMEOUT", "8s"), ("SYNC__LEASE", "18s")];
    let few = [&few[..], &barrier.keys()].concat();
    let replicas = [fleet.start(&few, &[]).await, fleet.start(&few, &[]).await, fleet.start(&few, &[]).await];
    for n in 0..6 {
        let person = json!({"address": format!("person{n}@contoso.com"), "name": "P", "time_zone": "UTC"});
        fleet.microsoft.person(person).await;
    }
    barrier.close("POST", "/events");
    let posting = (0..60).map(async |n| {
        let address = format!("person{}@contoso.com", n % 6);
        let mut webhook = fleet.webhook(0, Some(&json!({"staff": {"email": address}})));
        webhook["data"]["id"] = json!(format!("LA-{n}"));
        replicas[n % 3].post(&webhook).await.unwrap()
    });
    for answer in join_all(posting).await {
        assert_eq!(answer.status, 202, "{answer:?}");
    }
    let [killed, frozen, alive] = replicas;
    let mailboxes = || barrier.held().into_iter().collect::<BTreeSet<_>>().len();
    until("each of them works on two mailboxes", async || mailboxes() == 6).await;
    frozen.program.signal("-STOP");
    killed.kill().await;
    barrier.open();
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
