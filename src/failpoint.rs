//! Failpoints: places at which a test can make a debug build die as by `kill -9`, or freeze, around each commit and each
//! call to Graph. It must never be able to stop a release build.

/// Dies here when `LEAVEBRIDGE_CRASH_AT` names this point: `after create`, or `after create 2` for the second time that it
/// is reached. Freezes instead, until SIGCONT, when `LEAVEBRIDGE_FREEZE_AT` does.
#[cfg(debug_assertions)]
pub fn hit(when: &str, what: &str) {
    use std::sync::atomic::{AtomicU32, Ordering};

    static DIES: AtomicU32 = AtomicU32::new(0);
    static FREEZES: AtomicU32 = AtomicU32::new(0);
    let is_now = |variable: &str, reached: &AtomicU32| {
        let Ok(wanted) = std::env::var(variable) else { return false };
        let mut words = wanted.split(' ');
        let is_here = words.next() == Some(when) && words.next() == Some(what);
        let time = words.next().and_then(|time| time.parse().ok()).unwrap_or(1);
        is_here && reached.fetch_add(1, Ordering::Relaxed) + 1 == time
    };
    if is_now("LEAVEBRIDGE_CRASH_AT", &DIES) {
        // No destructor runs, no buffer is flushed, and the kernel closes the connections.
        std::process::abort();
    }
    if is_now("LEAVEBRIDGE_FREEZE_AT", &FREEZES) {
        // A stop takes effect when one thread of the process notices it: on a busy machine this one would get past here, and
        // a request on its way, before that. So the shell that stops us ends only once we are stopped.
        let stop =
            "kill -STOP $0; for n in $(seq 1000); do grep -q '^State:.T' /proc/$0/status && break; done 2> /dev/null";
        let frozen = std::process::Command::new("sh").args(["-c", stop, &std::process::id().to_string()]).status();
        debug_assert!(frozen.is_ok(), "there is a shell");
    }
}

/// Nothing.
#[cfg(not(debug_assertions))]
pub const fn hit(_when: &str, _what: &str) {}
