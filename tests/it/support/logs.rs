//! What a service in this test's own thread writes into its log, down to the last detail.

use std::{
    io,
    sync::{Arc, LazyLock, Mutex},
};

use serde_json::Value;
use tracing::{
    Dispatch,
    subscriber::{DefaultGuard, NoSubscriber},
};

/// A second subscriber for as long as the process lives. While there is but one, tracing asks the thread that comes to a
/// line first whether anybody listens, and keeps its answer for all threads: another test's thread says no.
static DEAF: LazyLock<Dispatch> = LazyLock::new(|| Dispatch::new(NoSubscriber::new()));

/// Everything that is logged while this lives.
pub(crate) struct Logs {
    text: Arc<Mutex<Vec<u8>>>,
    _guard: DefaultGuard,
}

struct Pen(Arc<Mutex<Vec<u8>>>);

impl io::Write for Pen {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl Logs {
    /// Begins; everything of a `#[tokio::test]` runs in one thread, so nothing of other tests is heard.
    pub(crate) fn capture() -> Self {
        LazyLock::force(&DEAF);
        let text = Arc::new(Mutex::new(Vec::new()));
        let pen = Arc::clone(&text);
        let subscriber = tracing_subscriber::fmt()
            .json()
            .flatten_event(true)
            .with_max_level(tracing::Level::TRACE)
            .with_writer(move || Pen(Arc::clone(&pen)))
            .finish();
        Self { text, _guard: tracing::subscriber::set_default(subscriber) }
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.text.lock().unwrap()).into_owned()
    }

    /// What operators can get to read: all that this program says, down to the last detail, and what its libraries say by default.
    pub(crate) fn heard(&self) -> Vec<String> {
        let text = self.text();
        let lines = text.lines().filter(|line| {
            let line: Value = serde_json::from_str(line).unwrap();
            line["target"].as_str().unwrap().starts_with("leavebridge")
                || !["TRACE", "DEBUG"].contains(&line["level"].as_str().unwrap())
        });
        lines.map(str::to_owned).collect()
    }

    /// The lines with that message.
    pub(crate) fn lines(&self, message: &str) -> Vec<Value> {
        let text = self.text();
        let lines = text.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
        lines.filter(|line| line["message"] == message).collect()
    }
}
