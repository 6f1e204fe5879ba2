//! What the sender of a webhook is told: what became of it, and how the leave stands now.

use std::{collections::HashMap, ops::Range};

use sqlx::PgConnection;

use super::{
    error::StoreError,
    lookup::Lookup,
    views::{ListedLeave, ListedMapping, holds, listed_of},
};
use crate::reconcile::{
    change::Change,
    item::Item,
    place,
    state::{Acceptance, Reason},
};

/// What became of a change, and how the leave stands now.
#[derive(Debug, Clone)]
pub enum Intake {
    /// It was taken in, or needed not be.
    Done {
        /// What became of it.
        acceptance: Acceptance,
        /// How the leave stands now.
        leave: ListedLeave,
        /// What the sender should know.
        notes: Vec<&'static str>,
    },
    /// The delivery id was used before with another body; nothing was stored.
    Reused,
}

/// What became of a batch of changes.
#[derive(Default)]
pub(super) struct Judged {
    /// Of each change, in order, the leave's row and what became of it; `None` for a delivery id that was used before.
    pub(super) outcomes: Vec<Option<(i64, Acceptance)>>,
    /// Of new leave, by the place of its change, which of the new items are its own.
    pub(super) new: HashMap<usize, Range<usize>>,
}

/// How each leave stands now. Of new leave that is known without a look, but for what holds up its mailbox.
pub(super) async fn answer(
    connection: &mut PgConnection,
    changes: &[Change],
    found: &Lookup,
    judged: &Judged,
    items: &[Item],
) -> Result<Vec<Result<Intake, StoreError>>, StoreError> {
    let mut rows: Vec<i64> = Vec::new();
    for (n, outcome) in judged.outcomes.iter().enumerate() {
        rows.extend(outcome.filter(|_| !judged.new.contains_key(&n)).map(|(row, _)| row));
    }
    let listed = if rows.is_empty() { HashMap::new() } else { listed_of(&mut *connection, &rows).await? };
    let held_up = judged.new.iter().filter(|(n, _)| found.changes[**n].is_held_up);
    let held: Vec<i64> = held_up.flat_map(|(_, own)| items[own.clone()].iter().map(|item| item.mailbox)).collect();
    let holds = if held.is_empty() { HashMap::new() } else { holds(connection, &held).await? };
    let mut answers = Vec::with_capacity(changes.len());
    for (n, (change, outcome)) in changes.iter().zip(&judged.outcomes).enumerate() {
        let Some((row, acceptance)) = *outcome else {
            answers.push(Ok(Intake::Reused));
            continue;
        };
        let leave = if let Some(own) = judged.new.get(&n) {
            let shown = |item: &Item| {
                let holds = holds.get(&item.mailbox).map_or(&[][..], Vec::as_slice);
                ListedMapping::new(item, &change.source, &change.id, holds, found.now)
            };
            let mut mappings: Vec<ListedMapping> = items[own.clone()].iter().map(shown).collect();
            mappings.sort_by(|one, other| (&one.mailbox, &one.calendar).cmp(&(&other.mailbox, &other.calendar)));
            ListedLeave {
                id: change.id.clone(),
                tenant: change.tenant.clone(),
                source: change.source.clone(),
                status: change.status,
                mappings,
            }
        } else {
            listed.get(&row).cloned().ok_or_else(|| StoreError::unknown("a leave"))?
        };
        let conflict = acceptance == Acceptance::Accepted
            && place::contradicts(change, found.changes[n].by_address.as_ref(), found.now);
        let notes = if conflict { vec![Reason::IdentityConflict.meaning()] } else { Vec::new() };
        answers.push(Ok(Intake::Done { acceptance, leave, notes }));
    }
    Ok(answers)
}
