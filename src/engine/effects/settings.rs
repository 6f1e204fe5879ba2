//! The reading of a mailbox's settings: the owner's time zone and working hours. Read where the permission is
//! granted, once a day, before the first leave that depends on it.
//!
//! It must never hold up a delivery: without an answer what is known counts, and else the policy.

use std::time::Duration;

use super::{Delivered, decide, outcome, result};
use crate::{
    domain::{
        event::MailboxSettings,
        hours::{Day, Hours, days_off},
        zone::Zone,
    },
    engine::{
        lease::{CallPermit, LeaseGuard},
        resync::PACE,
    },
    graph::{GraphError, MailboxAccess, MailboxTime},
    reconcile::{
        failure::Failure,
        mailbox::since,
        retry_policy::RetryDecision,
        settle::{DeliveryOutcome, DeliveryResult},
        state::{Kind, State},
        whole::SETTINGS_FRESH_FOR,
    },
    store::leases::Due,
};

/// How long leave waits for the one request that finds out whether mailboxes can be asked.
const PROBE_WITHIN: Duration = Duration::from_secs(2);
/// A mailbox that gave no answer is not asked again before that.
const LEAST_WAIT: Duration = Duration::from_mins(1);

/// Reads the settings of the mailbox.
pub(super) async fn deliver(guard: &LeaseGuard<'_>, due: &Due) -> Delivered {
    let (lease, tenant) = (guard.lease, guard.tenant);
    let done = |result: DeliveryResult| Delivered::Done(Box::new(result));
    if lease.settings_at.is_some_and(|at| since(at, lease.now) < SETTINGS_FRESH_FOR) {
        return done(result(guard, &due.item, DeliveryOutcome::settled(State::Synced)));
    }
    let now = guard.engine.clock.now();
    // Without this wait all leave that comes at the first moment would be written by the policy.
    if !tenant.settings.may_ask_in_time(lease.mailbox, now, PROBE_WITHIN).await {
        let outcome = if tenant.settings.is_denied(lease.mailbox, now) {
            DeliveryOutcome::settled(State::Hidden)
        } else {
            let error = GraphError::left_alone();
            let (reason, _) = decide(guard, &due.item, &error);
            DeliveryOutcome::Waiting(reason, error.sentence(), LEAST_WAIT)
        };
        return done(result(guard, &due.item, outcome));
    }
    // Not by the guard's own call: a refusal here is nothing that the calendar has to suffer.
    let Some(user) = guard.user().await else {
        tenant.settings.unsaid();
        return Delivered::Interrupted;
    };
    let until = match guard.permit().await {
        CallPermit::Granted(until) => until,
        refused => {
            tenant.settings.unsaid();
            return if refused == CallPermit::LeaseLost { Delivered::LeaseLost } else { Delivered::Interrupted };
        }
    };
    match tenant.graph.mailbox_time(MailboxAccess { user, until }).await {
        Ok(told) => {
            let told = understood(&told);
            guard.note_settings(&told);
            if tenant.settings.answered() {
                wake_denied(guard).await;
            }
            let mut result = result(guard, &due.item, DeliveryOutcome::settled(State::Synced));
            result.settings = Some(told);
            done(result)
        }
        Err(error) => refused(guard, due, &error),
    }
}

/// The tenant's mailboxes can be asked from now on: those that could not be are.
async fn wake_denied(guard: &LeaseGuard<'_>) {
    let tenant = &guard.lease.tenant;
    let woken = guard.engine.store.wake_all(tenant, Kind::Settings, Some(State::Hidden), PACE).await;
    if let Err(error) = woken {
        tracing::warn!(%error, tenant, "mailboxes that could not be asked for their own time are not asked until their next leave");
    }
}

fn refused(guard: &LeaseGuard<'_>, due: &Due, error: &GraphError) -> Delivered {
    let (breaker, lease, now) = (&guard.tenant.settings, guard.lease, guard.engine.clock.now());
    let (reason, decision) = decide(guard, &due.item, error);
    let mut ended = None;
    match error.failure {
        Failure::Throttled { .. }
        // The mailbox's own trouble, which the calendar is about to meet as well.
        | Failure::MailboxMissing
        | Failure::MailboxFull
        | Failure::Credentials
        | Failure::EntraUnavailable { .. } => breaker.unsaid(),
        // Other mailboxes of the tenant tell: this one lies outside of what Exchange grants. It is not asked again today.
        Failure::AccessDenied if breaker.is_open() => {
            ended = Some((State::Synced, Some(lease.settings.clone())));
        }
        _ => {
            if error.failure == Failure::AccessDenied {
                breaker.denied(lease.mailbox, error, now);
                ended = Some((State::Hidden, None));
            } else {
                breaker.refused(error, now);
            }
            tracing::info!(
                tenant = lease.tenant,
                code = error.code,
                "no mailbox settings: time zone and hours are the policy's"
            );
        }
    }
    let mut result = if let Some((state, settings)) = ended {
        DeliveryResult { settings, ..result(guard, &due.item, DeliveryOutcome::settled(state)) }
    } else {
        let outcome = match outcome(reason, decision, error) {
            Ok(DeliveryOutcome::Throttled(reason, detail, wait)) => DeliveryOutcome::Throttled(reason, detail, wait),
            Ok(DeliveryOutcome::Waiting(reason, detail, wait)) => {
                DeliveryOutcome::Waiting(reason, detail, wait.max(LEAST_WAIT))
            }
            _ => DeliveryOutcome::Waiting(reason, error.sentence(), LEAST_WAIT),
        };
        result(guard, &due.item, outcome)
    };
    result.retry_after = error.retry_after;
    if error.retry_after.is_some() || matches!(decision, RetryDecision::Throttle(_)) {
        // What Microsoft asks for holds for the mailbox's calendar as well.
        guard.pause();
    }
    Delivered::Done(Box::new(result))
}

/// In our words. Hours that are meant in another zone than the mailbox's would be wrong by its clock.
fn understood(told: &MailboxTime) -> MailboxSettings {
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
    MailboxSettings { zone: Zone::of_outlook(name), hours }
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
        assert_eq!(understood(&custom), MailboxSettings::default());
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
