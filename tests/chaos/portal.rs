//! The portals: they post each webhook, signed or with a token, until it is acknowledged, as portals do.
//!
//! They must never change a webhook between two attempts, and never take anything but a 2xx for an acknowledgement.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::Relaxed},
    },
    time::Duration,
};

use anyhow::{Context as _, ensure};
use leavebridge::clock::{Clock as _, SystemClock};
use leavebridge_stage::portal::{self, Answer, Proof};

use super::{
    dice::Dice,
    leave::Revision,
    stage::{ESS_SECRET, Stage},
};

/// A portal that is not heard for so long has met a fault of ours.
const MOST_ATTEMPTS: u32 = 600;

/// Both portals; cheap to clone.
#[derive(Clone)]
pub(crate) struct Portals {
    stage: Arc<Stage>,
    posted: Arc<AtomicU64>,
    under_way: Arc<AtomicU64>,
}

/// One webhook: always the same, however often it is sent.
#[derive(Debug, Clone)]
struct Webhook {
    /// The delivery's.
    id: String,
    body: String,
    source: &'static str,
    leave: usize,
    revision: usize,
}

/// How the webhook reaches the service.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Way {
    /// Once, after a while.
    After(Duration),
    /// By so many senders at the same moment.
    AtOnce(usize),
    /// And once more when it has long been acknowledged.
    Again(Duration),
}

impl Portals {
    pub(crate) fn new(stage: Arc<Stage>) -> Self {
        Self { stage, posted: Arc::default(), under_way: Arc::default() }
    }

    /// Webhooks that are not acknowledged yet, or will be sent later.
    pub(crate) fn under_way(&self) -> u64 {
        self.under_way.load(Relaxed)
    }

    /// Notes a new version of a leave and sends it on its way. `revision` draws it, knowing its number.
    pub(crate) fn say(&self, leave: usize, way: Way, revision: impl FnOnce(usize) -> Revision) {
        let number = self.posted.fetch_add(1, Relaxed);
        let webhook = {
            let mut leaves = self.stage.book.leaves();
            let Some(told) = leaves.get_mut(leave) else { return };
            let revision = revision(told.revisions.len());
            let (people, names) = (&self.stage.people, &self.stage.names);
            let body = revision.webhook(&told.id, people, names, told.revisions.is_empty()).to_string();
            told.revisions.push(revision);
            let (id, source, revision) = (format!("chaos-{number}"), told.source, told.revisions.len() - 1);
            Webhook { id, body, source, leave, revision }
        };
        self.stage.tally.count("webhooks");
        let senders = if let Way::AtOnce(senders) = way { senders } else { 1 };
        for sender in 0..senders {
            let (portals, webhook) = (self.clone(), webhook.clone());
            self.under_way.fetch_add(1, Relaxed);
            tokio::spawn(async move {
                let dice = portals.stage.dice(&format!("{} {sender}", webhook.id));
                if let Way::After(wait) = way {
                    tokio::time::sleep(wait).await;
                }
                portals.deliver(&webhook, &dice).await;
                if let Way::Again(wait) = way {
                    tokio::time::sleep(wait).await;
                    portals.deliver(&webhook, &dice).await;
                }
                portals.under_way.fetch_sub(1, Relaxed);
            });
        }
    }

    /// Posts until it is acknowledged.
    async fn deliver(&self, webhook: &Webhook, dice: &Dice) {
        for attempt in 0..MOST_ATTEMPTS {
            if attempt > 0 {
                self.stage.tally.count("webhooks posted again");
            }
            match self.post(webhook, dice).await {
                Ok(Posted::Acknowledged) => {
                    let mut leaves = self.stage.book.leaves();
                    if let Some(leave) = leaves.get_mut(webhook.leave) {
                        leave.revisions[webhook.revision].acknowledged = true;
                    }
                    return;
                }
                Ok(Posted::Refused) => return,
                Ok(Posted::Later(wait)) => tokio::time::sleep(wait).await,
                // Killed, frozen or not there: another replica, or the same a little later.
                Err(_) => tokio::time::sleep(dice.millis(100, 800)).await,
            }
            if self.stage.give_up.load(Relaxed) {
                return;
            }
        }
    }

    async fn post(&self, webhook: &Webhook, dice: &Dice) -> anyhow::Result<Posted> {
        let stage = &self.stage;
        let url = stage.any_url(dice).context("no replica runs")?;
        let (id, wait) = (&webhook.id, if dice.chance(0.1) { Some(2) } else { None });
        let token;
        let proof = if webhook.source == "ess" {
            Proof::Secret(ESS_SECRET, SystemClock.now())
        } else {
            token = stage.token(webhook.source)?;
            Proof::Token(&token)
        };
        let answer = portal::Webhook { id, body: &webhook.body, wait }.post(&stage.client, &url, proof).await?;
        let Answer { status, retry_after, body } = answer;
        match (status, retry_after) {
            (200 | 202, _) => {
                ensure!(body.is_object(), "no answer: {body}");
                stage.tally.count(&format!("answer {}", body["outcome"].as_str().unwrap_or("without an outcome")));
                Ok(Posted::Acknowledged)
            }
            (503, Some(seconds)) => {
                stage.tally.count("answer 503");
                Ok(Posted::Later(Duration::from_secs(seconds)))
            }
            _ => {
                stage.tally.odd(format!("webhook {} was answered {status}: {body}", webhook.id));
                // A server's error may pass; a refusal of what is right will not.
                Ok(if status >= 500 { Posted::Later(Duration::from_secs(1)) } else { Posted::Refused })
            }
        }
    }
}

enum Posted {
    Acknowledged,
    Later(Duration),
    Refused,
}
