//! Scripted trouble: refusals, delays, lost answers and closed connections on request.
//!
//! It must never be confused with what Microsoft does by itself; an exchange that met a rule says so in the journal.

use std::{
    collections::BTreeMap,
    io,
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, Ordering::Relaxed},
    },
};

use axum::{
    body::Body,
    http::{HeaderName, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
};
use futures_util::stream;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    catalogue::{self, Row},
    route::Target,
    serve::HangUp,
};

/// When a rule strikes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum When {
    /// Instead of the work.
    #[default]
    Before,
    /// After the work, in place of its answer.
    AfterCommit,
}

/// One rule.
#[derive(Debug, Clone, Default, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct Rule {
    method: Option<String>,
    /// With `*` for any run of characters, matched against the percent-decoded path; a mailbox may be named by its
    /// address here whatever the caller calls it.
    path: Option<String>,
    /// How many more times; null is until cleared.
    times: Option<u64>,
    /// A refusal of the catalogue; what else the rule says of status, headers and body stands above it.
    error: Option<String>,
    status: Option<u16>,
    headers: BTreeMap<String, String>,
    body: Option<Value>,
    pub(crate) when: When,
    delay_ms: Option<u64>,
    /// Closes the connection instead of answering; with a `body`, after that much of the answer.
    drop: bool,
}

impl Rule {
    /// What is wrong with the rule, in a sentence.
    fn problem(&self) -> Option<String> {
        if self.error.is_none() && self.status.is_none() && self.delay_ms.is_none() && !self.drop {
            return Some("A fault rule needs one of error, status, delay_ms and drop.".to_owned());
        }
        if let (Some(error), None) = (&self.error, self.row()) {
            return Some(format!("There is no error {error}; there are {}.", catalogue::names()));
        }
        if self.status.is_some_and(|status| !(200..=599).contains(&status)) {
            return Some("The status of a fault rule lies between 200 and 599.".to_owned());
        }
        let unfit = |(name, value): (&String, &String)| {
            HeaderName::try_from(name).is_err() || HeaderValue::try_from(value).is_err()
        };
        let sentence = || "A header of a fault rule is not a valid HTTP header.".to_owned();
        self.headers.iter().any(unfit).then(sentence)
    }

    fn row(&self) -> Option<Row> {
        catalogue::find(self.error.as_deref()?)
    }

    /// A refusal of Entra's is none of Graph's, so that a rule that names one needs no path.
    fn matches(&self, method: &str, paths: &[String], target: &Target) -> bool {
        self.times != Some(0)
            && self.row().is_none_or(|row| row.fits(target))
            && self.method.as_deref().is_none_or(|wanted| wanted.eq_ignore_ascii_case(method))
            && self.path.as_deref().is_none_or(|pattern| paths.iter().any(|path| wildcard(pattern, path)))
    }

    /// How long the exchange is held up.
    pub(crate) fn delay(&self) -> Option<std::time::Duration> {
        self.delay_ms.map(std::time::Duration::from_millis)
    }

    /// What is answered in place of the truth; a rule that only delays answers nothing. `usual` makes the body that the
    /// service has for a status, `named` that of a refusal of the catalogue.
    pub(crate) fn answer(
        &self,
        usual: impl FnOnce(StatusCode) -> Response,
        named: impl FnOnce(Row) -> Response,
    ) -> Option<Response> {
        if let (true, Some(body)) = (self.drop, &self.body) {
            // The answer begins and breaks off.
            let begun = body.as_str().map_or_else(|| body.to_string(), str::to_owned);
            let broken = io::Error::new(io::ErrorKind::ConnectionAborted, "a fault rule breaks this answer off");
            let body = Body::from_stream(stream::iter([Ok(begun), Err(broken)]));
            let status = self.status.and_then(|status| StatusCode::from_u16(status).ok()).unwrap_or_default();
            return Some((status, body).into_response());
        }
        if self.drop {
            let mut response = StatusCode::BAD_GATEWAY.into_response();
            response.extensions_mut().insert(HangUp);
            return Some(response);
        }
        let named = self.row().map(named);
        let status = match (self.status, &named) {
            (Some(status), _) => StatusCode::from_u16(status).ok()?,
            (None, named) => named.as_ref()?.status(),
        };
        let mut response = match (&self.body, named) {
            (None, Some(named)) => named,
            (None, None) if status.is_success() => status.into_response(),
            (None, None) => usual(status),
            (Some(body), named) => {
                let mut response = match body {
                    Value::String(text) => text.clone().into_response(),
                    body => axum::Json(body).into_response(),
                };
                let headers = named.map(|mut named| std::mem::take(named.headers_mut())).unwrap_or_default();
                for (name, value) in headers.iter().filter(|(name, _)| *name != header::CONTENT_TYPE) {
                    response.headers_mut().insert(name, value.clone());
                }
                response
            }
        };
        *response.status_mut() = status;
        for (name, value) in &self.headers {
            if let (Ok(name), Ok(value)) = (HeaderName::try_from(name), HeaderValue::try_from(value)) {
                response.headers_mut().insert(name, value);
            }
        }
        Some(response)
    }

    /// For the journal.
    pub(crate) fn name(&self) -> String {
        let mut words = Vec::new();
        words.extend(self.delay_ms.map(|ms| format!("delay {ms} ms")));
        words.extend(self.error.clone().filter(|_| !self.drop));
        words.extend(self.status.filter(|_| !self.drop).map(|status| format!("status {status}")));
        words.extend(self.drop.then(|| "drop".to_owned()));
        let when = if self.when == When::Before { "before" } else { "after-commit" };
        format!("{} {when}", words.join(", "))
    }
}

/// The rules in force, first match first.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    rules: Mutex<Vec<Rule>>,
    any: AtomicBool,
}

impl Faults {
    /// Adds rules behind those in force, all or none.
    pub(crate) fn add(&self, rules: Vec<Rule>) -> Result<(), String> {
        if let Some(problem) = rules.iter().find_map(Rule::problem) {
            return Err(problem);
        }
        let mut all = self.rules();
        all.extend(rules);
        self.any.store(!all.is_empty(), Relaxed);
        Ok(())
    }

    /// The rules with the times they have left.
    pub(crate) fn list(&self) -> Vec<Rule> {
        self.rules().iter().filter(|rule| rule.times != Some(0)).cloned().collect()
    }

    /// Takes all rules away.
    pub(crate) fn clear(&self) {
        self.rules().clear();
        self.any.store(false, Relaxed);
    }

    /// The rule that strikes this request, by any of the names of its path, with one of its times used up.
    pub(crate) fn strike(&self, method: &str, paths: &[String], target: &Target) -> Option<Rule> {
        if !self.any.load(Relaxed) {
            return None;
        }
        let mut rules = self.rules();
        let rule = rules.iter_mut().find(|rule| rule.matches(method, paths, target))?;
        rule.times = rule.times.map(|times| times - 1);
        Some(rule.clone())
    }

    fn rules(&self) -> MutexGuard<'_, Vec<Rule>> {
        self.rules.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether `text` is `pattern` with each `*` standing for any run of characters, slashes included.
fn wildcard(pattern: &str, text: &str) -> bool {
    let mut parts = pattern.split('*');
    let Some(mut rest) = parts.next().and_then(|first| text.strip_prefix(first)) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_star_stands_for_any_run_of_characters() {
        for (pattern, text, expected) in [
            ("/v1.0/users", "/v1.0/users", true),
            ("/v1.0/users", "/v1.0/users/a", false),
            ("/v1.0/users/*/events", "/v1.0/users/a@b.c/events", true),
            ("/v1.0/users/*/events", "/v1.0/users/a/events/1", false),
            ("/v1.0/users/*/events*", "/v1.0/users/a/calendars/x/events/1", true),
            ("*", "/anything/at/all", true),
            ("*token", "/d/oauth2/v2.0/token", true),
            ("*a*a", "a", false),
        ] {
            assert_eq!(wildcard(pattern, text), expected, "{pattern} {text}");
        }
    }

    #[test]
    fn a_rule_that_does_nothing_or_cannot_be_sent_is_refused() {
        let faults = Faults::default();
        let rule = |json| serde_json::from_str::<Rule>(json).unwrap();
        assert!(faults.add(vec![rule("{}")]).is_err());
        assert!(faults.add(vec![rule(r#"{"status":99}"#)]).is_err());
        assert!(faults.add(vec![rule(r#"{"status":429,"headers":{"bad name":"1"}}"#)]).is_err());
        assert!(faults.add(vec![rule(r#"{"drop":true}"#)]).is_ok());
    }

    #[test]
    fn the_first_match_strikes_and_a_spent_rule_makes_way() {
        let faults = Faults::default();
        let rules = r#"[{"method":"POST","status":503,"times":1},{"status":500}]"#;
        faults.add(serde_json::from_str(rules).unwrap()).unwrap();
        let strike = |method| faults.strike(method, &["/v1.0/x".into()], &Target::Nothing).map(|rule| rule.name());
        assert_eq!(strike("GET").as_deref(), Some("status 500 before"));
        assert_eq!(strike("POST").as_deref(), Some("status 503 before"));
        assert_eq!(strike("POST").as_deref(), Some("status 500 before"));
        assert_eq!(faults.list().len(), 1);
    }
}
