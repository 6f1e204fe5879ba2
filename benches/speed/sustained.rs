//! Webhooks posted as fast as they are accepted, while they are delivered, until the last one is in its calendar.
//!
//! Senders, service, PostgreSQL and Microsoft share the machine's cores: the figure is what all of that costs together.

use std::time::{Duration, Instant};

use anyhow::ensure;

use crate::{
    load::drive,
    numbers::{count, percentile},
    report::{Goal, Report},
    stage::{Stage, settled},
};

const DATABASE: &str = "speed_sustained";

/// Takes the figures.
pub(crate) async fn measure(stage: &Stage, report: &mut Report, seconds: u64) -> anyhow::Result<()> {
    for connections in [16, 64] {
        let mut database = stage.database(DATABASE).await?;
        let service = stage.service(DATABASE, 0).await?;
        let portal = service.portal("SU")?;
        drive(portal.senders(connections).await?, 1_000_000_000, Duration::from_millis(300)).await?;
        settled(&mut database).await?;
        let warm = leaves(&mut database).await?;
        let before = stage.used(&service)?;
        let begun = Instant::now();
        let mut load = drive(portal.senders(connections).await?, 0, Duration::from_secs(seconds)).await?;
        settled(&mut database).await?;
        let took = begun.elapsed();
        let after = stage.used(&service)?;
        let posted = load.latencies.len();
        ensure!(leaves(&mut database).await? == warm + i64::try_from(posted)?, "what was acknowledged is not there");

        let goal = if connections == 64 { Goal::AtLeast(4000.0) } else { Goal::None };
        let who = format!("{connections} senders");
        report.figure(&format!("leaves from POST to settled, {who}"), count(posted) / took.as_secs_f64(), "/s", goal);
        report.figure(&format!("accepted meanwhile, {who}"), load.per_second(), "/s", Goal::None);
        report.figure(&format!("p99 of the answer, {who}"), percentile(&mut load.latencies, 0.99), "ms", Goal::None);
        let behind = took.saturating_sub(load.took).as_secs_f64();
        report.figure(&format!("until the last is settled after the last POST, {who}"), behind, "s", Goal::None);
        for (part, used) in [
            ("service", after.service - before.service),
            ("PostgreSQL", after.postgres - before.postgres),
            ("senders and simulator", after.harness - before.harness),
        ] {
            let each = used * 1_000_000.0 / count(posted);
            report.figure(&format!("processor time per leave, {part}, {who}"), each, "µs", Goal::None);
        }
        service.stop().await?;
        stage.drop_database(DATABASE).await?;
    }
    Ok(())
}

async fn leaves(database: &mut sqlx::PgConnection) -> anyhow::Result<i64> {
    Ok(sqlx::query_scalar("SELECT count(*) FROM leaves").fetch_one(database).await?)
}
