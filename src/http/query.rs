//! Query strings: every parameter is known, and all that is wrong is named at once.

use axum::http::Uri;
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jiff::Timestamp;
use uuid::Uuid;

use super::{auth::Caller, problem::ApiError};
use crate::{
    domain::problem::Problems,
    reconcile::state::State,
    store::lists::{Filter, Position},
};

pub(super) const STATES: [&str; 6] = ["pending", "waiting", "synced", "removed", "hidden", "parked"];
const LONGEST_LIST: i64 = 500;
const USUAL_LIST: i64 = 100;

/// What a list of mappings is asked for.
#[derive(Debug)]
pub(super) struct ListQuery {
    pub(super) filter: Filter,
    pub(super) limit: i64,
    pub(super) after: Option<Position>,
}

/// Reads the parameters that choose mappings and refuses those of a list: who says `limit` must not get more.
pub(super) fn filter(uri: &Uri, caller: &Caller) -> Result<Filter, ApiError> {
    read(uri, caller, false).map(|query| query.filter)
}

/// Reads the parameters of a list of mappings.
pub(super) fn list(uri: &Uri, caller: &Caller) -> Result<ListQuery, ApiError> {
    read(uri, caller, true)
}

fn read(uri: &Uri, caller: &Caller, is_list: bool) -> Result<ListQuery, ApiError> {
    let mut query = ListQuery { filter: Filter::default(), limit: USUAL_LIST, after: None };
    let mut tenant = None;
    let mut problems = Problems::default();
    for (name, value) in url::form_urlencoded::parse(uri.query().unwrap_or_default().as_bytes()) {
        // PostgreSQL takes no NUL.
        if value.contains('\0') {
            problems.add(harmless(&name), "must not contain control characters");
            continue;
        }
        let text = Some(value.clone().into_owned());
        match name.as_ref() {
            "tenant" => tenant = text,
            "source" => query.filter.source = text,
            "leave" => query.filter.leave = text,
            "mailbox" => query.filter.mailbox = Some(value.to_lowercase()),
            "state" => {
                query.filter.state = State::of(&value);
                if query.filter.state.is_none() {
                    problems.add("state", format!("must be one of {}", STATES.join(", ")));
                }
            }
            "since" => query.filter.since = moment("since", &value, &mut problems),
            "until" => query.filter.until = moment("until", &value, &mut problems),
            "limit" if is_list => match value.parse() {
                Ok(limit) if (1..=LONGEST_LIST).contains(&limit) => query.limit = limit,
                _ => problems.add("limit", format!("must be 1 to {LONGEST_LIST}")),
            },
            "cursor" if is_list => match position(&value) {
                Some(position) => query.after = Some(position),
                None => problems.add("cursor", "must be the next_cursor of an earlier answer"),
            },
            other => problems.add(harmless(other), "is not a known parameter"),
        }
    }
    let query = problems.or(query)?;
    Ok(ListQuery { filter: Filter { tenants: Some(tenants(caller, tenant)?), ..query.filter }, ..query })
}

/// The tenants that the caller may see, or the one that it asks for.
fn tenants(caller: &Caller, asked: Option<String>) -> Result<Vec<String>, ApiError> {
    match asked {
        Some(tenant) => caller.require_tenant(&tenant).map(|()| vec![tenant]),
        None => Ok(caller.client.tenants.clone()),
    }
}

/// A parameter's name, shortened and only if harmless: it is the caller's own text.
fn harmless(name: &str) -> String {
    name.chars().filter(char::is_ascii_alphanumeric).take(32).collect()
}

fn moment(name: &str, text: &str, problems: &mut Problems) -> Option<Timestamp> {
    let moment = text.parse().ok().filter(|at| is_in_range(*at));
    if moment.is_none() {
        problems.add(name, "must be an RFC 3339 time such as \"2026-11-22T09:30:00Z\", not before 1970");
    }
    moment
}

/// PostgreSQL's time begins later than RFC 3339 can write.
fn is_in_range(at: Timestamp) -> bool {
    at >= Timestamp::UNIX_EPOCH
}

/// A place in a list, opaque to callers.
pub(super) fn cursor((at, id): Position) -> String {
    URL_SAFE_NO_PAD.encode(format!("{}.{}", at.as_microsecond(), id.simple()))
}

fn position(cursor: &str) -> Option<Position> {
    let bytes = URL_SAFE_NO_PAD.decode(cursor).ok()?;
    let text = String::from_utf8(bytes).ok()?;
    let (at, id) = text.split_once('.')?;
    let at = Timestamp::from_microsecond(at.parse().ok()?).ok().filter(|at| is_in_range(*at))?;
    Some((at, Uuid::parse_str(id).ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_cursor_leads_back_to_its_place_and_nonsense_leads_nowhere() {
        let place = ("2026-11-22T01:30:00.123456Z".parse().unwrap(), Uuid::from_u128(7));
        assert_eq!(position(&cursor(place)), Some(place));
        for nonsense in ["", "x", "AAAA", "..", "%00"] {
            assert_eq!(position(nonsense), None);
        }
    }
}
