//! What the kernel allows the processes of a control group (cgroups(7)), and what it has counted: memory, CPU, and ends
//! for lack of memory.
//!
//! Version 1 and 2, and hosts that have both. Which group a process is in says /proc/PID/cgroup, where the groups are
//! mounted says /proc/self/mountinfo: in a container the mount often begins at the container's own group, whatever the
//! group is called.
//!
//! Invariants: reads only, and only below the mounts of the groups; what cannot be read or understood is not known, and
//! never a failure; no file is read further than 64 KiB.
//!
//! ```
//! use berth_cgroup::Cgroup;
//! let ours = Cgroup::of("self");
//! if let Some(limit) = ours.memory_limit() {
//!     println!("{} by {}", limit.bytes, limit.from.display());
//! }
//! ```

use std::io::Read;
use std::path::{Path, PathBuf};
use std::time::Duration;

use berth_role::Bytes;
use fs_err as fs;

mod place;

use place::{Controller, Folder, Version};

/// No file that the kernel writes here is longer by far, but for mountinfo on a host with thousands of mounts.
const LONGEST: u64 = 64 * 1024;

/// A control group, or one for each controller (version 1).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Cgroup {
    /// What /proc and /sys are looked for under.
    root: PathBuf,
    memory: Option<Folder>,
    cpu: Option<Folder>,
}

/// How much memory may be used.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Limit {
    /// So much.
    pub bytes: Bytes,
    /// The file that says so.
    pub from: PathBuf,
}

impl Cgroup {
    /// The group of a process: its number, or `self`.
    #[must_use]
    pub fn of(process: &str) -> Self {
        Self::under(Path::new("/"), process)
    }

    /// The same, with another folder in the place of `/`.
    #[must_use]
    pub fn under(root: &Path, process: &str) -> Self {
        let groups = read(&root.join("proc").join(process).join("cgroup")).unwrap_or_default();
        let mounts = read(&root.join("proc/self/mountinfo")).unwrap_or_default();
        let find = |controller| place::find(root, &groups, &mounts, controller);
        Self { root: root.to_owned(), memory: find(Controller::Memory), cpu: find(Controller::Cpu) }
    }

    /// The lowest limit of the group and those above it, as far as they can be seen. One that the machine does not reach
    /// is none.
    #[must_use]
    pub fn memory_limit(&self) -> Option<Limit> {
        let memory = self.memory.as_ref()?;
        let name = match memory.version {
            Version::One => "memory.limit_in_bytes",
            Version::Two => "memory.max",
        };
        let limit = |from: PathBuf| {
            let bytes = limited(read(&from)?.trim())?;
            Some(Limit { bytes, from })
        };
        let seen = memory.upwards().filter_map(|folder| limit(folder.join(name)));
        // Of two equal ones the nearest.
        let lowest = seen.chain(self.unseen_limit()).min_by_key(|limit| limit.bytes)?;
        self.memory_of_the_machine().is_none_or(|machine| lowest.bytes < machine).then_some(lowest)
    }

    /// Version 1 tells the lowest limit up to the real root also where a container does not see so far.
    fn unseen_limit(&self) -> Option<Limit> {
        let memory = self.memory.as_ref().filter(|memory| memory.version == Version::One)?;
        let from = memory.path.join("memory.stat");
        let bytes = limited(field(&read(&from)?, "hierarchical_memory_limit")?)?;
        Some(Limit { bytes, from })
    }

    fn memory_of_the_machine(&self) -> Option<Bytes> {
        let about = read(&self.root.join("proc/meminfo"))?;
        let kibibytes: u64 = field(&about, "MemTotal:")?.parse().ok()?;
        kibibytes.checked_mul(1024).map(Bytes::new)
    }

    /// The memory in use, caches of files included.
    #[must_use]
    pub fn memory_usage(&self) -> Option<Bytes> {
        let memory = self.memory.as_ref()?;
        let name = match memory.version {
            Version::One => "memory.usage_in_bytes",
            Version::Two => "memory.current",
        };
        read(&memory.path.join(name))?.trim().parse().ok().map(Bytes::new)
    }

    /// How many processes of the group the kernel has killed for lack of memory, whichever limit was reached: it counts
    /// where the victim was, before it kills.
    #[must_use]
    pub fn oom_kills(&self) -> Option<u64> {
        let memory = self.memory.as_ref()?;
        let name = match memory.version {
            Version::One => "memory.oom_control",
            Version::Two => "memory.events",
        };
        field(&read(&memory.path.join(name))?, "oom_kill")?.parse().ok()
    }

    /// The time on processors that the group has taken.
    #[must_use]
    pub fn cpu_time(&self) -> Option<Duration> {
        let cpu = self.cpu.as_ref()?;
        match cpu.version {
            Version::One => {
                read(&cpu.path.join("cpuacct.usage"))?.trim().parse().ok().map(Duration::from_nanos)
            }
            Version::Two => {
                let micros = field(&read(&cpu.path.join("cpu.stat"))?, "usage_usec")?.parse().ok()?;
                Some(Duration::from_micros(micros))
            }
        }
    }
}

/// A limit that is one: not `max`, nor what version 1 says instead, the greatest number of whole pages.
fn limited(text: &str) -> Option<Bytes> {
    let bytes: u64 = text.parse().ok()?;
    (bytes < 1 << 62).then(|| Bytes::new(bytes))
}

/// The word after this one, at the begin of a line.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| {
        let mut words = line.split_ascii_whitespace();
        (words.next() == Some(name)).then(|| words.next())?
    })
}

fn read(path: &Path) -> Option<String> {
    let mut bytes = Vec::new();
    fs::File::open(path).ok()?.take(LONGEST).read_to_end(&mut bytes).ok()?;
    if bytes.len() as u64 == LONGEST {
        // A number that was cut off is another number.
        bytes.truncate(bytes.iter().rposition(|byte| *byte == b'\n').map_or(0, |end| end + 1));
    }
    Some(String::from_utf8_lossy(&bytes).into_owned())
}
