//! How many events a second reach Outlook from a backlog, one leave per mailbox: the hard case for an engine that leases
//! mailboxes.
//!
//! The limit it is compared with is the service's own Graph client in a bare loop, as many requests at once as the engine has
//! slots, with no database anywhere.

use std::{
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::Context as _;
use leavebridge::{
    clock::{Clock as _, Random as _, SystemClock, SystemRandom},
    config::Settings,
    domain::{
        change::LeaveChange,
        event::{Application, Desired, MailboxSettings, desired},
        marker::Marker,
    },
    graph::{Graph, MailboxAccess},
    outgoing,
};
use reqwest::Method;
use serde_json::json;
use sqlx::PgConnection;
use tokio::task::JoinSet;

use crate::{
    intake::BLOCK,
    numbers::count,
    report::{Goal, Report},
    service::Service,
    stage::{Stage, execute, settled},
    webhooks::{address, body},
};

const UNBLOCK: &str = "UPDATE tenants SET blocked_until = NULL, blocked_since = NULL, blocked_reason = NULL;
     SELECT pg_notify('leavebridge_due', '')";
/// Leaves per transaction of a backlog, so that they are due one after the other.
const CHUNK: usize = 500;

/// Takes the figures; gives the events per second of a Microsoft that answers at once.
pub(crate) async fn measure(stage: &Stage, report: &mut Report, deliveries: [usize; 2]) -> anyhow::Result<f64> {
    let mut at_once = 0.0;
    for (delay, leaves) in [(0, deliveries[0]), (50, deliveries[1])] {
        let mut database = stage.database("speed_delivery").await?;
        let service = stage.service("speed_delivery", delay).await?;
        let slots = service.settings.sync.mailboxes;
        let rate = deliver(stage, &service, &mut database, leaves, Some(report), delay).await?;
        report.figure(&format!("events, Microsoft answers in {delay} ms"), rate, "/s", Goal::None);
        service.stop().await?;
        stage.drop_database("speed_delivery").await?;
        let service = stage.database("speed_bare").await.map(|_| stage.service("speed_bare", delay))?.await?;
        let bare = bare(stage, &service.settings, slots, leaves).await?;
        service.stop().await?;
        stage.drop_database("speed_bare").await?;
        report.figure(&format!("the same requests alone, {slots} at once, {delay} ms"), bare, "/s", Goal::None);
        report.figure(&format!("ratio, {delay} ms"), rate / bare, "", Goal::AtLeast(0.6));
        if delay == 0 {
            at_once = rate;
        } else {
            #[expect(clippy::cast_precision_loss, reason = "milliseconds")]
            let most = count(slots) * 1000.0 / delay as f64;
            report.figure(&format!("of {slots} slots ÷ {delay} ms"), rate / most, "", Goal::AtLeast(0.9));
        }
    }
    Ok(at_once)
}

/// Lets a backlog of that many leaves go, and gives the events per second until all of them have settled.
pub(crate) async fn deliver(
    stage: &Stage,
    service: &Service,
    database: &mut PgConnection,
    leaves: usize,
    report: Option<&mut Report>,
    delay: u64,
) -> anyhow::Result<f64> {
    // The first ones fetch the token, open connections and make plans.
    backlog(stage, database, "WARM", 500).await?;
    settled(database).await?;
    execute(database, BLOCK).await?;
    backlog(stage, database, "DUE", leaves).await?;
    execute(database, "ANALYZE; CHECKPOINT").await?;
    let before = stage.used(service)?;
    let begun = Instant::now();
    release(database).await?;
    settled(database).await?;
    let took = begun.elapsed();
    let after = stage.used(service)?;
    if let Some(report) = report {
        for (who, used) in [
            ("service", after.service - before.service),
            ("PostgreSQL", after.postgres - before.postgres),
            ("simulator", after.harness - before.harness),
        ] {
            let each = used * 1_000_000.0 / count(leaves);
            report.figure(&format!("processor time per event, {who}, {delay} ms"), each, "µs", Goal::None);
        }
    }
    Ok(count(leaves) / took.as_secs_f64())
}

/// Ends the block, and says so.
pub(crate) async fn release(database: &mut PgConnection) -> anyhow::Result<()> {
    execute(database, UNBLOCK).await
}

/// Makes that many leaves due, each another person's.
pub(crate) async fn backlog(
    stage: &Stage,
    database: &mut PgConnection,
    mark: &str,
    leaves: usize,
) -> anyhow::Result<()> {
    for first in (0..leaves).step_by(CHUNK) {
        let last = (first + CHUNK).min(leaves) - 1;
        // As an intake writes them.
        execute(
            database,
            &format!(
                r#"CREATE TEMPORARY TABLE backlog ON COMMIT DROP AS
                   SELECT n, 'p' || n % {people} || '@contoso.com' AS address, '{mark}-' || n AS id
                   FROM generate_series({first}, {last}) AS n;
                   INSERT INTO mailboxes (id, tenant, address)
                   SELECT nextval('mailboxes_id_seq'), 'default', address FROM (SELECT DISTINCT address FROM backlog) AS b
                   WHERE NOT EXISTS (SELECT FROM addresses a WHERE a.tenant = 'default' AND a.address = b.address);
                   INSERT INTO addresses (tenant, address, mailbox)
                   SELECT 'default', m.address, m.id FROM mailboxes m JOIN backlog b ON b.address = m.address
                   ON CONFLICT DO NOTHING;
                   INSERT INTO leaves (tenant, source, external_id, status, content, last_day, source_at)
                   SELECT 'default', 'ess', id, 'approved', jsonb_build_object(
                       'staff', jsonb_build_object('email', address, 'employee_id', '10042', 'name', 'Amy Chan'),
                       'span', '{{"days": {{"first": "2026-12-21", "starts": "am", "last": "2026-12-23", "ends": "pm"}}}}'::jsonb,
                       'leave_type', 'ANNUAL', 'time_zone', 'Asia/Hong_Kong', 'department', 'Sales'), '2026-12-23', now()
                   FROM backlog ORDER BY n;
                   INSERT INTO deliveries (client, delivery_id, hash, leave, at)
                   SELECT 'ess', b.id, '\x00', l.id, now() FROM backlog b JOIN leaves l ON l.external_id = b.id;
                   INSERT INTO items (id, kind, tenant, mailbox, leave, address, resolve, state, next_at, updated_at)
                   SELECT gen_random_uuid(), 'event', 'default', a.mailbox, l.id, b.address, true, 'pending', now(), now()
                   FROM backlog b JOIN leaves l ON l.external_id = b.id
                   JOIN addresses a ON a.tenant = 'default' AND a.address = b.address;
                   INSERT INTO timeline (leave, at, kind, detail)
                   SELECT l.id, now(), 'received', '{{"outcome": "accepted", "status": "approved", "rev": 1, "client": "ess"}}'
                   FROM backlog b JOIN leaves l ON l.external_id = b.id"#,
                people = stage.people
            ),
        )
        .await?;
    }
    execute(database, "SELECT pg_notify('leavebridge_due', '')").await
}

/// Another event's for each number.
fn marker(n: usize) -> Marker {
    Marker::new("bench", "default", "ess", &n.to_string(), "default")
}

/// Creates that many events, `slots` at once, with nothing but the Graph client.
async fn bare(stage: &Stage, settings: &Settings, slots: usize, events: usize) -> anyhow::Result<f64> {
    let tenant = settings.tenants.get("default").context("no tenant")?;
    let http = outgoing::client(None, settings.sync.call_timeout)?;
    let graph = Arc::new(Graph::new(
        http,
        outgoing::direct(settings.sync.call_timeout)?,
        &tenant.microsoft,
        settings.sync.call_timeout,
        Arc::new(SystemClock),
        Arc::new(SystemRandom),
    ));
    let webhook = serde_json::from_str(&body("x", &address(0)))?;
    let change = LeaveChange::parse(&webhook, SystemClock.now()).ok().context("the webhook is no good")?;
    let leave = change.leave.context("no leave")?;
    let application = Application { id: "x", source: "ess", status: change.status, leave: &leave };
    let Desired::Present(event) = desired(&application, &tenant.policy, &MailboxSettings::default()) else {
        anyhow::bail!("no event is wanted");
    };
    let event = Arc::new(event);
    let mut rate = 0.0;
    // The first round warms up, as the engine's does.
    for (first, events) in [(0, 500), (500, events)] {
        let next = Arc::new(AtomicUsize::new(first));
        let begun = Instant::now();
        let mut working = JoinSet::new();
        for _ in 0..slots {
            let (graph, event, next, people) =
                (Arc::clone(&graph), Arc::clone(&event), Arc::clone(&next), stage.people);
            working.spawn(async move {
                while let n = next.fetch_add(1, Ordering::Relaxed)
                    && n < first + events
                {
                    let address = address(n % people);
                    let until = tokio::time::Instant::now() + Duration::from_secs(20);
                    let mailbox = MailboxAccess { user: &address, until };
                    let created = graph.create(mailbox, None, &event, marker(n), SystemRandom.uuid()).await;
                    created.map_err(|error| anyhow::anyhow!("{error:?}"))?;
                }
                anyhow::Ok(())
            });
        }
        while let Some(worker) = working.join_next().await {
            worker??;
        }
        rate = count(events) / begun.elapsed().as_secs_f64();
    }
    stage.control(Method::POST, "reset", Some(&json!({}))).await?;
    tokio::time::sleep(Duration::from_millis(50)).await;
    Ok(rate)
}
