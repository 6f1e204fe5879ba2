//! Finds the folder that holds PostgreSQL's server programs.
//!
//! It must never guess when the person has said where they are: a wrong `PG_BIN_DIR` is an error, not a hint.

use std::{
    env, fs,
    path::{Path, PathBuf},
};

use super::PostgresError;

/// The oldest version that leavebridge supports.
const OLDEST: u32 = 14;

/// Where distributions put each version: the parent folder and what comes before the version in the folder's name.
const VERSIONED: [(&str, &str); 5] = [
    ("usr/lib/postgresql", ""),
    ("usr", "pgsql-"),
    ("opt/homebrew/opt", "postgresql@"),
    ("usr/local/opt", "postgresql@"),
    ("Applications/Postgres.app/Contents/Versions", ""),
];

/// The folder with `initdb` and `postgres`: `PG_BIN_DIR`, else the first in `PATH`, else the newest under `root` in the
/// folders that distributions use (they rarely are in `PATH`).
pub(super) fn find(environment: &[(String, String)], root: &Path) -> Result<PathBuf, PostgresError> {
    if let Some(named) = value(environment, "PG_BIN_DIR").filter(|named| !named.is_empty()) {
        let directory = PathBuf::from(named);
        return if has_programs(&directory) { Ok(directory) } else { Err(PostgresError::NotInBinDir { directory }) };
    }
    let path = value(environment, "PATH").unwrap_or_default();
    env::split_paths(path)
        .find(|directory| directory.is_absolute() && has_programs(directory))
        .or_else(|| newest(root))
        .or_else(|| Some(root.join("usr/local/pgsql/bin")).filter(|directory| has_programs(directory)))
        .ok_or(PostgresError::NotFound)
}

/// The value of a variable in `environment`.
pub(super) fn value<'a>(environment: &'a [(String, String)], name: &str) -> Option<&'a str> {
    environment.iter().find(|(key, _)| key == name).map(|(_, value)| value.as_str())
}

fn has_programs(directory: &Path) -> bool {
    ["initdb", "postgres"].iter().all(|program| directory.join(program).is_file())
}

fn newest(root: &Path) -> Option<PathBuf> {
    VERSIONED
        .iter()
        .flat_map(|(parent, prefix)| {
            let entries = fs::read_dir(root.join(parent)).into_iter().flatten().flatten();
            entries.filter_map(|entry| Some((version(entry.file_name().to_str()?, prefix)?, entry.path().join("bin"))))
        })
        .filter(|(version, directory)| *version >= OLDEST && has_programs(directory))
        .max_by_key(|(version, _)| *version)
        .map(|(_, directory)| directory)
}

fn version(name: &str, prefix: &str) -> Option<u32> {
    name.strip_prefix(prefix)?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn install(directory: &Path) {
        fs::create_dir_all(directory).unwrap();
        for program in ["initdb", "postgres"] {
            fs::write(directory.join(program), "").unwrap();
        }
    }

    fn set(name: &str, value: &Path) -> (String, String) {
        (name.to_owned(), value.to_str().unwrap().to_owned())
    }

    #[test]
    fn pg_bin_dir_comes_before_path() {
        let root = tempfile::tempdir().unwrap();
        let (named, in_path) = (root.path().join("named"), root.path().join("in-path"));
        install(&named);
        install(&in_path);
        let environment = [set("PATH", &in_path), set("PG_BIN_DIR", &named)];
        assert_eq!(find(&environment, root.path()).unwrap(), named);
        assert_eq!(find(&environment[..1], root.path()).unwrap(), in_path);
    }

    #[test]
    fn a_wrong_pg_bin_dir_is_named_and_not_replaced_by_a_guess() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("usr/lib/postgresql/17/bin"));
        let wrong = root.path().join("wrong");
        let error = find(&[set("PG_BIN_DIR", &wrong)], root.path()).unwrap_err();
        assert!(error.to_string().contains(wrong.to_str().unwrap()), "{error}");
    }

    #[test]
    fn of_the_usual_folders_the_newest_version_wins() {
        let root = tempfile::tempdir().unwrap();
        for version in ["usr/lib/postgresql/9.6", "usr/lib/postgresql/15", "usr/pgsql-18", "usr/lib/postgresql/17"] {
            install(&root.path().join(version).join("bin"));
        }
        fs::create_dir_all(root.path().join("usr/lib/postgresql/19/bin")).unwrap();
        assert_eq!(find(&[], root.path()).unwrap(), root.path().join("usr/pgsql-18/bin"));
    }

    #[test]
    fn a_version_that_is_too_old_is_no_find() {
        let root = tempfile::tempdir().unwrap();
        install(&root.path().join("usr/lib/postgresql/13/bin"));
        assert!(matches!(find(&[], root.path()), Err(PostgresError::NotFound)));
    }

    #[test]
    fn nothing_found_says_how_to_install_it() {
        let root = tempfile::tempdir().unwrap();
        let message = find(&[set("PATH", root.path())], root.path()).unwrap_err().to_string();
        for word in ["apt-get install postgresql", "brew install postgresql@17", "PG_BIN_DIR", "DATABASE_URL"] {
            assert!(message.contains(word), "{message}");
        }
        assert!(!message.contains('\n'), "one sentence");
    }
}
