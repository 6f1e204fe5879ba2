//! Checks where the database is.

use std::{net::IpAddr, str::FromStr};

use percent_encoding::percent_decode_str;
use secrecy::ExposeSecret as _;
use url::Url;

use super::{raw, settings::Database, values::secret};
use crate::domain::problem::Problems;

const SSL_MODES: [&str; 6] = ["disable", "allow", "prefer", "require", "verify-ca", "verify-full"];

/// The database, if its URL can be used.
pub(super) fn check(raw: raw::Database, p: &mut Problems) -> Option<Database> {
    if raw.max_connections < 2 {
        p.add("database.max_connections", "must be at least 2: one is kept for listening to the other replicas");
    }
    let url = secret("database.url", raw.url, &raw.url_file, p)?;
    // A sign of a password that is not written as a URL takes it: all behind its first special character would be the host.
    let is_ambiguous = url.expose_secret().matches('@').count() > 1;
    if is_url(url.expose_secret()) && !is_ambiguous {
        return Some(Database { url, max_connections: raw.max_connections, migrate: raw.migrate });
    }
    p.add(
        "database.url",
        "must be a URL such as postgres://user:password@host/database; in the password write @ as %40, : as %3A, / as %2F, \
         # as %23, ? as %3F and % as %25",
    );
    None
}

/// Whether the database driver takes that for a URL of a PostgreSQL database.
fn is_url(text: &str) -> bool {
    if !text.starts_with("postgres://") && !text.starts_with("postgresql://") {
        return false;
    }
    let Ok(url) = Url::parse(text) else { return false };
    let is_text = |part: &str| percent_decode_str(part).decode_utf8().is_ok();
    let parts = [url.host_str().unwrap_or_default(), url.username(), url.password().unwrap_or_default(), url.path()];
    parts.into_iter().all(is_text) && url.query_pairs().all(|(key, value)| is_parameter(&key, &value))
}

/// Whether the driver takes that value of a parameter. Those that it does not know it ignores.
fn is_parameter(key: &str, value: &str) -> bool {
    fn is<T: FromStr>(value: &str) -> bool {
        value.parse::<T>().is_ok()
    }
    match key {
        "sslmode" | "ssl-mode" => SSL_MODES.contains(&value.to_ascii_lowercase().as_str()),
        "statement-cache-capacity" => is::<usize>(value),
        "hostaddr" => is::<IpAddr>(value),
        "port" => is::<u16>(value),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_is_taken_if_the_driver_takes_it() {
        for url in [
            "postgres://x@localhost/x",
            "postgresql://user:p%40ss@db.contoso.com:5433/leave?sslmode=verify-full&sslrootcert=/etc/ca.pem",
            "postgres://%2Frun%2Fpostgresql/leave",
            "postgres:///leave?host=/run/postgresql&port=5433&user=leave",
            "postgres://x@localhost/x?application_name=leave&options[search_path]=leave&hostaddr=127.0.0.1",
        ] {
            assert!(is_url(url), "{url}");
        }
        for url in [
            "",
            "mysql://x/y",
            "postgres:x",
            "postgres://x@localhost:99999/x",
            "postgres://x:%ff@localhost/x",
            "postgres://x@localhost/x?sslmode=on",
            "postgres://x@localhost/x?port=99999",
            "postgres://x@localhost/x?hostaddr=localhost",
            "postgres://x@localhost/x?statement-cache-capacity=many",
        ] {
            assert!(!is_url(url), "{url}");
        }
    }
}
