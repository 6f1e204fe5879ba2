//! The four calls we make: create, update, remove, and find what is ours.

use reqwest::Method;
use uuid::Uuid;

use super::{
    calendars,
    client::{Answer, Graph, MOST_PAGES, MailboxAccess, parse},
    error::{GraphError, RequestIds},
    wire::{self, EventPage, WireEvent},
};
use crate::{
    domain::{
        event::{EventPatch, EventSpec},
        marker::Marker,
    },
    reconcile::failure::Failure,
};

/// An event as Graph says it is now.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Written {
    /// Its immutable id. Case matters.
    pub event_id: String,
    /// The event in Outlook on the web.
    pub web_link: Option<String>,
    /// The ids of the call.
    pub request_ids: RequestIds,
}

/// The events of a mailbox that carry a marker; deleted ones are not among them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// The event that we created; copies that people made of it carry the marker too.
    pub ours: Option<Written>,
    /// That one was created under our transaction.
    pub is_exact: bool,
    /// The ids of all of them.
    pub ids: Vec<String>,
    /// The ids of the call.
    pub request_ids: RequestIds,
}

impl Graph {
    /// Writes a new event into the calendar of that id, or into the mailbox's own, with its marker. Sending the same again under
    /// the same transaction gives the same event.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::AlreadyCreated`] when an event was made under this transaction with other content, [`Failure::EventGone`] when there is no such calendar.
    pub async fn create(
        &self,
        mailbox: MailboxAccess<'_>,
        calendar: Option<&str>,
        event: &EventSpec,
        marker: Marker,
        transaction: Uuid,
    ) -> Result<Written, GraphError> {
        let body = wire::create(&event.in_full(None), marker, transaction);
        let url = match calendar {
            Some(id) => self.url(&mailbox, &["calendars", id, "events"]),
            None => self.url(&mailbox, &["events"]),
        };
        let answer = self.call(mailbox.until, Method::POST, url, Some(&body)).await;
        written(answer.map_err(|error| if calendar.is_some() { calendars::gone(error) } else { error })?)
    }

    /// Writes these fields into an event.
    ///
    /// # Errors
    /// See [`Failure`]; [`Failure::EventGone`] when there is no such event.
    pub async fn update(
        &self,
        mailbox: MailboxAccess<'_>,
        event_id: &str,
        changes: &EventPatch,
    ) -> Result<Written, GraphError> {
        let url = self.url(&mailbox, &["events", event_id]);
        let answer = self.call(mailbox.until, Method::PATCH, url, Some(&wire::update(changes))).await?;
        written(answer)
    }

    /// Takes an event away. One that is gone already is as good.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn remove(&self, mailbox: MailboxAccess<'_>, event_id: &str) -> Result<RequestIds, GraphError> {
        match self.call(mailbox.until, Method::DELETE, self.url(&mailbox, &["events", event_id]), None).await {
            Ok(Answer { request_ids, .. }) => Ok(request_ids),
            Err(GraphError { failure: Failure::EventGone, request_ids: Some(request_ids), .. }) => Ok(*request_ids),
            Err(error) => Err(error),
        }
    }

    /// Looks for the events that carry the marker, in all calendars of the mailbox.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn find(&self, mailbox: MailboxAccess<'_>, marker: Uuid, transaction: Uuid) -> Result<Found, GraphError> {
        let mut url = self.url(&mailbox, &["events"]);
        // Percent-encoded throughout: a `+` for a space is not understood everywhere.
        let query = wire::marked(marker).map(|(name, value)| format!("{name}={}", wire::segment(&value))).join("&");
        url.set_query(Some(&query));
        let mut events = Vec::new();
        for _ in 0..MOST_PAGES {
            let Answer { body, request_ids } = self.call(mailbox.until, Method::GET, url.clone(), None).await?;
            let page: EventPage = parse(body, &request_ids)?;
            events.extend(page.value);
            match page.next_link.map(|link| self.next_page(&link, &request_ids)) {
                Some(next) => url = next?,
                None => return Ok(found(events, &transaction, request_ids)),
            }
        }
        Err(GraphError::no_answer("the list of marked events never ends"))
    }
}

fn written(answer: Answer) -> Result<Written, GraphError> {
    let event: WireEvent = parse(answer.body, &answer.request_ids)?;
    Ok(as_written(event, answer.request_ids))
}

fn as_written(event: WireEvent, request_ids: RequestIds) -> Written {
    let WireEvent { id, web_link, .. } = event;
    Written { event_id: id, web_link, request_ids }
}

fn found(mut events: Vec<WireEvent>, transaction: &Uuid, request_ids: RequestIds) -> Found {
    let transaction = transaction.hyphenated().to_string();
    let ids = events.iter().map(|event| event.id.clone()).collect();
    // The one that we created; else the oldest, of which the others can only be copies.
    events.sort_by_key(|event| {
        (event.transaction_id.as_deref() != Some(transaction.as_str()), event.created_date_time.clone())
    });
    let first = events.into_iter().next();
    let is_exact = first.as_ref().is_some_and(|event| event.transaction_id.as_deref() == Some(transaction.as_str()));
    let ours = first.map(|event| as_written(event, request_ids.clone()));
    Found { ours, is_exact, ids, request_ids }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn event(id: &str, transaction: Option<Uuid>, created: &str) -> WireEvent {
        WireEvent {
            id: id.into(),
            web_link: None,
            transaction_id: transaction.map(|id| id.to_string()),
            created_date_time: Some(created.into()),
        }
    }

    #[test]
    fn among_copies_the_one_we_created_is_ours_and_else_the_oldest() {
        let ours = Uuid::from_u128(1);
        let other = Uuid::from_u128(2);
        for (events, expected, is_exact) in [
            (vec![], None, false),
            (vec![event("copy", None, "1"), event("ours", Some(ours), "2")], Some("ours"), true),
            (vec![event("young", None, "2"), event("old", Some(other), "1")], Some("old"), false),
        ] {
            let found = found(events, &ours, RequestIds::new(Uuid::nil()));
            assert_eq!(found.ours.map(|event| event.event_id).as_deref(), expected);
            assert_eq!(found.is_exact, is_exact);
        }
    }
}
