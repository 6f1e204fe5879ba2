//! Everything around a service that is not started yet, for tests that have to prepare its Microsoft and its files first.

use std::{fs, path::Path, sync::Arc};

use jiff::SignedDuration;
use leavebridge::{
    clock::{Clock as _, ManualClock, SeededRandom},
    config::{self, Settings},
    doctor::Doctor,
    store::Store,
};
use tempfile::TempDir;

use super::{START, TestApp, configuration, database::Database, microsoft::Microsoft, service::Home};

/// A database, a Microsoft, a clock, and a folder for files.
pub(crate) struct Scene {
    pub(crate) microsoft: Microsoft,
    clock: ManualClock,
    database: Database,
    folder: TempDir,
}

impl Scene {
    pub(crate) async fn new() -> Self {
        Self::off_by(SignedDuration::ZERO).await
    }

    /// A Microsoft whose clock is ahead by that much.
    pub(crate) async fn off_by(ahead: SignedDuration) -> Self {
        let clock = ManualClock::at(START.parse().unwrap());
        let database = Database::new(clock.now()).await;
        let microsoft = Microsoft::new(&ManualClock::at(clock.now() + ahead)).await;
        // Where both are the same they stay so.
        let microsoft = if ahead.is_zero() { Microsoft::new(&clock).await } else { microsoft };
        Self { microsoft, clock, database, folder: tempfile::tempdir().unwrap() }
    }

    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// Writes a file and gives its path.
    pub(crate) fn file(&self, name: &str, content: &str) -> String {
        let path = self.folder.path().join(name);
        fs::write(&path, content).unwrap();
        path.to_str().unwrap().to_owned()
    }

    /// A doctor for the service that would be started with these keys.
    pub(crate) fn doctor(&self, keys: &[(&str, &str)]) -> Doctor {
        let settings = config::load(None, &self.configuration(keys, &[])).unwrap();
        let store = Store::new(&settings.database.url, 2).unwrap();
        let random = Arc::new(SeededRandom::new(7));
        Doctor::new(Arc::new(settings), store, Arc::new(self.clock.clone()), random)
    }

    /// What a service is told that has these keys of the tenant `default`, which replace its client secret.
    pub(crate) fn configuration(&self, keys: &[(&str, &str)], environment: &[(&str, &str)]) -> Vec<(String, String)> {
        let keys = keys.iter().map(|(key, value)| match *key {
            // Of the other tenant, or of none.
            key if key.contains("__") => (key.to_owned(), *value),
            key => (format!("TENANTS__DEFAULT__MICROSOFT__{key}"), *value),
        });
        let mut keys: Vec<(String, &str)> = keys.collect();
        let secret = "TENANTS__DEFAULT__MICROSOFT__CLIENT_SECRET";
        let proves = |key: &str| key.starts_with(secret) || key.ends_with("__CREDENTIAL");
        if keys.iter().any(|(key, _)| proves(key)) && !keys.iter().any(|(key, _)| key == secret) {
            keys.push((secret.to_owned(), ""));
        }
        let further: Vec<(&str, &str)> = keys.iter().map(|(key, value)| (key.as_str(), *value)).collect();
        let mut all = configuration(&self.database.url, &self.microsoft.url, &further);
        all.extend(environment.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())));
        all
    }

    /// Starts the service with these keys of the tenant `default`, which replace its client secret.
    pub(crate) async fn start(self, keys: &[(&str, &str)]) -> (TestApp, TempDir) {
        self.start_in(keys, &[], |_| ()).await
    }

    /// The same in that environment, with settings changed as nobody can from outside.
    pub(crate) async fn start_in(
        self,
        keys: &[(&str, &str)],
        environment: &[(&str, &str)],
        change: impl FnOnce(&mut Settings),
    ) -> (TestApp, TempDir) {
        let mut settings = config::load(None, &self.configuration(keys, environment)).unwrap();
        change(&mut settings);
        (TestApp::told(settings, self.database, self.microsoft, self.clock, Home::Here).await, self.folder)
    }
}
