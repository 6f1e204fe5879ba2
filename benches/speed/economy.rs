//! What a leave costs: requests at Graph, rows and bytes in PostgreSQL; and what the service itself costs: memory, and time
//! until it is ready.

use std::time::Duration;

use sqlx::PgConnection;

use crate::{
    delivery::{backlog, deliver, release},
    intake::BLOCK,
    load::drive,
    numbers::count,
    report::{Goal, Report},
    stage::{Stage, execute, settled},
};

const DATABASE: &str = "speed_economy";
const MEMORY: Goal = Goal::AtMost(60.0);
const TABLES: [&str; 5] = ["leaves", "mailboxes", "items", "deliveries", "timeline"];
/// Leaves over which requests, rows and bytes are shared out.
const LEAVES: usize = 5_000;
const STARTS: usize = 10;

/// Takes the figures.
pub(crate) async fn measure(stage: &Stage, report: &mut Report, waiting: usize) -> anyhow::Result<()> {
    let mut database = stage.database(DATABASE).await?;
    let mut start = Duration::ZERO;
    for _ in 0..STARTS {
        let service = stage.service(DATABASE, 0).await?;
        start = start.max(service.start);
        service.stop().await?;
    }
    report.figure(&format!("start until ready, the slowest of {STARTS}"), start.as_secs_f64(), "s", Goal::AtMost(0.3));

    let service = stage.service(DATABASE, 0).await?;
    tokio::time::sleep(Duration::from_secs(2)).await;
    report.figure("memory at rest", service.memory()?, "MB", MEMORY);

    // One for the token, and so that every mailbox has its row.
    backlog(stage, &mut database, "FIRST", LEAVES).await?;
    settled(&mut database).await?;
    execute(&mut database, "VACUUM FULL").await?;
    let (requests, rows, bytes) = (stage.requests().await?, rows(&mut database).await?, bytes(&mut database).await?);
    deliver(stage, &service, &mut database, LEAVES, None, 0).await?;
    // `deliver` warms up with leaves of its own.
    let leaves = count(LEAVES + 500);
    #[expect(clippy::cast_precision_loss, reason = "counts")]
    let per_leave = |after: i64, before: i64| (after - before) as f64 / leaves;
    let asked = i64::try_from(stage.requests().await? - requests)?;
    report.figure("requests at Graph per leave", per_leave(asked, 0), "", Goal::AtMost(1.0));
    let after = self::rows(&mut database).await?;
    report.figure("rows per leave", per_leave(after, rows), "", Goal::None);
    let after = self::bytes(&mut database).await?;
    report.figure("bytes per leave as written", per_leave(after, bytes), "", Goal::None);
    execute(&mut database, "VACUUM FULL").await?;
    let after = self::bytes(&mut database).await?;
    report.figure("bytes per leave after VACUUM FULL", per_leave(after, bytes), "", Goal::None);

    let portal = service.portal("EC")?;
    let load = drive(portal.senders(64).await?, 0, Duration::from_secs(3));
    let (memory, load) = service.most_memory(load).await?;
    load?;
    settled(&mut database).await?;
    report.figure("memory while 64 senders post and all is delivered", memory, "MB", MEMORY);

    execute(&mut database, BLOCK).await?;
    backlog(stage, &mut database, "BACK", waiting).await?;
    let (blocked, ()) = service.most_memory(tokio::time::sleep(Duration::from_secs(2))).await?;
    release(&mut database).await?;
    let (memory, delivered) = service.most_memory(settled(&mut database)).await?;
    delivered?;
    report.figure(&format!("memory with {waiting} leaves waiting"), blocked, "MB", MEMORY);
    report.figure(&format!("memory while {waiting} leaves are delivered"), memory, "MB", MEMORY);
    service.stop().await?;
    stage.drop_database(DATABASE).await
}

async fn rows(database: &mut PgConnection) -> anyhow::Result<i64> {
    let counts = TABLES.map(|table| format!("(SELECT count(*) FROM {table})")).join(" + ");
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT {counts}"))).fetch_one(database).await?)
}

/// Of the tables with their indexes.
async fn bytes(database: &mut PgConnection) -> anyhow::Result<i64> {
    let sizes = TABLES.map(|table| format!("pg_total_relation_size('{table}')")).join(" + ");
    Ok(sqlx::query_scalar(sqlx::AssertSqlSafe(format!("SELECT ({sizes})::bigint"))).fetch_one(database).await?)
}
