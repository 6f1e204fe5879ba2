//! People in their own Outlook: they delete events of ours, and move them.
//!
//! What they did stays until the leave changes, so each touch is followed by a change of that leave.

use std::{sync::Arc, time::Duration};

use anyhow::Context as _;
use jiff::{ToSpan as _, civil::DateTime};
use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{
    dice::Dice,
    portal::{Portals, Way},
    stage::{Stage, TEAM},
    traffic,
};

/// Touches events until it is over.
pub(crate) async fn tidy_up(stage: Arc<Stage>, portals: Portals, over: CancellationToken) -> anyhow::Result<()> {
    let dice = stage.dice("staff");
    while !over.is_cancelled() {
        tokio::select! {
            () = over.cancelled() => break,
            () = tokio::time::sleep(stage.paced(dice.millis(500, 2_500))) => {}
        }
        // The database may be away, the event may be gone: somebody else's then.
        let _nothing_done = touch(&stage, &portals, &dice).await;
    }
    Ok(())
}

async fn touch(stage: &Stage, portals: &Portals, dice: &Dice) -> anyhow::Result<()> {
    let address = if dice.chance(0.15) { TEAM } else { dice.pick(&stage.people) };
    let events = stage.microsoft.events(stage.owner(address)).await?;
    // The newest, which are still being changed.
    let recent = &events[events.len().saturating_sub(6)..];
    let (marker, event) = recent.get(dice.below(recent.len())).context("an empty calendar")?;
    let id = event["id"].as_str().context("an event has an id")?;
    let place = {
        let leaves = stage.book.leaves();
        leaves.iter().position(|leave| leave.markers().contains(marker)).context("a leave of ours")?
    };
    let path = format!(
        "users/{}/events/{}",
        stage.owner(address),
        percent_encoding::utf8_percent_encode(id, percent_encoding::NON_ALPHANUMERIC)
    );
    if dice.chance(0.5) {
        stage.microsoft.control(Method::DELETE, &path, None).await?;
        stage.tally.count("done event deleted by staff");
    } else {
        stage.microsoft.control(Method::PATCH, &path, Some(&moved(event)?)).await?;
        stage.tally.count("done event moved by staff");
    }
    {
        let mut leaves = stage.book.leaves();
        leaves[place].touched = leaves[place].revisions.len();
    }
    if dice.chance(0.8) {
        traffic::change(stage, portals, dice, place, Way::After(dice.millis(0, 3_000)));
    }
    Ok(())
}

/// The event a day later, somewhere else.
fn moved(event: &Value) -> anyhow::Result<Value> {
    let later = |side: &str| -> anyhow::Result<Value> {
        let at: DateTime = event[side]["dateTime"].as_str().context("an event has times")?.parse()?;
        let at = at.saturating_add(1.day()).strftime("%Y-%m-%dT%H:%M:%S").to_string();
        Ok(json!({"dateTime": at, "timeZone": event[side]["timeZone"]}))
    };
    Ok(json!({"start": later("start")?, "end": later("end")?, "location": {"displayName": "as I like it"}}))
}

/// Changes each leave once more whose event was touched after its last change.
pub(crate) fn put_right(stage: &Stage, portals: &Portals) -> usize {
    let dice = stage.dice("last changes");
    let touched: Vec<usize> = {
        let leaves = stage.book.leaves();
        let late = leaves.iter().enumerate().filter(|(_, leave)| leave.touched == leave.revisions.len());
        late.map(|(place, _)| place).collect()
    };
    for place in &touched {
        traffic::change(stage, portals, &dice, *place, Way::After(Duration::ZERO));
    }
    touched.len()
}
