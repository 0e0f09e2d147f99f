//! Packages of Debian, unpacked into a folder: nothing of the machine changes.
//!
//! apt works on lists and a cache of its own, and is asked only to download; what it takes is signed by Debian.

use std::path::Path;

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use super::{mirror, sources};
use crate::run::{program, run, say, told};

/// Which packages: those of Debian sid, whose builds run on older releases too if they want no newer C library, and those
/// of the machine's own release.
pub struct Packages<'a> {
    pub from_sid: &'a str,
    pub of_this_release: &'a str,
    /// Whether what they need comes along, as far as the machine has it not.
    pub with_needs: bool,
}

/// Downloads them, and unpacks them into `root`. `apt` is a folder that is there only meanwhile.
pub fn unpack(what: &str, packages: &Packages, codename: &str, apt: &Path, root: &Path) -> Result<()> {
    for old in [root, apt].into_iter().filter(|old| old.exists()) {
        fs::remove_dir_all(old)?;
    }
    configure(apt, codename, packages.from_sid)?;
    let get = |words: &[&str]| {
        let mut get = program("apt-get");
        get.env("APT_CONFIG", apt.join("apt.conf")).env("DEBIAN_FRONTEND", "noninteractive");
        get.arg("-q").args(words);
        get
    };
    run(&format!("read Debian's package lists for {what}"), &mut get(&["update"]))?;
    let names = packages.from_sid.split(' ').chain(packages.of_this_release.split(' '));
    let names = names.filter(|name| !name.is_empty());
    let archives = apt.join("cache/archives");
    let mut download = if packages.with_needs {
        get(&["install", "--yes", "--download-only", "--no-install-recommends"])
    } else {
        let mut download = get(&["download"]);
        download.current_dir(&archives).env("APT_CONFIG", std::path::absolute(apt.join("apt.conf"))?);
        download
    };
    run(&format!("download {what}"), download.args(names))?;
    say(&format!("unpack {what}"));
    fs::create_dir_all(root)?;
    for package in fs::read_dir(archives)? {
        let package = package?.path();
        if package.extension().is_some_and(|extension| extension == "deb") {
            let mut unpack = program("dpkg-deb");
            let ended = unpack.arg("-x").arg(&package).arg(root).status().context("cannot run dpkg-deb")?;
            ensure!(ended.success(), "`{}` ended with {ended}", told(&unpack));
        }
    }
    fs::remove_dir_all(apt).map_err(Into::into)
}

/// A configuration of apt that reads and writes in this folder, but for the list of what the machine has.
fn configure(apt: &Path, codename: &str, from_sid: &str) -> Result<()> {
    fs::create_dir_all(apt.join("lists/partial"))?;
    fs::create_dir_all(apt.join("cache/archives/partial"))?;
    let mut sources = sources(codename)?;
    sources.push(format!("{} sid main", mirror()?));
    let key = "[signed-by=/usr/share/keyrings/debian-archive-keyring.gpg]";
    let lines = sources.iter().map(|source| format!("deb {key} {source}\n"));
    fs::write(apt.join("sources"), lines.collect::<String>())?;
    let pins = format!(
        "Package: *\nPin: release n=sid\nPin-Priority: -1\n\nPackage: {from_sid}\nPin: release n=sid\nPin-Priority: 990\n"
    );
    fs::write(apt.join("preferences"), if codename == "sid" { String::new() } else { pins })?;
    let apt = std::path::absolute(apt)?;
    let apt = apt.display();
    let configuration = format!(
        r#"Dir::State::lists "{apt}/lists";
Dir::Cache "{apt}/cache";
Dir::Etc::sourcelist "{apt}/sources";
Dir::Etc::sourceparts "/dev/null";
Dir::Etc::preferences "{apt}/preferences";
Dir::Etc::preferencesparts "/dev/null";
Acquire::Languages "none";
Acquire::IndexTargets::deb::DEP-11::DefaultEnabled "false";
// A mirror may lag behind the date in its own index.
Acquire::Check-Valid-Until "false";
// The user that apt would download as may not enter this folder.
APT::Sandbox::User "root";
"#
    );
    fs::write(format!("{apt}/apt.conf"), configuration).map_err(Into::into)
}
