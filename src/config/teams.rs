//! Checks the team calendars of a tenant.

use std::collections::BTreeSet;

use super::{policy, raw};
use crate::domain::{
    appearance::{Sensitivity, ShowAs},
    change::email,
    problem::Problems,
    team_calendar::{PRIMARY, TeamCalendar},
};

const TITLE: &str = "{name} – away";
/// Exchange takes no longer names for folders, which calendars are.
const LONGEST_NAME: usize = 255;
/// Microsoft documents the calendars of groups for signed-in people only (Graph: create event, permissions).
const NO_GROUP: &str = "cannot be used: Microsoft Graph lets no app without a signed-in person write to the calendar of a \
                        Microsoft 365 group; name a shared mailbox in `mailbox` instead";

/// The team calendars, or `None` when one of them cannot be used.
pub(super) fn check(field: &str, raw: &[raw::TeamCalendar], p: &mut Problems) -> Option<Vec<TeamCalendar>> {
    let known = p.iter().count();
    let mut seen = BTreeSet::new();
    let mut teams = Vec::new();
    for (at, raw) in raw.iter().enumerate() {
        let field = format!("{field}[{at}]");
        let Some(team) = team(&field, raw, p) else { continue };
        // Exchange tells no upper from lower case in the names of folders.
        if !seen.insert((team.mailbox.clone(), team.calendar.to_lowercase())) {
            p.add(
                format!("{field}.calendar"),
                "is listed before for the same mailbox: put what belongs into it into one list",
            );
        }
        teams.push(team);
    }
    (p.iter().count() == known).then_some(teams)
}

fn team(field: &str, raw: &raw::TeamCalendar, p: &mut Problems) -> Option<TeamCalendar> {
    let report = &mut |key: &str, problem: String| {
        p.add(format!("{field}.{key}"), problem);
        None::<()>
    };
    // All of it, so that no problem hides another.
    if raw.group.is_some() {
        report("group", NO_GROUP.into());
    }
    let mailbox = mailbox(&raw.mailbox, raw.group.is_some(), report);
    let calendar = calendar(&raw.calendar, report);
    let departments = words("departments", &raw.departments, report);
    let sources = words("sources", &raw.sources, report);
    let types = words("types", &raw.types, report);
    let title = policy::title("title", raw.title.as_deref().unwrap_or(TITLE), report);
    let body = policy::template("body", &raw.body, report);
    Some(TeamCalendar {
        mailbox: mailbox?,
        calendar: calendar?,
        departments: departments?,
        sources: sources?,
        types: types?,
        title: title?,
        body: body?,
        show_as: raw.show_as.unwrap_or(ShowAs::Free),
        sensitivity: raw.sensitivity.unwrap_or(Sensitivity::Normal),
    })
}

fn mailbox(text: &str, is_group: bool, report: policy::Report<'_>) -> Option<String> {
    // No host of Exchange's is without a dot.
    let address = email(text).ok().filter(|address| address.rsplit('@').next().is_some_and(|host| host.contains('.')));
    if address.is_none() && !is_group {
        report("mailbox", "must be the address of a shared mailbox, such as \"sales-team@contoso.com\"".into());
    }
    address
}

fn calendar(text: &str, report: policy::Report<'_>) -> Option<String> {
    let name = text.trim();
    if name.to_lowercase() == PRIMARY {
        report(
            "calendar",
            "cannot be \"default\", which stands for a person's own calendar; give it another name".into(),
        );
        return None;
    }
    if name.is_empty() || name.chars().any(char::is_control) || name.chars().count() > LONGEST_NAME {
        report("calendar", format!("must be a calendar's name of at most {LONGEST_NAME} characters"));
        return None;
    }
    Some(name.to_owned())
}

/// In lower case, as they are compared.
fn words(key: &str, words: &[String], report: policy::Report<'_>) -> Option<Vec<String>> {
    if words.iter().any(|word| word.trim().is_empty()) {
        report(key, "must not hold an empty word; an empty list takes all".into());
        return None;
    }
    Some(words.iter().map(|word| word.trim().to_lowercase()).collect())
}
