//! The process dies at every line that matters, as by `kill -9`, and the calendar comes out right all the same.
//!
//! Only debug builds have the points at which it dies.
#![cfg(debug_assertions)]

use jiff::SignedDuration;
use serde_json::{Value, json};

use super::{
    support::{
        AMY,
        fleet::{Fleet, Replica},
        until,
    },
    teams::{SALES, TEAMS},
};

/// A leave is filed, changed, cancelled and restored while the process dies at `point`, once.
async fn survives(point: &str) {
    goes_through_life(point, &[AMY], &[]).await;
}

/// The same with a copy in a team's calendar.
async fn survives_in_a_team(point: &str) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("teams.toml");
    std::fs::write(&file, TEAMS).unwrap();
    goes_through_life(point, &[AMY, SALES], &[("LEAVEBRIDGE_CONFIG", file.to_str().unwrap())]).await;
}

async fn goes_through_life(point: &str, mailboxes: &[&str], environment: &[(&str, &str)]) {
    let fleet = Fleet::new().await;
    for address in mailboxes.iter().filter(|address| **address != AMY) {
        fleet.microsoft.person(json!({"address": address, "name": "Team", "kind": "shared"})).await;
    }
    let first: Vec<_> = environment.iter().copied().chain([("LEAVEBRIDGE_CRASH_AT", point)]).collect();
    let replica = fleet.start(&[], &first).await;
    let mut life = Life { fleet: &fleet, replica, died: 0, mailboxes: mailboxes.len(), environment };
    for (minutes, changes, state, last_day) in [
        (0, Some(json!({"department": "Sales"})), "synced", Some("2026-12-22T00:00:00.0000000")),
        (1, Some(json!({"department": "Sales", "end": "2026-12-22"})), "synced", Some("2026-12-23T00:00:00.0000000")),
        (2, None, "removed", None),
        (3, Some(json!({"department": "Sales", "end": "2026-12-24"})), "synced", Some("2026-12-25T00:00:00.0000000")),
    ] {
        life.post(&fleet.webhook(minutes, changes.as_ref())).await;
        life.settles(state, point).await;
        for address in mailboxes {
            let events = fleet.microsoft.events(address).await;
            let ends: Vec<&Value> = events.iter().map(|event| &event["end"]["dateTime"]).collect();
            assert_eq!(ends, last_day.iter().collect::<Vec<_>>(), "{point}, after minute {minutes}, {address}");
        }
    }
    // It may have died after all was done.
    life.replica.program.signal_if_alive("-TERM");
    life.died += u32::from(life.replica.program.ended().await.code().is_none());
    assert_eq!(life.died, 1, "{point} was reached");
    assert_eq!(fleet.microsoft.score().await["duplicates"], 0, "{point}");
}

/// A process and its successors.
struct Life<'a> {
    fleet: &'a Fleet,
    replica: Replica,
    died: u32,
    mailboxes: usize,
    /// Of every process.
    environment: &'a [(&'a str, &'a str)],
}

impl Life<'_> {
    /// Posts as a portal does: until somebody has taken it in.
    async fn post(&mut self, webhook: &Value) {
        loop {
            match self.replica.post(webhook).await {
                Some(answer) => return assert!([200, 202].contains(&answer.status), "{answer:?}"),
                None => self.succeed().await,
            }
        }
    }

    async fn settles(&mut self, state: &str, point: &str) {
        let fleet = self.fleet;
        until(&format!("{state}, with a death {point}"), async || {
            if self.replica.program.has_ended() {
                self.succeed().await;
            }
            if fleet.mappings("state = 'waiting' AND next_at > leavebridge_now()").await > 0 {
                fleet.advance(SignedDuration::from_secs(61)).await;
            }
            usize::try_from(fleet.mappings(&format!("state = '{state}'")).await).unwrap() == self.mailboxes
        })
        .await;
    }

    /// The next process, and the time that the dead one's lease lasts.
    async fn succeed(&mut self) {
        self.replica.program.ended().await;
        self.died += 1;
        self.replica = self.fleet.start(&[], self.environment).await;
        self.fleet.advance(SignedDuration::from_secs(31)).await;
    }
}

#[tokio::test]
async fn around_the_intake() {
    for point in ["before intake", "before intake 3", "after intake", "after intake 2", "after intake 4"] {
        survives(point).await;
    }
}

#[tokio::test]
async fn around_the_claim_and_the_lease() {
    for point in
        ["after claim", "after claim 2", "after claim 3", "before release", "after release", "before release 2"]
    {
        survives(point).await;
    }
}

#[tokio::test]
async fn around_each_call_that_makes_or_finds_an_event() {
    for point in ["before create", "after create", "before create 2", "after create 2", "before find", "after find"] {
        survives(point).await;
    }
}

#[tokio::test]
async fn around_each_call_that_changes_or_removes_an_event() {
    for point in ["before update", "after update", "before remove", "after remove"] {
        survives(point).await;
    }
}

#[tokio::test]
async fn around_the_writing_of_each_result() {
    for point in
        ["before record", "after record", "before record 2", "after record 2", "before record 3", "after record 4"]
    {
        survives(point).await;
    }
}

#[tokio::test]
async fn around_each_call_that_finds_or_makes_a_teams_calendar() {
    for point in ["before find-calendar", "after find-calendar", "before create-calendar", "after create-calendar"] {
        survives_in_a_team(point).await;
    }
}

#[tokio::test]
async fn between_a_persons_own_event_and_the_teams() {
    for point in ["after create", "before create 2", "after create 2", "after update", "after remove", "after record 2"]
    {
        survives_in_a_team(point).await;
    }
}
