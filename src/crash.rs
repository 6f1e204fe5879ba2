//! Points at which a debug build can be made to die as by `kill -9`, so that tests can do that at every line that matters:
//! around each commit and each call to Graph. It must never be able to stop a release build.

/// Dies here when `LEAVEBRIDGE_CRASH_AT` names this point: `after create`, or `after create 2` for the second time that it
/// is reached.
#[cfg(debug_assertions)]
pub fn point(when: &str, what: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    static REACHED: AtomicU32 = AtomicU32::new(0);
    let Ok(wanted) = std::env::var("LEAVEBRIDGE_CRASH_AT") else { return };
    let mut words = wanted.split(' ');
    if words.next() != Some(when) || words.next() != Some(what) {
        return;
    }
    let time = words.next().and_then(|time| time.parse().ok()).unwrap_or(1);
    if REACHED.fetch_add(1, Ordering::Relaxed) + 1 == time {
        // No destructor runs, no buffer is flushed, and the kernel closes the connections.
        std::process::abort();
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub const fn point(_when: &str, _what: &str) {}
