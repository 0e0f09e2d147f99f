//! Processes that may be somebody else's children, told apart by more than their number.

use std::collections::BTreeMap;
use std::time::Duration;

use berth_process::{Stat, time};
use nix::errno::Errno;
use nix::sys::signal::{Signal, kill};
use nix::sys::wait::{WaitPidFlag, WaitStatus, waitpid};
use nix::unistd::Pid;

use crate::plan::Environment;

/// A process, known by its number and by when it was started, because a number is given again to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Process {
    pub pid: u32,
    started: u64,
}

impl Process {
    /// The process that has this number now, unless it has ended.
    pub fn of(pid: u32) -> Option<Self> {
        let stat = Stat::of(pid)?;
        (!stat.has_ended()).then_some(Self { pid, started: stat.started })
    }

    /// A child that nobody has waited for yet, even if it has ended.
    pub fn child(pid: u32) -> Option<Self> {
        Stat::of(pid).map(|stat| Self { pid, started: stat.started })
    }

    /// It has not ended.
    pub fn runs(self) -> bool {
        Self::of(self.pid) == Some(self)
    }

    /// For how long it has been running (proc_pid_stat(5), proc_uptime(5)).
    pub fn age(self) -> Option<Duration> {
        let uptime = fs_err::read_to_string("/proc/uptime").ok()?;
        let uptime = Duration::try_from_secs_f64(uptime.split(' ').next()?.parse().ok()?).ok()?;
        Some(uptime.saturating_sub(time(self.started)?))
    }

    /// Signals it, if it still is the same.
    pub fn signal(self, signal: Signal) {
        if self.runs() {
            // It may end in this very moment; then there is nobody to tell.
            let _ = kill(self.pid(), signal);
        }
    }

    /// How it ended, if it was a child of ours and has ended. A second call knows nothing.
    pub fn reap(self) -> Option<String> {
        match waitpid(self.pid(), Some(WaitPidFlag::WNOHANG)) {
            Ok(WaitStatus::Exited(_, code)) => Some(format!("ended with code {code}")),
            Ok(WaitStatus::Signaled(_, signal, _)) => Some(format!("was killed by {signal}")),
            Ok(_) | Err(Errno::ECHILD) => None,
            Err(error) => Some(format!("cannot be waited for: {error}")),
        }
    }

    fn pid(self) -> Pid {
        Pid::from_raw(
            i32::try_from(self.pid).expect("the kernel gives no higher numbers (PID_MAX_LIMIT is 2^22)"),
        )
    }
}

/// The environment that a process was started with; nothing when it has ended or is not ours to look at.
pub fn environment(pid: u32) -> Option<Environment> {
    let bytes = fs_err::read(format!("/proc/{pid}/environ")).ok()?;
    let text = String::from_utf8_lossy(&bytes);
    let pairs = text.split('\0').filter_map(|pair| pair.split_once('='));
    Some(pairs.map(|(key, value)| (key.to_owned(), value.to_owned())).collect())
}

/// The processes of one instance.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Family {
    /// The one that leads the session, while it runs.
    pub leader: Option<Process>,
    /// All the others.
    pub rest: Vec<Process>,
}

/// All families, by the value of `key` in their environment: whatever carries it, and whatever shares the
/// session of a leader that does.
pub fn families(key: &str) -> BTreeMap<String, Family> {
    let mut families: BTreeMap<String, Family> = BTreeMap::new();
    let (mut names, mut unmarked) = (BTreeMap::new(), Vec::new());
    for pid in all() {
        let (Some(process), Some(stat)) = (Process::of(pid), Stat::of(pid)) else { continue };
        let Some(name) = environment(pid).and_then(|mut environment| environment.remove(key)) else {
            unmarked.push((stat.session, process));
            continue;
        };
        let family = families.entry(name.clone()).or_default();
        if stat.session == pid {
            names.insert(pid, name);
            family.leader = Some(process);
        } else {
            family.rest.push(process);
        }
    }
    for (session, process) in unmarked {
        if let Some(family) = names.get(&session).and_then(|name| families.get_mut(name)) {
            family.rest.push(process);
        }
    }
    families
}

/// The numbers of all processes.
pub fn all() -> impl Iterator<Item = u32> {
    let entries = fs_err::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok())
}

/// Whether a process is in the container with this id: its control groups have that in their names (cgroups(7)).
pub fn is_of_container(pid: u32, id: &str) -> bool {
    !id.is_empty()
        && fs_err::read_to_string(format!("/proc/{pid}/cgroup")).is_ok_and(|groups| groups.contains(id))
}

/// The oldest child of a process (proc_pid_task_tid_children(5)).
pub fn first_child(pid: u32) -> Option<u32> {
    let children = fs_err::read_to_string(format!("/proc/{pid}/task/{pid}/children")).ok()?;
    children.split_whitespace().next()?.parse().ok()
}

/// The command line of a process, as one would type it, at most so long that it fits into a sentence.
pub fn command(pid: u32) -> Option<String> {
    let bytes = fs_err::read(format!("/proc/{pid}/cmdline")).ok()?;
    let text = String::from_utf8_lossy(&bytes).replace(|c: char| c.is_control(), " ");
    Some(text.trim().chars().take(80).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_that_was_given_again_is_another_process() {
        let us = Process::of(std::process::id()).unwrap();
        assert!(us.runs());
        let earlier = Process { started: us.started - 1, ..us };
        assert!(!earlier.runs());
        earlier.signal(Signal::SIGKILL);
        assert!(us.age().unwrap() < Duration::from_hours(1));
        assert!(Process::of(1).is_none_or(|first| first.age() >= us.age()), "nobody is older than the first");
    }
}
