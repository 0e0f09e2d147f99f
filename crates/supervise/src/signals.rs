//! Signals, to us and from us.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::sys::signalfd::{SfdFlags, SignalFd};
use nix::unistd::Pid;
use tokio::io::unix::AsyncFd;

use crate::inherited::Inherited;

/// A signal that we got.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Got {
    /// Its number.
    pub number: i32,
    /// Who sent it, where the kernel tells: 0 when from outside our PID namespace, or from the kernel.
    pub sender: u32,
}

/// The signals that were sent to us and blocked by [`Inherited::take`].
#[derive(Debug)]
pub(crate) struct Signals(AsyncFd<SignalFd>);

impl Signals {
    pub fn new() -> io::Result<Self> {
        let flags = SfdFlags::SFD_NONBLOCK | SfdFlags::SFD_CLOEXEC;
        let signals = SignalFd::with_flags(&Inherited::forwarded(), flags)?;
        // SAFETY: the AsyncFd owns the signalfd, which keeps its one descriptor open for as long.
        Ok(Self(unsafe { AsyncFd::register(signals) }?))
    }

    /// Waits for the next signal.
    pub async fn next(&self) -> io::Result<Got> {
        loop {
            let mut guard = self.0.readable().await?;
            match self.taken()? {
                Some(got) => return Ok(got),
                None => guard.clear_ready(),
            }
        }
    }

    /// A signal that is there already.
    pub fn taken(&self) -> io::Result<Option<Got>> {
        let info = self.0.get_ref().read_signal()?;
        Ok(info.map(|info| Got {
            number: i32::try_from(info.ssi_signo).unwrap_or_default(),
            sender: info.ssi_pid,
        }))
    }
}

impl AsFd for Signals {
    /// Becomes readable when there is a signal.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

/// Sends a signal to one process. nix's `kill` knows no real-time signal.
pub(crate) fn send(to: Pid, number: i32) -> io::Result<()> {
    // 0 and negative numbers are groups, and -1 is every process there is.
    if to.as_raw() <= 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: no memory is passed.
    if unsafe { libc::kill(to.as_raw(), number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
