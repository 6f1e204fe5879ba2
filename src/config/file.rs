//! Reads the files that a configuration names, and says in words that a person can act on why one cannot be used.
//!
//! It must never show a file's content: that may be a secret.

use std::{fs, io, path::Path};

use secrecy::SecretString;

/// What Windows' editors may put first.
pub(super) const BYTE_ORDER_MARK: char = '\u{feff}';

/// The file's text.
pub(crate) fn text(path: impl AsRef<Path>) -> Result<String, String> {
    fs::read_to_string(path).map_err(|error| why(&error))
}

/// A file that holds one secret and nothing else.
pub(super) fn secret(path: impl AsRef<Path>) -> Result<SecretString, String> {
    let text = text(path)?;
    let secret = text.trim();
    let is_quoted = |quote| secret.len() > 1 && secret.starts_with(quote) && secret.ends_with(quote);
    // Microsoft's answer to any of these would be that the secret is wrong, which it is not.
    if secret.is_empty() {
        Err("is empty".into())
    } else if secret.starts_with(BYTE_ORDER_MARK) {
        Err("begins with a byte order mark: save it as UTF-8 without one".into())
    } else if is_quoted('"') || is_quoted('\'') {
        Err("holds quotation marks around the secret: leave them out".into())
    } else if secret.lines().count() > 1 {
        Err("has several lines: it must hold the secret and nothing else".into())
    } else {
        Ok(SecretString::from(secret))
    }
}

/// Why the system does not give a file.
pub(crate) fn why(error: &io::Error) -> String {
    match error.kind() {
        io::ErrorKind::NotFound => "cannot be read: there is no such file".into(),
        io::ErrorKind::PermissionDenied => "cannot be read: this user is not allowed to".into(),
        io::ErrorKind::IsADirectory => "cannot be read: it is a directory".into(),
        io::ErrorKind::InvalidData => {
            "is not UTF-8 text (some editors and shells write UTF-16): save it as UTF-8".into()
        }
        kind => format!("cannot be read: {kind}"),
    }
}
