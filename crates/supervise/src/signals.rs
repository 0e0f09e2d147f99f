//! Signals, to us and from us.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};

use nix::libc;
use nix::sys::signalfd::{SfdFlags, SignalFd, siginfo};
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
    /// What came with it, if it was queued with a value (sigqueue(3)).
    pub queued: Option<Queued>,
}

/// What a signal that was queued brings along, as the kernel has it in a siginfo_t (sigaction(2), `_rt` in asm-generic/siginfo.h).
#[derive(Debug, Clone, Copy)]
#[repr(C)]
pub(crate) struct Queued {
    pid: libc::pid_t,
    uid: libc::uid_t,
    /// A number or a pointer: whichever it is, nobody follows it here.
    value: usize,
}

impl Queued {
    /// Of a signal that sigqueue(3) has sent; what a timer or a message queue sends looks otherwise.
    fn of(info: &siginfo) -> Option<Self> {
        (info.ssi_code == libc::SI_QUEUE).then(|| Self {
            pid: info.ssi_pid.cast_signed(),
            uid: info.ssi_uid,
            value: usize::try_from(info.ssi_ptr).unwrap_or_default(),
        })
    }
}

/// The signals that were sent to us and blocked by [`Inherited::take`].
#[derive(Debug)]
pub(crate) struct Signals(AsyncFd<SignalFd>);

impl Signals {
    #[expect(unsafe_code, reason = "tokio asks for the promise that the descriptor stays open")]
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
            queued: Queued::of(&info),
        }))
    }
}

impl AsFd for Signals {
    /// Becomes readable when there is a signal.
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.get_ref().as_fd()
    }
}

/// Passes a signal on, with what came with it. Where that cannot be queued (RLIMIT_SIGPENDING) the signal alone is sent: it counts
/// for more than its value.
pub(crate) fn forward(to: Pid, number: i32, queued: Option<Queued>) -> io::Result<()> {
    match queued.map(|queued| queue(to, number, queued)) {
        Some(Ok(())) => Ok(()),
        Some(Err(_)) | None => send(to, number),
    }
}

/// Sends a signal to one process as another has sent it. sigqueue(3) would name us as the sender.
#[expect(unsafe_code, reason = "no crate has rt_sigqueueinfo(2)")]
fn queue(to: Pid, number: i32, queued: Queued) -> io::Result<()> {
    #[repr(C)]
    struct Info {
        signo: libc::c_int,
        errno: libc::c_int,
        code: libc::c_int,
        /// Aligned as the value is, as the kernel has it.
        queued: Queued,
    }
    if to.as_raw() <= 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    const { assert!(size_of::<Info>() <= size_of::<libc::siginfo_t>()) };
    let info = Info { signo: number, errno: 0, code: libc::SI_QUEUE, queued };
    // SAFETY: plain data, for which all zero is a value, and in which there is room for what is written; both have the alignment of a
    // pointer. rt_sigqueueinfo(2) reads it, and nothing else.
    let result = unsafe {
        let mut whole: libc::siginfo_t = std::mem::zeroed();
        (&raw mut whole).cast::<Info>().write(info);
        libc::syscall(libc::SYS_rt_sigqueueinfo, to.as_raw(), number, &raw const whole)
    };
    if result == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}

/// Sends a signal to one process. nix's `kill` knows no real-time signal.
#[expect(unsafe_code, reason = "nix's kill knows no real-time signal")]
pub(crate) fn send(to: Pid, number: i32) -> io::Result<()> {
    // 0 and negative numbers are groups, and -1 is every process there is.
    if to.as_raw() <= 0 {
        return Err(io::ErrorKind::InvalidInput.into());
    }
    // SAFETY: no memory is passed.
    if unsafe { libc::kill(to.as_raw(), number) } == 0 { Ok(()) } else { Err(io::Error::last_os_error()) }
}
