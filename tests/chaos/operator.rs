//! What an operator sees and does, through the API of any replica that answers.

use std::time::Duration;

use anyhow::Context as _;
use reqwest::Method;
use serde::Deserialize;
use serde_json::Value;

use super::{dice::Dice, stage::Stage};

const TRIES: usize = 40;
const PAUSE: Duration = Duration::from_millis(500);
/// More pages than any run fills.
const MOST_PAGES: usize = 200;

/// One mapping as the API shows it.
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Mapping {
    pub(crate) id: String,
    pub(crate) source: String,
    pub(crate) leave_id: String,
    pub(crate) mailbox: String,
    pub(crate) state: String,
    pub(crate) reason: Option<String>,
    pub(crate) detail: Option<String>,
}

impl Mapping {
    /// State and reason, for people.
    pub(crate) fn stand(&self) -> String {
        let reason = self.reason.as_deref().unwrap_or("no reason given");
        format!("{} ({reason}: {})", self.state, self.detail.as_deref().unwrap_or("-"))
    }
}

/// One call, tried again at another replica while there is no good answer.
pub(crate) async fn call(stage: &Stage, method: Method, path: &str) -> anyhow::Result<Value> {
    let dice = Dice::new(stage.seed, path);
    let mut last = String::from("no replica runs");
    for _ in 0..TRIES {
        match try_once(stage, &dice, method.clone(), path).await {
            Ok(answer) => return Ok(answer),
            Err(error) => last = format!("{error:#}"),
        }
        tokio::time::sleep(PAUSE).await;
    }
    anyhow::bail!("{path} is not answered: {last}")
}

/// The same, tried once.
pub(crate) async fn try_once(stage: &Stage, dice: &Dice, method: Method, path: &str) -> anyhow::Result<Value> {
    let url = stage.any_url(dice).context("no replica runs")?;
    let request = stage.client.request(method, format!("{url}{path}")).bearer_auth(stage.token("ops")?);
    Ok(request.send().await?.error_for_status()?.json().await?)
}

/// All mappings that match.
pub(crate) async fn mappings(stage: &Stage, filter: &str) -> anyhow::Result<Vec<Mapping>> {
    let mut found = Vec::new();
    let mut cursor = String::new();
    for _ in 0..MOST_PAGES {
        let page = call(stage, Method::GET, &format!("/mappings?limit=500{filter}{cursor}")).await?;
        found.extend(serde_json::from_value::<Vec<Mapping>>(page["mappings"].clone())?);
        let Some(next) = page["next_cursor"].as_str() else { return Ok(found) };
        cursor = format!("&cursor={next}");
    }
    anyhow::bail!("the list of mappings never ends")
}
