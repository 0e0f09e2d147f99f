//! Runs docker: the only place where this crate starts processes.
#![allow(clippy::disallowed_methods, reason = "this is the one file that may")]

use std::ffi::OsStr;
use std::io::{self, ErrorKind, Read};
use std::process::{Child, Command, Stdio};

use anyhow::Context;
use berth_report::{Code, Problem};

/// A command line of docker.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Line(pub Vec<String>);

impl Line {
    pub fn of<const N: usize>(words: [&str; N]) -> Self {
        Self(words.map(str::to_owned).into())
    }

    /// As one would type it.
    pub fn told(&self) -> String {
        let quoted = |word: &String| {
            let is_plain = |c: char| c.is_ascii_alphanumeric() || "-_./:=@,+".contains(c);
            if word.chars().all(is_plain) && !word.is_empty() {
                word.clone()
            } else {
                format!("'{}'", word.replace('\'', r"'\''"))
            }
        };
        let words: Vec<_> = self.0.iter().map(quoted).collect();
        format!("docker {}", words.join(" "))
    }

    /// What it prints; `None` when it says that it failed, with what it says on the way.
    pub fn ask(&self) -> anyhow::Result<Result<String, String>> {
        let output = self.command().output().map_err(absent)?;
        let text = |bytes: Vec<u8>| String::from_utf8_lossy(&bytes).trim().to_owned();
        Ok(if output.status.success() { Ok(text(output.stdout)) } else { Err(text(output.stderr)) })
    }

    /// What it prints; its failure is one of ours.
    pub fn answer(&self) -> anyhow::Result<String> {
        self.ask()?.map_err(|said| self.failed(&said))
    }

    /// Runs it, with what it says going to the person who called us.
    pub fn show(&self, environment: &[(&str, String)]) -> anyhow::Result<()> {
        let mut command = self.command();
        command.envs(environment.iter().map(|(name, value)| (name, value)));
        command.stdout(io::stderr());
        let ended = command.status().map_err(absent)?;
        if ended.success() { Ok(()) } else { Err(self.failed("")) }
    }

    /// Reads what it prints as it comes.
    pub fn read<T>(&self, reader: impl FnOnce(&mut dyn Read) -> anyhow::Result<T>) -> anyhow::Result<T> {
        let child = self.command().stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().map_err(absent)?;
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
            return Err(self.failed(said.trim()));
        }
        drained?;
        read
    }

    fn command(&self) -> Command {
        let mut command = Command::new(OsStr::new("docker"));
        command.args(&self.0).stdin(Stdio::null());
        command
    }

    fn failed(&self, said: &str) -> anyhow::Error {
        let problem = Problem::new(Code::Failure, format!("`{}` failed", self.told()));
        if said.is_empty() {
            problem.into()
        } else {
            problem.because(anyhow::anyhow!(said.to_owned())).into()
        }
    }
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_told_as_one_would_type_it() {
        let line = Line::of(["build", "--label", "a=it's two words", ""]);
        assert_eq!(line.told(), r"docker build --label 'a=it'\''s two words' ''");
    }
}
