//! Users of the directory.
//!
//! It must never show `employeeId`, `userType` and their like unless they are selected: Microsoft documents a small
//! default set. Nor must it take an alias, or an address that is not the sign-in name, for the key of a user.

use std::sync::Arc;

use axum::{http::StatusCode, response::Response};
use serde_json::{Map, Value, json};

use super::{
    super::{
        directory::{Directory, Person},
        event::into_map,
        failure::Failure,
        filter::{Filter, Test},
        json,
        odata::{Here, Query},
        prefer::Prefer,
        profile::{Kind, Profile},
    },
    Call,
};

/// What lets an app read everything of a user.
const FULL: &[&str] = &["User.Read.All", "Directory.Read.All"];
const DEFAULT: [&str; 11] = [
    "businessPhones",
    "displayName",
    "givenName",
    "id",
    "jobTitle",
    "mail",
    "mobilePhone",
    "officeLocation",
    "preferredLanguage",
    "surname",
    "userPrincipalName",
];
const ON_REQUEST: [&str; 5] = ["accountEnabled", "employeeId", "proxyAddresses", "userType", "createdDateTime"];

pub(super) fn get(call: &Call<'_>, key: &str) -> Result<Response, Failure> {
    let query = read(call)?;
    let is_key = |person: &&Arc<Person>| {
        let profile = person.profile();
        profile.user_principal_name.eq_ignore_ascii_case(key) || profile.id.to_string().eq_ignore_ascii_case(key)
    };
    let Some(person) = call.simulator.directory().find(key).filter(is_key).cloned() else {
        let message = format!(
            "Resource '{key}' does not exist or one of its queried reference-property objects are not present."
        );
        return Err(Failure::new(StatusCode::NOT_FOUND, "Request_ResourceNotFound", message));
    };
    let mut body = query.pick(shown(&person.profile(), &query));
    body.insert("@odata.context".to_owned(), format!("{}/$metadata#users/$entity", call.root()).into());
    Ok(json::answer(StatusCode::OK, &Value::Object(body)))
}

pub(super) fn list(call: &Call<'_>) -> Result<Response, Failure> {
    let query = read(call)?;
    let found = {
        let directory = call.simulator.directory();
        match &query.filter {
            Some(filter) => find(&directory, filter, call)?,
            None => directory.people().to_vec(),
        }
    };
    let context = format!("{}/$metadata#users", call.root());
    let here = Here { host: call.host(), uri: &call.parts.uri, context };
    // Graph's page of users is 100 where Outlook's is 10.
    let prefer = Prefer { page: Some(100), ..Prefer::default() };
    let page = query.page(&found, &prefer, &here, |person| shown(&person.profile(), &query));
    Ok(json::answer(StatusCode::OK, &page))
}

fn read(call: &Call<'_>) -> Result<Query, Failure> {
    if !call.bearer.may(&[FULL, &["User.ReadBasic.All"]].concat()) {
        return Err(denied());
    }
    let query = Query::read(call.parts.uri.query().unwrap_or_default())?;
    query.check_select(&[&DEFAULT[..], &ON_REQUEST].concat(), "user")?;
    let mut selected = query.select.iter().flatten();
    if selected.any(|property| ON_REQUEST.iter().any(|more| more.eq_ignore_ascii_case(property))) {
        more_than_basics(call)?;
    }
    Ok(query)
}

/// `User.ReadBasic.All` covers names and addresses only.
fn more_than_basics(call: &Call<'_>) -> Result<(), Failure> {
    if call.bearer.may(FULL) { Ok(()) } else { Err(denied()) }
}

fn denied() -> Failure {
    let message = "Insufficient privileges to complete the operation.";
    Failure::new(StatusCode::FORBIDDEN, "Authorization_RequestDenied", message)
}

/// Equality of an address or of the employee number; the directory's indexes answer both.
fn find(directory: &Directory, filter: &Filter, call: &Call<'_>) -> Result<Vec<Arc<Person>>, Failure> {
    let by_mail = |address: &str| {
        let person = directory.find(address).filter(|person| person.profile().address.eq_ignore_ascii_case(address));
        person.cloned().into_iter().collect()
    };
    match filter {
        Filter::Field { path, test: Test::Eq, literal } => match path.as_str() {
            "mail" => Ok(by_mail(literal)),
            "userPrincipalName" => {
                let same = |person: &&Arc<Person>| person.profile().user_principal_name.eq_ignore_ascii_case(literal);
                Ok(directory.find(literal).filter(same).cloned().into_iter().collect())
            }
            "employeeId" => {
                more_than_basics(call)?;
                Ok(directory.employees(literal).cloned().collect())
            }
            _ => Err(unsupported()),
        },
        Filter::Any { collection, conditions } if collection == "proxyAddresses" => match conditions.as_slice() {
            [(path, Test::Eq, literal)] if path.is_empty() => {
                more_than_basics(call)?;
                let address = literal.split_once(':').filter(|(kind, _)| kind.eq_ignore_ascii_case("smtp"));
                Ok(address.and_then(|(_, address)| directory.reached(address)).cloned().into_iter().collect())
            }
            _ => Err(unsupported()),
        },
        _ => Err(unsupported()),
    }
}

fn unsupported() -> Failure {
    Failure::bad_request("Request_UnsupportedQuery", "Unsupported or invalid query filter clause specified.")
}

fn shown(profile: &Profile, query: &Query) -> Map<String, Value> {
    let (given, surname) = profile.name.split_once(' ').unwrap_or((&profile.name, ""));
    let mut shown = into_map(json!({
        "id": profile.id,
        "displayName": profile.name,
        "givenName": given,
        "surname": surname,
        "mail": profile.address,
        "userPrincipalName": profile.user_principal_name,
        "businessPhones": [],
        "jobTitle": null,
        "mobilePhone": null,
        "officeLocation": null,
        "preferredLanguage": null,
    }));
    if query.select.is_some() {
        // In capitals the one that mail is sent from.
        let aliases = profile.aliases.iter().map(|alias| format!("smtp:{alias}"));
        let proxies: Vec<String> = [format!("SMTP:{}", profile.address)].into_iter().chain(aliases).collect();
        shown.extend(into_map(json!({
            "accountEnabled": !matches!(profile.kind, Kind::Disabled | Kind::Shared),
            "userType": if profile.kind == Kind::Guest { "Guest" } else { "Member" },
            "employeeId": profile.employee_id,
            "proxyAddresses": proxies,
            "createdDateTime": null,
        })));
    }
    shown
}
