//! Runs docker commands, one after another, and waits for none of them without end.

use std::collections::BTreeSet;
use std::fmt;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ExitStatus, Output};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{self, JoinHandle, sleep};
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, killpg};
use nix::unistd::Pid;
use serde::de::DeserializeOwned;

use super::container::Image;
use super::line::{self, Line};
use crate::{EngineError, spawn};

const PROGRAM: &str = "docker";

/// A question is answered at once, unless the engine is busy starting a dozen containers.
const PATIENCE: Duration = Duration::from_mins(1);

/// A client that was asked to end and does not.
const END_WITHIN: Duration = Duration::from_secs(5);

const TICK: Duration = Duration::from_millis(10);

/// So many last lines of what a command said are told.
const LAST_LINES: usize = 8;

/// The docker client, as it is run for one project.
#[derive(Debug, Clone)]
pub struct Docker {
    folder: PathBuf,
    without: BTreeSet<String>,
}

/// What a command said, and how it ended: why it failed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Said {
    /// How it ended.
    pub ended: String,
    /// The last lines of its stderr.
    pub last: Vec<String>,
}

impl fmt::Display for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.last[..] {
            [] => f.write_str(&self.ended),
            lines => f.write_str(&lines.join("; ")),
        }
    }
}

impl std::error::Error for Said {}

impl Docker {
    /// Commands run in `folder`. What `.env` there gives is not overruled by our environment, where the same names may
    /// mean something else.
    #[must_use]
    pub fn new(folder: &Path, variables: impl IntoIterator<Item = String>) -> Self {
        let own = std::env::vars_os().filter_map(|(name, _)| name.into_string().ok());
        let own = own.filter(|name| name.starts_with("COMPOSE_"));
        Self { folder: folder.to_owned(), without: own.chain(variables).collect() }
    }

    /// What a command writes to stdout; it fails when the command does.
    pub fn ask(&self, line: &Line) -> Result<String, EngineError> {
        let output = self.answer(line, "")?;
        if output.status.success() {
            return Ok(String::from_utf8_lossy(&output.stdout).into_owned());
        }
        Err(failed(line, output.status, &String::from_utf8_lossy(&output.stderr)))
    }

    /// What a command writes to stdout as JSON.
    pub fn read<T: DeserializeOwned>(&self, line: &Line) -> Result<T, EngineError> {
        parsed(line, &self.ask(line)?)
    }

    /// What a command writes and how it ends, whatever that is.
    pub fn answer(&self, line: &Line, input: &str) -> Result<Output, EngineError> {
        let mut child = self.start(line, !input.is_empty(), false)?;
        let (stdout, stderr) = (whole(child.stdout.take()), whole(child.stderr.take()));
        if let Some(mut stdin) = child.stdin.take() {
            // A program that does not read its input is no error.
            let _ = stdin.write_all(input.as_bytes());
        }
        let begin = Instant::now();
        let status = loop {
            if let Some(status) = child.try_wait()? {
                break status;
            }
            if begin.elapsed() > PATIENCE {
                end(&mut child);
                let ended = format!("no answer within {} s", PATIENCE.as_secs());
                let said = Said { ended, last: Vec::new() };
                return Err(EngineError::Docker { line: line.to_string(), said });
            }
            sleep(TICK);
        };
        let bytes = |thread: JoinHandle<Vec<u8>>| thread.join().unwrap_or_default();
        Ok(Output { status, stdout: bytes(stdout), stderr: bytes(stderr) })
    }

    /// The images that are there, of these.
    pub fn images<'a>(
        &self,
        references: impl IntoIterator<Item = &'a str>,
    ) -> Result<Vec<Image>, EngineError> {
        let line = line::images(references);
        // Docker fails when one of them is not there, and tells of the others.
        let output = self.answer(&line, "")?;
        parsed(&line, &String::from_utf8_lossy(&output.stdout))
    }

    /// Runs a command that shows by itself how far it is.
    pub fn show(&self, line: &Line, stop: &mut dyn FnMut() -> bool) -> Result<(), EngineError> {
        let mut child = self.start(line, false, true)?;
        loop {
            if let Some(status) = child.try_wait()? {
                return if status.success() { Ok(()) } else { Err(failed(line, status, "")) };
            }
            if stop() {
                end(&mut child);
                return Err(EngineError::Interrupted);
            }
            sleep(TICK);
        }
    }

    /// Runs a command that takes its time, as long as nobody wants an end.
    pub fn run(&self, line: &Line, stop: &mut dyn FnMut() -> bool) -> Result<(), EngineError> {
        let (mut running, mut said) = (self.begin(line)?, Vec::new());
        while !running.ended(&mut said)? {
            if stop() {
                return Err(EngineError::Interrupted);
            }
            sleep(TICK);
        }
        Ok(())
    }

    /// Starts a command that goes on beside others.
    pub fn begin(&self, line: &Line) -> Result<Running, EngineError> {
        let mut child = self.start(line, false, false)?;
        let (sender, lines) = channel();
        let readers = [
            child.stdout.take().map(|stdout| read_lines(stdout, sender.clone())),
            child.stderr.take().map(|stderr| read_lines(stderr, sender)),
        ];
        Ok(Running { line: line.clone(), child, lines, readers: readers.into_iter().flatten().collect() })
    }

    fn start(&self, line: &Line, feed: bool, show: bool) -> Result<Child, EngineError> {
        let without: Vec<String> = self.without.iter().cloned().collect();
        // A folder that is not there yet is no reason not to ask.
        let folder = if self.folder.is_dir() { self.folder.as_path() } else { Path::new("/") };
        spawn::client(PROGRAM, line.words(), folder, &without, feed, show)
            .map_err(|source| EngineError::Run { program: PROGRAM.into(), source })
    }
}

/// What is said as JSON.
pub fn parsed<T: DeserializeOwned>(line: &Line, said: &str) -> Result<T, EngineError> {
    serde_json::from_str(said).map_err(|source| EngineError::DockerAnswer { line: line.to_string(), source })
}

fn failed(line: &Line, status: ExitStatus, said: &str) -> EngineError {
    let lines: Vec<&str> = said.lines().map(str::trim).filter(|line| !line.is_empty()).collect();
    let last = &lines[lines.len().saturating_sub(LAST_LINES)..];
    let said = Said { ended: status.to_string(), last: last.iter().map(ToString::to_string).collect() };
    EngineError::Docker { line: line.to_string(), said }
}

/// A command that goes on beside others. Dropped, it is ended.
#[derive(Debug)]
pub struct Running {
    line: Line,
    child: Child,
    lines: Receiver<String>,
    readers: Vec<JoinHandle<()>>,
}

impl Running {
    /// The lines that it has written since the last time.
    pub fn lines(&self) -> Vec<String> {
        self.lines.try_iter().collect()
    }

    /// The next line; nothing when there will be none.
    pub fn next_line(&self) -> Option<String> {
        self.lines.recv().ok()
    }

    /// Whether it has ended, and an error when it has failed; `said` is what it had written until now.
    pub fn ended(&mut self, said: &mut Vec<String>) -> Result<bool, EngineError> {
        let status = self.child.try_wait()?;
        if status.is_some() {
            // What is still in the pipes.
            self.readers.drain(..).for_each(|reader| drop(reader.join()));
        }
        said.extend(self.lines());
        match status {
            None => Ok(false),
            Some(status) if status.success() => Ok(true),
            Some(status) => Err(failed(&self.line, status, &said.join("\n"))),
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        end(&mut self.child);
    }
}

/// Ends a client of ours that nobody has waited for yet, with the plugin that it runs: as Ctrl-C does, and if that does
/// not help, for good.
fn end(child: &mut Child) {
    let begin = Instant::now();
    let (Ok(None), Ok(group)) = (child.try_wait(), i32::try_from(child.id())) else { return };
    // Until it is waited for, its number is its own, and that of its group.
    // All of the group may have ended meanwhile.
    let tell = |signal| killpg(Pid::from_raw(group), signal).unwrap_or(());
    tell(Signal::SIGINT);
    while begin.elapsed() < END_WITHIN && matches!(child.try_wait(), Ok(None)) {
        sleep(TICK);
    }
    if matches!(child.try_wait(), Ok(None)) {
        tell(Signal::SIGKILL);
        // It cannot outlive that.
        let _ = child.wait();
    }
}

fn whole(stream: Option<impl Read + Send + 'static>) -> JoinHandle<Vec<u8>> {
    thread::spawn(move || {
        let mut bytes = Vec::new();
        // What was read until an error is all that there is.
        let _ = stream.map(|mut stream| stream.read_to_end(&mut bytes));
        bytes
    })
}

fn read_lines(stream: impl Read + Send + 'static, sender: Sender<String>) -> JoinHandle<()> {
    thread::spawn(move || {
        let mut stream = BufReader::new(stream);
        let mut bytes = Vec::new();
        while matches!(stream.read_until(b'\n', &mut bytes), Ok(1..)) {
            let line = String::from_utf8_lossy(&bytes).trim_end_matches(['\r', '\n']).to_owned();
            if sender.send(line).is_err() {
                return;
            }
            bytes.clear();
        }
    })
}
