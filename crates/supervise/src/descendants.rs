//! Who descends from us, by the process table.
//!
//! A process that entered the container from outside (`docker exec`) has no parent in the PID namespace, so it is
//! nobody's descendant here and is left alone.

use std::collections::HashMap;
use std::io;

use nix::unistd::{Pid, getpid};

/// Every descendant of ours, nearest first. Fails where /proc is missing or shows another PID namespace: its
/// numbers would name processes that are not ours.
pub(crate) fn descendants() -> io::Result<Vec<Pid>> {
    let us = getpid();
    let shown = fs_err::read_link("/proc/self")?;
    if shown.to_str().and_then(|number| number.parse().ok()) != Some(us.as_raw()) {
        return Err(io::Error::other("/proc shows another PID namespace"));
    }
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    for entry in fs_err::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse().ok()) else { continue };
        // A process may end between the listing and the look.
        let Ok(stat) = fs_err::read_to_string(entry.path().join("stat")) else { continue };
        if let Some(parent) = parent(&stat) {
            children.entry(parent).or_default().push(pid);
        }
    }
    let mut found: Vec<i32> = children.remove(&us.as_raw()).unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        if let Some(more) = children.remove(pid) {
            found.extend(more);
        }
        next += 1;
    }
    Ok(found.into_iter().map(Pid::from_raw).collect())
}

/// The fourth field of /proc/PID/stat, for a process that has not ended (proc_pid_stat(5)). The second one, the
/// command in brackets, may hold blanks and brackets itself.
fn parent(stat: &str) -> Option<i32> {
    let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

#[cfg(test)]
mod tests {
    use super::parent;

    #[test]
    fn a_command_cannot_fake_its_parent() {
        assert_eq!(parent("7 (a) S 1 (b) S 3 7 7"), Some(3));
        assert_eq!(parent("7 (sh) Z 3 7 7"), None);
    }
}
