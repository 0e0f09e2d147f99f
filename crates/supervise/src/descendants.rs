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
    let processes = fs_err::read_dir("/proc")?.flatten().filter_map(|entry| {
        let pid = entry.file_name().to_str()?.parse().ok()?;
        // A process may end between the listing and the look.
        let stat = fs_err::read(entry.path().join("stat")).ok()?;
        Some((pid, parent(&stat)?))
    });
    Ok(below(us.as_raw(), processes).into_iter().map(Pid::from_raw).collect())
}

/// Whom of these processes, each with its parent, one of them has below it, nearest first.
fn below(us: i32, processes: impl Iterator<Item = (i32, i32)>) -> Vec<i32> {
    let mut children: HashMap<i32, Vec<i32>> = HashMap::new();
    // The list is not of one moment: what is in it may never have been true at once.
    for (pid, parent) in processes.filter(|(pid, _)| *pid != us) {
        children.entry(parent).or_default().push(pid);
    }
    let mut found: Vec<i32> = children.remove(&us).unwrap_or_default();
    let mut next = 0;
    while let Some(pid) = found.get(next) {
        if let Some(more) = children.remove(pid) {
            found.extend(more);
        }
        next += 1;
    }
    found
}

/// The fourth field of /proc/PID/stat, for a process that has not ended (proc_pid_stat(5)). The second one, the
/// command in brackets, may hold any bytes, blanks and brackets too.
fn parent(stat: &[u8]) -> Option<i32> {
    let command_ends = stat.iter().rposition(|byte| *byte == b')')?;
    let mut fields = str::from_utf8(&stat[command_ends + 1..]).ok()?.split_ascii_whitespace();
    let state = fields.next()?;
    let parent = fields.next()?.parse().ok()?;
    (state != "Z").then_some(parent)
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::{below, parent};

    #[test]
    fn a_command_cannot_fake_its_parent() {
        assert_eq!(parent(b"7 (a) S 1 (b) S 3 7 7"), Some(3));
        assert_eq!(parent(b"7 (sh) Z 3 7 7"), None);
    }

    proptest! {
        /// A command of bytes that are no UTF-8 once hid a process, and all below it, from the KILL at the end of the grace.
        #[test]
        fn whatever_a_command_holds_its_parent_is_found(command in prop::collection::vec(1u8.., 0..16), process in 1..i32::MAX) {
            let stat = [b"7 (", &command[..], format!(") S {process} 7 7 0 -1\n").as_bytes()].concat();
            prop_assert_eq!(parent(&stat), Some(process));
        }

        #[test]
        fn what_is_no_line_of_the_kernel_has_no_parent(
            bytes in prop_oneof![
                prop::collection::vec(any::<u8>(), 0..200),
                "[0-9(ab) SZ-]{0,20}".prop_map(String::into_bytes),
                "7 \\(a\\) [SZ]?( [a-z]{0,3})?".prop_map(String::into_bytes),
            ],
        ) {
            let fields = bytes.iter().rposition(|byte| *byte == b')').map_or(&[][..], |at| &bytes[at..]);
            prop_assert!(parent(&bytes).is_none() || fields.iter().any(u8::is_ascii_digit));
        }

        /// Cycles, processes that are listed twice and such as are nobody's child among them.
        #[test]
        fn descendants_are_found_once_and_we_are_none(pairs in prop::collection::vec((1..9, 0..9), 0..20)) {
            let mut listed = BTreeSet::new();
            let pairs: Vec<_> = pairs.into_iter().filter(|(pid, _)| listed.insert(*pid)).collect();
            let found = below(1, pairs.iter().copied());
            let parent_of = |pid| pairs.iter().find(|(other, _)| *other == pid).map_or(0, |(_, parent)| *parent);
            let is_below = |pid: i32| {
                let mut above = std::iter::successors(Some(parent_of(pid)), |pid| Some(parent_of(*pid)));
                pid != 1 && above.by_ref().take(pairs.len()).any(|pid| pid == 1)
            };
            let wanted: BTreeSet<_> = listed.iter().copied().filter(|pid| is_below(*pid)).collect();
            prop_assert_eq!(found.len(), wanted.len());
            prop_assert_eq!(found.into_iter().collect::<BTreeSet<_>>(), wanted);
        }
    }
}
