use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough for anything on a busy machine; only a failure waits so long.
pub const DEADLINE: Duration = Duration::from_secs(20);

/// Waits for `condition` to give something, and fails with `what` when it has not within [`DEADLINE`].
pub fn wait_until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_until_within(DEADLINE, what, condition)
}

/// Waits for `condition` to give something, and fails with `what` when it has not in time.
pub fn wait_until_within<T>(time: Duration, what: &str, mut condition: impl FnMut() -> Option<T>) -> T {
    let begun = Instant::now();
    loop {
        if let Some(found) = condition() {
            return found;
        }
        assert!(begun.elapsed() < time, "not within {time:?}: {what}");
        sleep(Duration::from_millis(5));
    }
}
