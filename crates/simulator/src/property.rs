//! Single-value extended properties: the marker by which a client finds its own events again.
//!
//! Microsoft documents the name as case-sensitive and comparison of the value as not. It must never fold the name.

use uuid::Uuid;

/// The id of an extended property in one fixed spelling.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct PropertyId(Box<str>);

impl PropertyId {
    /// Reads `String {GUID} Name Abc`, `Integer {GUID} Id 0x8012` or `String 0x4001001E`.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let (kind, rest) = text.trim().split_once(' ')?;
        if kind.is_empty() || !kind.chars().all(|c| c.is_ascii_alphabetic()) {
            return None;
        }
        let rest = rest.trim_start();
        if let Some(tag) = rest.strip_prefix("0x") {
            return hexadecimal(tag).then(|| Self(format!("{kind} 0x{}", tag.to_ascii_lowercase()).into()));
        }
        let (set, rest) = rest.strip_prefix('{')?.split_once('}')?;
        let set = Uuid::parse_str(set).ok()?;
        let (word, name) = rest.trim_start().split_once(' ')?;
        match word {
            "Name" if !name.is_empty() => Some(Self(format!("{kind} {{{set}}} Name {name}").into())),
            "Id" if name.strip_prefix("0x").is_some_and(hexadecimal) => {
                Some(Self(format!("{kind} {{{set}}} Id {}", name.to_ascii_lowercase()).into()))
            }
            _ => None,
        }
    }

    /// The id as Graph shows it.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }

    /// What two events have in common when they carry the same property with the same value.
    pub(crate) fn index_key(&self, value: &str) -> Box<str> {
        format!("{}\0{}", self.0, value.to_lowercase()).into()
    }
}

fn hexadecimal(text: &str) -> bool {
    !text.is_empty() && text.chars().all(|c| c.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_three_documented_forms_are_read() {
        for id in [
            "String {66f5a359-4659-4830-9070-00040ec6ac6e} Name LeaveBridgeKey",
            "Integer {66f5a359-4659-4830-9070-00040ec6ac6e} Id 0x8012",
            "String 0x4001001e",
        ] {
            assert_eq!(PropertyId::parse(id).unwrap().as_str(), id);
        }
    }

    #[test]
    fn anything_else_is_refused() {
        for id in [
            "",
            "String",
            "String Name X",
            "String {nonsense} Name X",
            "String {66f5a359-4659-4830-9070-00040ec6ac6e} Name ",
            "String {66f5a359-4659-4830-9070-00040ec6ac6e} Title X",
            "9 0x12",
        ] {
            assert_eq!(PropertyId::parse(id), None, "{id}");
        }
    }

    #[test]
    fn the_set_and_the_value_ignore_case_and_the_name_does_not() {
        let key = |id: &str, value| PropertyId::parse(id).unwrap().index_key(value);
        let lower = key("String {66f5a359-4659-4830-9070-00040ec6ac6e} Name Key", "ess:1a");
        assert_eq!(lower, key("String {66F5A359-4659-4830-9070-00040EC6AC6E} Name Key", "ESS:1A"));
        assert_ne!(lower, key("String {66f5a359-4659-4830-9070-00040ec6ac6e} Name key", "ess:1a"));
    }
}
