//! What is remembered of a main process besides its state: by what its end is judged, who asked
//! for it, and what is counted.

use std::collections::BTreeMap;

use berth_cgroup::Cgroup;
use berth_control::{Checks, Metrics, Status, Verdict};
use berth_role::Bytes;
use nix::libc::{SIGINT, SIGTERM};

use crate::exit::signal_name;
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
    orphans: u64,
    /// The signals that were sent to the main process.
    sent: BTreeMap<i32, u64>,
    ends: BTreeMap<Verdict, u64>,
    health: Checks,
    live: Checks,
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
    pub fn judge(&mut self, ending: &Ending, runtime: Runtime) -> Told {
        let oom_kills = self.group.as_ref().and_then(Cgroup::oom_kills);
        let oom_killed = oom_kills > self.oom_kills && self.oom_kills.is_some();
        let evidence = Evidence { peak: self.peak, oom_killed, runtime };
        let verdict = verdict(ending, &evidence);
        *self.ends.entry(verdict).or_default() += 1;
        let by_signal = matches!(ending.asked, Some(Reason::Signal(_)));
        Told { verdict, sender: self.asker.filter(|_| by_signal), peak: self.peak }
    }

    /// So many statuses of others than the main process were taken.
    pub fn reaped(&mut self, orphans: u64) {
        self.orphans += orphans;
    }

    /// How many of them there were in all.
    pub fn orphans(&self) -> u64 {
        self.orphans
    }

    /// A signal is about to be sent to the main process.
    pub fn sent(&mut self, number: i32) {
        *self.sent.entry(number).or_default() += 1;
    }

    /// Somebody has asked the role over its own protocol.
    pub fn checked(&mut self, live: bool, good: bool, took_ms: u64) {
        let checks = if live { &mut self.live } else { &mut self.health };
        checks.add(good, took_ms);
    }

    /// All of it, for whoever asks.
    pub fn metrics(&self, status: Status) -> Metrics {
        let signals = self.sent.iter().map(|(number, count)| (signal_name(*number), *count));
        Metrics {
            status,
            orphans_reaped: self.orphans,
            signals: signals.collect(),
            ends: self.ends.clone(),
            health: self.health,
            live: self.live,
        }
    }
}
