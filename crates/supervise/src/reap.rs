//! Takes the statuses of ended children, our own and those that we inherited.

use std::io;

use berth_role::Bytes;
use nix::libc;
use nix::unistd::Pid;

use crate::exit::Exit;

/// What happened to children since the last look.
#[derive(Debug, Default)]
pub(crate) struct Reaped {
    /// What became of the main process, in order: the signal that stopped it, or nothing when it was continued.
    pub main_stops: Vec<Option<i32>>,
    /// The main process's end.
    pub main_end: Option<Ended>,
    /// How many others have ended.
    pub orphans: u64,
    /// There is no child any more.
    pub nothing_left: bool,
}

/// How a process ended, and what it had taken.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ended {
    /// How.
    pub exit: Exit,
    /// The most that it, or a child of its that it had waited for, had resident at once (`ru_maxrss`, getrusage(2)).
    pub peak: Bytes,
}

/// Takes every status that is there, without waiting. SIGCHLD tells that there is one, not how many
/// (signal(7)), so all are taken.
pub(crate) fn reap(main: Option<Pid>) -> Reaped {
    let mut reaped = Reaped::default();
    loop {
        let (pid, status, peak) = match next() {
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
            reaped.main_end = Some(Ended { exit: end, peak });
        } else {
            reaped.orphans += 1;
        }
    }
}

/// A status and the peak in memory, if there is one. nix's `waitpid` takes a status and then fails on it when a
/// real-time signal made the end, so that the end would be lost.
#[expect(
    unsafe_code,
    reason = "nix has no wait4(2), and its waitpid(2) fails on an end by a real-time signal"
)]
fn next() -> io::Result<Option<(Pid, i32, Bytes)>> {
    let mut status = 0;
    // SAFETY: plain data, for which all zero is a value.
    let mut usage: libc::rusage = unsafe { std::mem::zeroed() };
    let options = libc::WNOHANG | libc::WUNTRACED | libc::WCONTINUED;
    // SAFETY: wait4(2) writes one integer and one struct, which outlive it.
    let pid = unsafe { libc::wait4(-1, &raw mut status, options, &raw mut usage) };
    match pid {
        -1 => Err(io::Error::last_os_error()),
        0 => Ok(None),
        pid => {
            let kibibytes = u64::try_from(usage.ru_maxrss).unwrap_or_default();
            Ok(Some((Pid::from_raw(pid), status, Bytes::new(kibibytes.saturating_mul(1024)))))
        }
    }
}
