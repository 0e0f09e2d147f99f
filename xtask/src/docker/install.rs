//! Docker's programs from Debian's packages, unpacked into `.tools/docker`: nothing of the machine changes.
//!
//! Engine, CLI, Compose and buildx come from Debian sid, whose builds run on older releases too; runc and iptables are
//! those of the machine's own release, because sid's want a newer C library. What the machine has already is not fetched
//! again.

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use crate::debian::unpacked::{self, Packages};
use crate::run::{ask, program};
use crate::{debian, tools};

/// Where it all is, from the root of the clone.
pub const FOLDER: &str = ".tools/docker";

const FROM_SID: &str = "docker.io docker-cli docker-compose docker-buildx containerd tini-static";
const OF_THIS_RELEASE: &str = "runc iptables iproute2";

/// Debian chooses between these by links that maintainer scripts make; none ran here.
const IPTABLES: [&str; 6] =
    ["iptables", "iptables-save", "iptables-restore", "ip6tables", "ip6tables-save", "ip6tables-restore"];

/// Unpacks what is not there yet, and gives the folder's absolute path.
pub fn install() -> Result<PathBuf> {
    let codename = debian::codename().context("this is not Debian")?;
    let folder = std::path::absolute(FOLDER)?;
    let wanted = format!("{codename} {FROM_SID} {OF_THIS_RELEASE}");
    tools::once(&folder.join("installed"), &wanted, &[], || unpack(&folder, &codename))?;
    Ok(folder)
}

/// What programs of that folder need to find each other and their libraries.
pub fn environment(folder: &Path) -> Result<Vec<(&'static str, OsString)>> {
    let root = folder.join("root");
    let mut search = vec![folder.join("bin"), root.join("usr/sbin"), root.join("usr/bin")];
    search.extend(std::env::split_paths(&std::env::var_os("PATH").unwrap_or_default()));
    let libraries = libraries(&root)?;
    Ok(vec![
        ("PATH", std::env::join_paths(search)?),
        ("XTABLES_LIBDIR", extensions(&libraries).into()),
        ("LD_LIBRARY_PATH", libraries.into()),
    ])
}

fn unpack(folder: &Path, codename: &str) -> Result<()> {
    let bin = folder.join("bin");
    if bin.exists() {
        fs::remove_dir_all(bin)?;
    }
    let packages = Packages { from_sid: FROM_SID, of_this_release: OF_THIS_RELEASE, with_needs: true };
    unpacked::unpack("Docker", &packages, codename, &folder.join("apt"), &folder.join("root"))?;
    links(folder)
}

/// `bin`, for the PATH of whoever uses the engine, and `config`, where the CLI looks for its plugins.
fn links(folder: &Path) -> Result<()> {
    let (root, bin, config) = (folder.join("root"), folder.join("bin"), folder.join("config"));
    fs::create_dir_all(&bin)?;
    fs::create_dir_all(&config)?;
    let link = |target: PathBuf, name: PathBuf| {
        if name.symlink_metadata().is_ok() {
            fs::remove_file(&name)?;
        }
        fs::os::unix::fs::symlink(target, name)
    };
    if root.join("usr/bin/docker").exists() {
        link(root.join("usr/bin/docker"), bin.join("docker"))?;
    }
    let plugins = root.join("usr/libexec/docker/cli-plugins");
    if plugins.exists() {
        link(plugins, config.join("cli-plugins"))?;
    }
    if root.join("usr/sbin/iptables-nft").exists() {
        let kind = kind_of_iptables(folder)?;
        for name in IPTABLES {
            link(root.join(format!("usr/sbin/xtables-{kind}-multi")), bin.join(name))?;
        }
    }
    Ok(())
}

/// Which of the kernel's two packet filters can be used, the newer one first.
fn kind_of_iptables(folder: &Path) -> Result<&'static str> {
    let environment = environment(folder)?;
    let works = |kind: &&str| {
        let mut list = program(folder.join(format!("root/usr/sbin/iptables-{kind}")));
        ask(list.envs(environment.iter().map(|(key, value)| (key, value))).args(["-t", "nat", "-S"]))
            .is_some()
    };
    let kind = ["nft", "legacy"].into_iter().find(works);
    kind.context("iptables can use none of this kernel's packet filters")
}

/// `usr/lib/x86_64-linux-gnu`, or how this architecture has it.
fn libraries(root: &Path) -> Result<PathBuf> {
    let triple = format!("{}-linux-gnu", std::env::consts::ARCH);
    let folder = root.join("usr/lib").join(triple);
    ensure!(root.exists(), "{} is not there", root.display());
    Ok(folder)
}

fn extensions(libraries: &Path) -> PathBuf {
    let ours = libraries.join("xtables");
    let machine = Path::new("/usr/lib").join(libraries.file_name().unwrap_or_default()).join("xtables");
    if ours.exists() { ours } else { machine }
}
