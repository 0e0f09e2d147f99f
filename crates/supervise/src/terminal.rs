//! The terminal, which a plain program is lent as a shell's foreground job is (tcsetpgrp(3)), and the stops that come from it.
//!
//! A shell waits for us and knows nothing of the program: it learns that its job was stopped only if we are stopped too.

use std::os::fd::BorrowedFd;

use nix::libc::{SIGTSTP, SIGTTIN, SIGTTOU};
use nix::sys::signal::{SigSet, Signal, raise};
use nix::unistd::{Pid, getpgid, getpgrp, getpid, getppid, getsid, tcgetpgrp, tcsetpgrp};

/// What is done about a program that was stopped.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It wanted a terminal that is lent to us: it gets it, and goes on.
    Lend,
    /// We are stopped as well, for whoever waits for us.
    Stop,
    /// It goes on: nobody is there who would continue it.
    Continue,
    /// It stays stopped: whoever did it had it in mind, and no terminal was asked.
    Nothing,
}

/// Who has the terminal, and whether anybody would continue us.
#[derive(Debug, Clone, Copy)]
struct Sight {
    is_ours: bool,
    is_the_programs: bool,
    /// No shell waits to continue us: we are PID 1, lead the session, or are in the group of our parent, as what a script starts is.
    is_last: bool,
}

/// What is to be done about a program that this signal has stopped.
pub(crate) fn answer(signal: i32, program: Pid) -> Answer {
    let holder = holder();
    let us = getpid();
    decide(
        signal,
        Sight {
            is_ours: holder == Some(getpgrp()),
            is_the_programs: holder == Some(program),
            is_last: us.as_raw() == 1 || getsid(None) == Ok(us) || getpgid(Some(getppid())) == Ok(getpgrp()),
        },
    )
}

fn decide(signal: i32, sight: Sight) -> Answer {
    match signal {
        SIGTTIN | SIGTTOU if sight.is_ours => Answer::Lend,
        SIGTSTP | SIGTTIN | SIGTTOU if !sight.is_last => Answer::Stop,
        SIGTSTP if sight.is_the_programs => Answer::Continue,
        _ => Answer::Nothing,
    }
}

/// Lends the terminal to a process group, which is ours or a child's; nothing where standard input is none. TTOU, which
/// answers this, is blocked in us.
pub(crate) fn lend(to: Pid) {
    let _ = tcsetpgrp(stdin(), to);
}

/// Lends the terminal to the program if it is ours to lend: a shell that continues us has lent it to us.
pub(crate) fn lend_on(program: Pid) {
    if holder() == Some(getpgrp()) {
        lend(program);
    }
}

/// Takes the terminal back from a program that has ended. A script that called us would find it in the hands of nobody, and its
/// next command that reads from it would fail.
pub(crate) fn take_back(program: Pid) {
    if holder() == Some(program) {
        lend(getpgrp());
    }
}

/// Stops us, as TSTP does where nobody has arranged otherwise; gives back when we are continued. In an orphaned process group
/// (setpgid(2)) the kernel does not.
pub(crate) fn stop() -> nix::Result<()> {
    let stop = SigSet::from(Signal::SIGTSTP);
    // Blocked, it waits until the other call.
    raise(Signal::SIGTSTP)?;
    stop.thread_unblock()?;
    stop.thread_block()
}

fn holder() -> Option<Pid> {
    tcgetpgrp(stdin()).ok()
}

#[expect(unsafe_code, reason = "std's handle of standard input locks and buffers")]
fn stdin() -> BorrowedFd<'static> {
    // SAFETY: borrowed for one call; where 0 is closed or no terminal, the call fails, and nothing was lent.
    unsafe { BorrowedFd::borrow_raw(0) }
}

#[cfg(test)]
mod tests {
    use nix::libc::SIGSTOP;

    use super::*;

    #[test]
    fn who_is_stopped_depends_on_who_would_continue_it() {
        let sight = |is_ours, is_the_programs, is_last| Sight { is_ours, is_the_programs, is_last };
        for (signal, seen, answer) in [
            // ^Z under a shell.
            (SIGTSTP, sight(false, true, false), Answer::Stop),
            // ^Z in a container that has a terminal, and under a script.
            (SIGTSTP, sight(false, true, true), Answer::Continue),
            // Sent by somebody.
            (SIGTSTP, sight(false, false, true), Answer::Nothing),
            (SIGSTOP, sight(false, true, false), Answer::Nothing),
            // `fg` after `bg`, and reading in the background.
            (SIGTTIN, sight(true, false, false), Answer::Lend),
            (SIGTTIN, sight(false, false, false), Answer::Stop),
        ] {
            assert_eq!(decide(signal, seen), answer, "{signal} {seen:?}");
        }
    }
}
