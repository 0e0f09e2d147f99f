//! `cargo xtask up`: builds what is needed, then becomes `berth up` on the sample application.

use std::ffi::OsString;
use std::os::unix::process::CommandExt;
use std::process::{ExitCode, Stdio};

use anyhow::{Context, Result};

use crate::programs::{self, Packages, Programs};
use crate::run::{program, say};

/// Replaces this process by `berth up`, so that Ctrl-C reaches it once and its exit code is ours.
pub fn run(arguments: &[OsString]) -> Result<ExitCode> {
    let Programs { berth, init, node, app } = programs::build(Packages::Production)?;
    say("berth up");
    let mut up = program(berth);
    up.arg("up");
    for (flag, value) in [("--state", ".berth".into()), ("--app", app), ("--node", node), ("--init", init)] {
        // What was typed wins: berth refuses a flag that is given twice.
        if !arguments.iter().any(|typed| typed.to_string_lossy().split('=').next() == Some(flag)) {
            up.arg(flag).arg(value);
        }
    }
    up.args(arguments);
    Err(up.stdin(Stdio::inherit()).exec()).context("cannot run berth")
}
