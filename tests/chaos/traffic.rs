//! What the portals have to say: new leaves and changes of those that changed just now, in good order and in none.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use tokio_util::sync::CancellationToken;

use super::{
    dice::Dice,
    leave::{Leave, Revision},
    names::Called,
    portal::{Portals, Way},
    quiet,
    stage::Stage,
};

/// Until then the first leave must have been acknowledged: nothing is broken yet.
const HEARD_WITHIN: Duration = Duration::from_secs(30);
/// Changes go to the leaves that were made last, so that they meet deliveries that are still under way.
const RECENT: usize = 40;

/// A leave of each person by the address that they have always had, before there is any trouble, so that the service knows whose
/// that is. While it cannot know that an object id and an address are one person's, it cannot keep that mailbox's limits.
pub(crate) async fn introduce(stage: &Arc<Stage>, portals: &Portals) -> anyhow::Result<()> {
    let dice = stage.dice("introduction");
    for person in 0..stage.people.len() {
        let id = format!("LA-{person}");
        stage.book.leaves().push(Leave { id, source: "ess", revisions: Vec::new(), touched: 0, of_reception: false });
        portals.say(person, Way::After(Duration::ZERO), |number| {
            Revision::draw(&dice, number, "approved", (person, Called::Address), stage.origin)
        });
    }
    let end = Instant::now() + HEARD_WITHIN;
    while portals.under_way() > 0 && Instant::now() < end {
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    let unsettled = quiet::settle(stage).await?;
    anyhow::ensure!(unsettled.is_empty(), "nothing is delivered: {unsettled:?}");
    Ok(())
}

/// Lets webhooks flow until it is over.
pub(crate) async fn flow(stage: Arc<Stage>, portals: Portals, over: CancellationToken) -> anyhow::Result<()> {
    let dice = stage.dice("traffic");
    let pause = 1_000 / stage.options.rate.max(1);
    while !over.is_cancelled() {
        let known = stage.book.leaves().len();
        if known < RECENT / 4 || dice.chance(0.3) {
            let source = *dice.pick(&["ess", "backstage"]);
            let id = format!("LA-{known}");
            let of_reception = dice.chance(0.1);
            stage.book.leaves().push(Leave { id, source, revisions: Vec::new(), touched: 0, of_reception });
            change(&stage, &portals, &dice, known, way(&dice));
        } else {
            let leave = known - 1 - dice.below(RECENT.min(known));
            // Several changes one upon the other, which overtake each other on the way.
            let changes = if dice.chance(0.2) { dice.between(2, 4) } else { 1 };
            for _ in 0..changes {
                let way = if changes > 1 { Way::After(dice.millis(0, 1_500)) } else { way(&dice) };
                change(&stage, &portals, &dice, leave, way);
            }
        }
        tokio::select! {
            () = over.cancelled() => {}
            () = tokio::time::sleep(dice.millis(0, 2 * pause)) => {}
        }
    }
    Ok(())
}

fn way(dice: &Dice) -> Way {
    match dice.below(20) {
        0 | 1 => Way::AtOnce(6),
        2 => Way::After(dice.millis(3_000, 12_000)),
        3 => Way::Again(dice.millis(500, 10_000)),
        _ => Way::After(Duration::ZERO),
    }
}

/// Says something new about a leave: other days, and often another status or another person.
pub(crate) fn change(stage: &Stage, portals: &Portals, dice: &Dice, leave: usize, way: Way) {
    let (former, of_reception): (Vec<usize>, bool) = {
        let leaves = stage.book.leaves();
        let Some(leave) = leaves.get(leave) else { return };
        (leave.revisions.iter().map(|revision| revision.person).collect(), leave.of_reception)
    };
    let anybody = dice.below(stage.people.len());
    let person = match former.last() {
        Some(last) if dice.chance(0.8) => *last,
        // Back to where it was, or on to somebody else.
        Some(_) if dice.chance(0.5) => *dice.pick(&former),
        _ => anybody,
    };
    let status = *dice.pick(&[
        "approved",
        "approved",
        "approved",
        "approved",
        "approved",
        "approved",
        "pending",
        "pending",
        "rejected",
        "cancelled",
        "cancelled",
    ]);
    let who = if of_reception { (0, Called::Reception) } else { (person, Called::draw(dice)) };
    portals.say(leave, way, |number| Revision::draw(dice, number, status, who, stage.origin));
}
