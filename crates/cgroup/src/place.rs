//! Where the files of a process's groups are.

use std::path::{Component, Path, PathBuf};

/// What is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Controller {
    Memory,
    Cpu,
}

/// Which files there are, and what they are called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Version {
    One,
    Two,
}

impl Controller {
    /// What version 1 calls it.
    fn word(self) -> &'static str {
        match self {
            Self::Memory => "memory",
            Self::Cpu => "cpuacct",
        }
    }
}

/// The folder of a group.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Folder {
    pub version: Version,
    pub path: PathBuf,
    /// Where the groups are mounted; nothing above it is looked at.
    top: PathBuf,
}

impl Folder {
    /// It, and those of the groups that it is in.
    pub fn upwards(&self) -> impl Iterator<Item = &Path> {
        self.path.ancestors().take_while(|folder| folder.starts_with(&self.top))
    }
}

/// A mount of groups.
struct Mount {
    version: Version,
    /// The group that is seen at `point`.
    begins: PathBuf,
    point: PathBuf,
}

/// Where a controller's files are. Version 1 comes first: where a host has both, a controller that it knows is not in
/// version 2 (cgroups(7), "Cgroups version 2").
pub(crate) fn find(root: &Path, groups: &str, mounts: &str, controller: Controller) -> Option<Folder> {
    let mounts: Vec<_> = mounts.lines().filter_map(|line| Mount::of(line, controller)).collect();
    [Version::One, Version::Two].into_iter().find_map(|version| {
        let group = group(groups, version, controller)?;
        let mount = mounts.iter().find(|mount| mount.version == version)?;
        let top = root.join(below(&mount.point)?);
        // A group above the mount's (`/../other`) or beside it cannot be seen; what can is the mount's own.
        let within = Path::new(group).strip_prefix(&mount.begins).ok().and_then(below);
        let path = within.map(|within| top.join(within)).filter(|path| path.is_dir());
        Some(Folder { version, path: path.unwrap_or_else(|| top.clone()), top })
    })
}

/// The path of a process's group: the third field of a line of /proc/PID/cgroup.
fn group(groups: &str, version: Version, controller: Controller) -> Option<&str> {
    groups.lines().find_map(|line| {
        let (number, rest) = line.split_once(':')?;
        let (controllers, path) = rest.split_once(':')?;
        let found = match version {
            Version::One => controllers.split(',').any(|word| word == controller.word()),
            Version::Two => number == "0" && controllers.is_empty(),
        };
        found.then_some(path)
    })
}

impl Mount {
    /// A line of /proc/PID/mountinfo (proc_pid_mountinfo(5)), if it is one of groups with this controller.
    fn of(line: &str, controller: Controller) -> Option<Self> {
        let (before, after) = line.split_once(" - ")?;
        let mut after = after.split(' ');
        let version = match after.next()? {
            "cgroup" => Version::One,
            "cgroup2" => Version::Two,
            _ => return None,
        };
        let options = after.nth(1).unwrap_or_default();
        if version == Version::One && !options.split(',').any(|word| word == controller.word()) {
            return None;
        }
        let mut before = before.split(' ').skip(3);
        let (begins, point) = (unescaped(before.next()?), unescaped(before.next()?));
        Some(Self { version, begins: begins.into(), point: point.into() })
    }
}

/// The kernel writes blank, tab, line feed and backslash as a backslash and three octal digits.
fn unescaped(text: &str) -> String {
    let plain = [("\\040", " "), ("\\011", "\t"), ("\\012", "\n"), ("\\134", "\\")];
    plain.iter().fold(text.to_owned(), |text, (escaped, plain)| text.replace(escaped, plain))
}

/// A path as it is below another one; nothing when it leads out of it.
fn below(path: &Path) -> Option<PathBuf> {
    path.components()
        .filter(|component| !matches!(component, Component::RootDir | Component::CurDir))
        .map(|component| match component {
            Component::Normal(name) => Some(name),
            _ => None,
        })
        .collect()
}
