//! Which calendar at Graph an event is made in: the mailbox's own, or a team's, which is found by its name and made where
//! there is none.
//!
//! Looked for once per lease, one after the other, so that a calendar is made once however many leaves arrive for it; the
//! lease keeps other replicas away. It must never decide whether there is an event: it only says where a new one goes.

use std::collections::HashMap;

use tokio::sync::Mutex;

use super::{
    reconcile::Delivery,
    walk::{Halt, Known},
};
use crate::{domain::team::OWN, graph::GraphError};

/// The ids of a mailbox's further calendars, as far as they are known under this lease.
pub(super) type Calendars = Mutex<HashMap<String, String>>;

impl Delivery<'_> {
    /// The id of the calendar that this mapping's event goes to; `None` for the mailbox's own.
    pub(super) async fn calendar(&self, known: &mut Known) -> Result<Option<String>, Halt> {
        let name = self.due.calendar.as_str();
        if name == OWN {
            return Ok(None);
        }
        let mut calendars = self.hold.calendars.lock().await;
        if let Some(id) = calendars.get(name) {
            return Ok(Some(id.clone()));
        }
        let id = match self.hold.remembered(name).await {
            Some(id) => id,
            None => self.sought(name, known).await?,
        };
        Ok(Some(calendars.entry(name.to_owned()).or_insert(id).clone()))
    }

    /// Graph knows no calendar of that id: whether there is another by now.
    pub(super) async fn is_another_than(&self, gone: &str, known: &mut Known) -> Result<bool, Halt> {
        let name = self.due.calendar.as_str();
        let mut calendars = self.hold.calendars.lock().await;
        // A neighbour may have been quicker.
        if calendars.get(name).is_some_and(|id| id != gone) {
            return Ok(true);
        }
        let id = self.sought(name, known).await?;
        let is_another = id != gone;
        calendars.insert(name.to_owned(), id);
        Ok(is_another)
    }

    /// Finds the calendar or makes it, and remembers it.
    async fn sought(&self, name: &str, known: &mut Known) -> Result<String, Halt> {
        known.step = "calendar";
        let find = async || {
            let find = |mailbox| self.graph.find_calendar(mailbox, name);
            self.call("find-calendar", find).await?.map_err(Halt::Failed)
        };
        let mut id = find().await?;
        if id.is_none() {
            let make = |mailbox| self.graph.create_calendar(mailbox, name);
            id = self.call("create-calendar", make).await?.map_err(Halt::Failed)?;
        }
        if id.is_none() {
            // Somebody else has just made it.
            id = find().await?;
        }
        let id = id.ok_or_else(|| Halt::Failed(GraphError::hidden_calendar()))?;
        self.hold.remember(name, &id).await;
        Ok(id)
    }
}
