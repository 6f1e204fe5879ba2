//! A policy that has changed since the last start: upcoming leave that would look otherwise now is written anew, slowly, so
//! that nobody's new leave waits behind it. Leave that is over stays as it was.
//!
//! Nothing is lost when the process ends on the way: that the policy is a new one is noted only once everything is in the
//! queue, and what is in the queue already is not put there twice.

use std::time::Duration;

use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Engine;
use crate::{
    domain::{
        event::{Application, Desired},
        policy::Policy,
        team::{self, OWN, Place},
    },
    store::{
        StoreError,
        resync::{Further, Upcoming, Wanted},
    },
};

/// Twenty a second: far from what a tenant may ask of Graph, and hardly to be seen beside new leave.
const SPACING: Duration = Duration::from_millis(50);
const AGAIN: Duration = Duration::from_mins(1);
/// The namespace of policies' fingerprints.
const POLICIES: Uuid = Uuid::from_u128(0x0d1f_64f2_9f0c_4c4b_8a37_6a5e_04b9_7e11);

impl Engine {
    /// Looks once, at start, at every tenant's policy.
    pub async fn resync(&self, stop: &CancellationToken) {
        for (name, tenant) in &self.tenants {
            loop {
                match self.resync_tenant(name, &tenant.policy, stop).await {
                    Ok(()) => break,
                    Err(error) => {
                        tracing::warn!(%error, tenant = name, "cannot look whether the policy has changed; again in a minute");
                    }
                }
                tokio::select! {
                    () = stop.cancelled() => return,
                    () = tokio::time::sleep(AGAIN) => {}
                }
            }
        }
    }

    async fn resync_tenant(&self, name: &str, policy: &Policy, stop: &CancellationToken) -> Result<(), StoreError> {
        let ours = fingerprint(policy);
        let theirs = self.store.policy_of(name).await?;
        if theirs.as_ref() == Some(&ours) {
            return Ok(());
        }
        if theirs.is_some() {
            let mut after = 0;
            let mut put = 0_u32;
            while let (leaves, Some(last)) = self.store.upcoming(name, after).await? {
                if stop.is_cancelled() {
                    return Ok(());
                }
                let again: Vec<Uuid> = leaves.iter().flat_map(|leave| others(leave, policy)).collect();
                let further: Vec<Further> =
                    leaves.iter().flat_map(|leave| further(leave, policy, || self.random.uuid())).collect();
                if !again.is_empty() {
                    self.store.resync(&again, SPACING * put, SPACING).await?;
                    put = put.saturating_add(u32::try_from(again.len()).unwrap_or(u32::MAX));
                }
                if !further.is_empty() {
                    self.store.want_further(name, &further, SPACING * put, SPACING).await?;
                    put = put.saturating_add(u32::try_from(further.len()).unwrap_or(u32::MAX));
                }
                self.bell.ring_due();
                after = last;
            }
            self.store.look_at_replies(name).await?;
            tracing::info!(
                tenant = name,
                events = put,
                "the policy has changed: upcoming leave is written anew, slowly"
            );
        }
        self.store.note_policy(name, &ours).await
    }
}

/// The settled mappings of a leave whose event would be another one by this policy. What is parked is tried once more by it.
fn others<'a>(upcoming: &'a Upcoming, policy: &'a Policy) -> impl Iterator<Item = Uuid> + 'a {
    let is_other = |mapping: &&Wanted| {
        let place = Place { mailbox: &mapping.mailbox, calendar: &mapping.calendar };
        let Some(desired) = wanted(upcoming, place, policy) else { return false };
        match (desired, mapping.state.as_str()) {
            // Whatever is in the queue is planned by this policy anyway.
            (_, "pending" | "waiting") => false,
            (Desired::Present(event), "synced") => mapping.applied.as_ref() != Some(&event),
            (Desired::Present(_), _) => true,
            (Desired::Hidden, state) => state != "hidden",
            (Desired::Absent, state) => state != "removed",
        }
    };
    upcoming.mappings.iter().filter(is_other).map(|mapping| mapping.id)
}

/// The calendars of teams into which a leave belongs by this policy and where nobody has wanted it yet.
fn further(upcoming: &Upcoming, policy: &Policy, id: impl Fn() -> Uuid) -> Vec<Further> {
    let Ok((_, Some(leave))) = &upcoming.leave else { return Vec::new() };
    let is_new = |place: &Place<'_>| {
        let known = |mapping: &Wanted| mapping.mailbox == place.mailbox && mapping.calendar == place.calendar;
        place.calendar != OWN && !upcoming.mappings.iter().any(known)
    };
    let shows = |place: &Place<'_>| matches!(wanted(upcoming, *place, policy), Some(Desired::Present(_)));
    let places = team::places(leave, &upcoming.source, policy);
    let places = places.into_iter().filter(is_new).filter(shows);
    places
        .map(|place| Further {
            id: id(),
            leave: upcoming.row,
            mailbox: place.mailbox.to_owned(),
            calendar: place.calendar.to_owned(),
        })
        .collect()
}

fn wanted(upcoming: &Upcoming, place: Place<'_>, policy: &Policy) -> Option<Desired> {
    let Ok((status, Some(leave))) = &upcoming.leave else { return None };
    let application = Application { id: &upcoming.leave_id, source: &upcoming.source, status: *status, leave };
    Some(team::desired(place, &application, policy, &upcoming.own))
}

/// The same for the same policy, at every start and every replica.
fn fingerprint(policy: &Policy) -> String {
    let text = serde_json::to_vec(policy).unwrap_or_default();
    Uuid::new_v5(&POLICIES, &text).to_string()
}
