//! Graph's resources: who may ask for what, and which file answers.
//!
//! It must never reach a mailbox before the app's permissions and the user's kind have been looked at.

mod calendars;
mod events;
mod lists;
mod settings;
mod users;

use std::sync::Arc;

use axum::{
    body::Bytes,
    http::{HeaderName, StatusCode, header, request::Parts},
    response::Response,
};
use jiff::Timestamp;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use super::{
    Simulator,
    bearer::Bearer,
    directory::Person,
    entra,
    failure::Failure,
    odata::{Here, Query},
    prefer::Prefer,
    profile::Profile,
    route::{Part, Resource},
    settings::Switches,
};

/// A Graph call whose token is good.
pub(crate) struct Call<'a> {
    pub(crate) simulator: &'a Simulator,
    pub(crate) bearer: &'a Bearer,
    pub(crate) parts: &'a Parts,
    pub(crate) body: &'a Bytes,
    pub(crate) now: Timestamp,
}

/// Answers a call; `person` is who a mailbox path names.
pub(crate) fn answer(call: &Call<'_>, resource: &Resource, person: Option<&Arc<Person>>) -> Result<Response, Failure> {
    let method = call.parts.method.as_str();
    match (resource, method) {
        (Resource::Users, "GET") => users::list(call),
        (Resource::User { user }, "GET") => users::get(call, user),
        (Resource::Mailbox { user, part }, _) => {
            let Some(person) = person else {
                let message = format!("The requested user '{user}' is invalid.");
                return Err(Failure::new(StatusCode::NOT_FOUND, "ErrorInvalidUser", message));
            };
            let mailbox = MailboxCall::new(call, user, person, part)?;
            mailbox.answer(method, part)
        }
        (Resource::Unknown { segment }, _) if segment == "me" => {
            Err(Failure::bad_request("BadRequest", "/me request is only valid with delegated authentication flow."))
        }
        (Resource::Unknown { segment }, _) => {
            Err(Failure::bad_request("BadRequest", format!("Resource not found for the segment '{segment}'.")))
        }
        (Resource::Users | Resource::User { .. }, _) => Err(wrong_method()),
    }
}

/// A call to a mailbox that exists and that the app may open.
struct MailboxCall<'a> {
    call: &'a Call<'a>,
    /// As the path names the user.
    user: &'a str,
    person: &'a Person,
    profile: Arc<Profile>,
    prefer: Prefer,
    switches: Switches,
    query: Query,
}

impl<'a> MailboxCall<'a> {
    fn new(call: &'a Call<'a>, user: &'a str, person: &'a Person, part: &Part) -> Result<Self, Failure> {
        let profile = person.profile();
        let reading = call.parts.method == "GET";
        let is_calendar = !matches!(part, Part::Settings { .. });
        let wanted: &[&str] = match (is_calendar, reading) {
            (true, true) => &["Calendars.ReadWrite", "Calendars.Read"],
            (true, false) => &["Calendars.ReadWrite"],
            (false, true) => &["MailboxSettings.ReadWrite", "MailboxSettings.Read"],
            (false, false) => &["MailboxSettings.ReadWrite"],
        };
        let (switches, by_exchange) = {
            let settings = call.simulator.settings();
            let app = settings.app(call.bearer.directory(), &call.bearer.app);
            (settings.switches.clone(), app.is_some_and(|app| app.is_granted_by_exchange(wanted)))
        };
        if !(call.bearer.may(wanted) || by_exchange) {
            return Err(Failure::access_denied());
        }
        profile.mailbox()?;
        let prefer = Prefer::read(&Prefer::text(&call.parts.headers).unwrap_or_default(), switches.every_iana_zone)?;
        let query = Query::read(call.parts.uri.query().unwrap_or_default())?;
        Ok(Self { call, user, person, profile, prefer, switches, query })
    }

    fn answer(&self, method: &str, part: &Part) -> Result<Response, Failure> {
        match (method, part) {
            ("GET", Part::Events { calendar }) => lists::events(self, calendar),
            ("GET", Part::View { calendar }) => lists::view(self, calendar),
            ("POST", Part::Events { calendar }) => events::create(self, calendar),
            ("GET", Part::Event { id }) => events::get(self, id),
            ("PATCH", Part::Event { id }) => events::patch(self, id),
            ("DELETE", Part::Event { id }) => events::delete(self, id),
            ("POST", Part::PermanentDelete { id }) => events::permanent_delete(self, id),
            ("POST", Part::Cancel { id }) => events::cancel(self, id),
            ("GET", Part::Calendars) => Ok(calendars::list(self)),
            ("POST", Part::Calendars) => calendars::create(self),
            ("GET", Part::Calendar { calendar }) => calendars::get(self, calendar),
            ("GET", Part::Settings { one }) => settings::get(self, one.as_deref()),
            ("PATCH", Part::Settings { one: None }) => settings::patch(self),
            _ => Err(wrong_method()),
        }
    }

    /// `@odata.context` for something under this mailbox.
    fn context(&self, of: &str) -> String {
        format!("{}/$metadata#users('{}')/{of}", self.call.root(), self.user.replace('\'', "''"))
    }

    fn here(&self, of: &str) -> Here<'_> {
        Here { host: self.call.host(), uri: &self.call.parts.uri, context: self.context(of) }
    }

    fn finish(&self, mut response: Response) -> Response {
        if let Some(applied) = self.prefer.applied() {
            response.headers_mut().insert(HeaderName::from_static("preference-applied"), applied);
        }
        response
    }
}

impl Call<'_> {
    fn host(&self) -> &str {
        entra::host(&self.parts.headers)
    }

    fn root(&self) -> String {
        format!("http://{}/v1.0", self.host())
    }

    /// The JSON body; the codes and texts are those of the live service.
    fn json(&self) -> Result<Map<String, Value>, Failure> {
        let kind = self.parts.headers.get(header::CONTENT_TYPE).and_then(|kind| kind.to_str().ok()).unwrap_or_default();
        if !kind.to_ascii_lowercase().starts_with("application/json") {
            let message = "A supported media type could not be found that matches the content type of the request.";
            return Err(Failure::new(StatusCode::UNSUPPORTED_MEDIA_TYPE, "RequestBodyRead", message));
        }
        serde_json::from_slice(self.body).map_err(|_| {
            let message = "Unable to read JSON request payload. Please ensure Content-Type header is set and payload is of valid JSON format.";
            Failure::bad_request("BadRequest", message)
        })
    }

    /// A body that has to have a certain shape.
    fn shape<T: DeserializeOwned>(body: Map<String, Value>) -> Result<T, Failure> {
        serde_json::from_value(Value::Object(body))
            .map_err(|_| Failure::bad_request("UnableToDeserializePostBody", "were unable to deserialize "))
    }
}

fn wrong_method() -> Failure {
    let message = "Specified HTTP method is not allowed for the request target.";
    Failure::new(StatusCode::METHOD_NOT_ALLOWED, "Request_BadRequest", message)
}
