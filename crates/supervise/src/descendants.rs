//! Who descends from us, by the process table.
//!
//! A process that entered the container from outside (`docker exec`) has no parent in the PID namespace, so it is
//! nobody's descendant here and is left alone.

use std::collections::HashMap;
use std::io;

use berth_process::Stat;
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
        let pid: u32 = entry.file_name().to_str()?.parse().ok()?;
        // A process may end between the listing and the look.
        let stat = Stat::of(pid).filter(|stat| !stat.has_ended())?;
        Some((pid.try_into().ok()?, stat.parent))
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

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use proptest::prelude::*;

    use super::below;

    proptest! {
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
