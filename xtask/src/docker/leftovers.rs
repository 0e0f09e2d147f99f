//! Processes of an engine, and of its containers, that outlived it: a stopped one leaves none, a killed one all of them.

use std::path::Path;
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, bail};
use berth_process::Stat;
use fs_err as fs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::run::say;

/// In the environment of the engine, and so of all that it starts outside of containers.
pub const MARK: &str = "BERTH_DOCKER";

/// What KILL is given to take effect.
const PATIENCE: Duration = Duration::from_secs(20);

/// Gives KILL to whatever is left of the engine with this mark, and of the containers in its data folder.
pub fn end(mark: &str, data: &Path) -> Result<()> {
    let begun = Instant::now();
    let mut told = false;
    loop {
        // Containers as well: a shim that is killed leaves its container running.
        let left: Vec<_> = everyone().filter(|process| process.is_of(mark, data)).collect();
        if left.is_empty() {
            return Ok(());
        }
        if begun.elapsed() > PATIENCE {
            bail!("these processes of the Docker engine do not end: {left:?}");
        }
        if !told {
            say(&format!("ending {} processes that a Docker engine left", left.len()));
            told = true;
        }
        for Process(id) in left {
            // It may have ended by itself meanwhile.
            let _ = kill(Pid::from_raw(id), Signal::SIGKILL);
        }
        sleep(Duration::from_millis(100));
    }
}

/// Whether a Docker engine uses this network, now that ours has ended. Those in containers do not.
pub fn another_engine() -> bool {
    let network = |process: &str| fs::read_link(format!("/proc/{process}/ns/net")).ok();
    let ours = network("self");
    everyone().any(|process| {
        process.file("comm").is_some_and(|name| name.trim() == "dockerd")
            && process.lives()
            && network(&process.0.to_string()) == ours
    })
}

/// A process, by its id.
#[derive(Debug, Clone, Copy)]
pub struct Process(pub i32);

impl Process {
    /// A file of it, unless it has ended.
    pub fn file(self, name: &str) -> Option<String> {
        let bytes = fs::read(format!("/proc/{}/{name}", self.0)).ok()?;
        Some(String::from_utf8_lossy(&bytes).into_owned())
    }

    /// Whether it is there, and more than a zombie.
    pub fn lives(self) -> bool {
        let stat = u32::try_from(self.0).ok().and_then(Stat::of);
        stat.is_some_and(|stat| !stat.has_ended())
    }

    fn is_marked(self, mark: &str) -> bool {
        let wanted = format!("{MARK}={mark}");
        self.file("environ").is_some_and(|text| text.split('\0').any(|variable| variable == wanted))
    }

    fn is_of(self, mark: &str, data: &Path) -> bool {
        self.lives() && self.0 > 1 && (self.is_marked(mark) || self.is_in_a_container(data))
    }

    /// A container's control group is named by its 64 digits.
    fn is_in_a_container(self, data: &Path) -> bool {
        let groups = self.file("cgroup").unwrap_or_default();
        let mut names = groups.split(['/', '\n', '-', '.']);
        names.any(|name| name.len() == 64 && data.join("containers").join(name).exists())
    }
}

fn everyone() -> impl Iterator<Item = Process> {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    entries.filter_map(|entry| entry.file_name().to_str()?.parse().ok().map(Process))
}
