//! What we were started with, so that the program gets it unchanged.
//!
//! A shell's `trap '' INT`, nohup's ignored HUP or a blocked signal are meant for the program; an init that
//! resets them breaks what its caller arranged. Reading signals from a signalfd needs them blocked, but touches
//! no disposition: only SIGPIPE (changed by Rust's runtime before `main`) and SIGCHLD (which must not be ignored
//! where somebody waits) have to be put back.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use nix::errno::Errno;
use nix::libc;
use nix::sys::signal::{SigHandler, SigSet, Signal, signal};

/// The signals that stay unblocked, since a fault of ours must end us.
const FAULTS: [Signal; 7] = [
    Signal::SIGFPE,
    Signal::SIGILL,
    Signal::SIGSEGV,
    Signal::SIGBUS,
    Signal::SIGABRT,
    Signal::SIGTRAP,
    Signal::SIGSYS,
];

/// The terminal's answers to what we do ourselves. They are blocked, else handing the terminal to the program
/// would stop us (tcsetpgrp(3)), and not forwarded. With the faults these are the ones that tini leaves alone.
const TERMINAL: [Signal; 2] = [Signal::SIGTTIN, Signal::SIGTTOU];

static PIPE_WAS_IGNORED: AtomicBool = AtomicBool::new(false);
static MASK: AtomicU64 = AtomicU64::new(0);

/// Runs before Rust's runtime, which sets SIGPIPE to ignored (rust-lang/rust#62569) and installs a handler for
/// stack overflows; at a process' first handler musl unblocks the signals that it keeps for itself.
#[expect(unsafe_code, reason = "nix cannot look at a disposition without changing it")]
extern "C" fn look() {
    // SAFETY: asks for a disposition and changes nothing; the struct is plain data that the call fills.
    let ignored = unsafe {
        let mut action: libc::sigaction = std::mem::zeroed();
        libc::sigaction(libc::SIGPIPE, std::ptr::null(), &raw mut action) == 0
            && action.sa_sigaction == libc::SIG_IGN
    };
    PIPE_WAS_IGNORED.store(ignored, Ordering::Relaxed);
    if let Ok(mask) = swap_mask(None) {
        MASK.store(mask, Ordering::Relaxed);
    }
}

// SAFETY: the section holds pointers to functions of this type (System V ABI, "Initialization and Termination
// Functions"); this one needs nothing of the runtime that is not there yet.
#[expect(unsafe_code, reason = "no crate runs anything before Rust's runtime does")]
#[used]
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

/// The signal mask and dispositions that we were started with.
#[derive(Debug, Clone, Copy)]
pub struct Inherited {
    mask: Mask,
    pipe: SigHandler,
    child: SigHandler,
}

impl Inherited {
    /// Remembers them, and blocks every signal but faults. To be called before anything else, so that no signal
    /// is lost, and from then on by one thread only: musl's set*id(2) in a process with threads needs signal 34.
    #[expect(unsafe_code, reason = "nix has no safe signal(2)")]
    pub fn take() -> nix::Result<Self> {
        swap_mask(Some(all_but(&FAULTS)))?;
        // SAFETY: SIG_DFL is no handler, so nothing can run in a wrong context.
        let child = unsafe { signal(Signal::SIGCHLD, SigHandler::SigDfl) }?;
        let ignored = PIPE_WAS_IGNORED.load(Ordering::Relaxed);
        let pipe = if ignored { SigHandler::SigIgn } else { SigHandler::SigDfl };
        Ok(Self { mask: MASK.load(Ordering::Relaxed), pipe, child })
    }

    /// Puts them back, in the child, between fork and exec.
    #[expect(unsafe_code, reason = "nix has no safe signal(2)")]
    pub(crate) fn restore(&self) -> nix::Result<()> {
        // SAFETY: dispositions that this process was started with; none is a handler, since exec resets those.
        unsafe {
            signal(Signal::SIGPIPE, self.pipe)?;
            signal(Signal::SIGCHLD, self.child)?;
        }
        swap_mask(Some(self.mask)).map(drop)
    }

    /// The signals that are to be read from the signalfd.
    #[expect(unsafe_code, reason = "a C library leaves out of its sets the signals that it keeps for itself")]
    pub(crate) fn forwarded() -> SigSet {
        let bits = all_but(&FAULTS) & all_but(&TERMINAL);
        // SAFETY: a sigset_t is an array of words, of which the kernel reads the first 64 bits; all zero is the
        // empty set, and the copy stays inside of both.
        unsafe {
            let mut set: libc::sigset_t = std::mem::zeroed();
            std::ptr::copy_nonoverlapping(
                (&raw const bits).cast::<u8>(),
                (&raw mut set).cast(),
                size_of::<Mask>(),
            );
            SigSet::from_sigset_t_unchecked(set)
        }
    }
}

/// A set of signals as the kernel has it, signal 1 in the lowest bit. A C library's own sets leave out the
/// signals that it keeps for itself, for musl the first real-time one too (34): sent by somebody it would end us.
type Mask = u64;

fn all_but(signals: &[Signal]) -> Mask {
    signals.iter().fold(Mask::MAX, |mask, signal| mask & !(1 << (*signal as i32 - 1)))
}

/// Sets the thread's mask, if one is given, and gives the one before.
#[expect(
    unsafe_code,
    reason = "the C library's sigprocmask(2) leaves out the signals that it keeps for itself"
)]
fn swap_mask(mask: Option<Mask>) -> nix::Result<Mask> {
    let mut before = 0;
    // SAFETY: rt_sigprocmask(2) reads one set, unless it is null, and writes the other, both of the size that it
    // is told.
    let result = unsafe {
        libc::syscall(
            libc::SYS_rt_sigprocmask,
            libc::SIG_SETMASK,
            mask.as_ref().map_or(std::ptr::null(), std::ptr::from_ref),
            &raw mut before,
            size_of::<Mask>(),
        )
    };
    Errno::result(result).map(|_| before)
}
