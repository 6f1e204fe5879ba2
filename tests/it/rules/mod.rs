//! The rules of the calendar, as people would write them down: `book.md`, and the examples of docs/policy.md.
//!
//! A case is a line in a block ```` ```rules ````, `leave = event`. The leave: `FIRST [am|pm] [.. LAST [am|pm]]` in dates or local
//! times, then in any order `in ZONE`, `type CODE`, a status, `mailbox ZONE`, `works HH:MM-HH:MM`, `of nobody` (a person of
//! whom only the address is known), `department NAME`, `from SOURCE`, `on CALENDAR` (a team's). The event: `nothing` (it does not belong
//! there), `removed`, `hidden`, or `[all day] START to END, ZONE`, and after further
//! commas what of the rest matters: how it shows, who sees it, `titled "…"`, `saying "…"`, `category "…"`, `remind MINUTES`.
//! The policy is the document's block ```` ```toml ````.

mod properties;

use std::fs;

use leavebridge::{
    config,
    domain::{
        event::{Application, Desired, EventSpec, MailboxSettings},
        hours::{Day, Hours},
        leave::{Leave, Session, Span, Staff, Status},
        policy::Policy,
        team::{self, places},
        team_calendar::{CalendarTarget, PRIMARY, TeamCalendar},
        zone::Zone,
    },
};
use serde_json::{Value, json};

use crate::support::configuration;

/// The policy of a document.
fn policy(document: &str) -> Policy {
    let (_, toml) = document.split_once("```toml\n").unwrap();
    let (toml, _) = toml.split_once("```").unwrap();
    read(toml).unwrap()
}

/// The policy of the tenant `default` by that configuration.
pub(crate) fn read(toml: &str) -> Result<Policy, String> {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("policy.toml");
    fs::write(&file, toml).unwrap();
    let mut environment = configuration("postgres://nobody@127.0.0.1:1/x", "http://127.0.0.1:1", &[]);
    environment.retain(|(name, _)| !name.starts_with("LEAVEBRIDGE__POLICY"));
    let settings = config::load(Some(&file), &environment).map_err(|problems| problems.to_string())?;
    Ok(settings.tenants["default"].policy.clone())
}

/// The cases of a document.
fn cases(document: &str) -> Vec<(&str, &str)> {
    let blocks = document.split("```rules\n").skip(1).map(|rest| rest.split_once("```").unwrap().0);
    let lines = blocks.flat_map(str::lines).filter(|line| !line.trim().is_empty());
    lines.map(|line| line.split_once(" = ").unwrap_or_else(|| panic!("no event: {line}"))).collect()
}

/// Somebody's leave and what is known of their mailbox.
struct Case<'a> {
    source: &'a str,
    calendar: &'a str,
    status: Status,
    leave: Leave,
    own: MailboxSettings,
}

fn case<'a>(text: &'a str, policy: &Policy) -> Case<'a> {
    let mut words = text.split_whitespace().peekable();
    let first = words.next().unwrap();
    let session = |word: Option<&&str>| match word {
        Some(&"am") => Some(Session::Am),
        Some(&"pm") => Some(Session::Pm),
        _ => None,
    };
    let starts = session(words.peek());
    starts.map(|_| words.next());
    let mut last = None;
    let mut ends = None;
    if words.next_if_eq(&"..").is_some() {
        last = words.next();
        ends = session(words.peek());
        ends.map(|_| words.next());
    } else {
        ends = ends.or(starts);
    }
    let span = if first.contains('T') {
        Span::Hours { from: first.parse().unwrap(), until: last.unwrap().parse().unwrap() }
    } else {
        let last = last.unwrap_or(first);
        let (starts, ends) = (starts.unwrap_or(Session::Am), ends.unwrap_or(Session::Pm));
        Span::Days { first: first.parse().unwrap(), starts, last: last.parse().unwrap(), ends }
    };
    let staff = Staff {
        email: Some("amy.chan@contoso.com".into()),
        entra_id: None,
        employee_id: Some("10042".into()),
        name: Some("Amy Chan".into()),
    };
    let department = Some("Sales".into());
    let mut leave = Leave { staff, leave_type: None, span, time_zone: None, department };
    let (mut status, mut own) = (Status::Approved, MailboxSettings::default());
    let (mut source, mut calendar) = ("ess", PRIMARY);
    while let Some(word) = words.next() {
        let mut next = || words.next().unwrap_or_else(|| panic!("nothing behind {word}: {text}"));
        match word {
            "in" => leave.time_zone = Some(Zone::parse(next()).unwrap()),
            "type" => leave.leave_type = Some(next().to_owned()),
            "department" => leave.department = Some(next().to_owned()),
            "from" => source = next(),
            "on" => calendar = next(),
            "mailbox" => own.zone = Some(Zone::parse(next()).unwrap()),
            "works" => {
                let (start, end) = next().split_once('-').unwrap();
                let midday = policy.hours.usual.midday;
                let usual = Day::new(start.parse().unwrap(), midday, end.parse().unwrap()).unwrap();
                own.hours = Some(Hours { usual, week: [None; 7], off: [false; 7] });
            }
            "of" => {
                assert_eq!(next(), "nobody", "{text}");
                leave.staff = Staff { employee_id: None, name: None, ..leave.staff };
                leave.department = None;
            }
            word => status = Status::of(word).unwrap_or_else(|| panic!("what is {word}? {text}")),
        }
    }
    Case { source, calendar, status, leave, own }
}

/// What of an event the right side of a case speaks of.
fn told(event: &EventSpec, expected: &str) -> String {
    let moment = |at: jiff::civil::DateTime| {
        if event.times.all_day { at.date().to_string() } else { at.strftime("%Y-%m-%dT%H:%M").to_string() }
    };
    let all_day = if event.times.all_day { "all day " } else { "" };
    let (start, end) = (moment(event.times.start), moment(event.times.end));
    let mut told = vec![format!("{all_day}{start} to {end}"), event.times.zone.clone()];
    let word = |value: Value| value.as_str().unwrap().to_owned();
    let (show_as, sensitivity) = (word(json!(event.show_as)), word(json!(event.sensitivity)));
    for part in parts(expected).skip(2) {
        told.push(match part.split_once(' ').map_or(part, |(word, _)| word) {
            "titled" => format!("titled {:?}", event.subject),
            "saying" => format!("saying {:?}", event.body),
            "category" => format!("category {:?}", event.category.as_deref().unwrap_or_default()),
            "remind" => {
                format!("remind {}", event.reminder.map_or_else(|| "never".into(), |minutes| minutes.to_string()))
            }
            "private" | "normal" | "personal" | "confidential" => sensitivity.clone(),
            _ => show_as.clone(),
        });
    }
    told.join(", ")
}

/// Splits at commas that are in no quotes.
fn parts(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
}

fn check(name: &str, document: &str) -> usize {
    let policy = policy(document);
    let cases = cases(document);
    let mut wrong = Vec::new();
    for (leave, expected) in &cases {
        let Case { source, calendar, status, leave: content, own } = case(leave, &policy);
        let application = Application { id: "LA-2026-000123", source, status, leave: &content };
        let team = policy.team_calendars.iter().find(|team| team.calendar == calendar);
        let place = team.map_or(CalendarTarget { mailbox: content.staff.mailbox(), calendar }, TeamCalendar::place);
        let desired = team::desired(place, &application, &policy, &own, &MailboxSettings::default());
        // Nothing is ever written where the leave has no business.
        let belongs = places(&content, source, &policy).contains(&place);
        assert!(belongs || desired == Desired::Absent, "{leave}");
        let seen = match desired {
            Desired::Absent if !belongs => "nothing".into(),
            Desired::Present(event) => told(&event, expected),
            Desired::Absent => "removed".into(),
            Desired::Hidden => "hidden".into(),
        };
        if seen != expected.trim() {
            wrong.push(format!("{}\n  says {}\n  is   {seen}", leave.trim(), expected.trim()));
        }
    }
    assert!(wrong.is_empty(), "{name}:\n{}", wrong.join("\n"));
    cases.len()
}

#[test]
fn the_rule_book_holds() {
    let cases = check("book.md", include_str!("book.md"));
    assert!(cases >= 120, "the book has {cases} cases only");
}

#[test]
fn the_examples_of_the_documentation_hold() {
    let document = fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/policy.md")).unwrap();
    assert!(check("docs/policy.md", &document) > 20);
}
