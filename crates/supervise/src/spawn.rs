//! The only place that starts a process.

use std::ffi::OsString;
use std::fmt;
use std::io;
use std::os::fd::{AsRawFd, OwnedFd, RawFd};
use std::os::unix::process::CommandExt;
use std::path::PathBuf;
use std::process::Command;

use berth_report::Code;
use berth_role::Bytes;
use nix::fcntl::{FcntlArg, FdFlag, fcntl};
use nix::sys::prctl;
use nix::sys::resource::{Resource, getrlimit, setrlimit};
use nix::sys::signal::Signal;
use nix::unistd::{Pid, getpid, getppid, setpgid};

use crate::inherited::Inherited;
use crate::listening::Listening;
use crate::privileges::hand_over_bind_service;
use crate::terminal;

/// What is started.
#[derive(Clone, Default)]
pub struct Program {
    /// The file.
    pub path: PathBuf,
    /// What it is called, its zeroth argument, if not by its path.
    pub name: Option<OsString>,
    /// What it is given.
    pub arguments: Vec<OsString>,
    /// Where it runs.
    pub folder: PathBuf,
    /// What it has in its environment besides ours, or, without a value, what of ours it has not.
    pub environment: Vec<(OsString, Option<OsString>)>,
    /// It listens where CAP_NET_BIND_SERVICE is needed, and is handed it where we may.
    pub bind_service: bool,
    /// What it runs on.
    pub runtime: Runtime,
}

/// What a program runs on, as far as it tells how to read its end.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum Runtime {
    /// Something of which nothing is known.
    #[default]
    Unknown,
    /// Node.
    Node {
        /// What V8's old space may take, where it was told.
        heap: Option<Bytes>,
    },
}

/// Without the environment, which may hold secrets.
impl fmt::Debug for Program {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { path, name: _, arguments, folder, environment: _, bind_service, runtime } = self;
        let mut program = f.debug_struct("Program");
        program
            .field("path", path)
            .field("arguments", arguments)
            .field("folder", folder)
            .field("bind_service", bind_service)
            .field("runtime", runtime)
            .finish_non_exhaustive()
    }
}

/// The main process could not be started.
#[derive(Debug, thiserror::Error)]
#[error("cannot run {path}")]
pub(crate) struct StartError {
    path: String,
    source: io::Error,
}

impl StartError {
    /// Whether the file is not there, or is and cannot be run.
    pub fn code(&self) -> Code {
        if self.source.kind() == io::ErrorKind::NotFound { Code::NotFound } else { Code::CannotRun }
    }
}

/// What the main process is to us, beyond a child.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bond {
    /// It gets the terminal, as a shell's foreground job does.
    pub terminal: bool,
    /// It does not outlive us. Not needed by PID 1, with which everything ends.
    pub dies_with_us: bool,
    /// It may have as many files open as it could allow itself.
    pub all_files: bool,
}

/// Starts the program, with the end of a channel for its readiness if one is given, and gives its process id.
#[expect(unsafe_code, reason = "what runs between fork and exec is ours to vouch for")]
pub(crate) fn start(
    program: &Program,
    inherited: &Inherited,
    bond: Bond,
    channel: Option<&OwnedFd>,
) -> Result<Pid, StartError> {
    #[allow(clippy::disallowed_methods)] // This is the one file that spawns.
    let mut command = Command::new(&program.path);
    command.args(&program.arguments).current_dir(&program.folder);
    let name = program.name.as_deref().unwrap_or(program.path.as_os_str());
    command.arg0(name);
    for (key, value) in &program.environment {
        match value {
            Some(value) => command.env(key, value),
            None => command.env_remove(key),
        };
    }
    // Ours alone: an init that the program starts in turn must not answer on our socket.
    command.env_remove("BERTH_CONTROL");
    if let Some(channel) = channel {
        // Node's parent side of IPC: newline-delimited JSON over the inherited descriptor.
        command.env("NODE_CHANNEL_FD", channel.as_raw_fd().to_string());
        command.env("NODE_CHANNEL_SERIALIZATION_MODE", "json");
    }
    let inherited = *inherited;
    let channel_number = channel.map(AsRawFd::as_raw_fd);
    let bind_service = program.bind_service;
    let parent = getpid();
    let mut listening = Listening::of(&command, name);
    let last = move || {
        prepare(&inherited, bond, bind_service, channel_number, parent)?;
        listening.as_mut().map_or(Ok(()), Listening::exec).map_err(io::Error::from)
    };
    // SAFETY: `prepare` makes system calls only: no allocation, no lock, as signal-safety(7) asks between fork and exec. A
    // program that listens is given its number, which allocates: a program's allocator is to allow that after a fork.
    unsafe { command.pre_exec(last) };
    let child =
        command.spawn().map_err(|source| StartError { path: program.path.display().to_string(), source })?;
    // The handle is dropped, not waited on: the reaper owns every wait.
    Ok(Pid::from_raw(i32::try_from(child.id()).unwrap_or_default()))
}

#[expect(unsafe_code, reason = "an owned descriptor cannot cross fork")]
fn prepare(
    inherited: &Inherited,
    bond: Bond,
    bind_service: bool,
    channel: Option<RawFd>,
    parent: Pid,
) -> nix::Result<()> {
    if bond.dies_with_us {
        prctl::set_pdeathsig(Signal::SIGKILL)?;
        if getppid() != parent {
            // We died between fork and prctl: the signal will never come.
            return Err(nix::errno::Errno::ESRCH);
        }
    }
    // A group of its own, so that what a terminal sends to ours does not reach it twice.
    setpgid(Pid::from_raw(0), Pid::from_raw(0))?;
    if bond.terminal {
        // Before the restore below, which may let TTOU stop us.
        terminal::lend(getpid());
    }
    if bind_service {
        hand_over_bind_service()?;
    }
    if bond.all_files {
        let (_, hard) = getrlimit(Resource::RLIMIT_NOFILE)?;
        setrlimit(Resource::RLIMIT_NOFILE, hard, hard)?;
    }
    if let Some(number) = channel {
        // SAFETY: the parent holds this descriptor open across fork.
        let channel = unsafe { std::os::fd::BorrowedFd::borrow_raw(number) };
        fcntl(channel, FcntlArg::F_SETFD(FdFlag::empty()))?;
    }
    inherited.restore()
}
