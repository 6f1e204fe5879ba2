//! People and what they do in Outlook themselves.
//!
//! A person's own change must never be refused for a limit, a permission or a scripted fault.

use std::sync::Arc;

use axum::{
    Json,
    body::Bytes,
    extract::{Path, State},
    http::StatusCode,
};
use jiff::tz::TimeZone;
use serde::Deserialize;
use serde_json::{Map, Value};

use super::{
    super::{
        Simulator,
        content::Content,
        directory::{AddressTaken, Person},
        draft::Draft,
        event::Owner,
        failure::Failure,
        mailbox::{Created, Mailbox},
        profile::{Kind, Profile},
        settings::{Switches, TransactionMemory},
    },
    Complaint, read,
};

/// A person, or a change of one.
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct PersonDraft {
    address: Option<String>,
    aliases: Option<Vec<String>>,
    user_principal_name: Option<String>,
    name: Option<String>,
    time_zone: Option<String>,
    working_hours: Option<String>,
    kind: Option<Kind>,
    in_scope: Option<bool>,
    employee_id: Option<String>,
}

pub(super) async fn add(
    State(simulator): State<Simulator>,
    body: Bytes,
) -> Result<(StatusCode, Json<Profile>), Complaint> {
    let draft: PersonDraft = read(&body)?;
    let Some(address) = draft.address.clone() else {
        return Err(Complaint::bad("A user needs an address."));
    };
    let blank = Profile {
        id: simulator.0.random.uuid(),
        user_principal_name: address.clone(),
        name: address.split('@').next().unwrap_or_default().to_owned(),
        address,
        aliases: Vec::new(),
        time_zone: "UTC".to_owned(),
        working_hours: "08:00-17:00".to_owned(),
        kind: Kind::Normal,
        in_scope: true,
        employee_id: None,
    };
    let profile = draft.over(blank)?;
    if profile.kind == Kind::Renamed && profile.aliases.is_empty() {
        return Err(Complaint::bad("A renamed user needs aliases: the addresses it had before."));
    }
    let salt = simulator.0.random.bits();
    let score = Arc::clone(&simulator.0.score);
    let added = simulator.directory_mut().add(profile, salt, score).map_err(taken)?;
    Ok((StatusCode::CREATED, Json((*added).clone())))
}

pub(super) async fn list(State(simulator): State<Simulator>) -> Json<Vec<Profile>> {
    Json(simulator.directory().people().iter().map(|person| (*person.profile()).clone()).collect())
}

pub(super) async fn change(
    State(simulator): State<Simulator>,
    Path(address): Path<String>,
    body: Bytes,
) -> Result<Json<Profile>, Complaint> {
    let draft: PersonDraft = read(&body)?;
    let profile = draft.over((*find(&simulator, &address)?.profile()).clone())?;
    if profile.kind == Kind::Renamed && profile.aliases.is_empty() {
        return Err(Complaint::bad("A user is renamed to another address: the body has to name it."));
    }
    let changed = simulator.directory_mut().change(profile).map_err(taken)?;
    Ok(Json((*changed).clone()))
}

/// The person leaves: the account is deleted, and the mailbox with it.
pub(super) async fn remove(
    State(simulator): State<Simulator>,
    Path(address): Path<String>,
) -> Result<StatusCode, Complaint> {
    let id = find(&simulator, &address)?.profile().id;
    simulator.directory_mut().remove(id);
    Ok(StatusCode::NO_CONTENT)
}

impl PersonDraft {
    fn over(self, mut profile: Profile) -> Result<Profile, Complaint> {
        let mut addresses = self.address.iter().chain(self.aliases.iter().flatten());
        if addresses.any(|address| !address.contains('@')) {
            return Err(Complaint::bad("An address has an @ in it."));
        }
        profile.aliases = self.aliases.unwrap_or(profile.aliases);
        if let Some(address) = self.address.filter(|address| *address != profile.address) {
            profile.rename(address);
        }
        if let Some(zone) = self.time_zone {
            TimeZone::get(&zone).map_err(|_| Complaint::bad(format!("{zone} is not an IANA time zone.")))?;
            profile.time_zone = zone;
        }
        profile.user_principal_name = self.user_principal_name.unwrap_or(profile.user_principal_name);
        if let Some(hours) = self.working_hours {
            if hours.split('-').filter(|time| time.parse::<jiff::civil::Time>().is_ok()).count() != 2 {
                return Err(Complaint::bad("Working hours are like 08:00-17:00."));
            }
            profile.working_hours = hours;
        }
        profile.name = self.name.unwrap_or(profile.name);
        profile.kind = self.kind.unwrap_or(profile.kind);
        profile.in_scope = self.in_scope.unwrap_or(profile.in_scope);
        profile.employee_id = self.employee_id.or(profile.employee_id);
        Ok(profile)
    }
}

pub(super) async fn events(
    State(simulator): State<Simulator>,
    Path(address): Path<String>,
) -> Result<Json<Vec<Value>>, Complaint> {
    let person = find(&simulator, &address)?;
    let mailbox = person.mailbox();
    let all = mailbox.all().map(|event| event.serial);
    Ok(Json(all.filter_map(|serial| stored(&person, &mailbox, serial)).collect()))
}

/// What a person enters without the help of anybody's service.
pub(super) async fn add_event(
    State(simulator): State<Simulator>,
    Path(address): Path<String>,
    body: Bytes,
) -> Result<(StatusCode, Json<Value>), Complaint> {
    let person = find(&simulator, &address)?;
    let (draft, _) = draft(&body)?;
    let switches = lenient(&simulator);
    let content = Content::create(draft, &switches).map_err(refused)?;
    let mut mailbox = person.mailbox();
    let (Created::New(serial) | Created::Known(serial) | Created::Taken(serial)) =
        mailbox.create(0, content, None, simulator.0.clock.now());
    Ok((StatusCode::CREATED, Json(stored(&person, &mailbox, serial).unwrap_or_default())))
}

pub(super) async fn change_event(
    State(simulator): State<Simulator>,
    Path((address, id)): Path<(String, String)>,
    body: Bytes,
) -> Result<Json<Value>, Complaint> {
    let person = find(&simulator, &address)?;
    let (draft, deleted) = draft(&body)?;
    let switches = lenient(&simulator);
    let now = simulator.0.clock.now();
    let mut mailbox = person.mailbox();
    let event = mailbox.find(&id).map_err(refused)?;
    let serial = event.serial;
    let content = event.content.merge(draft, &switches).map_err(refused)?;
    mailbox.replace(serial, content, now);
    match deleted {
        Some(true) => mailbox.delete(serial, switches.transaction_memory == TransactionMemory::ForgottenOnDelete, now),
        Some(false) => mailbox.restore(serial, now),
        None => {}
    }
    Ok(Json(stored(&person, &mailbox, serial).unwrap_or_default()))
}

pub(super) async fn delete_event(
    State(simulator): State<Simulator>,
    Path((address, id)): Path<(String, String)>,
) -> Result<StatusCode, Complaint> {
    let person = find(&simulator, &address)?;
    let forget = simulator.settings().switches.transaction_memory == TransactionMemory::ForgottenOnDelete;
    let mut mailbox = person.mailbox();
    let event = mailbox.find(&id).map_err(refused)?;
    if event.deleted {
        return Err(Complaint(StatusCode::NOT_FOUND, "That event is deleted already.".into()));
    }
    let serial = event.serial;
    mailbox.delete(serial, forget, simulator.0.clock.now());
    Ok(StatusCode::NO_CONTENT)
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct CalendarDraft {
    name: Box<str>,
}

pub(super) async fn add_calendar(
    State(simulator): State<Simulator>,
    Path(address): Path<String>,
    body: Bytes,
) -> Result<StatusCode, Complaint> {
    let person = find(&simulator, &address)?;
    let CalendarDraft { name } = read(&body)?;
    let mut mailbox = person.mailbox();
    if mailbox.calendar_named(&name).is_some() {
        return Err(Complaint(StatusCode::CONFLICT, format!("There is a calendar {name}.")));
    }
    mailbox.calendars.push(name);
    Ok(StatusCode::CREATED)
}

pub(super) async fn delete_calendar(
    State(simulator): State<Simulator>,
    Path((address, name)): Path<(String, String)>,
) -> Result<StatusCode, Complaint> {
    let person = find(&simulator, &address)?;
    let forget = simulator.settings().switches.transaction_memory == TransactionMemory::ForgottenOnDelete;
    let mut mailbox = person.mailbox();
    // Outlook lets nobody delete their first calendar.
    let Some(number) = mailbox.calendar_named(&name).filter(|number| *number != 0) else {
        return Err(Complaint(StatusCode::NOT_FOUND, format!("There is no calendar {name} that can be deleted.")));
    };
    mailbox.remove_calendar(number, forget, simulator.0.clock.now());
    Ok(StatusCode::NO_CONTENT)
}

pub(super) async fn replies(
    State(simulator): State<Simulator>,
    Path(address): Path<String>,
) -> Result<Json<Value>, Complaint> {
    Ok(Json(find(&simulator, &address)?.mailbox().replies.shown()))
}

/// What people set in Outlook themselves: there it may begin whenever they like.
pub(super) async fn change_replies(
    State(simulator): State<Simulator>,
    Path(address): Path<String>,
    body: Bytes,
) -> Result<Json<Value>, Complaint> {
    let person = find(&simulator, &address)?;
    let change: Map<String, Value> = read(&body)?;
    let mut mailbox = person.mailbox();
    mailbox.replies = mailbox.replies.change(&change, None).map_err(refused)?;
    Ok(Json(mailbox.replies.shown()))
}

/// An event's JSON, where `"deleted"` may stand beside Graph's properties.
fn draft(body: &[u8]) -> Result<(Draft, Option<bool>), Complaint> {
    let mut body: Map<String, Value> = read(body)?;
    let deleted = match body.remove("deleted") {
        None => None,
        Some(Value::Bool(deleted)) => Some(deleted),
        Some(_) => return Err(Complaint::bad("deleted is true or false.")),
    };
    if let Some(stranger) = Draft::stranger(&body) {
        return Err(Complaint::bad(format!("An event has no property {stranger}.")));
    }
    let draft = serde_json::from_value(Value::Object(body));
    draft.map(|draft| (draft, deleted)).map_err(|error| Complaint::bad(format!("The event cannot be read: {error}.")))
}

/// Outlook itself knows every zone of the machine it runs on.
fn lenient(simulator: &Simulator) -> Switches {
    Switches { every_iana_zone: true, ..simulator.settings().switches.clone() }
}

fn find(simulator: &Simulator, address: &str) -> Result<Arc<Person>, Complaint> {
    let missing = || Complaint(StatusCode::NOT_FOUND, format!("There is no user {address}."));
    simulator.directory().find(address).cloned().ok_or_else(missing)
}

fn stored(person: &Person, mailbox: &Mailbox, serial: u32) -> Option<Value> {
    let event = mailbox.at(serial)?;
    let owner = Owner { seal: mailbox.seal, profile: &person.profile() };
    let calendar = mailbox.calendars.get(event.calendar as usize)?;
    Some(event.stored(&owner, calendar))
}

fn taken(_: AddressTaken) -> Complaint {
    Complaint(StatusCode::CONFLICT, "Another user has that address.".into())
}

#[expect(clippy::needless_pass_by_value, reason = "it is handed to map_err")]
fn refused(failure: Failure) -> Complaint {
    Complaint(failure.status, failure.sentence())
}
