//! The same once more with years of settled leave in the database.
//!
//! The history is copied from leave that the service itself has taken in and delivered, so that its rows are as long as real
//! ones, whatever columns there are.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    Size, delivery,
    intake::{self, BLOCK},
    lag::{self, Lag},
    load::drive,
    numbers::count,
    report::{Goal, Report},
    stage::{Stage, execute, settled},
};

const DATABASE: &str = "speed_history";
/// As good as the same: figures of one run differ by less.
const SAME: f64 = 0.9;

/// The figures of an empty database, as far as they were taken in this run.
#[derive(Debug, Default)]
pub(crate) struct Baseline {
    pub(crate) intake: Option<f64>,
    pub(crate) delivery: Option<f64>,
    pub(crate) lag: Option<Lag>,
}

/// Takes the figures.
pub(crate) async fn measure(
    stage: &Stage,
    report: &mut Report,
    size: Size,
    empty: &mut Baseline,
) -> anyhow::Result<()> {
    let mut database = stage.database(DATABASE).await?;
    pattern(stage, &mut database).await?;
    copy(&mut database, size).await?;
    let leaves: i64 = sqlx::query_scalar("SELECT count(*) FROM leaves").fetch_one(&mut database).await?;
    let bytes: i64 = sqlx::query_scalar("SELECT pg_database_size(current_database())").fetch_one(&mut database).await?;
    #[expect(clippy::cast_precision_loss, reason = "a count and a size")]
    let (leaves, bytes) = (leaves as f64, bytes as f64);
    report.figure("settled leaves in the database", leaves, "", Goal::None);
    report.figure("size of the database", bytes / f64::from(1 << 20), "MB", Goal::None);

    let service = stage.service(DATABASE, 0).await?;
    report.figure("start until ready", service.start.as_secs_f64(), "s", Goal::AtMost(0.3));
    tokio::time::sleep(Duration::from_secs(3)).await;
    let rest = Duration::from_secs(size.rest_seconds);
    let before = stage.used(&service)?;
    tokio::time::sleep(rest).await;
    let after = stage.used(&service)?;
    let percent = |used: f64| used * 100.0 / rest.as_secs_f64();
    report.figure("processor at rest, service", percent(after.service - before.service), "%", Goal::AtMost(1.0));
    report.figure("processor at rest, PostgreSQL", percent(after.postgres - before.postgres), "%", Goal::AtMost(1.0));
    report.figure("memory at rest", service.memory()?, "MB", Goal::AtMost(60.0));

    let mut lag = lag::lone(stage, &service, size.lags).await?;
    for (share, name) in [(0.5, "p50"), (0.99, "p99")] {
        let took = lag.requested(share);
        report.figure(&format!("webhook → request at Graph, {name}"), took, "ms", Goal::None);
        if let Some(empty) = &mut empty.lag {
            let goal = if share < 0.9 { Goal::AtMost(1.0 / SAME) } else { Goal::None };
            report.figure(&format!("ratio to empty, {name}"), took / empty.requested(share), "", goal);
        }
    }
    let rate = delivery::deliver(stage, &service, &mut database, size.deliveries[0], None, 0).await?;
    report.figure("events, Microsoft answers in 0 ms", rate, "/s", Goal::None);
    if let Some(empty) = empty.delivery {
        report.figure("ratio to empty", rate / empty, "", Goal::AtLeast(SAME));
    }
    service.stop().await?;

    execute(&mut database, BLOCK).await?;
    let load = intake::post(stage, DATABASE, 64, Duration::from_secs(size.intake_seconds)).await?;
    report.figure("accepted, 64 connections", load.per_second(), "/s", Goal::None);
    if let Some(empty) = empty.intake {
        report.figure("ratio to empty", load.per_second() / empty, "", Goal::AtLeast(SAME));
    }
    stage.drop_database(DATABASE).await
}

/// A few leaves that have gone the whole way.
async fn pattern(stage: &Stage, database: &mut PgConnection) -> anyhow::Result<()> {
    let service = stage.service(DATABASE, 0).await?;
    drive(service.portal("PATTERN")?.senders(1).await?, 0, Duration::from_millis(50)).await?;
    settled(database).await?;
    service.stop().await
}

/// Copies the first of them a million times, over all people and three years, one in ten cancelled since.
async fn copy(database: &mut PgConnection, size: Size) -> anyhow::Result<()> {
    let sql = include_str!("history.sql")
        .replace(":leaves", &size.history.to_string())
        .replace(":people", &size.people.to_string());
    execute(database, &sql).await?;
    for table in ["leaves", "mailboxes", "items", "deliveries", "timeline"] {
        execute(database, &format!("VACUUM ANALYZE {table}")).await?;
    }
    let mappings: i64 = sqlx::query_scalar("SELECT count(*) FROM items").fetch_one(&mut *database).await?;
    anyhow::ensure!(usize::try_from(mappings)? >= size.history, "only {mappings} mappings were made");
    println!("  ({:.1} mappings per person)", count(usize::try_from(mappings)?) / count(size.people));
    execute(database, "CHECKPOINT").await
}
