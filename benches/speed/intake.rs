//! How many webhooks a second are acknowledged, and how long each takes, while nothing is delivered.
//!
//! The limit it is compared with is the same intake one by one over as many connections, without
//! HTTP, credentials, reading or checking.

use std::time::Duration;

use anyhow::Context as _;
use leavebridge::{
    clock::{Clock as _, Random as _, SystemClock, SystemRandom},
    domain::{
        change::LeaveChange,
        leave::{Leave, Status},
    },
    reconcile::change::{Change, Target},
    store::Store,
};

use crate::{
    load::{Load, Sender, drive},
    numbers::percentile,
    report::{Goal, Report},
    stage::{Stage, execute},
    webhooks::{address, body},
};

/// Nothing is delivered meanwhile: the tenant is blocked, as it would be with a wrong secret.
pub(crate) const BLOCK: &str = "INSERT INTO tenants (tenant, blocked_until, blocked_since, blocked_reason)
     VALUES ('default', now() + interval '1 day', now(), 'credentials')
     ON CONFLICT (tenant) DO UPDATE SET blocked_until = excluded.blocked_until, blocked_reason = 'credentials'";

/// Takes the figures; gives the accepted per second at 64 connections.
pub(crate) async fn measure(stage: &Stage, report: &mut Report, seconds: u64) -> anyhow::Result<f64> {
    let time = Duration::from_secs(seconds);
    let mut last = 0.0;
    for connections in [1, 16, 64] {
        let direct = direct(stage, connections, time).await?;
        let mut through = through(stage, connections, time).await?;
        last = through.per_second();
        report.figure(&format!("accepted, {connections} connections"), last, "/s", Goal::None);
        for share in [50, 99] {
            let took = percentile(&mut through.latencies, f64::from(share) / 100.0);
            report.figure(&format!("p{share}, {connections} connections"), took, "ms", Goal::None);
        }
        let goal = if connections == 64 { Goal::AtLeast(0.6) } else { Goal::None };
        report.figure(&format!("the same SQL alone, {connections} connections"), direct.per_second(), "/s", Goal::None);
        report.figure(&format!("ratio, {connections} connections"), last / direct.per_second(), "", goal);
    }
    Ok(last)
}

async fn through(stage: &Stage, connections: usize, time: Duration) -> anyhow::Result<Load> {
    let mut database = stage.database("speed_intake").await?;
    execute(&mut database, BLOCK).await?;
    let load = post(stage, "speed_intake", connections, time).await?;
    stage.drop_database("speed_intake").await?;
    Ok(load)
}

/// Posts to a service on that database, whose tenant is blocked.
pub(crate) async fn post(stage: &Stage, database: &str, connections: usize, time: Duration) -> anyhow::Result<Load> {
    let service = stage.service(database, 0).await?;
    let portal = service.portal("IN")?;
    // Plans are made and connections opened before the clock runs.
    drive(portal.senders(connections).await?, 1_000_000_000, Duration::from_millis(300)).await?;
    let load = drive(portal.senders(connections).await?, 0, time).await?;
    service.stop().await?;
    Ok(load)
}

async fn direct(stage: &Stage, connections: usize, time: Duration) -> anyhow::Result<Load> {
    let _database = stage.database("speed_direct").await?;
    // What the service makes of such a webhook.
    let change = LeaveChange::parse(&serde_json::from_str(&body("x", "x@contoso.com"))?, SystemClock.now());
    let leave = change.ok().and_then(|change| change.leave).context("the webhook is no good")?;
    let senders = async |first| {
        let mut senders = Vec::new();
        for _ in 0..connections {
            let store = Store::new(&stage.url("speed_direct"), 1)?;
            senders.push(Direct { store, leave: leave.clone(), people: stage.people });
        }
        drive(senders, first, if first == 0 { time } else { Duration::from_millis(300) }).await
    };
    senders(1_000_000_000).await?;
    let load = senders(0).await?;
    stage.drop_database("speed_direct").await?;
    Ok(load)
}

/// Takes leave in one by one, on a connection of its own: nothing is shared with anybody.
struct Direct {
    store: Store,
    leave: Leave,
    people: usize,
}

impl Sender for Direct {
    async fn send(&mut self, n: usize) -> anyhow::Result<()> {
        let (id, address) = (format!("IN-{n}"), address(n % self.people));
        self.leave.staff.email = Some(address.clone());
        let now = SystemClock.now();
        let change = Change {
            client: "ess".into(),
            delivery: Some((id.clone(), vec![7; 32])),
            tenant: "default".into(),
            source: "ess".into(),
            id,
            status: Status::Approved,
            leave: Some(self.leave.clone()),
            at: now,
            targets: vec![Target { address, calendar: "default".into() }],
            has_replies: false,
            look_first: false,
            directory_fresh_for: Duration::from_hours(24),
            ids: (0..Change::ids_for(1, false)).map(|_| SystemRandom.uuid_at(now)).collect(),
        };
        self.store.accept(change).await?;
        Ok(())
    }
}
