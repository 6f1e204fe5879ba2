//! Reads the fields of a JSON object, noting each that is not as it should be.

use serde_json::{Map, Value};

use crate::domain::problem::Problems;

/// Text of 1 to `longest` printable characters.
pub(super) fn text(longest: usize) -> impl Fn(&str) -> Result<String, String> {
    move |text| {
        if text.is_empty() {
            Err("must not be empty".into())
        } else if text.chars().count() > longest {
            Err(format!("must not be longer than {longest} characters"))
        } else if text.chars().any(is_unprintable) {
            Err("must not contain control characters".into())
        } else {
            Ok(text.to_owned())
        }
    }
}

/// Control characters, line separators and the invisible marks that turn text around: an operator could not tell two such
/// ids apart, and PostgreSQL stores no NUL.
fn is_unprintable(c: char) -> bool {
    c.is_control() || matches!(c, '\u{2028}'..='\u{202e}' | '\u{2066}'..='\u{2069}' | '\u{200b}' | '\u{feff}')
}

pub(super) fn one_of<'w>(words: &'w [&'static str]) -> impl Fn(&str) -> Result<&'static str, String> + 'w {
    |text| {
        words.iter().copied().find(|word| *word == text).ok_or_else(|| format!("must be one of {}", words.join(", ")))
    }
}

/// Reads one JSON object and notes each field that is not as it should be.
pub(super) struct Fields<'a, 'p> {
    pub(super) object: &'a Map<String, Value>,
    pub(super) prefix: &'static str,
    pub(super) problems: &'p mut Problems,
}

impl<'a> Fields<'a, '_> {
    pub(super) fn problem(&mut self, name: &str, problem: impl Into<String>) {
        self.problems.add(format!("{}{name}", self.prefix), problem);
    }

    pub(super) fn required<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        if matches!(self.object.get(name), None | Some(Value::Null)) {
            self.problem(name, "is missing");
        }
        self.optional(name, parse)
    }

    pub(super) fn optional<T>(&mut self, name: &str, parse: impl FnOnce(&str) -> Result<T, String>) -> Option<T> {
        let parsed = match self.object.get(name) {
            None | Some(Value::Null) => return None,
            Some(Value::String(text)) => parse(text),
            Some(_) => Err("must be a string".into()),
        };
        parsed.map_err(|problem| self.problem(name, problem)).ok()
    }

    pub(super) fn object(&mut self, name: &str) -> Option<&'a Map<String, Value>> {
        match self.object.get(name) {
            Some(Value::Object(object)) => return Some(object),
            None | Some(Value::Null) => self.problem(name, "is missing"),
            Some(_) => self.problem(name, "must be an object"),
        }
        None
    }
}
