//! The end of the trouble: everything is mended, and the service gets the time it needs to bring every calendar in order.
//!
//! It must never help more than an operator would: retries only for what the run itself put out of reach.

use std::{
    sync::atomic::Ordering::Relaxed,
    time::{Duration, Instant},
};

use anyhow::Context as _;
use reqwest::Method;
use serde_json::json;
use sqlx::{Connection as _, PgConnection};

use super::{
    operator::{self, Mapping},
    portal::Portals,
    staff,
    stage::Stage,
};

/// Until then every webhook must have been acknowledged.
const ACKNOWLEDGED_WITHIN: Duration = Duration::from_secs(90);
/// Until then every mapping must have settled: a doubt lasts a minute and is waited for exactly.
const SETTLED_WITHIN: Duration = Duration::from_secs(90);
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// Longer than any `Retry-After` of the run.
const NO_FLOOR_LEFT: Duration = Duration::from_secs(6);
/// Why mappings wait for a person after what this run does to mailboxes.
const MENDED: [&str; 2] = ["mailbox-missing", "access-denied"];

/// Mends everything and waits until the portals have been heard.
pub(crate) async fn restore(stage: &Stage, portals: &Portals) -> anyhow::Result<()> {
    stage.tell("quiet: everything is mended");
    stage.microsoft.control(Method::DELETE, "faults", None).await?;
    for address in &stage.people {
        stage.microsoft.person(stage.owner(address), &json!({"kind": "normal", "in_scope": true})).await?;
    }
    for replica in &stage.replicas {
        if replica.url().is_none() {
            replica.start().await?;
        }
    }
    let last = staff::put_right(stage, portals);
    stage.tell(&format!("{last} leaves change once more, because their events were touched in Outlook"));
    let end = Instant::now() + ACKNOWLEDGED_WITHIN;
    while portals.under_way() > 0 && Instant::now() < end {
        tokio::time::sleep(LOOK_EVERY / 4).await;
    }
    stage.give_up.store(true, Relaxed);
    Ok(())
}

/// Waits until every mapping has settled; gives those that have not in all the time they had.
pub(crate) async fn settle(stage: &Stage) -> anyhow::Result<Vec<Mapping>> {
    let begun = Instant::now();
    let mut hurried = false;
    loop {
        let mut open = Vec::new();
        for state in ["pending", "waiting", "parked"] {
            open.extend(operator::mappings(stage, &format!("&state={state}")).await?);
        }
        if open.is_empty() || begun.elapsed() >= SETTLED_WITHIN {
            return Ok(open);
        }
        for reason in MENDED {
            let blocked = open.iter().find(|mapping| mapping.reason.as_deref() == Some(reason));
            if let Some(mapping) = blocked {
                operator::call(stage, Method::POST, &format!("/mappings/retry?mailbox={}", mapping.mailbox)).await?;
                stage.tally.count("done mailboxes tried again by the operator");
            }
        }
        if stage.options.hurry && !hurried && begun.elapsed() > NO_FLOOR_LEFT {
            hurried = skip_waits(&stage.database_url).await?;
            if hurried {
                stage.tell(&format!("quiet: the clock moves on for the {} that wait", open.len()));
            }
        }
        if begun.elapsed().as_secs().is_multiple_of(10) {
            stage.tell(&format!("quiet: {} still open, such as {}", open.len(), open[0].stand()));
        }
        tokio::time::sleep(LOOK_EVERY).await;
    }
}

/// Moves the database's clock on when nobody is at work: what is left then only waits. `false` when somebody is.
async fn skip_waits(database: &str) -> anyhow::Result<bool> {
    let mut connection = PgConnection::connect(database).await?;
    let busy: i64 = sqlx::query_scalar(
        "SELECT (SELECT count(*) FROM mailboxes WHERE lease_until IS NOT NULL)
              + (SELECT count(*) FROM items WHERE kind = 'event' AND state IN ('pending', 'waiting') AND next_at <= now())",
    )
    .fetch_one(&mut connection)
    .await
    .context("the database cannot be asked who is at work")?;
    if busy == 0 {
        sqlx::raw_sql(
            "CREATE OR REPLACE FUNCTION leavebridge_now() RETURNS timestamptz LANGUAGE sql STABLE
             AS 'SELECT now() + interval ''5 minutes'''",
        )
        .execute(&mut connection)
        .await?;
    }
    connection.close().await?;
    Ok(busy == 0)
}
