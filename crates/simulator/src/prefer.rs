//! The `Prefer` header: which ids, which zone, which body, how large a page.
//!
//! It must never carry a preference over to another request: Microsoft documents that each request states its own.

use std::sync::Arc;

use axum::http::{HeaderMap, HeaderValue};

use super::{
    content::unknown_zone,
    failure::Failure,
    ids::Form,
    zones::{self, Zone},
};

/// What one request prefers.
#[derive(Debug, Clone, Default)]
pub(crate) struct Prefer {
    pub(crate) immutable: bool,
    pub(crate) zone: Option<Arc<Zone>>,
    pub(crate) text_body: bool,
    pub(crate) page: Option<usize>,
    pub(crate) applied: Vec<String>,
}

impl Prefer {
    /// The header as one text, as the journal keeps it.
    pub(crate) fn text(headers: &HeaderMap) -> Option<String> {
        let parts: Vec<&str> = headers.get_all("prefer").iter().filter_map(|value| value.to_str().ok()).collect();
        (!parts.is_empty()).then(|| parts.join(", "))
    }

    /// Reads the header's text; preferences nobody knows are ignored, as RFC 7240 says.
    pub(crate) fn read(text: &str, every_iana_zone: bool) -> Result<Self, Failure> {
        let mut prefer = Self::default();
        for part in split(text) {
            let (name, value) = part.split_once('=').unwrap_or((part, ""));
            let value = value.trim().trim_matches('"');
            match name.trim().to_ascii_lowercase().as_str() {
                "idtype" => prefer.immutable = value.eq_ignore_ascii_case("ImmutableId"),
                "outlook.timezone" => {
                    prefer.zone = Some(zones::zone(value, every_iana_zone).ok_or_else(|| unknown_zone(value))?);
                }
                "outlook.body-content-type" => prefer.text_body = value.eq_ignore_ascii_case("text"),
                "odata.maxpagesize" => prefer.page = value.parse().ok().filter(|page| (1..=1000).contains(page)),
                _ => continue,
            }
            prefer.applied.push(part.to_owned());
        }
        Ok(prefer)
    }

    /// Which of an event's ids to show.
    pub(crate) fn form(&self) -> Form {
        if self.immutable { Form::Immutable } else { Form::Default }
    }

    /// `Preference-Applied`.
    pub(crate) fn applied(&self) -> Option<HeaderValue> {
        (!self.applied.is_empty()).then(|| HeaderValue::from_str(&self.applied.join(", ")).ok()).flatten()
    }
}

/// Splits at commas outside quotes.
fn split(text: &str) -> impl Iterator<Item = &str> {
    let mut quoted = false;
    text.split(move |c| {
        quoted ^= c == '"';
        c == ',' && !quoted
    })
    .map(str::trim)
    .filter(|part| !part.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn preferences_are_read_in_any_case_and_order() {
        let prefer =
            Prefer::read("odata.maxpagesize=50, idtype=\"ImmutableId\",outlook.timezone=\"UTC\", other=1", false)
                .unwrap();
        assert!(prefer.immutable);
        assert_eq!(prefer.page, Some(50));
        assert_eq!(&*prefer.zone.unwrap().name, "UTC");
        assert!(!Prefer::read("", false).unwrap().immutable);
    }

    #[test]
    fn an_unknown_zone_is_refused() {
        let failure = Prefer::read("outlook.timezone=\"Mars\"", false).unwrap_err();
        assert!(failure.sentence().starts_with("TimeZoneNotSupportedException"));
    }
}
