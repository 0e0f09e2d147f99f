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

use std::io::Write;

mod at_exit;
mod case;
mod chance;
mod disk;
mod load;
mod offset;
mod port;
mod process;
mod programs;
mod ran;
mod sources;
mod terminal;
mod wait;

pub use at_exit::at_exit;
pub use case::Case;
pub use chance::Chance;
pub use disk::Disk;
pub use load::{Connections, Load, Mails, Served, User};
pub use offset::Offset;
pub use port::kept_port;
pub use process::Process;
pub use programs::{
    application, berth, clients, have, have_release_programs, init, node, peers, release_program, root,
    servers, xtask,
};
pub use ran::Ran;
pub use sources::rust_files;
pub use terminal::terminal;
pub use wait::{DEADLINE, be_patient_for, wait_until, wait_until_within};

/// Says that a test, or a part of it, was not run. Where `CI` is set that is a failure, so that nothing goes
/// unseen there.
pub fn skip(reason: &str) {
    let test = std::thread::current().name().unwrap_or_default().to_owned();
    let is_ci = std::env::var_os("CI").is_some_and(|value| !value.is_empty());
    assert!(!is_ci, "skipped: {reason}");
    // Past the harness, which keeps what a passing test prints to itself; `cargo xtask test` counts these lines.
    let _ = std::io::stderr().write_all(format!("SKIPPED {test}: {reason}\n").as_bytes());
}

/// Tells what was found out, though the test passes: the harness holds back only what the print macros write.
pub fn tell(line: &str) {
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// Whether we are root, without which there is no PID namespace.
#[must_use]
pub fn is_root() -> bool {
    nix::unistd::geteuid().is_root()
}
