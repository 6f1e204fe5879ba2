//! Which part of Microsoft a path means.
//!
//! It must never split at an encoded slash: event ids may hold one, and it is written `%2F` in a path.

use percent_encoding::percent_decode_str;

use super::managed::Host;

/// What is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Target {
    Token {
        tenant: String,
    },
    Metadata {
        tenant: String,
    },
    Keys,
    /// A managed identity's host.
    Identity(Host),
    Graph(Resource),
    Nothing,
}

/// A resource of Graph.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Resource {
    Users,
    User {
        user: String,
    },
    /// Something in the mailbox of `user`.
    Mailbox {
        user: String,
        part: Part,
    },
    /// A segment that Graph does not have.
    Unknown {
        segment: String,
    },
}

/// A part of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Part {
    Calendars,
    Calendar {
        calendar: Which,
    },
    Events {
        calendar: Which,
    },
    View {
        calendar: Which,
    },
    Event {
        id: String,
    },
    PermanentDelete {
        id: String,
    },
    Cancel {
        id: String,
    },
    /// The mailbox's settings, or one of them.
    Settings {
        one: Option<String>,
    },
}

/// Which calendar of a mailbox.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Which {
    /// `/users/{id}/events`: lists look at all calendars, new events go to the default one.
    Any,
    Default,
    Named(String),
}

/// Reads an undecoded path.
pub(crate) fn target(path: &str) -> Target {
    let segments = segments(path);
    let words: Vec<&str> = segments.iter().map(String::as_str).collect();
    match words.as_slice() {
        ["v1.0", rest @ ..] => Target::Graph(resource(rest)),
        ["metadata", "identity", "oauth2", "token"] => Target::Identity(Host::Metadata),
        ["msi", "token"] => Target::Identity(Host::AppService),
        [tenant, "oauth2", "v2.0", "token"] => Target::Token { tenant: (*tenant).to_owned() },
        [tenant, "v2.0", ".well-known", "openid-configuration"] => Target::Metadata { tenant: (*tenant).to_owned() },
        [_, "discovery", "v2.0", "keys"] => Target::Keys,
        _ => Target::Nothing,
    }
}

fn resource(words: &[&str]) -> Resource {
    let known = |word: &str, name: &str| word.eq_ignore_ascii_case(name);
    match words {
        [users] if known(users, "users") => Resource::Users,
        [users, user] if known(users, "users") => Resource::User { user: (*user).to_owned() },
        [users, user, rest @ ..] if known(users, "users") => match part(rest) {
            Some(part) => Resource::Mailbox { user: (*user).to_owned(), part },
            None => Resource::Unknown { segment: (*rest.first().unwrap_or(&"")).to_owned() },
        },
        [first, ..] => Resource::Unknown { segment: (*first).to_owned() },
        [] => Resource::Unknown { segment: String::new() },
    }
}

fn part(words: &[&str]) -> Option<Part> {
    let lower: Vec<String> = words.iter().map(|word| word.to_ascii_lowercase()).collect();
    let lower: Vec<&str> = lower.iter().map(String::as_str).collect();
    let (calendar, rest, words) = match lower.as_slice() {
        ["calendars"] => return Some(Part::Calendars),
        ["mailboxsettings"] => return Some(Part::Settings { one: None }),
        ["mailboxsettings", one] => return Some(Part::Settings { one: Some((*one).to_owned()) }),
        ["calendar", rest @ ..] => (Which::Default, rest, &words[1..]),
        ["calendars", _, rest @ ..] => (Which::Named(words[1].to_owned()), rest, &words[2..]),
        rest => (Which::Any, rest, words),
    };
    let id = || words.get(1).map(|id| (*id).to_owned());
    match rest {
        [] if calendar != Which::Any => Some(Part::Calendar { calendar }),
        ["events"] => Some(Part::Events { calendar }),
        ["calendarview"] => Some(Part::View { calendar }),
        ["events", _] => Some(Part::Event { id: id()? }),
        ["events", _, "permanentdelete"] => Some(Part::PermanentDelete { id: id()? }),
        ["events", _, "cancel"] => Some(Part::Cancel { id: id()? }),
        _ => None,
    }
}

/// Splits and decodes; `users('a@b.c')` is the same as `users/a@b.c`.
fn segments(path: &str) -> Vec<String> {
    let mut segments = Vec::new();
    for raw in path.trim_matches('/').split('/') {
        let segment = percent_decode_str(raw).decode_utf8_lossy().into_owned();
        match segment.strip_suffix("')").and_then(|open| open.split_once("('")) {
            Some((name, key)) => segments.extend([name.to_owned(), key.replace("''", "'")]),
            None => segments.push(segment),
        }
    }
    segments
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailbox(part: Part) -> Target {
        Target::Graph(Resource::Mailbox { user: "a@b.c".into(), part })
    }

    #[test]
    fn every_path_has_its_meaning() {
        let id = || "AA/k=".to_owned();
        for (path, target_) in [
            ("/contoso.com/oauth2/v2.0/token", Target::Token { tenant: "contoso.com".into() }),
            ("/x/v2.0/.well-known/openid-configuration", Target::Metadata { tenant: "x".into() }),
            ("/x/discovery/v2.0/keys", Target::Keys),
            ("/metadata/identity/oauth2/token", Target::Identity(Host::Metadata)),
            ("/msi/token/", Target::Identity(Host::AppService)),
            ("/elsewhere", Target::Nothing),
            ("/v1.0/users", Target::Graph(Resource::Users)),
            ("/v1.0/users/a%40b.c", Target::Graph(Resource::User { user: "a@b.c".into() })),
            ("/v1.0/users('a@b.c')", Target::Graph(Resource::User { user: "a@b.c".into() })),
            ("/v1.0/users/a%23EXT%23@b.c", Target::Graph(Resource::User { user: "a#EXT#@b.c".into() })),
            ("/v1.0/users/a@b.c/events", mailbox(Part::Events { calendar: Which::Any })),
            ("/v1.0/users/a@b.c/calendar/events", mailbox(Part::Events { calendar: Which::Default })),
            ("/v1.0/users/a@b.c/calendars/x%3D/events", mailbox(Part::Events { calendar: Which::Named("x=".into()) })),
            ("/v1.0/users/a@b.c/events/AA%2Fk%3D", mailbox(Part::Event { id: id() })),
            ("/v1.0/users/a@b.c/calendar/events/AA%2Fk=", mailbox(Part::Event { id: id() })),
            ("/v1.0/users/a@b.c/events/AA%2Fk=/permanentDelete", mailbox(Part::PermanentDelete { id: id() })),
            ("/v1.0/users/a@b.c/calendarView", mailbox(Part::View { calendar: Which::Any })),
            ("/v1.0/users/a@b.c/calendars", mailbox(Part::Calendars)),
            ("/v1.0/users/a@b.c/mailboxSettings", mailbox(Part::Settings { one: None })),
            ("/v1.0/users/a@b.c/mailboxSettings/timeZone", mailbox(Part::Settings { one: Some("timezone".into()) })),
            ("/v1.0/users/a@b.c/events/AA/k=", Target::Graph(Resource::Unknown { segment: "events".into() })),
            ("/v1.0/me/events", Target::Graph(Resource::Unknown { segment: "me".into() })),
        ] {
            assert_eq!(target(path), target_, "{path}");
        }
    }
}
