use std::cell::Cell;
use std::thread::sleep;
use std::time::{Duration, Instant};

/// Long enough for anything on a busy machine: where two cores had a hundred programs to run, Node was now and then not
/// ready within 20 s. Only a failure waits so long.
pub const DEADLINE: Duration = Duration::from_mins(1);

thread_local! {
    static PATIENCE: Cell<Duration> = const { Cell::new(DEADLINE) };
}

/// Has this thread wait no longer than this, where a failure is as good a finding as a success.
pub fn be_patient_for(time: Duration) {
    PATIENCE.set(time);
}

/// Waits for `condition` to give something, and fails with `what` when it has not within [`DEADLINE`].
pub fn wait_until<T>(what: &str, condition: impl FnMut() -> Option<T>) -> T {
    wait_until_within(PATIENCE.get(), what, condition)
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
