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
        event::{self, Application, Desired},
        policy::Policy,
    },
    store::{StoreError, resync::Settled},
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
            while let (settled, Some(last)) = self.store.upcoming(name, after).await? {
                if stop.is_cancelled() {
                    return Ok(());
                }
                let again: Vec<Uuid> =
                    settled.iter().filter(|mapping| is_other(mapping, policy)).map(|mapping| mapping.id).collect();
                if !again.is_empty() {
                    self.store.resync(&again, SPACING * put, SPACING).await?;
                    put = put.saturating_add(u32::try_from(again.len()).unwrap_or(u32::MAX));
                    self.bell.ring_due();
                }
                after = last;
            }
            tracing::info!(
                tenant = name,
                events = put,
                "the policy has changed: upcoming leave is written anew, slowly"
            );
        }
        self.store.note_policy(name, &ours).await
    }
}

/// Whether the event would be another one by this policy. What is parked is tried once more by it.
fn is_other(settled: &Settled, policy: &Policy) -> bool {
    let Ok((status, Some(leave))) = &settled.leave else { return false };
    let application = Application { id: &settled.leave_id, source: &settled.source, status: *status, leave };
    match event::desired(&application, policy, &settled.own) {
        Desired::Present(event) => settled.state != "synced" || settled.applied.as_ref() != Some(&event),
        Desired::Hidden => settled.state != "hidden",
        Desired::Absent => false,
    }
}

/// The same for the same policy, at every start and every replica.
fn fingerprint(policy: &Policy) -> String {
    let text = serde_json::to_vec(policy).unwrap_or_default();
    Uuid::new_v5(&POLICIES, &text).to_string()
}
