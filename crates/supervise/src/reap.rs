//! Takes the statuses of ended children, our own and those that we inherited.

use std::io;

use nix::libc;
use nix::unistd::Pid;

use crate::exit::Exit;

/// What happened to children since the last look.
#[derive(Debug, Default)]
pub(crate) struct Reaped {
    /// What became of the main process, in order: the signal that stopped it, or nothing when it was continued.
    pub main_stops: Vec<Option<i32>>,
    /// The main process's end.
    pub main_end: Option<Exit>,
    /// How many others have ended.
    pub orphans: usize,
    /// There is no child any more.
    pub nothing_left: bool,
}

/// Takes every status that is there, without waiting. SIGCHLD tells that there is one, not how many
/// (signal(7)), so all are taken.
pub(crate) fn reap(main: Option<Pid>) -> Reaped {
    let mut reaped = Reaped::default();
    loop {
        let (pid, status) = match next() {
            Ok(Some(taken)) => taken,
            Ok(None) => return reaped,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            // ECHILD.
            Err(_) => {
                reaped.nothing_left = true;
                return reaped;
            }
        };
        let is_main = main == Some(pid);
        let end = if libc::WIFEXITED(status) {
            Exit::Code(u8::try_from(libc::WEXITSTATUS(status)).unwrap_or(u8::MAX))
        } else if libc::WIFSIGNALED(status) {
            Exit::Signal(libc::WTERMSIG(status))
        } else {
            if is_main {
                reaped.main_stops.push(libc::WIFSTOPPED(status).then(|| libc::WSTOPSIG(status)));
            }
            continue;
        };
        if is_main {
            reaped.main_end = Some(end);
        } else {
            reaped.orphans += 1;
        }
    }
}

/// A status, if there is one. nix's `waitpid` takes a status and then fails on it when a real-time signal made
/// the end, so that the end would be lost.
fn next() -> io::Result<Option<(Pid, i32)>> {
    let mut status = 0;
    // SAFETY: the call writes one integer, which outlives it.
    let pid =
        unsafe { libc::waitpid(-1, &raw mut status, libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => Ok(Some((Pid::from_raw(pid), status))),
    }
}
