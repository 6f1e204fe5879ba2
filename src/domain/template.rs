//! Titles and texts with fields in them, and the closed set of those fields.
//!
//! What is not in [`Field`] cannot reach Outlook, whatever a policy says; an unknown gap is an error at start. The reason
//! for a leave has no field: it is dropped at the door.

use std::fmt;

use serde::Serialize;

/// What a template may name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub enum Field {
    /// The person's name; the part of the address before the @ where no name is known.
    Name,
    /// The first word of the name.
    FirstName,
    /// The source's code for the kind of leave.
    LeaveType,
    /// `pending` or `approved`.
    Status,
    /// The person's department.
    Department,
    /// The person's number at the employer.
    EmployeeId,
    /// The source that keeps the leave.
    Source,
    /// The leave's id at its source.
    Id,
    /// The first day away, such as 2026-12-21.
    FirstDay,
    /// The last day away.
    LastDay,
}

impl Field {
    /// All there are, in the order in which they are documented.
    pub const ALL: [Self; 10] = [
        Self::Name,
        Self::FirstName,
        Self::LeaveType,
        Self::Status,
        Self::Department,
        Self::EmployeeId,
        Self::Source,
        Self::Id,
        Self::FirstDay,
        Self::LastDay,
    ];

    /// The word between the braces.
    #[must_use]
    pub const fn word(self) -> &'static str {
        match self {
            Self::Name => "name",
            Self::FirstName => "first_name",
            Self::LeaveType => "leave_type",
            Self::Status => "status",
            Self::Department => "department",
            Self::EmployeeId => "employee_id",
            Self::Source => "source",
            Self::Id => "id",
            Self::FirstDay => "first_day",
            Self::LastDay => "last_day",
        }
    }
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
enum Part {
    Text(String),
    Gap(Field),
}

/// A text with gaps.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Template(Vec<Part>);

/// Why a text is no template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum BadTemplate {
    /// A name that is no field.
    Unknown(String),
    /// A brace without its other half.
    Unbalanced,
}

impl fmt::Display for BadTemplate {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let words = Field::ALL.map(|field| format!("{{{}}}", field.word())).join(" ");
        match self {
            Self::Unknown(word) => write!(f, "has {{{word}}}, which stands for nothing; there are {words}"),
            Self::Unbalanced => {
                f.write_str("has a brace without its other half; {{ and }} stand for braces themselves")
            }
        }
    }
}

impl Template {
    /// Reads `Out of office: {first_name}`. `{{` and `}}` are the braces themselves.
    ///
    /// # Errors
    /// On an unknown gap and on a lonely brace.
    pub fn parse(text: &str) -> Result<Self, BadTemplate> {
        let mut parts = Vec::new();
        let mut plain = String::new();
        let mut rest = text;
        while let Some(at) = rest.find(['{', '}']) {
            plain.push_str(&rest[..at]);
            let brace = &rest[at..=at];
            rest = &rest[at + 1..];
            if let Some(after) = rest.strip_prefix(brace) {
                plain.push_str(brace);
                rest = after;
                continue;
            }
            let (word, after) = rest.split_once('}').filter(|_| brace == "{").ok_or(BadTemplate::Unbalanced)?;
            let field = Field::ALL.into_iter().find(|field| field.word() == word);
            let unknown = || BadTemplate::Unknown(word.chars().filter(|c| !c.is_control()).take(40).collect());
            if !plain.is_empty() {
                parts.push(Part::Text(std::mem::take(&mut plain)));
            }
            parts.push(Part::Gap(field.ok_or_else(unknown)?));
            rest = after;
        }
        plain.push_str(rest);
        if !plain.is_empty() {
            parts.push(Part::Text(plain));
        }
        Ok(Self(parts))
    }

    /// The gaps, in order.
    pub fn fields(&self) -> impl Iterator<Item = Field> {
        self.0.iter().filter_map(|part| if let Part::Gap(field) = part { Some(*field) } else { None })
    }

    /// The text with its gaps filled; what fills one has no line breaks of its own.
    #[must_use]
    pub fn fill(&self, value: impl Fn(Field) -> String) -> String {
        let filled = self.0.iter().map(|part| match part {
            Part::Text(text) => text.clone(),
            Part::Gap(field) => value(*field).replace(char::is_control, " "),
        });
        filled.collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn filled(text: &str) -> String {
        Template::parse(text).unwrap().fill(|field| format!("<{}>", field.word()))
    }

    #[test]
    fn gaps_are_filled_and_doubled_braces_stay_braces() {
        for (text, expected) in [
            ("", ""),
            ("Out of office", "Out of office"),
            ("{name} – away", "<name> – away"),
            ("{first_name}{id}", "<first_name><id>"),
            ("a {{b}} {status}", "a {b} <status>"),
            ("{{{name}}}", "{<name>}"),
        ] {
            assert_eq!(filled(text), expected, "{text}");
        }
        for field in Field::ALL {
            let text = format!("{{{}}}", field.word());
            assert_eq!(Template::parse(&text).unwrap().fields().collect::<Vec<_>>(), [field]);
        }
    }

    #[test]
    fn what_stands_for_nothing_is_refused() {
        for (text, bad) in [
            ("{reason}", BadTemplate::Unknown("reason".into())),
            ("{Name}", BadTemplate::Unknown("Name".into())),
            ("{ name }", BadTemplate::Unknown(" name ".into())),
            ("{}", BadTemplate::Unknown(String::new())),
            ("{name", BadTemplate::Unbalanced),
            ("name}", BadTemplate::Unbalanced),
            ("a } b {name}", BadTemplate::Unbalanced),
        ] {
            assert_eq!(Template::parse(text), Err(bad), "{text}");
        }
    }

    #[test]
    fn what_fills_a_gap_cannot_break_the_line() {
        let template = Template::parse("{name} away").unwrap();
        assert_eq!(template.fill(|_| "Amy\r\nChan".into()), "Amy  Chan away");
    }
}
