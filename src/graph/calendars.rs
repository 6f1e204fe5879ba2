//! The calendars of a mailbox: found by name, made where there is none.
//!
//! It must never touch a calendar that is there: what a mailbox's people named or coloured stays theirs.

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::{
    client::{Answer, Graph, MOST_PAGES, MailboxAccess, parse},
    codes::graph::CALENDAR_GONE,
    error::GraphError,
};
use crate::reconcile::failure::Failure;

#[derive(Debug, Deserialize)]
struct Calendar {
    id: String,
    name: Option<String>,
}

#[derive(Debug, Deserialize)]
struct CalendarPage {
    value: Vec<Calendar>,
    #[serde(rename = "@odata.nextLink")]
    next_link: Option<String>,
}

impl Graph {
    /// The id of the mailbox's calendar of that name. Upper and lower case are one, as they are to Exchange.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn find_calendar(&self, mailbox: MailboxAccess<'_>, name: &str) -> Result<Option<String>, GraphError> {
        let mut url = self.url(&mailbox, &["calendars"]);
        url.set_query(Some("$select=id,name&$top=100"));
        let mut calendars = Vec::new();
        for _ in 0..MOST_PAGES {
            let Answer { body, request_ids } = self.call(mailbox.until, Method::GET, url.clone(), None).await?;
            let page: CalendarPage = parse(body, &request_ids)?;
            calendars.extend(page.value);
            match page.next_link.map(|link| self.next_page(&link, &request_ids)) {
                Some(next) => url = next?,
                None => return Ok(named(calendars, name)),
            }
        }
        Err(GraphError::no_answer("the list of calendars never ends"))
    }

    /// Makes a calendar and gives its id; `None` when there is one of that name.
    ///
    /// # Errors
    /// See [`Failure`].
    pub async fn create_calendar(&self, mailbox: MailboxAccess<'_>, name: &str) -> Result<Option<String>, GraphError> {
        let url = self.url(&mailbox, &["calendars"]);
        match self.call(mailbox.until, Method::POST, url, Some(&json!({"name": name}))).await {
            Ok(Answer { body, request_ids }) => parse(body, &request_ids).map(|Calendar { id, .. }| Some(id)),
            Err(GraphError { failure: Failure::Conflict, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }
}

/// What a refusal to make an event in a calendar means: there Exchange says in several ways that the calendar is gone, or
/// has never been this mailbox's.
pub(super) fn gone(error: GraphError) -> GraphError {
    if CALENDAR_GONE.contains(&error.code.as_str()) {
        return GraphError { failure: Failure::EventGone, ..error };
    }
    error
}

/// The calendar of exactly that name, else the first whose name differs only in upper and lower case.
fn named(calendars: Vec<Calendar>, name: &str) -> Option<String> {
    let lower = name.to_lowercase();
    let same = |calendar: &Calendar| calendar.name.as_ref().is_some_and(|name| name.to_lowercase() == lower);
    let mut same: Vec<Calendar> = calendars.into_iter().filter(same).collect();
    same.sort_by_key(|calendar| calendar.name.as_deref() != Some(name));
    same.into_iter().next().map(|calendar| calendar.id)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_calendar_is_known_by_its_name_just_so_before_any_other_spelling() {
        let calendars = |names: &[&str]| {
            let calendar = |(at, name): (usize, &&str)| Calendar { id: at.to_string(), name: Some((*name).to_owned()) };
            names.iter().enumerate().map(calendar).collect::<Vec<_>>()
        };
        for (names, found) in [
            (&["Calendar", "Away"][..], Some("1")),
            (&["AWAY", "Away"], Some("1")),
            (&["AWAY", "away"], Some("0")),
            (&["Away team", "Calendar"], None),
            (&[], None),
        ] {
            assert_eq!(named(calendars(names), "Away").as_deref(), found, "{names:?}");
        }
    }
}
