//! A virtual machine with Debian's kernel and nothing but what it is given: `berth-init` as its PID 1, a Node, a shell.
//! Emulated, because what runs here is often a virtual machine itself. Its programs are unpacked from Debian's packages
//! into `.tools/machine`, and installed nowhere.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use super::FOLDER as SOAK;
use super::archive::Archive;
use crate::outcome::Outcome;
use crate::run::{ask, program, run, say, told};
use crate::{debian, tools};

const FOLDER: &str = ".tools/machine";

/// How it is run, for a person.
pub const ACCELERATION: &str = "emulated by qemu";

/// The kernel for virtual machines, what emulates one, and a shell in one file.
const PACKAGES: [&str; 3] = ["qemu-system-x86", "linux-image-cloud-amd64", "busybox-static"];

/// It takes a quarter of a minute on an idle machine.
const PATIENCE: Duration = Duration::from_mins(10);

/// The kernel starts this; nothing is mounted yet.
const FIRST: &str = "#!/bin/busybox sh
/bin/busybox --install -s /bin
export PATH=/bin
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev
mount -t cgroup2 cgroup2 /sys/fs/cgroup
exec /berth-init -- sh -c 'sh /checks; poweroff -f'
";

/// The packages, unpacked.
pub struct Machine {
    root: PathBuf,
}

impl Machine {
    /// Gets them, or says why not.
    pub fn get() -> Result<Result<Self, Outcome>> {
        if ARCH != "x86_64" || !debian::is_ours() || debian::codename().is_none() {
            let why = "a virtual machine is made of Debian's packages, as root, on x86-64";
            return Ok(Err(Outcome::Skipped(why.to_owned())));
        }
        let folder = std::path::absolute(FOLDER)?;
        tools::once(&folder.join("installed"), &PACKAGES.join(" "), &[], || unpack(&folder))?;
        Ok(Ok(Self { root: folder.join("root") }))
    }

    /// Boots it with these programs and files, has its shell run this script, and gives the lines that were written.
    pub fn run(
        &self,
        init: &Path,
        node: &Path,
        files: &[(&str, String)],
        script: &str,
    ) -> Result<Vec<String>> {
        let mut archive = Archive::default();
        for folder in ["bin", "dev", "proc", "sys", "app"] {
            archive.folder(folder);
        }
        archive.console();
        archive.program("init", FIRST.as_bytes());
        archive.program("bin/busybox", &fs::read(self.root.join("bin/busybox"))?);
        archive.program("berth-init", &fs::read(init)?);
        archive.program("node", &fs::read(node)?);
        for library in libraries(node)? {
            archive.program_at(&library, &fs::read(&library)?);
        }
        archive.file("checks", script.as_bytes());
        for (name, text) in files {
            archive.file(name, text.as_bytes());
        }
        let disk = Path::new(SOAK).join("initramfs");
        fs::create_dir_all(SOAK)?;
        fs::write(&disk, archive.end())?;
        let lines = self.boot(&disk);
        fs::remove_file(&disk)?;
        lines
    }

    fn boot(&self, disk: &Path) -> Result<Vec<String>> {
        let usr = self.root.join("usr");
        let mut libraries = vec![usr.join("lib/x86_64-linux-gnu"), self.root.join("lib/x86_64-linux-gnu")];
        libraries.extend(std::env::split_paths(&std::env::var_os("LD_LIBRARY_PATH").unwrap_or_default()));
        let mut qemu = program("timeout");
        qemu.env("LD_LIBRARY_PATH", std::env::join_paths(libraries)?);
        qemu.arg(PATIENCE.as_secs().to_string()).arg(usr.join("bin/qemu-system-x86_64"));
        for folder in ["share/qemu", "share/seabios"] {
            qemu.arg("-L").arg(usr.join(folder));
        }
        qemu.args([
            "-accel",
            "tcg",
            "-cpu",
            "max",
            "-m",
            "1024",
            "-nodefaults",
            "-display",
            "none",
            "-no-reboot",
        ]);
        qemu.args(["-serial", "stdio"]).arg("-kernel").arg(self.kernel()?).arg("-initrd").arg(disk);
        // A panic ends it, which would wait for ever else.
        qemu.args(["-append", "console=ttyS0 quiet loglevel=0 panic=-1 rdinit=/init"]);
        let lines = run("boot a virtual machine", &mut qemu)?;
        Ok(lines.into_iter().map(|line| line.trim_end_matches('\r').to_owned()).collect())
    }

    fn kernel(&self) -> Result<PathBuf> {
        let names = fs::read_dir(self.root.join("boot"))?.flatten().map(|entry| entry.path());
        let is_kernel = |path: &PathBuf| {
            path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("vmlinuz-"))
        };
        names.into_iter().find(is_kernel).context("the packages have no kernel")
    }
}

fn unpack(folder: &Path) -> Result<()> {
    let (packages, root) = (folder.join("packages"), folder.join("root"));
    if root.exists() {
        fs::remove_dir_all(&root)?;
    }
    fs::create_dir_all(packages.join("partial"))?;
    fs::create_dir_all(&root)?;
    debian::update()?;
    let mut apt = program("apt-get");
    apt.args([
        "-q",
        "-o",
        "APT::Sandbox::User=root",
        "-o",
        &format!("Dir::Cache::archives={}", packages.display()),
    ]);
    apt.args(["install", "--yes", "--download-only", "--no-install-recommends", "--reinstall"])
        .args(PACKAGES);
    run("download a virtual machine", &mut apt)?;
    say("unpack a virtual machine");
    for package in fs::read_dir(&packages)? {
        let package = package?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let mut unpack = program("dpkg-deb");
            let ended = unpack.arg("-x").arg(&package).arg(&root).status().context("cannot run dpkg-deb")?;
            ensure!(ended.success(), "`{}` ended with {ended}", told(&unpack));
        }
    }
    fs::remove_dir_all(packages)?;
    Ok(())
}

/// What a program is linked with, the loader included, by their absolute paths (ldd(1)).
fn libraries(program_file: &Path) -> Result<Vec<PathBuf>> {
    let told = ask(program("ldd").arg(program_file)).context("ldd cannot tell what Node is linked with")?;
    let words = told.lines().filter_map(|line| line.split_whitespace().find(|word| word.starts_with('/')));
    let found: Vec<_> = words.map(PathBuf::from).collect();
    ensure!(!found.is_empty(), "ldd names no library: {told}");
    Ok(found)
}
