//! What an engine changes on the host beside its own folders, and does not put back when it stops: packet filter rules,
//! bridges, forwarding, empty folders. Noted before it starts, undone after it stopped.

use std::ffi::OsString;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::FileTypeExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use anyhow::{Context, Result, bail};
use fs_err as fs;

use super::rules::{self, Others};
use crate::run::{ask, program};

/// Both families of the packet filter.
const FAMILIES: [&str; 2] = ["iptables", "ip6tables"];

/// Written to, each takes its copies of every link along.
const FORWARDING: [&str; 2] = ["net/ipv4/ip_forward", "net/ipv6/conf/all/forwarding"];

/// The host, through the programs that an engine itself uses.
pub struct Host<'a> {
    /// Where the notes are.
    pub notes: &'a Path,
    /// The engine's data folder, which tells its networks.
    pub data: &'a Path,
    /// What these programs need.
    pub environment: &'a [(&'static str, OsString)],
}

impl Host<'_> {
    /// Notes how it is. The name of the notes' folder is what says that they are complete.
    pub fn note(&self) -> Result<()> {
        let draft = self.notes.with_extension("draft");
        fs::create_dir_all(&draft)?;
        for family in FAMILIES {
            fs::write(draft.join(family), self.rules(family)?)?;
        }
        for switch in FORWARDING {
            if let Ok(value) = fs::read_to_string(Path::new("/proc/sys").join(switch)) {
                fs::write(draft.join(switch.replace('/', "-")), value)?;
            }
        }
        fs::write(draft.join("links"), links().join("\n"))?;
        let folders = folders().into_iter().filter(|folder| folder.exists());
        let folders: Vec<_> = folders.map(|folder| folder.to_string_lossy().into_owned()).collect();
        fs::write(draft.join("folders"), folders.join("\n"))?;
        fs::rename(draft, self.notes).map_err(Into::into)
    }

    /// Takes away what would keep packets from the containers of an engine.
    pub fn prepare(&self) -> Result<()> {
        for family in FAMILIES {
            let script = rules::without_lost_bridges(&self.rules(family)?, &links());
            if !script.is_empty() {
                self.restore(family, &script)?;
            }
        }
        Ok(())
    }

    /// Makes it so again, and forgets the notes.
    pub fn undo(&self, others: Others) -> Result<()> {
        let noted = |name: &str| fs::read_to_string(self.notes.join(name));
        let bridges = self.bridges(&noted("links")?, others);
        for family in FAMILIES {
            let undo = rules::undo(&noted(family)?, &self.rules(family)?, &bridges, others);
            if !undo.script.is_empty() {
                self.restore(family, &undo.script)?;
            }
            for table in undo.emptied {
                // Without its built-in chains nothing hooks into the kernel. They are not to be had in every version.
                let _ = ask(self.program(family).args(["-t", &table, "-X"]));
            }
        }
        for bridge in bridges {
            let deleted = program("ip").envs(self.variables()).args(["link", "delete", &bridge]).status();
            deleted.with_context(|| format!("cannot remove the bridge {bridge}"))?;
        }
        if others == Others::None {
            for switch in FORWARDING {
                let (path, before) = (Path::new("/proc/sys").join(switch), noted(&switch.replace('/', "-")));
                if let (Ok(now), Ok(before)) = (fs::read_to_string(&path), before)
                    && now != before
                {
                    fs::write(path, before)?;
                }
            }
            let before = noted("folders")?;
            for folder in folders() {
                if !before.lines().any(|line| Path::new(line) == folder) {
                    remove_empty(&folder);
                }
            }
        }
        fs::remove_dir_all(self.notes).map_err(Into::into)
    }

    /// Bridges that were not there before and belong to a network of the engine: its list of networks has their ids.
    fn bridges(&self, before: &str, others: Others) -> Vec<String> {
        let networks = fs::read(self.data.join("network/files/local-kv.db")).unwrap_or_default();
        let is_ours = |link: &String| match link.as_str() {
            "docker0" | "docker_gwbridge" => others == Others::None,
            link => link.strip_prefix("br-").is_some_and(|id| {
                id.len() == 12 && networks.windows(id.len()).any(|window| window == id.as_bytes())
            }),
        };
        let is_new = |link: &String| !before.lines().any(|line| line == link);
        links().into_iter().filter(|link| is_new(link) && is_ours(link)).collect()
    }

    fn variables(&self) -> impl Iterator<Item = (&'static str, &OsString)> {
        self.environment.iter().map(|(key, value)| (*key, value))
    }

    fn program(&self, name: &str) -> std::process::Command {
        let mut command = program(name);
        command.envs(self.variables());
        command
    }

    fn rules(&self, family: &str) -> Result<String> {
        ask(&mut self.program(&format!("{family}-save"))).with_context(|| format!("{family}-save failed"))
    }

    fn restore(&self, family: &str, script: &str) -> Result<()> {
        let mut restore = self.program(&format!("{family}-restore"));
        let mut child = restore.arg("--noflush").stdin(Stdio::piped()).spawn()?;
        child.stdin.take().context("it has a standard input")?.write_all(script.as_bytes())?;
        let ended = child.wait()?;
        if !ended.success() {
            bail!("{family}-restore ended with {ended} on:\n{script}");
        }
        Ok(())
    }
}

/// The names of network links. /sys may be that of another network namespace, /proc never is.
fn links() -> Vec<String> {
    let table = fs::read_to_string("/proc/net/dev").unwrap_or_default();
    let named = table.lines().filter_map(|line| Some(line.split_once(':')?.0.trim().to_owned()));
    named.collect()
}

/// Folders with fixed names: of plugins, of shims' sockets, and of control groups in every hierarchy.
fn folders() -> Vec<PathBuf> {
    let groups = Path::new("/sys/fs/cgroup");
    let mut folders: Vec<PathBuf> = ["/run/docker", "/run/containerd"].map(PathBuf::from).into();
    folders.push(groups.join("docker"));
    let hierarchies = fs::read_dir(groups).into_iter().flatten().flatten();
    folders.extend(hierarchies.map(|hierarchy| hierarchy.path().join("docker")));
    folders
}

/// Removes a folder and those in it, as far as they are empty. Files of a control group do not count, nor do sockets
/// that nobody listens on any more.
fn remove_empty(folder: &Path) {
    for entry in fs::read_dir(folder).into_iter().flatten().flatten() {
        let Ok(kind) = entry.file_type() else { continue };
        if kind.is_dir() {
            remove_empty(&entry.path());
        } else if kind.is_socket()
            && UnixStream::connect(entry.path())
                .is_err_and(|error| error.kind() == ErrorKind::ConnectionRefused)
        {
            let _ = fs::remove_file(entry.path());
        }
    }
    // Whatever is still in use stays.
    let _ = fs::remove_dir(folder);
}
