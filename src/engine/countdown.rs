//! Says in the log, in good time and again, that a tenant's credential is about to end.
//!
//! One line per step and process, a line a day once it is over. The clock decides, so that a machine that slept says at
//! once what it missed; nothing is ever stored about it.

use std::{collections::BTreeMap, time::Duration};

use jiff::{SignedDuration, Timestamp};
use tokio_util::sync::CancellationToken;

use super::{ConnectedTenant, Engine};
use crate::{
    clock::Pause,
    domain::credential::{Countdown, Notice},
};

const LOOK_EVERY: Duration = Duration::from_secs(1);
/// How often to look into a certificate's file whether it was renewed.
const READ_EVERY: SignedDuration = SignedDuration::from_mins(1);
/// With so few days left it is no warning any more.
const PRESSING_DAYS: i32 = 7;

impl Engine {
    /// Counts until `stop`.
    pub async fn count_down(&self, stop: &CancellationToken) {
        let mut countdowns: BTreeMap<&str, Countdown> = BTreeMap::new();
        let mut read = Pause::begin(self.clock.now(), READ_EVERY);
        while !stop.is_cancelled() {
            let now = self.clock.now();
            if !read.lasts(now) {
                read = Pause::begin(now, READ_EVERY);
                // At the same time: one on a disk that hangs is given up after a while.
                let looks = self.tenants.values().map(|tenant| tenant.graph.check_credential());
                tokio::select! {
                    () = stop.cancelled() => return,
                    _ = futures_util::future::join_all(looks) => {}
                }
            }
            for (name, tenant) in &self.tenants {
                say(name, tenant, countdowns.entry(name).or_default(), now);
            }
            tokio::select! {
                () = stop.cancelled() => {}
                () = tokio::time::sleep(LOOK_EVERY) => {}
            }
        }
    }
}

fn say(name: &str, tenant: &ConnectedTenant, countdown: &mut Countdown, now: Timestamp) {
    let standing = tenant.graph.credential_status().borrow().clone();
    let Some(expires) = standing.expires else { return };
    let (date, kind) = (expires.date(), standing.kind);
    match countdown.next_notice(Some(expires), now) {
        Some(Notice::Ahead(days)) if days > PRESSING_DAYS => {
            tracing::warn!(tenant = name, credential = kind, expires = %date, days, "a credential is about to expire");
        }
        Some(Notice::Ahead(days)) => {
            tracing::error!(tenant = name, credential = kind, expires = %date, days, "a credential is about to expire");
        }
        Some(Notice::Over) if standing.in_use.is_some() && standing.problem.is_none() => {
            tracing::warn!(
                tenant = name, credential = kind, expires = %date,
                "by secret_expires a credential is over, and Microsoft takes it: set its new date, which counts from the next start on"
            );
        }
        Some(Notice::Over) => {
            tracing::error!(tenant = name, credential = kind, expires = %date, "a credential has expired: renew it");
        }
        None => {}
    }
}
