//! The one installation that most tests share: it takes the better part of a minute to come up. It is brought up by the
//! first that wants it, is had by one test at a time, and goes when the process of the tests ends, or, when that is
//! killed, with the next run.

use std::ops::Deref;
use std::panic::catch_unwind;
use std::sync::{Mutex, MutexGuard, PoisonError};

use berth_tests::{at_exit, tell};

use crate::installation::{Installation, ROLES};

static STACK: Mutex<Option<Installation>> = Mutex::new(None);

/// The shared installation, for as long as this lives.
pub struct Stack(MutexGuard<'static, Option<Installation>>);

/// The shared installation, all of it healthy; without an engine the test is skipped.
pub fn stack() -> Option<Stack> {
    // A test that failed has let go of it, and what it broke is mended here.
    let mut shared = STACK.lock().unwrap_or_else(PoisonError::into_inner);
    if let Some(installation) = &*shared {
        installation.done(&["up", "--detach", "--no-prove"]);
        for service in installation.services() {
            installation.becomes(&service, "healthy");
        }
    } else {
        at_exit(take_down);
        let installation = shared.insert(Installation::new()?);
        let words = std::env::var("BERTH_TEST_UP");
        let all = words.is_err();
        let words = words.unwrap_or_else(|_| "--overlay sample,ferretdb".to_owned());
        let ran = installation.bring_up(&words.split_whitespace().collect::<Vec<_>>());
        let took = ran.err.lines().find(|line| line.contains("from the start to the end of the proof"));
        let roles = installation.roles();
        assert!(!all || roles == ROLES, "{roles:?}");
        tell(&format!("{} roles, stores and front: {}", roles.len(), took.unwrap_or("not proven")));
    }
    Some(Stack(shared))
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
