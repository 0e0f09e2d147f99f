//! What an end means, by all that is known of it.

use berth_control::Verdict;
use berth_role::Bytes;
use nix::libc::{SIGABRT, SIGKILL};

use crate::exit::Exit;
use crate::machine::Ending;
use crate::spawn::Runtime;

/// A V8 that gives up for lack of heap has filled its old space, and that is resident then, but for what was never touched
/// at its end.
const FULL: (u64, u64) = (9, 10);

/// What is known of an end beside how the machine took it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Evidence {
    /// The most that the process had resident, as the kernel counts it (`ru_maxrss`, getrusage(2)).
    pub peak: Bytes,
    /// The kernel has killed in our control group for lack of memory since the process was started.
    pub oom_killed: bool,
    /// What the process ran on.
    pub runtime: Runtime,
}

/// What an end means.
pub(crate) fn verdict(ending: &Ending, evidence: &Evidence) -> Verdict {
    let Evidence { peak, oom_killed, runtime } = *evidence;
    match (ending.exit, runtime) {
        (Exit::Signal(SIGKILL), _) if ending.cut_off => Verdict::CutOff,
        (Exit::Signal(SIGKILL), _) if oom_killed => Verdict::OutOfMemory,
        _ if ending.normal => Verdict::Drained,
        (Exit::Signal(SIGABRT) | Exit::Code(134), Runtime::Node { heap: Some(heap) })
            if is_full(peak, heap) =>
        {
            Verdict::HeapExhausted
        }
        (Exit::Signal(SIGABRT), _) => Verdict::Aborted,
        (Exit::Signal(_), _) => Verdict::Killed,
        (Exit::Code(code), Runtime::Node { .. }) => Verdict::of_node(code),
        (Exit::Code(1), Runtime::Unknown) => Verdict::Failed,
        (Exit::Code(_), Runtime::Unknown) => Verdict::Exited,
    }
}

fn is_full(peak: Bytes, heap: Bytes) -> bool {
    peak.number() / FULL.0 >= heap.number() / FULL.1
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::machine::Reason;
    use std::time::Duration;

    const HEAP: Bytes = Bytes::mebibytes(100);
    const NODE: Runtime = Runtime::Node { heap: Some(HEAP) };

    fn ending(exit: Exit, asked: bool, cut_off: bool, normal: bool) -> Ending {
        let asked = asked.then_some(Reason::Signal(15));
        Ending { exit, asked, lived: Duration::ZERO, normal, cut_off }
    }

    fn unasked(exit: Exit, peak: u64, oom_killed: bool, runtime: Runtime) -> Verdict {
        let evidence = Evidence { peak: Bytes::mebibytes(peak), oom_killed, runtime };
        verdict(&ending(exit, false, false, false), &evidence)
    }

    #[test]
    fn our_own_kill_is_not_taken_for_the_kernels() {
        let evidence = Evidence { peak: HEAP, oom_killed: true, runtime: NODE };
        assert_eq!(verdict(&ending(Exit::Signal(9), true, true, false), &evidence), Verdict::CutOff);
        assert_eq!(verdict(&ending(Exit::Signal(9), true, false, false), &evidence), Verdict::OutOfMemory);
    }

    #[test]
    fn an_end_for_lack_of_memory_of_another_process_is_not_this_ones() {
        assert_eq!(unasked(Exit::Signal(11), 1, true, NODE), Verdict::Killed);
        assert_eq!(unasked(Exit::Code(0), 1, true, NODE), Verdict::Exited);
    }

    #[test]
    fn a_full_heap_is_told_from_another_abort_by_what_was_resident() {
        assert_eq!(unasked(Exit::Signal(6), 140, false, NODE), Verdict::HeapExhausted);
        assert_eq!(unasked(Exit::Code(134), 140, false, NODE), Verdict::HeapExhausted);
        assert_eq!(unasked(Exit::Signal(6), 60, false, NODE), Verdict::Aborted);
        assert_eq!(unasked(Exit::Signal(6), 140, false, Runtime::Node { heap: None }), Verdict::Aborted);
        assert_eq!(unasked(Exit::Signal(6), 140, false, Runtime::Unknown), Verdict::Aborted);
    }

    #[test]
    fn nodes_codes_mean_something_only_for_node() {
        let codes = [0, 1, 9, 13, 134].map(Exit::Code);
        assert_eq!(
            codes.map(|code| unasked(code, 1, false, NODE).word()),
            ["exited", "failed", "bad-option", "unsettled-await", "aborted"]
        );
        assert_eq!(
            codes.map(|code| unasked(code, 1, false, Runtime::Unknown).word()),
            ["exited", "failed", "exited", "exited", "exited"]
        );
    }
}
