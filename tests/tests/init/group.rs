//! A control group of a test's own, with a limit on memory.

use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant};

use berth_tests::{Case, DEADLINE, Process, is_root, skip, wait_until};
use fs_err as fs;
use nix::libc::SIGKILL;

/// A group, which is removed when its processes have ended.
pub struct Group(PathBuf);

impl Group {
    /// A group that may use so many MiB; nothing where we may not make one.
    pub fn limited(case: &Case, mebibytes: u64) -> Option<Self> {
        let name = case.folder().file_name().unwrap();
        let made = is_root().then(|| {
            let versions =
                [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
            versions.into_iter().find_map(|(mount, limit)| {
                let group = Self(Path::new(mount).join(name));
                // std's, since fs_err's is for whoever wants the whole path made.
                std::fs::create_dir(&group.0).ok()?;
                let bytes = (mebibytes << 20).to_string();
                fs::write(group.0.join(limit), bytes).ok().map(|()| group)
            })
        });
        let group = made.flatten();
        if group.is_none() {
            skip("needs a control group of its own with a limit on memory");
            return None;
        }
        // Where there is swap it would be taken instead.
        for none in ["memory.swap.max", "memory.swappiness"] {
            let path = group.as_ref()?.0.join(none);
            if path.exists() {
                let _ = fs::write(path, "0");
            }
        }
        group
    }

    /// What has a program started in the group.
    pub fn launcher(&self) -> [String; 4] {
        let enter = format!("echo $$ >{}/cgroup.procs && exec \"$@\"", self.0.display());
        ["sh", "-c", &enter, "sh"].map(str::to_owned)
    }
}

impl Group {
    /// Ends what is left in it: all of it was started in it.
    fn clear(&self) {
        let processes = fs::read_to_string(self.0.join("cgroup.procs")).unwrap_or_default();
        for process in processes.lines().filter_map(|line| line.parse().ok()).map(Process) {
            // It may have ended meanwhile.
            let _ = process.signal(SIGKILL);
        }
    }
}

impl Drop for Group {
    fn drop(&mut self) {
        // A process that has ended may be counted for a moment longer (EBUSY).
        let removed = || std::fs::remove_dir(&self.0).ok();
        if std::thread::panicking() {
            // The case would end them later, and the group would stay. A second panic would hide the first one.
            let begun = Instant::now();
            while removed().is_none() && begun.elapsed() < DEADLINE {
                self.clear();
                sleep(Duration::from_millis(5));
            }
        } else {
            wait_until("the control group is empty", removed);
        }
    }
}
