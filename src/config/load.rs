//! Lays the sources over each other and reads them, naming everything that cannot be read instead of the first thing only.

use std::path::Path;

use config::{Config, Environment, File, FileFormat, Map, Value, ValueKind};
use serde::Deserialize;

use super::{check::check, file as files, raw::Raw, settings::Settings};
use crate::domain::problem::Problems;

/// The built-in configuration: every key with its default.
pub const DEFAULTS: &str = include_str!("../../config/default.toml");

/// More problems than this in one configuration are not worth listing.
const MOST_PROBLEMS: usize = 100;

/// Reads the defaults, then `file`, then those of the `environment` variables that begin with `LEAVEBRIDGE__`. A tenant whose
/// credential Azure provides also reads the variables that Azure's hosts set.
///
/// # Errors
/// All problems at once, by key.
pub fn load(file: Option<&Path>, environment: &[(String, String)]) -> Result<Settings, Problems> {
    let (settings, problems) = inspect(file, environment);
    problems.or(()).and_then(|()| settings.ok_or_else(Problems::default))
}

/// The same, but without giving up: the settings as far as they could be made out, and all problems.
#[must_use]
pub fn inspect(file: Option<&Path>, environment: &[(String, String)]) -> (Option<Settings>, Problems) {
    let mut problems = Problems::default();
    let named = |problem: String| {
        let mut problems = Problems::default();
        problems.add(file.map_or_else(|| "configuration".into(), |file| file.display().to_string()), problem);
        problems
    };
    let text = file.map(files::text).transpose();
    let text = match text {
        Ok(text) => text,
        Err(problem) => return (None, named(problem)),
    };
    let built = || -> Result<(Value, Value), config::ConfigError> {
        let defaults = Config::builder().add_source(File::from_str(DEFAULTS, FileFormat::Toml));
        let mut all = defaults.clone();
        if let Some(file) = text.as_deref() {
            all = all.add_source(File::from_str(file, FileFormat::Toml));
        }
        let ours = environment.iter().filter(|(name, _)| name.starts_with("LEAVEBRIDGE__")).cloned().collect();
        all = all.add_source(
            Environment::with_prefix("LEAVEBRIDGE").prefix_separator("__").separator("__").source(Some(ours)),
        );
        Ok((defaults.build()?.cache, all.build()?.cache))
    };
    let (defaults, mut tree) = match built() {
        Ok(trees) => trees,
        Err(error) => return (None, named(unreadable(&error))),
    };
    // What cannot be read is noted, put back to its default, and the reading begun anew.
    for _ in 0..MOST_PROBLEMS {
        match read(tree.clone()) {
            Ok(raw) => {
                let (settings, more) = check(raw, environment);
                // What could not be read was put back to its default; that this one does not do either is no news.
                let unread = problems.clone();
                let news =
                    more.into_vec().into_iter().filter(|found| unread.iter().all(|known| known.field != found.field));
                news.for_each(|found| problems.add(found.field, found.problem));
                return (settings, in_order(problems));
            }
            Err((path, problem)) => {
                problems.add(path.join(".").replace(".[", "["), problem);
                if !reset(&mut tree, &defaults, &path) {
                    break;
                }
            }
        }
    }
    (None, in_order(problems))
}

/// By key, so that the same configuration is always answered the same way.
fn in_order(problems: Problems) -> Problems {
    let mut all = problems.into_vec();
    all.sort_by(|one, other| one.field.cmp(&other.field));
    let mut problems = Problems::default();
    for found in all {
        problems.add(found.field, found.problem);
    }
    problems
}

/// Why a file cannot be read at all. TOML's own message shows the line, and there may be a secret on it.
fn unreadable(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::FileParse { cause, .. } => {
            let text = cause.to_string();
            let place = text.lines().next().and_then(|line| line.split_once(" at ")).map(|(_, place)| place);
            // Behind the line that shows where, the parser says what it is that it does not understand.
            let why: Vec<&str> = text.lines().rev().take_while(|line| !line.contains('|')).collect();
            let why = why.into_iter().rev().collect::<Vec<_>>().join(", ");
            let why = if why.trim().is_empty() { String::new() } else { format!(" ({})", why.trim()) };
            format!("is not TOML: look at {}{why}", place.unwrap_or("its syntax"))
        }
        error => format!("cannot be read: {error}"),
    }
}

fn read(tree: Value) -> Result<Raw, (Vec<String>, String)> {
    let mut track = serde_path_to_error::Track::new();
    let raw = Raw::deserialize(serde_path_to_error::Deserializer::new(tree, &mut track));
    raw.map_err(|error| {
        let mut path: Vec<String> = track
            .path()
            .iter()
            .filter_map(|segment| match segment {
                serde_path_to_error::Segment::Map { key } => Some(key.clone()),
                serde_path_to_error::Segment::Enum { variant } => Some(variant.clone()),
                serde_path_to_error::Segment::Seq { index } => Some(format!("[{index}]")),
                serde_path_to_error::Segment::Unknown => None,
            })
            .collect();
        let message = innermost(&error);
        // An unknown key is reported at the table that holds it.
        if let Some(key) = message.strip_prefix("unknown field `").and_then(|rest| rest.split('`').next())
            && path.last().is_none_or(|last| last != key)
        {
            path.push(key.to_owned());
        }
        let problem = if message.starts_with("unknown field") {
            message
                .split_once(", ")
                .map_or("is not a known key".into(), |(_, known)| format!("is not a known key; {known}"))
        } else if path.last().is_some_and(|last| last == "team_calendars") {
            "must be a list: write [[tenants.NAME.team_calendars]] in double brackets, once for each calendar".into()
        } else {
            without_value(&message)
        };
        (path, problem)
    })
}

/// The message without the crate's own notes of key and origin around it.
fn innermost(error: &config::ConfigError) -> String {
    match error {
        config::ConfigError::At { error, .. } => innermost(error),
        config::ConfigError::Type { expected, .. } => format!("must be {expected}"),
        other => other.to_string(),
    }
}

/// serde names the value that it did not like, which may be a secret put in the wrong place.
fn without_value(message: &str) -> String {
    for (prefix, marker) in
        [("unknown variant", ", expected "), ("invalid value", ", expected "), ("invalid type", ", expected ")]
    {
        if message.starts_with(prefix)
            && let Some((_, expected)) = message.rsplit_once(marker)
        {
            return format!("must be {expected}");
        }
    }
    if message.starts_with("missing field") || message.starts_with("must be") {
        return message.to_owned();
    }
    "cannot be read: see the comment on this key in config/default.toml for what it takes".into()
}

/// Puts the value at `path` back to its default, or takes it out where there is none. `false` when nothing changed.
fn reset(tree: &mut Value, defaults: &Value, path: &[String]) -> bool {
    let Some((last, above)) = path.split_last() else { return false };
    let mut place = tree;
    let mut default = Some(defaults);
    for name in above {
        let Some(next) = part_mut(place, name) else { return false };
        place = next;
        default = default.and_then(|default| as_table(default)?.get(name));
    }
    let default = default.and_then(|default| as_table(default)?.get(last)).cloned();
    match (&mut place.kind, default) {
        (ValueKind::Table(table), Some(default)) => table.insert(last.clone(), default).is_some(),
        (ValueKind::Table(table), None) => table.remove(last).is_some(),
        // Not taken out of its list: the others keep their numbers.
        _ => part_mut(place, last).is_some_and(|part| {
            *part = Value::new(None, ValueKind::Table(Map::new()));
            true
        }),
    }
}

fn as_table(value: &Value) -> Option<&Map<String, Value>> {
    if let ValueKind::Table(table) = &value.kind { Some(table) } else { None }
}

/// What a table has under that name, or a list at `[number]`.
fn part_mut<'a>(value: &'a mut Value, name: &str) -> Option<&'a mut Value> {
    match &mut value.kind {
        ValueKind::Table(table) => table.get_mut(name),
        ValueKind::Array(list) => list.get_mut(name.strip_prefix('[')?.strip_suffix(']')?.parse::<usize>().ok()?),
        _ => None,
    }
}
