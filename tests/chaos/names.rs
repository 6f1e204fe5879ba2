//! How the portals call people, and how that changes: further addresses, object ids, a new address, and the reception's address,
//! which passes from one person to another.

use std::sync::{Arc, Mutex, PoisonError};

use reqwest::Method;
use serde_json::{Value, json};
use tokio_util::sync::CancellationToken;

use super::{dice::Dice, stage::Stage};

/// The address of whoever is at the reception.
const RECEPTION: &str = "reception@contoso.com";

/// The person by place in the list, by which of their names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Called {
    Address,
    Alias,
    Id,
    /// The reception's address: all revisions of such a leave have it.
    Reception,
}

/// The people's names.
#[derive(Debug)]
pub(crate) struct Names {
    /// Their object ids.
    pub(crate) ids: Vec<String>,
    /// Who has had the reception's address, by place in the list of people; now the last.
    reception: Mutex<Vec<usize>>,
}

impl Called {
    /// A name for somebody; mostly the one that they have always had.
    pub(crate) fn draw(dice: &Dice) -> Self {
        *dice.pick(&[Self::Address, Self::Address, Self::Address, Self::Alias, Self::Id])
    }
}

/// A further address of somebody.
fn alias(person: usize) -> String {
    format!("p{person}@contoso.com")
}

impl Names {
    pub(crate) fn new(ids: Vec<String>) -> Self {
        Self { ids, reception: Mutex::new(vec![0]) }
    }

    /// `staff` of a webhook.
    pub(crate) fn staff(&self, address: &str, person: usize, called: Called) -> Value {
        match called {
            Called::Address => json!({"email": address, "name": "Somebody"}),
            Called::Alias => json!({"email": alias(person), "name": "Somebody"}),
            Called::Id => json!({"entra_id": self.ids[person], "name": "Somebody"}),
            Called::Reception => json!({"email": RECEPTION, "name": "Somebody"}),
        }
    }

    /// Everybody who has had the reception's address. Leave for it is in the mailbox of one of them: of the one of whom the
    /// directory was asked last before it was first written.
    pub(crate) fn reception(&self) -> Vec<usize> {
        self.reception.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

/// Gives everybody the further addresses that the portals know.
pub(crate) async fn give(stage: &Stage) -> anyhow::Result<()> {
    for (person, id) in stage.names.ids.iter().enumerate() {
        stage.microsoft.give_alias(&alias(person), id).await?;
    }
    stage.microsoft.give_alias(RECEPTION, &stage.names.ids[0]).await
}

/// People get new addresses and keep the former ones; the reception's passes on.
pub(crate) async fn change(stage: Arc<Stage>, over: CancellationToken) -> anyhow::Result<()> {
    let dice = stage.dice("names");
    let mut renamed = 0;
    loop {
        tokio::select! {
            () = over.cancelled() => return Ok(()),
            () = tokio::time::sleep(stage.paced(dice.millis(4_000, 10_000))) => {}
        }
        let person = dice.below(stage.people.len());
        let id = &stage.names.ids[person];
        if dice.chance(0.5) {
            renamed += 1;
            let address = json!({"address": format!("renamed{renamed}@contoso.com")});
            stage.microsoft.control(Method::PATCH, &format!("users/{id}"), Some(&address)).await?;
            stage.done("got a new address", &stage.people[person]);
        } else {
            // Noted first: leave may go there as soon as it can.
            stage.names.reception.lock().unwrap_or_else(PoisonError::into_inner).push(person);
            stage.microsoft.give_alias(RECEPTION, id).await?;
            stage.done("is at the reception now", &stage.people[person]);
        }
    }
}
