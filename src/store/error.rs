//! Why the store did not do what it was asked, by what the caller does about it.

pub(super) const TOO_OLD: &str = "it holds the tables of a version before 0.2.0, and databases of versions before 0.2.0 cannot be \
                                  upgraded: a new, empty database is needed (database.url); the old one stays as it is";

/// Why the store did not do what it was asked, by what the caller does about it.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The database is away, overloaded or not migrated: try again later.
    #[error("the database is not available")]
    Unavailable(#[source] sqlx::Error),
    /// A statement failed in a way that trying again will not mend: a bug, or data that should not be there.
    #[error("the database refused a statement")]
    Broken(#[source] sqlx::Error),
    /// A newer version wrote what this is about: its replicas can do what is asked.
    #[error("a newer version of leavebridge wrote what this is about")]
    Newer,
    /// Its schema is that of a version before 0.2.0.
    #[error("the database cannot be used")]
    TooOld,
}

impl StoreError {
    /// The database holds something that this program does not know.
    pub(super) fn unknown(what: &str) -> Self {
        Self::Broken(sqlx::Error::Decode(format!("{what} is unknown").into()))
    }

    /// Whether another transaction was quicker with the same rows: what was decided has to be decided again.
    pub(super) fn is_lost_race(&self) -> bool {
        let (Self::Unavailable(sqlx::Error::Database(error)) | Self::Broken(sqlx::Error::Database(error))) = self
        else {
            return false;
        };
        // Unique and foreign key violations, serialisation failure, deadlock; and what `write` in `accept.rs` raises.
        error.code().is_some_and(|code| ["23505", "23503", "40001", "40P01", "22012"].contains(&code.as_ref()))
    }

    /// What the database said, without any of the data that it names in its details.
    #[must_use]
    pub fn cause(&self) -> String {
        match self {
            Self::Unavailable(sqlx::Error::Database(error)) | Self::Broken(sqlx::Error::Database(error)) => {
                let code = error.code().unwrap_or_default();
                let constraint = error.constraint().map(|name| format!(", constraint {name}")).unwrap_or_default();
                format!("{} (SQLSTATE {code}{constraint})", meaning(&code))
            }
            Self::Unavailable(error) => error.to_string(),
            Self::Broken(sqlx::Error::ColumnDecode { index, .. }) => format!("column {index} cannot be read"),
            Self::Broken(_) => "a row cannot be read".into(),
            Self::Newer => "a newer version wrote this row".into(),
            Self::TooOld => TOO_OLD.into(),
        }
    }
}

/// What the codes say that operators meet (PostgreSQL, appendix A).
fn meaning(code: &str) -> &'static str {
    match code {
        "28000" | "28P01" => "PostgreSQL refuses the user or the password",
        "3D000" => "there is no database of that name",
        "42501" => "the database's user may not do this: let it own the database (CREATE DATABASE … OWNER …)",
        "42P01" => "a table is missing: run `leavebridge migrate`",
        "53300" => "PostgreSQL has no connection left",
        "57P03" => "PostgreSQL is starting or stopping",
        "25006" => "this PostgreSQL only reads: it is a standby",
        _ => "PostgreSQL refused it",
    }
}

impl From<sqlx::Error> for StoreError {
    fn from(error: sqlx::Error) -> Self {
        let passing = match &error {
            sqlx::Error::Database(database) => database.code().is_some_and(|code| {
                // Connection, transaction rollback, resources, lock not available, operator intervention, system error;
                // read-only (a failover), and tables that the migrations have yet to make.
                ["08", "40", "53", "55", "57", "58"].iter().any(|class| code.starts_with(class))
                    || ["25006", "42P01", "42883", "42703"].contains(&code.as_ref())
            }),
            sqlx::Error::Io(_)
            | sqlx::Error::Tls(_)
            | sqlx::Error::Protocol(_)
            | sqlx::Error::PoolTimedOut
            | sqlx::Error::PoolClosed
            | sqlx::Error::WorkerCrashed => true,
            _ => false,
        };
        if passing { Self::Unavailable(error) } else { Self::Broken(error) }
    }
}
