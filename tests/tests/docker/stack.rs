//! The one installation that most tests share: it takes the better part of a minute to come up. It is brought up by the
//! first that wants it, is had by one test at a time, and goes when the process of the tests ends, or, when that is
//! killed, with the next run.

use std::ops::Deref;
use std::panic::catch_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use berth_tests::{Ran, at_exit, tell};

use crate::installation::{Installation, ROLES};

static STACK: Mutex<Option<Installation>> = Mutex::new(None);

/// What another image than the sample's is brought up with, each time: `--only` holds for one `berth up`.
fn words() -> Option<Vec<String>> {
    std::env::var("BERTH_TEST_UP").ok().map(|words| serde_json::from_str(&words).unwrap())
}

/// The shared installation, for as long as this lives.
pub struct Stack(MutexGuard<'static, Option<Installation>>);

/// The shared installation, all of it healthy; without an engine the test is skipped.
pub fn stack() -> Option<Stack> {
    // A test that failed has let go of it, and what it broke is mended here.
    let mut shared = STACK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(installation) = &*shared {
        up_again(installation, &["--detach", "--no-prove"]);
        for service in installation.services() {
            installation.becomes(&service, "healthy");
        }
    } else {
        at_exit(take_down);
        let installation = shared.insert(Installation::new()?);
        let (words, usual) = (words(), ["--overlay", "sample,ferretdb"].map(str::to_owned));
        let given: Vec<_> = words.as_deref().unwrap_or(&usual).iter().map(String::as_str).collect();
        let ran = installation.bring_up(&given);
        let took = ran.err.lines().find(|line| line.contains("from the start to the end of the proof"));
        let roles = installation.roles();
        assert!(words.is_some() || roles == ROLES, "{roles:?}");
        tell(&format!("{} roles, stores and front: {}", roles.len(), took.unwrap_or("not proven")));
    }
    Some(Stack(shared))
}

/// Brings it up again, as whoever brought it up would.
fn up_again(installation: &Installation, more: &[&str]) -> Ran {
    let words = words().unwrap_or_default();
    let words: Vec<_> = words.iter().map(String::as_str).collect();
    installation.done(&[&["up"], more, &words].concat())
}

impl Stack {
    /// Brings it up again, and proves it.
    pub fn up(&self) -> Ran {
        up_again(self, &[])
    }
}

extern "C" fn take_down() {
    // A panic may not leave this function, and what it would say has been said.
    let _ = catch_unwind(|| drop(STACK.lock().unwrap_or_else(PoisonError::into_inner).take()));
}

impl Deref for Stack {
    type Target = Installation;

    fn deref(&self) -> &Installation {
        self.0.as_ref().expect("it is there when it is handed out")
    }
}
