//! Checks single values: names, ids, durations, secrets.

use std::time::Duration;

use jiff::{SignedDuration, Timestamp};
use secrecy::{ExposeSecret as _, SecretString};
use uuid::Uuid;

use super::file;
use crate::domain::problem::Problems;

pub(super) const NOT_A_NAME: &str = "must be made of a-z, 0-9, - and _, at most 64 characters";
/// The installation's name in a configuration that does not set it: the default of config/default.toml.
pub(crate) const DEFAULT_INSTALLATION: &str = "default";
pub(super) const NOT_AN_INSTALLATION: &str = "must be 1 to 64 characters of A-Z, a-z, 0-9, -, _ and .";
const LONGEST_INSTALLATION: usize = 64;

/// The secret itself or the content of its file. Exactly one of the two must be given.
pub(super) fn secret(field: &str, inline: SecretString, file: &str, p: &mut Problems) -> Option<SecretString> {
    match (inline.expose_secret().is_empty(), file.is_empty()) {
        (true, true) => {
            p.add(field, format!("is missing: give it here or as {}_file", field.rsplit('.').next().unwrap_or(field)));
            None
        }
        (false, false) => {
            p.add(field, "is given twice: here and as a file");
            None
        }
        (false, true) => Some(inline),
        (true, false) => file::secret(file).map_err(|problem| p.add(format!("{field}_file"), problem)).ok(),
    }
}

/// That duration, if it is longer than nothing.
pub(super) fn positive(field: &str, duration: SignedDuration, p: &mut Problems) -> Duration {
    match Duration::try_from(duration) {
        Ok(duration) if !duration.is_zero() => duration,
        _ => {
            p.add(field, "must be longer than nothing");
            Duration::from_secs(1)
        }
    }
}

/// That moment, or `None` for an empty text.
pub(super) fn instant(field: &str, text: &str, p: &mut Problems) -> Option<Timestamp> {
    if text.is_empty() {
        return None;
    }
    let instant = text.parse().ok();
    if instant.is_none() {
        p.add(field, "must be a date and time with an offset, such as \"2026-11-22T09:30:00+08:00\"");
    }
    instant
}

/// Whether that can be a name: see [`NOT_A_NAME`].
pub(super) fn is_key(key: &str) -> bool {
    !key.is_empty()
        && key.len() <= 64
        && key.chars().all(|c| c.is_ascii_lowercase() || c.is_ascii_digit() || "-_".contains(c))
}

/// Whether that can be the name of an installation: see [`NOT_AN_INSTALLATION`].
#[must_use]
pub(crate) fn is_installation(name: &str) -> bool {
    let is_allowed = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.');
    !name.is_empty() && name.len() <= LONGEST_INSTALLATION && name.chars().all(is_allowed)
}

/// Whether that is an id in the form that the portal shows, the only one that Entra takes and scripts need not rewrite.
#[must_use]
pub(crate) fn is_guid(text: &str) -> bool {
    text.len() == 36 && Uuid::parse_str(text).is_ok()
}

/// Whether that names one directory: its GUID, or a domain.
#[must_use]
pub(crate) fn is_directory(text: &str) -> bool {
    let is_label = |label: &str| !label.is_empty() && label.chars().all(|c| c.is_ascii_alphanumeric() || c == '-');
    is_guid(text) || (text.contains('.') && text.len() <= 253 && text.split('.').all(is_label))
}
