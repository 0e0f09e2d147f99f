//! Trees of files as kernels and container engines make them, and as nobody does.

#![expect(clippy::unwrap_used, reason = "a test may panic")]

use std::path::Path;
use std::time::Duration;

use berth_cgroup::Cgroup;
use berth_role::Bytes;
use proptest::prelude::*;
use tempfile::TempDir;

/// Makes a tree of these files.
fn tree(files: &[(&str, &str)]) -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    for (name, text) in files {
        let path = folder.path().join(name);
        fs_err::create_dir_all(path.parent().unwrap()).unwrap();
        fs_err::write(path, text).unwrap();
    }
    folder
}

/// The limit, and the file that says so.
fn limit(tree: &TempDir) -> Option<(u64, String)> {
    let limit = Cgroup::under(tree.path(), "self").memory_limit()?;
    let from = limit.from.strip_prefix(tree.path()).unwrap();
    Some((limit.bytes.number(), from.display().to_string()))
}

const UNLIMITED: &str = "9223372036854771712\n";
const TWO: &str = "30 23 0:26 / /sys/fs/cgroup rw,nosuid - cgroup2 cgroup2 rw,nsdelegate\n";
const ONE: &str = "\
31 23 0:28 / /sys/fs/cgroup rw - tmpfs tmpfs rw,mode=755
33 31 0:30 / /sys/fs/cgroup/cpu,cpuacct rw - cgroup cgroup rw,cpu,cpuacct
35 31 0:32 / /sys/fs/cgroup/memory rw,relatime shared:9 - cgroup cgroup rw,memory
41 31 0:38 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw
";

#[test]
fn a_container_with_a_namespace_sees_its_own_group_as_the_root() {
    let tree = tree(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", TWO),
        ("sys/fs/cgroup/memory.max", "671088640\n"),
        ("sys/fs/cgroup/memory.current", "1234\n"),
        ("sys/fs/cgroup/memory.events", "low 0\nhigh 0\nmax 7\noom 2\noom_kill 3\noom_group_kill 0\n"),
        ("sys/fs/cgroup/cpu.stat", "usage_usec 2500000\nuser_usec 2000000\n"),
    ]);
    assert_eq!(limit(&tree), Some((671_088_640, "sys/fs/cgroup/memory.max".to_owned())));
    let group = Cgroup::under(tree.path(), "self");
    assert_eq!(group.memory_usage(), Some(Bytes::new(1234)));
    assert_eq!(group.oom_kills(), Some(3));
    assert_eq!(group.cpu_time(), Some(Duration::from_millis(2500)));
}

#[test]
fn the_lowest_limit_upwards_counts() {
    let tree = tree(&[
        ("proc/self/cgroup", "0::/mail.slice/imap.service\n"),
        ("proc/self/mountinfo", TWO),
        ("proc/meminfo", "MemTotal:       24684544 kB\n"),
        ("sys/fs/cgroup/mail.slice/memory.max", "536870912\n"),
        ("sys/fs/cgroup/mail.slice/imap.service/memory.max", "max\n"),
    ]);
    assert_eq!(limit(&tree), Some((536_870_912, "sys/fs/cgroup/mail.slice/memory.max".to_owned())));
}

#[test]
fn a_limit_that_the_machine_does_not_reach_is_none() {
    let tree = tree(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", TWO),
        ("proc/meminfo", "MemTotal:       1048576 kB\n"),
        ("sys/fs/cgroup/memory.max", "1073741824\n"),
    ]);
    assert_eq!(limit(&tree), None);
}

#[test]
fn without_a_limit_there_is_none() {
    for (name, text) in
        [("sys/fs/cgroup/memory.max", "max\n"), ("sys/fs/cgroup/memory.max", "-1\n"), ("elsewhere", "")]
    {
        let tree = tree(&[("proc/self/cgroup", "0::/\n"), ("proc/self/mountinfo", TWO), (name, text)]);
        assert_eq!(limit(&tree), None, "{text}");
    }
    assert_eq!(limit(&tree(&[])), None, "no /proc at all");
}

#[test]
fn version_one_has_a_group_for_each_controller() {
    let tree = tree(&[
        ("proc/self/cgroup", "4:memory:/a/b\n2:cpu,cpuacct:/c\n1:name=systemd:/x\n0::/\n"),
        ("proc/self/mountinfo", ONE),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", UNLIMITED),
        ("sys/fs/cgroup/memory/a/memory.limit_in_bytes", "268435456\n"),
        ("sys/fs/cgroup/memory/a/b/memory.limit_in_bytes", UNLIMITED),
        ("sys/fs/cgroup/memory/a/b/memory.usage_in_bytes", "99\n"),
        ("sys/fs/cgroup/memory/a/b/memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 5\n"),
        ("sys/fs/cgroup/cpu,cpuacct/c/cpuacct.usage", "1500000000\n"),
        ("sys/fs/cgroup/unified/memory.max", "1\n"),
    ]);
    let expected = "sys/fs/cgroup/memory/a/memory.limit_in_bytes";
    assert_eq!(limit(&tree), Some((268_435_456, expected.to_owned())));
    let group = Cgroup::under(tree.path(), "self");
    assert_eq!((group.memory_usage(), group.oom_kills()), (Some(Bytes::new(99)), Some(5)));
    assert_eq!(group.cpu_time(), Some(Duration::from_millis(1500)));
}

/// Docker on version 1: the mount begins at the container's group, and /proc/self/cgroup tells the host's path.
#[test]
fn a_container_without_a_namespace_finds_its_group_at_the_mount() {
    let mounts = "35 31 0:32 /docker/4f5e /sys/fs/cgroup/memory ro,relatime - cgroup cgroup rw,memory\n";
    let tree = tree(&[
        ("proc/self/cgroup", "4:memory:/docker/4f5e\n"),
        ("proc/self/mountinfo", mounts),
        ("sys/fs/cgroup/memory/memory.limit_in_bytes", UNLIMITED),
        ("sys/fs/cgroup/memory/memory.stat", "cache 0\nhierarchical_memory_limit 805306368\n"),
    ]);
    assert_eq!(limit(&tree), Some((805_306_368, "sys/fs/cgroup/memory/memory.stat".to_owned())));
}

/// A process that came from outside of the namespace is in a group that cannot be seen.
#[test]
fn a_group_that_cannot_be_seen_is_taken_for_the_mounts_own() {
    for group in ["/../../other", "/gone"] {
        let tree = tree(&[
            ("proc/self/cgroup", &format!("0::{group}\n")),
            ("proc/self/mountinfo", TWO),
            ("sys/fs/cgroup/memory.max", "1000000\n"),
            ("other/memory.max", "1\n"),
        ]);
        assert_eq!(limit(&tree), Some((1_000_000, "sys/fs/cgroup/memory.max".to_owned())), "{group}");
    }
}

#[test]
fn a_mount_point_may_hold_blanks() {
    let tree = tree(&[
        ("proc/self/cgroup", "0::/\n"),
        ("proc/self/mountinfo", "30 23 0:26 / /my\\040groups rw - cgroup2 cgroup2 rw\n"),
        ("my groups/memory.max", "4096\n"),
    ]);
    assert_eq!(limit(&tree), Some((4096, "my groups/memory.max".to_owned())));
}

/// Text that is nearly what the kernel writes.
fn nearly(parts: &'static [&'static str]) -> impl Strategy<Value = String> {
    let part = prop_oneof![4 => proptest::sample::select(parts).prop_map(str::to_owned), 1 => ".{0,6}"];
    proptest::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn whatever_the_files_hold_nothing_outside_the_mounts_is_read(
        groups in nearly(&["0", ":", "memory", ",", "/", "..", "a", "\n", "0::/", "4:memory:/a", "cpuacct"]),
        mounts in nearly(&[" ", "/", "..", "/sys/fs/cgroup", " - ", "cgroup2", "cgroup", "memory", "\n", "\\040",
            "30 23 0:26 / /sys/fs/cgroup rw - cgroup2 cgroup2 rw\n", "1 2 3 / /../../.. rw - cgroup2 c rw\n"]),
        text in nearly(&["max", "1", "0", "-", "18446744073709551616", "\n", " ", "oom_kill", "hierarchical_memory_limit", "\0"]),
    ) {
        let tree = tree(&[
            ("proc/self/cgroup", &groups),
            ("proc/self/mountinfo", &mounts),
            ("proc/meminfo", &text),
            ("sys/fs/cgroup/memory.max", &text),
            ("sys/fs/cgroup/memory.events", &text),
            ("sys/fs/cgroup/memory.stat", &text),
            ("sys/fs/cgroup/a/memory.limit_in_bytes", &text),
        ]);
        let group = Cgroup::under(tree.path(), "self");
        if let Some(limit) = group.memory_limit() {
            prop_assert!(limit.bytes.number() < 1 << 62);
            prop_assert!(limit.from.starts_with(tree.path()) && !limit.from.iter().any(|part| part == ".."));
        }
        let _ = (group.memory_usage(), group.oom_kills(), group.cpu_time());
        // A name that is no process's leads nowhere either.
        let _ = Cgroup::under(Path::new("/nowhere"), &text);
    }

    /// A number is told as it is written, or not at all: not the beginning of one, nor one that does not fit.
    #[test]
    fn what_is_no_number_is_not_known(
        text in prop_oneof![
            any::<u64>().prop_map(|number| number.to_string()),
            "[0-9]{1,24}",
            "[0-9]{0,3}[^0-9\n]{1,3}[0-9]{0,3}",
        ],
        line in "[a-z]{1,9}",
    ) {
        let tree = tree(&[
            ("proc/self/cgroup", "0::/\n"),
            ("proc/self/mountinfo", TWO),
            ("proc/meminfo", &format!("{line}: 1 kB\nMemTotal:       {text} kB\n")),
            ("sys/fs/cgroup/memory.max", &format!("{text}\n")),
            ("sys/fs/cgroup/memory.current", &format!("{text}\n")),
            ("sys/fs/cgroup/memory.events", &format!("{line} 5\noom_kill {text}\noom_kill_{line} 7\n")),
            ("sys/fs/cgroup/cpu.stat", &format!("usage_usec {text}\n{line}_usec 9\n")),
        ]);
        let first = text.split_ascii_whitespace().next().unwrap_or_default();
        let number = |text: &str| text.parse::<u64>().ok();
        let group = Cgroup::under(tree.path(), "self");
        prop_assert_eq!(group.memory_usage().map(Bytes::number), number(text.trim()));
        prop_assert_eq!(group.oom_kills(), number(first));
        prop_assert_eq!(group.cpu_time(), number(first).map(Duration::from_micros));
        let limit = group.memory_limit().map(|limit| limit.bytes.number());
        prop_assert!(limit.is_none() || limit == number(text.trim()));
    }

    /// What is read no further than 64 KiB may end within a number.
    #[test]
    fn a_number_that_was_cut_off_is_not_known(more in 0..30usize) {
        let wanted = "hierarchical_memory_limit 805306368\n";
        let filler = "cache 0\n".repeat(65536 / 8);
        let before = &filler[..65536 - more];
        let tree = tree(&[
            ("proc/self/cgroup", "4:memory:/\n"),
            ("proc/self/mountinfo", "35 31 0:32 / /sys/fs/cgroup/memory rw - cgroup cgroup rw,memory\n"),
            ("sys/fs/cgroup/memory/memory.stat", &format!("{}\n{wanted}", &before[..before.len() - 1])),
        ]);
        prop_assert_eq!(limit(&tree), None);
    }
}
