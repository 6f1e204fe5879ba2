//! The process dies at every line that matters to a reply, and the mailbox comes out right all the same.
//!
//! Only debug builds have the points at which it dies.
#![cfg(debug_assertions)]

use jiff::SignedDuration;
use reqwest::Method;
use serde_json::{Value, json};

use super::ROLES;
use crate::support::{
    AMY,
    fleet::{Fleet, Replica},
    until,
};

const ON: &[(&str, &str)] = &[("POLICY__AUTOMATIC_REPLIES__ENABLED", "true")];

/// A leave is filed, made longer and cancelled while the process dies at `point`, once. It lies so far ahead that it is
/// never over.
async fn survives(point: &str) {
    let fleet = Fleet::new().await;
    fleet.microsoft.consent(&ROLES).await;
    let path = format!("users/{AMY}/automatic-replies");
    let old = json!({"internalReplyMessage": "Old words"});
    fleet.microsoft.control(Method::PATCH, &path, Some(&old)).await;
    let mut replica = fleet.start(ON, &[("LEAVEBRIDGE_CRASH_AT", point)]).await;
    let mut died = 0;
    for (minutes, last, state) in
        [(0, Some("2090-03-01"), "scheduled"), (1, Some("2090-03-03"), "scheduled"), (2, None, "none")]
    {
        let changes = last.map(|last| json!({"start": "2090-03-01", "end": last}));
        replica.post(&fleet.webhook(minutes, changes.as_ref())).await.unwrap();
        until(&format!("{state}, with a death {point}"), async || {
            if replica.program.has_ended() {
                succeed(&fleet, &mut replica).await;
                died += 1;
            }
            let ahead = "SELECT (SELECT count(*) FROM items WHERE kind = 'reply' AND doubt_since IS NOT NULL AND next_at > leavebridge_now())
                              + (SELECT count(*) FROM items WHERE kind = 'event' AND state = 'waiting' AND next_at > leavebridge_now())";
            if fleet.database.number(ahead).await > 0 {
                fleet.advance(SignedDuration::from_secs(61)).await;
            }
            let stored = if state == "scheduled" { "synced" } else { "removed" };
            let is_done = format!(
                "SELECT (SELECT count(*) FROM items WHERE kind = 'reply' AND state = '{stored}' AND doubt_since IS NULL
                                                        AND coalesce(next_at > leavebridge_now(), true))
                      - (SELECT count(*) FROM items WHERE kind = 'event' AND state IN ('pending', 'waiting'))
                      - (SELECT count(*) FROM mailboxes WHERE lease_until > leavebridge_now())"
            );
            fleet.database.number(&is_done).await == 1
        })
        .await;
        let setting: Value = fleet.microsoft.control(Method::GET, &path, None).await;
        let text = setting["internalReplyMessage"].as_str().unwrap();
        let (status, words) = last.map_or(("disabled", "Old words"), |last| ("scheduled", last));
        assert_eq!(setting["status"], status, "{point}, after minute {minutes}");
        assert!(text.contains(words), "{point}, after minute {minutes}: {text}");
    }
    // It may have died after all was done.
    replica.program.signal_if_alive("-TERM");
    died += u32::from(replica.program.ended().await.code().is_none());
    assert_eq!(died, 1, "{point} was reached");
}

/// The next process, and the time that the dead one's lease lasts.
async fn succeed(fleet: &Fleet, replica: &mut Replica) {
    replica.program.ended().await;
    *replica = fleet.start(ON, &[]).await;
    fleet.advance(SignedDuration::from_secs(31)).await;
}

#[tokio::test]
async fn around_the_look() {
    for point in ["after claim", "after claim 2", "before read-reply", "after read-reply 2"] {
        survives(point).await;
    }
}

#[tokio::test]
async fn around_the_writing_into_the_mailbox() {
    for point in [
        "after reply-intended",
        "after reply-intended 2",
        "after schedule-reply",
        "after schedule-reply 2",
        "before withdraw-reply",
        "after withdraw-reply",
    ] {
        survives(point).await;
    }
}

#[tokio::test]
async fn around_the_writing_of_the_result() {
    for point in ["before record", "before record 2", "before record 3", "before record 4"] {
        survives(point).await;
    }
}
