//! A policy that has changed since the last start: upcoming leave that would look otherwise now is written anew, slowly, so
//! that no new leave waits behind it. Leave that is over stays as it was.
//!
//! Nothing is lost when the process ends on the way: that the policy is a new one is noted only once a look finds nothing
//! left to do, and what is in the queue already is not put there twice.

use std::time::Duration;

use jiff::Timestamp;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use super::Engine;
use crate::{
    domain::{
        event::{Application, Desired, MailboxSettings},
        policy::Policy,
        team,
        team_calendar::{CalendarTarget, PRIMARY},
    },
    reconcile::state::{Kind, State},
    store::{
        StoreError,
        resync::{Further, Pace, Upcoming, WantedEvent},
    },
};

/// Twenty a second: far from what a tenant may ask of Graph, and hardly to be seen beside new leave.
pub(super) const PACE: Pace = Pace { wait: Duration::ZERO, spacing: SPACING };
/// Most have nothing to write: a look alone costs no request.
const AT_ONCE: Pace = Pace { wait: Duration::ZERO, spacing: Duration::ZERO };
const SPACING: Duration = Duration::from_millis(50);
const AGAIN: Duration = Duration::from_mins(1);
/// How often the clock is looked at, which may have been set.
const LOOK_EVERY: Duration = Duration::from_secs(1);
/// A replica of the former configuration is taken to be gone by then.
const OTHERS_GO_WITHIN: Duration = Duration::from_mins(10);
/// In the place of a fingerprint while leave is being written anew.
const BETWEEN: &str = "being written anew";
/// The namespace of policies' fingerprints.
const POLICIES: Uuid = Uuid::from_u128(0x0d1f_64f2_9f0c_4c4b_8a37_6a5e_04b9_7e11);

impl Engine {
    /// Looks at every tenant's policy at start, and goes on looking until nothing is left to write anew: a replica of the
    /// former configuration that still runs may take some of it for right.
    pub async fn resync(&self, stop: &CancellationToken) {
        let mut open: Vec<(&str, bool)> = self.tenants.keys().map(|name| (name.as_str(), true)).collect();
        while !open.is_empty() && !stop.is_cancelled() {
            let mut wait = AGAIN;
            let mut left = Vec::new();
            for (name, is_first) in open {
                let Some(tenant) = self.tenants.get(name) else { continue };
                match self.resync_tenant(name, &tenant.policy, is_first, stop).await {
                    Ok(None) => {}
                    Ok(Some(put)) => {
                        wait = wait.max(SPACING.saturating_mul(put).saturating_add(OTHERS_GO_WITHIN));
                        left.push((name, false));
                    }
                    Err(error) => {
                        tracing::warn!(%error, tenant = name, "cannot look whether the policy has changed; looking again");
                        left.push((name, is_first));
                    }
                }
            }
            open = left;
            let next = self.clock.now().saturating_add(wait).unwrap_or(Timestamp::MAX);
            while !open.is_empty() && self.clock.now() < next && !stop.is_cancelled() {
                tokio::select! {
                    () = stop.cancelled() => {}
                    () = tokio::time::sleep(LOOK_EVERY) => {}
                }
            }
        }
    }

    /// One look; how many events were put into the queue, or `None` when it was the last one. The first look at a changed
    /// policy never is: what a replica of the former one does after it is seen by the next.
    async fn resync_tenant(
        &self,
        name: &str,
        policy: &Policy,
        is_first: bool,
        stop: &CancellationToken,
    ) -> Result<Option<u32>, StoreError> {
        let ours = fingerprint(policy);
        let theirs = self.store.policy_of(name).await?;
        if theirs.as_ref() == Some(&ours) {
            return Ok(None);
        }
        let mut put = 0_u32;
        if theirs.is_some() {
            // Neither the one nor the other: the next replica that starts looks again, whichever policy it has.
            self.store.note_policy(name, BETWEEN).await?;
            let mut after = 0;
            while let (leaves, Some(last)) = self.store.upcoming(name, after).await? {
                if stop.is_cancelled() {
                    return Ok(Some(put));
                }
                let again: Vec<Uuid> = leaves.iter().flat_map(|leave| others(leave, policy)).collect();
                let further: Vec<Further> =
                    leaves.iter().flat_map(|leave| further(leave, policy, || self.random.uuid())).collect();
                if !again.is_empty() {
                    self.store.resync(&again, behind(put)).await?;
                    put = put.saturating_add(u32::try_from(again.len()).unwrap_or(u32::MAX));
                }
                if !further.is_empty() {
                    self.store.want_further(name, &further, behind(put)).await?;
                    put = put.saturating_add(u32::try_from(further.len()).unwrap_or(u32::MAX));
                }
                self.wake_up.note_due();
                after = last;
            }
            if policy.replies() {
                while self.store.enter_replies(name, || self.random.uuid()).await? {}
            }
            self.store.wake_all(name, Kind::Reply, None, AT_ONCE).await?;
        }
        if put > 0 {
            tracing::info!(
                tenant = name,
                events = put,
                "the policy has changed: upcoming leave is written anew, slowly"
            );
        } else if theirs.is_none() || !is_first {
            self.store.note_policy(name, &ours).await?;
            return Ok(None);
        }
        Ok(Some(put))
    }
}

/// Behind so many that were put into the queue already.
fn behind(put: u32) -> Pace {
    Pace { wait: SPACING * put, spacing: SPACING }
}

/// The settled mappings of a leave whose event would be another one by this policy. What is parked is tried once more by it.
fn others<'a>(upcoming: &'a Upcoming, policy: &'a Policy) -> impl Iterator<Item = Uuid> + 'a {
    let is_other = |mapping: &&WantedEvent| {
        let place = CalendarTarget { mailbox: &mapping.mailbox, calendar: &mapping.calendar };
        let Some(desired) = wanted(upcoming, place, policy, &mapping.own) else { return false };
        match (desired, mapping.state) {
            // Whatever is in the queue is planned by this policy anyway.
            (_, State::Pending | State::Waiting) => false,
            (Desired::Present(event), State::Synced) => mapping.written.as_ref() != Some(&event),
            (Desired::Present(_), _) => true,
            (Desired::Hidden, state) => state != State::Hidden,
            (Desired::Absent, state) => state != State::Removed,
        }
    };
    upcoming.mappings.iter().filter(is_other).map(|mapping| mapping.id)
}

/// The calendars of teams into which a leave belongs by this policy and where it is not wanted yet.
fn further(upcoming: &Upcoming, policy: &Policy, id: impl Fn() -> Uuid) -> Vec<Further> {
    let Ok((_, Some(leave))) = &upcoming.leave else { return Vec::new() };
    let is_new = |place: &CalendarTarget<'_>| {
        let known = |mapping: &WantedEvent| mapping.mailbox == place.mailbox && mapping.calendar == place.calendar;
        place.calendar != PRIMARY && !upcoming.mappings.iter().any(known)
    };
    let shows = |place: &CalendarTarget<'_>| {
        matches!(wanted(upcoming, *place, policy, &MailboxSettings::default()), Some(Desired::Present(_)))
    };
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

fn wanted(
    upcoming: &Upcoming,
    place: CalendarTarget<'_>,
    policy: &Policy,
    theirs: &MailboxSettings,
) -> Option<Desired> {
    let Ok((status, Some(leave))) = &upcoming.leave else { return None };
    let application = Application { id: &upcoming.leave_id, source: &upcoming.source, status: *status, leave };
    Some(team::desired(place, &application, policy, &upcoming.own, theirs))
}

/// The same for the same policy, at every start and every replica.
fn fingerprint(policy: &Policy) -> String {
    let text = serde_json::to_vec(policy).unwrap_or_default();
    Uuid::new_v5(&POLICIES, &text).to_string()
}
