//! Which calendar at Graph an event is made in: the mailbox's own, or a team's, which is found by its name and made where
//! there is none.
//!
//! Looked for once per lease, one after the other, so that a calendar is made once however many leaves arrive for it; the
//! lease keeps other replicas away. It must never decide whether there is an event: it only says where a new one goes.

use super::drive::Drive;
use crate::{domain::team_calendar::PRIMARY, engine::lease::Halt, graph::GraphError};

impl Drive<'_> {
    /// The id of the calendar that this mapping's event goes to; `None` for the mailbox's own.
    pub(super) async fn calendar_id(&mut self) -> Result<Option<String>, Halt> {
        if self.calendar == PRIMARY {
            return Ok(None);
        }
        let guard = self.guard;
        let mut calendars = guard.calendars.lock().await;
        if let Some(id) = calendars.get(self.calendar) {
            return Ok(Some(id.clone()));
        }
        let known = guard.engine.store.calendar(guard.lease.mailbox, self.calendar).await.unwrap_or_else(|error| {
            tracing::warn!(%error, "a calendar's id could not be read; the calendar is looked for");
            None
        });
        let id = match known {
            Some(id) => id,
            None => self.sought().await?,
        };
        Ok(Some(calendars.entry(self.calendar.to_owned()).or_insert(id).clone()))
    }

    /// Graph knows no calendar of that id: whether there is another of its name by now.
    pub(super) async fn is_replaced(&mut self, gone: &str) -> Result<bool, Halt> {
        let guard = self.guard;
        let mut calendars = guard.calendars.lock().await;
        // A neighbour may have been quicker.
        if calendars.get(self.calendar).is_some_and(|id| id != gone) {
            return Ok(true);
        }
        let id = self.sought().await?;
        let is_another = id != gone;
        calendars.insert(self.calendar.to_owned(), id);
        Ok(is_another)
    }

    /// Finds the calendar or makes it, and remembers it.
    async fn sought(&mut self) -> Result<String, Halt> {
        self.step = "calendar";
        let (guard, name) = (self.guard, self.calendar);
        let find = async || {
            let found = guard.call("find-calendar", |graph, mailbox| graph.find_calendar(mailbox, name)).await?;
            found.map_err(Halt::Failed)
        };
        let mut id = find().await?;
        if id.is_none() {
            let made = guard.call("create-calendar", |graph, mailbox| graph.create_calendar(mailbox, name)).await?;
            id = made.map_err(Halt::Failed)?;
        }
        if id.is_none() {
            // Somebody else has just made it.
            id = find().await?;
        }
        let id = id.ok_or_else(|| Halt::Failed(GraphError::hidden_calendar()))?;
        if let Err(error) = guard.engine.store.remember_calendar(guard.lease, name, &id).await {
            tracing::warn!(%error, "a calendar's id could not be written; the calendar is looked for again");
        }
        Ok(id)
    }
}
