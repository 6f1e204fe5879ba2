//! What happens to the machines: replicas die, freeze and stop, the database crashes, connections are cut, mailboxes and
//! Entra are out of reach for a while.
//!
//! Each kind of trouble ends what it began before it returns, so that nothing is left broken when the run is over.

use std::{sync::Arc, time::Duration};

use leavebridge::clock::{Clock as _, SystemClock};
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};
use tokio::{sync::Semaphore, task::JoinSet};
use tokio_util::{sync::CancellationToken, task::TaskTracker};

use super::{
    dice::Dice,
    operator,
    replica::Replica,
    stage::{LEASE, Stage},
};

/// Longer than the service takes to finish what is under way.
const STOP_LIMIT: Duration = Duration::from_secs(30);

/// Begins all kinds of trouble.
pub(crate) fn brew(stage: &Arc<Stage>, over: &CancellationToken, working: &mut JoinSet<anyhow::Result<()>>) {
    working.spawn(replicas(Arc::clone(stage), over.clone()));
    working.spawn(watch(Arc::clone(stage), over.clone()));
    working.spawn(database(Arc::clone(stage), over.clone()));
    working.spawn(mailboxes(Arc::clone(stage), over.clone()));
    working.spawn(entra(Arc::clone(stage), over.clone()));
}

/// Waits; `false` when it is over.
async fn pause(stage: &Stage, over: &CancellationToken, wait: Duration) -> bool {
    tokio::select! {
        () = over.cancelled() => false,
        () = tokio::time::sleep(stage.paced(wait)) => true,
    }
}

async fn replicas(stage: Arc<Stage>, over: CancellationToken) -> anyhow::Result<()> {
    let dice = stage.dice("replicas");
    // One of them is left alone at any time.
    let out_of_order = Arc::new(Semaphore::new(stage.replicas.len().saturating_sub(1).max(1)));
    let turns: Vec<_> = stage.replicas.iter().map(|_| Arc::new(tokio::sync::Mutex::new(()))).collect();
    let troubles = TaskTracker::new();
    while pause(&stage, &over, dice.millis(2_000, 6_000)).await {
        let place = dice.below(stage.replicas.len());
        let (kind, wait) = (dice.below(10), dice.between(200, 6_000));
        let (Ok(allowed), Ok(turn)) =
            (Arc::clone(&out_of_order).try_acquire_owned(), Arc::clone(&turns[place]).try_lock_owned())
        else {
            continue;
        };
        let (stage, replica) = (Arc::clone(&stage), Arc::clone(&stage.replicas[place]));
        troubles.spawn(async move {
            if let Err(error) = disturb(&stage, &replica, kind, Duration::from_millis(wait)).await {
                stage.tally.odd(format!("{}: {error:#}", replica.name));
            }
            drop((allowed, turn));
        });
    }
    troubles.close();
    troubles.wait().await;
    Ok(())
}

async fn disturb(stage: &Stage, replica: &Replica, kind: usize, wait: Duration) -> anyhow::Result<()> {
    match kind {
        0..=3 => {
            replica.kill();
            stage.done("killed", &replica.name);
            tokio::time::sleep(wait).await;
            replica.start().await
        }
        4..=6 => {
            let since = SystemClock.now();
            replica.freeze()?;
            stage.done("frozen past its leases", &replica.name);
            tokio::time::sleep(LEASE + wait / 2).await;
            replica.thaw()?;
            stage.tally.thawed(since);
            Ok(())
        }
        7 => {
            let since = SystemClock.now();
            replica.freeze()?;
            stage.done("frozen for a moment", &replica.name);
            tokio::time::sleep(wait / 3).await;
            replica.thaw()?;
            stage.tally.thawed(since);
            Ok(())
        }
        8 => {
            // Thawed and killed at once: whatever it was about to say stays unsaid.
            let since = SystemClock.now();
            replica.freeze()?;
            stage.done("frozen past its leases, then killed", &replica.name);
            tokio::time::sleep(LEASE + wait / 2).await;
            replica.thaw()?;
            stage.tally.thawed(since);
            tokio::time::sleep(Duration::from_millis(20)).await;
            replica.kill();
            replica.start().await
        }
        _ => {
            let in_good_order = replica.stop(STOP_LIMIT).await?;
            stage.done("stopped", &replica.name);
            if !in_good_order {
                stage.tally.odd(format!("{} did not stop within {} s", replica.name, STOP_LIMIT.as_secs()));
            }
            replica.start().await
        }
    }
}

/// A replica that ends by itself would be started anew by its orchestrator; here it is a fault as well.
async fn watch(stage: Arc<Stage>, over: CancellationToken) -> anyhow::Result<()> {
    while !over.is_cancelled() {
        for replica in &stage.replicas {
            if replica.has_ended_by_itself() {
                stage.tally.odd(format!("{} ended by itself", replica.name));
                replica.start().await?;
            }
        }
        tokio::time::sleep(Duration::from_millis(250)).await;
    }
    Ok(())
}

async fn database(stage: Arc<Stage>, over: CancellationToken) -> anyhow::Result<()> {
    let dice = stage.dice("database");
    while pause(&stage, &over, dice.millis(6_000, 18_000)).await {
        if dice.chance(0.5) {
            let mut postgres = stage.postgres.lock().await;
            postgres.stop().await?;
            // Now and then for longer than a lease.
            let away = if dice.chance(0.2) { LEASE + dice.millis(0, 3_000) } else { dice.millis(200, 2_000) };
            stage.done("crashed", "the database");
            tokio::time::sleep(away).await;
            postgres.start_again().await?;
        } else if cut_connections(&stage.database_url).await.is_ok() {
            stage.done("connections cut", "the database");
        }
    }
    Ok(())
}

async fn cut_connections(database: &str) -> anyhow::Result<()> {
    let mut connection = PgConnection::connect(database).await?;
    sqlx::query("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'leavebridge'")
        .execute(&mut connection)
        .await?;
    connection.close().await?;
    Ok(())
}

/// A licence that is missing for a while, or an access policy; mended, the operator tries again.
async fn mailboxes(stage: Arc<Stage>, over: CancellationToken) -> anyhow::Result<()> {
    let dice = stage.dice("mailboxes");
    while pause(&stage, &over, dice.millis(5_000, 12_000)).await {
        let address = dice.pick(&stage.people);
        let (what, broken, mended) = if dice.chance(0.5) {
            ("has no mailbox for a while (404)", json!({"kind": "unlicensed"}), json!({"kind": "normal"}))
        } else {
            ("may not be written to for a while (403)", json!({"in_scope": false}), json!({"in_scope": true}))
        };
        stage.microsoft.person(stage.owner(address), &broken).await?;
        stage.done(what, address);
        tokio::time::sleep(dice.millis(2_000, 6_000)).await;
        stage.microsoft.person(stage.owner(address), &mended).await?;
        // In vain while the database is away; the run ends with a retry in any case.
        let _tried =
            operator::try_once(&stage, &dice, Method::POST, &format!("/mappings/retry?mailbox={address}")).await;
    }
    Ok(())
}

/// The token endpoint fails for the next who asks; that stops all work for ten seconds, so it is done seldom.
async fn entra(stage: Arc<Stage>, over: CancellationToken) -> anyhow::Result<()> {
    let dice = stage.dice("entra");
    while pause(&stage, &over, dice.millis(50_000, 90_000)).await {
        stage.microsoft.fault(&json!([entra_rule(&dice)])).await?;
        stage.done("out of order for the next who asks", "the token endpoint");
    }
    Ok(())
}

fn entra_rule(dice: &Dice) -> serde_json::Value {
    let mut rule = match dice.below(4) {
        0 => json!({"status": 503, "headers": {"retry-after": "2"}}),
        1 => json!({"status": 500}),
        2 => json!({"drop": true}),
        _ => json!({"status": 200, "body": "<html>"}),
    };
    (rule["method"], rule["path"], rule["times"]) = (json!("POST"), json!("*/oauth2/v2.0/token"), json!(1));
    rule
}
