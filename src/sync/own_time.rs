//! What a mailbox itself says of its owner's time: asked for where somebody has granted it, once a day, before the first leave
//! that depends on it.
//!
//! It must never hold up a delivery: without an answer what is known counts, and else the policy.

use std::time::Duration;

use tokio::time::Instant;

use super::{
    Engine, Tenant,
    hold::{Hold, Leave},
    resync::SPACING,
};
use crate::{
    domain::{
        event::OwnTime,
        hours::{Day, Hours, days_off},
        judge::Failure,
        zone::Zone,
    },
    graph::{GraphError, Mailbox, MailboxTime},
    store::own_time::FRESH_FOR,
};

/// How long leave waits for whoever was sent ahead to find out whether mailboxes can be asked.
const PATIENCE: Duration = Duration::from_secs(2);
/// How often to look whether a mailbox is to be asked again.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// What is known of it, asked anew where that is more than a day old.
///
/// # Errors
/// When Microsoft asks us to stay away from the mailbox: that holds for its calendar as well.
pub(super) async fn ask(engine: &Engine, hold: &Hold<'_>) -> Result<OwnTime, GraphError> {
    let lease = hold.lease;
    let Some(tenant) = engine.tenants.get(&lease.tenant) else { return Ok(lease.own.clone()) };
    if lease.own_age.is_some_and(|age| age < FRESH_FOR) {
        return Ok(lease.own.clone());
    }
    let now = engine.clock.now();
    // Without patience all who come at the first moment would be written by the policy.
    let may_ask = tenant.settings.may_ask_in_time(lease.mailbox, now, PATIENCE).await;
    let told = if may_ask { read(engine, tenant, hold).await? } else { None };
    if told.is_none()
        && !tenant.settings.is_denied(lease.mailbox, now)
        && let Err(error) = engine.store.missed_own_time(lease).await
    {
        tracing::warn!(%error, "leave that is written without its mailbox's own time waits for the mailbox's next");
    }
    Ok(told.unwrap_or_else(|| lease.own.clone()))
}

/// Has mailboxes asked again whose leave was written without an answer: nobody else's leave may come by for a long time.
#[derive(Debug, Default)]
pub(super) struct Missed {
    looked: Option<Instant>,
}

impl Missed {
    /// Now and then.
    pub(super) async fn tick(&mut self, engine: &Engine) {
        if self.looked.is_some_and(|looked| looked.elapsed() < LOOK_EVERY) {
            return;
        }
        self.looked = Some(Instant::now());
        if let Err(error) = engine.store.ask_missed().await {
            tracing::warn!(%error, "cannot look for mailboxes that are to be asked again");
        }
    }
}

/// `None` when there is no answer.
async fn read(engine: &Engine, tenant: &Tenant, hold: &Hold<'_>) -> Result<Option<OwnTime>, GraphError> {
    let lease = hold.lease;
    let user = hold.user().await;
    let Leave::Granted(until) = hold.may_call().await else {
        tenant.settings.unsaid();
        return Ok(None);
    };
    let told = match tenant.graph.mailbox_time(Mailbox { user, until }).await {
        Ok(told) => understood(&told),
        Err(error) => return refused(engine, tenant, hold, error).await,
    };
    if tenant.settings.answered()
        && let Err(error) = engine.store.ask_for_own_times(&lease.tenant, SPACING).await
    {
        tracing::warn!(%error, tenant = lease.tenant, "leave that was written without its mailbox's own time stays so");
    }
    if let Err(error) = engine.store.own_time(lease, &told, SPACING).await {
        tracing::warn!(%error, "what a mailbox says of its time could not be written; it is asked again");
    }
    Ok(Some(told))
}

async fn refused(
    engine: &Engine,
    tenant: &Tenant,
    hold: &Hold<'_>,
    error: GraphError,
) -> Result<Option<OwnTime>, GraphError> {
    match error.failure {
        Failure::Throttled { .. } => {
            tenant.settings.unsaid();
            return Err(error);
        }
        // The mailbox's own trouble, which the calendar is about to meet as well.
        Failure::MailboxMissing | Failure::MailboxFull | Failure::Credentials | Failure::EntraUnavailable { .. } => {
            tenant.settings.unsaid();
        }
        // Other mailboxes of the tenant tell: this one lies outside of what Exchange grants. It is not asked again today.
        Failure::AccessDenied if tenant.settings.is_open() => {
            if let Err(error) = engine.store.own_time(hold.lease, &hold.lease.own, SPACING).await {
                tracing::warn!(%error, "that a mailbox tells nothing of its time could not be written");
            }
            return Ok(Some(hold.lease.own.clone()));
        }
        _ => {
            let (settings, now) = (&tenant.settings, engine.clock.now());
            match error.failure {
                Failure::AccessDenied => settings.denied(hold.lease.mailbox, &error, now),
                _ => settings.refused(&error, now),
            }
            tracing::info!(
                tenant = hold.lease.tenant,
                code = error.code,
                "no mailbox settings: time zone and hours are the policy's"
            );
            if error.retry_after.is_some() {
                return Err(error);
            }
        }
    }
    Ok(None)
}

/// In our words. Hours that are meant in another zone than the mailbox's would be wrong by its clock.
fn understood(told: &MailboxTime) -> OwnTime {
    let name = told.time_zone.as_deref().unwrap_or_default();
    // Exchange may name the same zone in two ways.
    let outlook_name = |name: &str| Zone::of_outlook(name)?.outlook_name();
    let is_theirs =
        |other: &str| other == name || outlook_name(name).is_some_and(|own| Some(own) == outlook_name(other));
    let hours = told.working_hours.as_ref().filter(|hours| is_theirs(&hours.time_zone.name)).and_then(|hours| {
        // What the policy has to add may change: it is added when leave is planned.
        let usual = Day::new(hours.start_time, hours.start_time, hours.end_time)?;
        Some(Hours { usual, week: [None; 7], off: days_off(&hours.days_of_week) })
    });
    OwnTime { zone: Zone::of_outlook(name), hours }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hours_count_only_in_the_mailboxes_own_zone() {
        let policy = policy([false; 7]);
        for (zone, of_hours, start, end, expected) in [
            ("GMT Standard Time", "GMT Standard Time", "08:00", "17:00", Some(("08:00:00", "13:00:00", "17:00:00"))),
            ("GMT Standard Time", "GMT Standard Time", "14:00", "22:00", Some(("14:00:00", "18:00:00", "22:00:00"))),
            ("GMT Standard Time", "Tokyo Standard Time", "08:00", "17:00", None),
            ("Europe/London", "GMT Standard Time", "08:00", "17:00", Some(("08:00:00", "13:00:00", "17:00:00"))),
            ("GMT Standard Time", "GMT Standard Time", "22:00", "06:00", None),
        ] {
            let told = serde_json::json!({"timeZone": zone, "workingHours":
                {"startTime": start, "endTime": end, "timeZone": {"name": of_hours}, "daysOfWeek": ["monday"]}});
            let own = understood(&serde_json::from_value(told).unwrap());
            assert_eq!(own.zone.as_ref().map(Zone::name), Some("Europe/London"));
            let day = own.hours.map(|hours| hours.completed_by(&policy).usual);
            let told = day.map(|day| [day.start, day.midday, day.end].map(|time| time.to_string()));
            assert_eq!(told, expected.map(|(a, b, c)| [a, b, c].map(str::to_owned)), "{start}-{end}");
        }
        let custom = MailboxTime { time_zone: Some("Customized Time Zone".into()), working_hours: None };
        assert_eq!(understood(&custom), OwnTime::default());
    }

    #[test]
    fn days_that_the_mailbox_does_not_name_are_off() {
        let weekend = [false, false, false, false, false, true, true];
        for (days, expected) in [
            (&["monday", "tuesday", "wednesday", "thursday", "friday"][..], weekend),
            (&["sunday", "monday", "tuesday", "wednesday"], [false, false, false, true, true, true, false]),
            // No answer is no week without work.
            (&[], weekend),
        ] {
            let told = serde_json::json!({"timeZone": "UTC", "workingHours": {"startTime": "08:00", "endTime": "17:00",
                "timeZone": {"name": "UTC"}, "daysOfWeek": days}});
            let own = understood(&serde_json::from_value(told).unwrap());
            assert_eq!(own.hours.unwrap().completed_by(&policy(weekend)).off, expected, "{days:?}");
        }
    }

    fn policy(off: [bool; 7]) -> Hours {
        let [start, midday, end] = ["09:00", "13:00", "18:00"].map(|time| time.parse().unwrap());
        Hours { usual: Day::new(start, midday, end).unwrap(), week: [None; 7], off }
    }
}
