//! The only place where this crate starts processes.
#![allow(clippy::disallowed_methods, reason = "this is the one file that may")]

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Output, Stdio};

use process_wrap::std::{CommandWrap, ProcessSession};

use crate::plan::Environment;

/// Starts `program NAME` in a session of its own (setsid(2)), so that neither the terminal's Ctrl-C nor its end
/// reaches it. Answers its process id; whoever cares waits for it.
pub fn detached(
    program: &Path,
    name: &str,
    folder: &Path,
    environment: &Environment,
    log: File,
) -> io::Result<u32> {
    let mut command = Command::new(program);
    command.arg(name).current_dir(folder).env_clear().envs(environment);
    command.stdin(Stdio::null()).stdout(log.try_clone()?).stderr(log);
    Ok(CommandWrap::from(command).wrap(ProcessSession).spawn()?.id())
}

/// Runs a program to its end, with something on its stdin.
pub fn run(
    program: &Path,
    arguments: &[&str],
    folder: &Path,
    environment: &Environment,
    input: &str,
) -> io::Result<Output> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).env_clear().envs(environment);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn()?;
    if let Some(mut stdin) = child.stdin.take() {
        // A program that does not read its input is no error.
        let _ = stdin.write_all(input.as_bytes());
    }
    child.wait_with_output()
}

/// Starts a program of PATH with our own environment, some names of it taken out. It is in a process
/// group of its own, so that the terminal's Ctrl-C reaches us alone. Its stdin is closed unless `feed`; its output is
/// piped unless `show`, which lets it write to our stderr.
pub fn client(
    program: &str,
    arguments: &[String],
    folder: &Path,
    without: &[String],
    feed: bool,
    show: bool,
) -> io::Result<Child> {
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).process_group(0);
    for name in without {
        command.env_remove(name);
    }
    command.stdin(if feed { Stdio::piped() } else { Stdio::null() });
    if show {
        command.stdout(io::stderr()).stderr(Stdio::inherit());
    } else {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
    }
    command.spawn()
}
