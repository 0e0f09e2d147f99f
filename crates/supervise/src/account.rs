//! What is remembered of a main process besides its state: by what its end is judged, and who asked for it.

use berth_cgroup::Cgroup;
use berth_control::Verdict;
use berth_role::Bytes;
use nix::libc::{SIGINT, SIGTERM};

use crate::machine::{Ending, Reason};
use crate::reap::Ended;
use crate::signals::Got;
use crate::spawn::Runtime;
use crate::verdict::{Evidence, verdict};

/// What is remembered.
#[derive(Debug, Default)]
pub(crate) struct Account {
    /// Our control group, which is the main process's too; nothing where its ends are not told.
    group: Option<Cgroup>,
    /// How often the kernel had killed in it when the main process was started.
    oom_kills: Option<u64>,
    /// Who sent the signal that asks for the end.
    asker: Option<u32>,
    peak: Bytes,
}

/// What is told of an end beside how the machine took it.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Told {
    pub verdict: Verdict,
    /// Who sent the signal, if one asked: 0 when from outside our PID namespace, or from the kernel.
    pub sender: Option<u32>,
    /// The most that the process had resident.
    pub peak: Bytes,
}

impl Account {
    /// For a main process whose ends are told.
    pub fn told() -> Self {
        Self { group: Some(Cgroup::of("self")), ..Self::default() }
    }

    /// A main process is about to be started.
    pub fn starting(&mut self) {
        self.asker = None;
        self.oom_kills = self.group.as_ref().and_then(Cgroup::oom_kills);
    }

    /// We got a signal. The first one that asks for an end is the one that the end is due to.
    pub fn signal(&mut self, got: Got) {
        if matches!(got.number, SIGTERM | SIGINT) {
            self.asker.get_or_insert(got.sender);
        }
    }

    /// The main process's status was taken.
    pub fn ended(&mut self, ended: Ended) {
        self.peak = ended.peak;
    }

    /// What is to be told of its end.
    pub fn judge(&self, ending: &Ending, runtime: Runtime) -> Told {
        let oom_kills = self.group.as_ref().and_then(Cgroup::oom_kills);
        let oom_killed = oom_kills > self.oom_kills && self.oom_kills.is_some();
        let evidence = Evidence { peak: self.peak, oom_killed, runtime };
        let by_signal = matches!(ending.asked, Some(Reason::Signal(_)));
        Told {
            verdict: verdict(ending, &evidence),
            sender: self.asker.filter(|_| by_signal),
            peak: self.peak,
        }
    }
}
