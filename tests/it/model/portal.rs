//! The portals: they post, post again, and compare what they are told with what the model says.

use futures_util::future::join_all;
use jiff::{SignedDuration, Timestamp};
use proptest::sample::Index;
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};
use tokio::task::JoinHandle;

use super::{
    history::{Kind, LEAVES, Webhook},
    outlook,
    reference::{Model, Outcome},
};
use crate::support::{Answer, TestApp, answer, at};

/// Delivery ids are forgotten after 30 days: then a repetition is none.
const REMEMBERED: SignedDuration = SignedDuration::from_hours(29 * 24);

/// What the portals remember.
#[derive(Debug, Default)]
pub(super) struct Portal {
    /// Webhooks so far, which gives each its time at the source.
    posted: i64,
    sent: Vec<Delivery>,
    /// The people's object ids.
    ids: Vec<String>,
}

/// One webhook on its way.
#[derive(Debug, Clone)]
struct Delivery {
    leave: usize,
    id: Option<String>,
    body: Value,
    at: Timestamp,
}

/// A webhook whose answer may never come.
pub(super) struct Sending {
    delivery: Delivery,
    expected: Outcome,
    answer: JoinHandle<Option<u16>>,
}

/// The client and the leave's id at its source.
pub(super) fn identity(leave: usize) -> (&'static str, String) {
    let half = LEAVES / 2;
    (if leave < half { "ess" } else { "backstage" }, format!("LA-{}", leave % half))
}

impl Outcome {
    fn word(self) -> &'static str {
        match self {
            Self::Accepted => "accepted",
            Self::Unchanged => "unchanged",
            Self::Stale => "stale",
        }
    }
}

impl Delivery {
    fn request(&self, app: &TestApp) -> RequestBuilder {
        let (client, _) = identity(self.leave);
        let request = app.request(Method::POST, "/leaves").bearer_auth(app.token(client)).json(&self.body);
        match &self.id {
            Some(id) => request.header("webhook-id", id),
            None => request,
        }
    }

    /// Posts it and insists on one of these outcomes, which it gives.
    async fn post(&self, app: &TestApp, expected: &[&'static str]) -> Result<&'static str, String> {
        let told = answer(self.request(app)).await;
        outcome(&told, expected).ok_or_else(|| format!("{self:?}: expected {expected:?}, was told {told:?}"))
    }
}

fn outcome(told: &Answer, expected: &[&'static str]) -> Option<&'static str> {
    let word = told.body["outcome"].as_str()?;
    let status = if word == "accepted" { 202 } else { 200 };
    expected.iter().copied().find(|expected| *expected == word && told.status == status)
}

impl Portal {
    /// A portal that knows people by these object ids.
    pub(super) fn new(ids: Vec<String>) -> Self {
        Self { ids, ..Self::default() }
    }

    pub(super) async fn post(&mut self, app: &TestApp, model: &mut Model, webhook: &Webhook) -> Result<(), String> {
        let (delivery, time) = self.write(app, webhook, webhook.late, webhook.named);
        let expected = model.post(webhook.leave, webhook.kind, &webhook.content, time);
        delivery.post(app, &[expected.word()]).await?;
        model.told(webhook.leave, expected);
        Ok(())
    }

    /// Each twice, to whichever replica. Their order of arrival decides what each is told, but not how it ends.
    pub(super) async fn post_at_once(
        &mut self,
        apps: &[TestApp],
        model: &mut Model,
        webhooks: &[Webhook],
    ) -> Result<(), String> {
        let mut deliveries = Vec::new();
        for webhook in webhooks {
            let (delivery, time) = self.write(&apps[0], webhook, 0, webhook.named);
            model.post(webhook.leave, webhook.kind, &webhook.content, time);
            deliveries.push(delivery);
        }
        let posts = deliveries.iter().rev().chain(&deliveries).enumerate().map(async |(n, delivery)| {
            let told = delivery.post(&apps[n % apps.len()], &["accepted", "unchanged", "stale", "duplicate"]).await;
            told.map(|told| (delivery.leave, told))
        });
        for told in join_all(posts).await {
            let (leave, told) = told?;
            if let Some(outcome) = Outcome::ALL.into_iter().find(|outcome| outcome.word() == told) {
                model.told(leave, outcome);
            }
        }
        Ok(())
    }

    /// Posts an earlier delivery once more, if there is one.
    pub(super) async fn post_again(&self, app: &TestApp, which: &Index) -> Result<(), String> {
        let remembered = |sent: &&Delivery| sent.id.is_some() && app.now().duration_since(sent.at) < REMEMBERED;
        let known: Vec<_> = self.sent.iter().filter(remembered).collect();
        if !known.is_empty() {
            which.get(&known).post(app, &["duplicate"]).await?;
        }
        Ok(())
    }

    /// Sends a webhook off.
    pub(super) fn send(&mut self, app: &TestApp, model: &mut Model, webhook: &Webhook) -> Sending {
        let (delivery, time) = self.write(app, webhook, webhook.late, true);
        let expected = model.post(webhook.leave, webhook.kind, &webhook.content, time);
        let request = delivery.request(app);
        let answer = tokio::spawn(async move { request.send().await.ok().map(|answer| answer.status().as_u16()) });
        Sending { delivery, expected, answer }
    }

    /// Sends the same once more. Acknowledged means stored; without an answer it may be or not.
    pub(super) async fn send_again(
        &self,
        app: &TestApp,
        model: &mut Model,
        (sending, acknowledged): (Sending, bool),
    ) -> Result<(), String> {
        let known = ["duplicate", sending.expected.word()];
        sending.delivery.post(app, if acknowledged { &known[..1] } else { &known }).await?;
        model.told(sending.delivery.leave, sending.expected);
        Ok(())
    }

    /// The delivery that a webhook becomes, and its time at the source.
    fn write(&mut self, app: &TestApp, webhook: &Webhook, late: i64, named: bool) -> (Delivery, i64) {
        self.posted += 1;
        // Seconds, so that no history is so long that its webhooks come from the future.
        let time = self.posted - late;
        let (_, id) = identity(webhook.leave);
        let mut data = json!({"id": id});
        let (kind, status) = match webhook.kind {
            Kind::Created(status) => ("leave.created", status),
            Kind::Updated(status) => ("leave.updated", status),
            Kind::Cancelled => ("leave.cancelled", None),
        };
        if webhook.kind != Kind::Cancelled {
            let content = &webhook.content;
            let day = |day: u8| format!("2026-12-{day:02}");
            data["staff"] = outlook::staff(content, &self.ids);
            data["start"] = json!(day(content.first));
            data["end"] = json!(day(content.first + content.days - 1));
            data["leave_type"] = json!(content.leave_type);
            data["time_zone"] = json!("Asia/Hong_Kong");
            if content.from_noon {
                data["start_session"] = json!("pm");
            }
            if let Some(status) = status {
                data["status"] = json!(status);
            }
        }
        let body = json!({"type": kind, "timestamp": at(0) + SignedDuration::from_secs(time), "data": data});
        let id = named.then(|| format!("D-{}", self.posted));
        let delivery = Delivery { leave: webhook.leave, id, body, at: app.now() };
        self.sent.push(delivery.clone());
        (delivery, time)
    }
}

impl Sending {
    /// Itself, and whether it was acknowledged; with a service that is gone it is known by now.
    pub(super) async fn answered(mut self) -> (Self, bool) {
        let status = (&mut self.answer).await.unwrap();
        (self, status.is_some_and(|status| status < 300))
    }
}
