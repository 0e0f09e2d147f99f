//! What the kernel says of this machine and of a process.

use anyhow::{Context, Result};
use fs_err as fs;

/// Memory of a process, in KiB (smaps_rollup, proc_pid_smaps(5)).
#[derive(Clone, Copy, Default)]
pub struct Memory {
    /// All that is resident.
    pub resident: f64,
    /// The same, where what several processes share counts for each by its part.
    pub proportional: f64,
    /// What is its own for certain: neither a file's nor shared.
    pub anonymous: f64,
}

impl Memory {
    pub fn of(pid: u32) -> Result<Self> {
        let text = fs::read_to_string(format!("/proc/{pid}/smaps_rollup"))?;
        let field = |name: &str| {
            let line = text.lines().find_map(|line| line.strip_prefix(name));
            line.and_then(|line| line.trim().strip_suffix(" kB")?.parse().ok())
        };
        let read = || {
            Some(Self {
                resident: field("Rss:")?,
                proportional: field("Pss:")?,
                anonymous: field("Anonymous:")?,
            })
        };
        read().with_context(|| format!("cannot read the memory of process {pid}"))
    }
}

/// How often a process went to sleep, and so was woken (proc_pid_status(5)).
pub fn sleeps(pid: u32) -> Result<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status"))?;
    let line = status.lines().find_map(|line| line.strip_prefix("voluntary_ctxt_switches:"));
    line.and_then(|line| line.trim().parse().ok()).context("the kernel does not count switches")
}

/// How long a process has been on a processor, in nanoseconds (Documentation/scheduler/sched-stats.rst).
pub fn on_processor(pid: u32) -> Result<u64> {
    let text = fs::read_to_string(format!("/proc/{pid}/schedstat"))?;
    let first = text.split_whitespace().next().and_then(|word| word.parse().ok());
    first.context("the kernel does not count time on a processor")
}

/// How many children a process has, ended ones that nobody has asked after too.
pub fn children(pid: u32) -> Result<usize> {
    Ok(fs::read_to_string(format!("/proc/{pid}/task/{pid}/children"))?.split_whitespace().count())
}

/// This machine in a line.
pub fn described() -> String {
    let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
    let cpuinfo = read("/proc/cpuinfo");
    let model = cpuinfo.lines().find_map(|line| line.strip_prefix("model name")?.split(':').nth(1));
    let memory = read("/proc/meminfo");
    let memory = memory
        .lines()
        .find_map(|line| line.strip_prefix("MemTotal:")?.trim().strip_suffix(" kB")?.parse::<f64>().ok());
    let cores = std::thread::available_parallelism().map_or(1, usize::from);
    let release = read("/proc/sys/kernel/osrelease");
    let kernel = release.split('-').next().unwrap_or_default().trim();
    let load = read("/proc/loadavg");
    format!(
        "{cores} cores of {}, {:.0} GiB of memory, Linux {kernel} ({}), load {} at the start",
        model.unwrap_or(" a processor that does not say its name").trim(),
        memory.unwrap_or_default() / 1024.0 / 1024.0,
        std::env::consts::ARCH,
        load.split_whitespace().next().unwrap_or("unknown"),
    )
}
