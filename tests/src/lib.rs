//! What the black-box suites share: where the programs are, a place of its own for each test, and waiting.
//!
//! The suites look at the programs from outside: command line, signals, sockets, /proc. Each test makes a
//! [`Case`], which owns a folder and every process that was started through it, and fails when one is left behind.
//! Nothing sleeps for luck: [`wait_until`] waits for a condition, with a deadline.
//!
//! ```
//! use berth_tests::{Case, wait_until};
//! let case = Case::new();
//! let mut child = case.command("true").spawn().expect("true(1) is everywhere");
//! wait_until("true has ended", || child.try_wait().ok().flatten());
//! ```

#![allow(clippy::missing_panics_doc)] // A panic is how a test fails.

mod case;
mod process;
mod programs;
mod wait;

pub use case::Case;
pub use process::Process;
pub use programs::{application, berth, init, node};
pub use wait::{DEADLINE, wait_until, wait_until_within};

/// Says that a test, or a part of it, was not run. Where `CI` is set that is a failure, so that nothing goes
/// unseen there.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "skipped: {reason}");
    eprintln!("skipped: {reason}");
}

/// Whether we are root, without which there is no PID namespace.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
