//! Checks the policies: the one for all, what tenants change in it, and what kinds of leave change in either.
//!
//! A problem is reported under the key where it can be mended: what a tenant has from the common policy is checked there, once.

use std::collections::BTreeMap;

use jiff::{SignedDuration, civil::Time};

use super::raw;
use crate::domain::{
    appearance::{Appearance, Reply},
    hours::{Day, Hours},
    policy::Policy,
    problem::Problems,
    template::{Field, Template},
    zone::Zone,
};

const NOBODY_WORKS: &str = "must leave a day that is not \"off\"; saturday and sunday are, unless they are given hours";
const WEEKDAYS: [&str; 7] = ["monday", "tuesday", "wednesday", "thursday", "friday", "saturday", "sunday"];
/// Outlook offers nothing longer before an event.
const LONGEST_REMINDER: SignedDuration = SignedDuration::from_hours(4 * 7 * 24);
const LONGEST_CODE: usize = 64;

/// The policy of `own` over `base`, and what is wrong with `own`. `None` when either cannot be used.
pub(super) fn check(field: &str, own: &raw::Policy, base: &raw::Policy, p: &mut Problems) -> Option<Policy> {
    let known = p.iter().count();
    let merged = merge(own, base);
    let report = &mut |key: &str, problem: String| {
        if is_set(own, key) {
            p.add(format!("{field}.{key}"), problem);
        }
        None::<()>
    };
    let zone = zone(merged.time_zone.as_deref(), report);
    let hours = hours(&merged, report);
    let appearance = appearance("", &merged.appearance, report);
    let link = link(merged.link.as_deref().unwrap_or_default(), report);
    let mut spellings = BTreeMap::new();
    for code in own.types.keys() {
        if let Some(other) = spellings.insert(code.to_lowercase(), code) {
            report(
                &format!("types.{code}"),
                format!("is the same as types.{other}: upper and lower case do not matter"),
            );
        }
    }
    let mut types = BTreeMap::new();
    for (code, kind) in &merged.types {
        if code.trim() != code || code.is_empty() || code.chars().count() > LONGEST_CODE {
            report(
                &format!("types.{code}"),
                format!("must be a leave type's code of at most {LONGEST_CODE} characters"),
            );
        }
        let kind = over(kind, &merged.appearance);
        types.extend(
            self::appearance(&format!("types.{code}."), &kind, report)
                .map(|appearance| (code.to_lowercase(), appearance)),
        );
    }
    let team_calendars = Vec::new();
    let policy =
        Policy { appearance: appearance?, types, link: link?, time_zone: zone?, hours: hours?, team_calendars };
    (p.iter().count() == known && policy.types.len() == merged.types.len()).then_some(policy)
}

pub(super) type Report<'a> = &'a mut dyn FnMut(&str, String) -> Option<()>;

fn zone(name: Option<&str>, report: Report<'_>) -> Option<Zone> {
    let zone = name.and_then(|name| Zone::parse(name).ok()).filter(|zone| zone.outlook_name().is_some());
    if zone.is_none() {
        report("time_zone", "must be an IANA time zone that Outlook knows, such as \"Europe/London\"".into());
    }
    zone
}

fn hours(raw: &Merged, report: Report<'_>) -> Option<Hours> {
    let (start, midday, end) = (raw.day_start?, raw.midday?, raw.day_end?);
    if !(start < midday && midday < end) {
        let [start, midday, end] = [start, midday, end].map(|time| time.strftime("%H:%M").to_string());
        report("midday", format!("must lie between day_start ({start}) and day_end ({end}), and is {midday}"));
        return None;
    }
    let usual = Day::new(start, midday, end)?;
    let mut hours = Hours { usual, week: [None; 7], off: [false; 7] };
    let mut is_right = true;
    for (name, text) in &raw.hours {
        let key = format!("hours.{name}");
        let place = WEEKDAYS.iter().position(|weekday| weekday == name);
        let day = span(text).and_then(|(start, end)| Day::new(start, midday, end));
        let slots = place.and_then(|place| hours.week.get_mut(place).zip(hours.off.get_mut(place)));
        match (slots, day) {
            (Some((_, off)), _) if text.trim() == "off" => *off = true,
            (Some((own, _)), Some(day)) => *own = Some(day),
            (None, _) => {
                is_right = false;
                report(&key, format!("must be one of {}", WEEKDAYS.join(", ")));
            }
            (_, None) => {
                is_right = false;
                report(&key, "must be \"off\", or from when until when, such as \"08:00-14:00\"".into());
            }
        }
    }
    if hours.off == [true; 7] {
        is_right = false;
        report("hours", NOBODY_WORKS.into());
    }
    is_right.then_some(hours)
}

fn span(text: &str) -> Option<(Time, Time)> {
    let (start, end) = text.split_once('-')?;
    Some((start.trim().parse().ok()?, end.trim().parse().ok()?))
}

fn appearance(prefix: &str, raw: &raw::Appearance, report: Report<'_>) -> Option<Appearance> {
    // All of it, so that no problem hides another.
    let key = |name: &str| format!("{prefix}{name}");
    let title = title(&key("title"), raw.title.as_deref().unwrap_or_default(), report);
    let body = template(&key("body"), raw.body.as_deref().unwrap_or_default(), report);
    let category = category(&key("category"), raw.category.as_deref().unwrap_or_default(), report);
    let reminder = reminder(&key("reminder"), raw.reminder.as_deref().unwrap_or_default(), report);
    let reply = reply(&key("automatic_replies"), &raw.automatic_replies, report);
    Some(Appearance {
        publish: raw.publish?,
        title: title?,
        body: body?,
        show_as: raw.show_as?,
        show_as_pending: raw.show_as_pending?,
        sensitivity: raw.sensitivity?,
        category: category?,
        reminder: reminder?,
        reply: reply?,
    })
}

#[expect(clippy::option_option, reason = "no reply is as right as one")]
fn reply(key: &str, raw: &raw::Replies, report: Report<'_>) -> Option<Option<Reply>> {
    let (inside_key, outside_key) = (format!("{key}.inside"), format!("{key}.outside"));
    let text = raw.inside.as_deref().unwrap_or_default();
    if text.trim().is_empty() {
        report(&inside_key, "must be a text: who writes to somebody on leave gets it".into());
    }
    let inside = template(&inside_key, text, report);
    let other = raw.outside.as_deref().unwrap_or_default();
    let outside = if other.trim().is_empty() { inside.clone() } else { template(&outside_key, other, report) };
    let reply =
        Reply { inside: inside.filter(|_| !text.trim().is_empty())?, outside: outside?, audience: raw.audience? };
    // Wrong texts are reported although they are not sent yet: they are meant to be used some day.
    Some(raw.enabled?.then_some(reply))
}

pub(super) fn title(key: &str, text: &str, report: Report<'_>) -> Option<Template> {
    if text.trim().is_empty() || text.chars().any(char::is_control) {
        report(key, "must be one line of text".into());
        return None;
    }
    template(key, text, report)
}

#[expect(clippy::option_option, reason = "no category is as right as one")]
fn category(key: &str, text: &str, report: Report<'_>) -> Option<Option<String>> {
    let name = text.trim();
    // Outlook takes these two for the end of a category's name.
    if name.contains([',', ';']) || name.chars().count() > 255 {
        report(key, "must be the name of one Outlook category, without comma and semicolon".into());
        return None;
    }
    Some((!name.is_empty()).then(|| name.to_owned()))
}

pub(super) fn template(key: &str, text: &str, report: Report<'_>) -> Option<Template> {
    Template::parse(text).map_err(|bad| report(key, bad.to_string())).ok()
}

/// Where people find their leave: its address may hold the leave's id, and nothing of the person.
#[expect(clippy::option_option, reason = "no link at all is as right as one")]
fn link(text: &str, report: Report<'_>) -> Option<Option<Template>> {
    if text.trim().is_empty() {
        return Some(None);
    }
    let is_web = text.starts_with("https://") || text.starts_with("http://");
    if !is_web || text.chars().any(|c| c.is_control() || c.is_whitespace()) {
        report("link", "must be a web address such as \"https://ess.contoso.com/leave/{id}\"".into());
        return None;
    }
    let template = template("link", text, report)?;
    if template.fields().any(|field| !matches!(field, Field::Id | Field::Source)) {
        report("link", "may hold {id} and {source} only: an address is seen by more than its reader".into());
        return None;
    }
    Some(Some(template))
}

#[expect(clippy::option_option, reason = "no reminder is as right as one")]
fn reminder(key: &str, text: &str, report: Report<'_>) -> Option<Option<u32>> {
    if text.is_empty() || text == "none" {
        return Some(None);
    }
    let before = text.parse::<SignedDuration>().ok();
    let before = before.filter(|before| !before.is_negative() && *before <= LONGEST_REMINDER);
    if before.is_none() {
        report(
            key,
            "must be \"none\", or how long before the event, such as \"15m\" or \"18h\"; at most four weeks".into(),
        );
    }
    before.map(|before| u32::try_from(before.as_mins()).ok())
}

/// A policy over another, still as written.
struct Merged {
    appearance: raw::Appearance,
    types: BTreeMap<String, raw::Appearance>,
    link: Option<String>,
    time_zone: Option<String>,
    day_start: Option<Time>,
    midday: Option<Time>,
    day_end: Option<Time>,
    hours: BTreeMap<String, String>,
}

/// What is set in `own`, and the rest of `base`.
fn merge(own: &raw::Policy, base: &raw::Policy) -> Merged {
    let mut types: BTreeMap<String, raw::Appearance> = base.types.clone();
    for (code, kind) in &own.types {
        // The code of one system in two spellings is one kind of leave.
        let known = types.keys().find(|known| known.to_lowercase() == code.to_lowercase()).cloned();
        let below = known.and_then(|known| types.remove(&known)).unwrap_or_default();
        types.insert(code.clone(), over(kind, &below));
    }
    let mut hours = base.hours.clone();
    hours.extend(own.hours.clone());
    Merged {
        appearance: over(&own.appearance(), &base.appearance()),
        types,
        link: own.link.clone().or_else(|| base.link.clone()),
        time_zone: own.time_zone.clone().or_else(|| base.time_zone.clone()),
        day_start: own.day_start.or(base.day_start),
        midday: own.midday.or(base.midday),
        day_end: own.day_end.or(base.day_end),
        hours,
    }
}

fn over(own: &raw::Appearance, base: &raw::Appearance) -> raw::Appearance {
    let text = |own: &Option<String>, base: &Option<String>| own.clone().or_else(|| base.clone());
    raw::Appearance {
        publish: own.publish.or(base.publish),
        title: text(&own.title, &base.title),
        body: text(&own.body, &base.body),
        show_as: own.show_as.or(base.show_as),
        show_as_pending: own.show_as_pending.or(base.show_as_pending),
        sensitivity: own.sensitivity.or(base.sensitivity),
        category: text(&own.category, &base.category),
        reminder: text(&own.reminder, &base.reminder),
        automatic_replies: raw::Replies {
            enabled: own.automatic_replies.enabled.or(base.automatic_replies.enabled),
            inside: text(&own.automatic_replies.inside, &base.automatic_replies.inside),
            outside: text(&own.automatic_replies.outside, &base.automatic_replies.outside),
            audience: own.automatic_replies.audience.or(base.automatic_replies.audience),
        },
    }
}

/// Whether the reader has set that key here.
fn is_set(own: &raw::Policy, key: &str) -> bool {
    let of_appearance = |appearance: &raw::Appearance, name: &str| match name {
        "title" => appearance.title.is_some(),
        "body" => appearance.body.is_some(),
        "category" => appearance.category.is_some(),
        "reminder" => appearance.reminder.is_some(),
        "automatic_replies.inside" => appearance.automatic_replies.inside.is_some(),
        "automatic_replies.outside" => appearance.automatic_replies.outside.is_some(),
        _ => false,
    };
    match key.split_once('.') {
        Some(("hours", weekday)) => own.hours.contains_key(weekday),
        Some(("types", rest)) => {
            let dot = rest.rfind(".automatic_replies.").or_else(|| rest.rfind('.'));
            let (code, name) = dot.map_or((rest, ""), |dot| (&rest[..dot], &rest[dot + 1..]));
            let same = |known: &str, code: &str| known.to_lowercase() == code.to_lowercase();
            own.types
                .iter()
                .any(|(known, appearance)| same(known, rest) || (same(known, code) && of_appearance(appearance, name)))
        }
        _ => match key {
            "link" => own.link.is_some(),
            "hours" => !own.hours.is_empty(),
            "time_zone" => own.time_zone.is_some(),
            // Reported when any of the three is out of place.
            "midday" => own.day_start.or(own.midday).or(own.day_end).is_some(),
            name => of_appearance(&own.appearance(), name),
        },
    }
}
