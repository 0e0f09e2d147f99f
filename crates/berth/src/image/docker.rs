//! Runs docker: the only place where this crate starts processes.
#![allow(clippy::disallowed_methods, reason = "this is the one file that may")]

use std::io::{self, ErrorKind, Read};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use berth_engine::compose::Line;
use berth_report::{Code, Problem};

/// What a command prints, or, when it fails, what it says of that.
pub fn ask(line: &Line) -> anyhow::Result<Result<String, String>> {
    let output = command(line).output().map_err(absent)?;
    let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
    Ok(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
}

/// What a command prints; its failure is one of ours.
pub fn answer(line: &Line) -> anyhow::Result<String> {
    ask(line)?.map_err(|said| failed(line, &said))
}

/// Runs a command, with what it says going to the person who called us.
pub fn show(line: &Line, environment: &[(&str, String)]) -> anyhow::Result<()> {
    let mut command = command(line);
    command.envs(environment.iter().map(|(name, value)| (name, value)));
    command.stdout(io::stderr());
    let ended = command.status().map_err(absent)?;
    if ended.success() { Ok(()) } else { Err(failed(line, "")) }
}

/// Reads what a command prints as it comes.
pub fn read<T>(line: &Line, reader: impl FnOnce(&mut dyn Read) -> anyhow::Result<T>) -> anyhow::Result<T> {
    let child = command(line).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(absent)?;
    let mut running = Running(child);
    let mut output = running.0.stdout.take().context("its output is a pipe")?;
    let read = reader(&mut output);
    // What follows the archive's end is not missed, but docker would be cut short.
    let drained = io::copy(&mut output, &mut io::sink());
    let mut said = String::new();
    if let Some(mut errors) = running.0.stderr.take() {
        errors.read_to_string(&mut said)?;
    }
    if !running.0.wait()?.success() {
        return Err(failed(line, said.trim()));
    }
    drained?;
    read
}

fn command(line: &Line) -> Command {
    let mut command = Command::new("docker");
    command.args(line.words()).stdin(Stdio::null());
    command
}

fn failed(line: &Line, said: &str) -> anyhow::Error {
    let problem = Problem::new(Code::Failure, format!("`{line}` failed"));
    if said.is_empty() { problem.into() } else { problem.because(anyhow::anyhow!(said.to_owned())).into() }
}

/// A program that ends with whoever looks at it.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        if !matches!(self.0.try_wait(), Ok(Some(_))) {
            let _ = self.0.kill();
            let _ = self.0.wait();
        }
    }
}

fn absent(error: io::Error) -> anyhow::Error {
    let (code, what) = match error.kind() {
        ErrorKind::NotFound => (Code::NotFound, "there is no docker on PATH"),
        _ => (Code::CannotRun, "cannot run docker"),
    };
    Problem::new(code, what).because(error).hint("install Docker Engine 25 or newer").into()
}
