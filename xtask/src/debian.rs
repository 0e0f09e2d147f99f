//! The Debian that this may run on: whether its packages are ours to install, and where they come from.

use anyhow::{Context, Result, ensure};
use fs_err as fs;

use crate::run::{ask, program, run};

pub mod unpacked;

/// Whether packages are ours to install: as root, with apt.
pub fn is_ours() -> bool {
    let root = ask(program("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    root && ask(program("apt-get").arg("--version")).is_some()
}

/// The release that runs, as `bookworm`; nothing on another system (os-release(5)).
pub fn codename() -> Option<String> {
    let release = fs::read_to_string("/etc/os-release").ok()?;
    let value = |key: &str| {
        let line = release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('='));
        line.map(|value| value.trim_matches('"').to_owned())
    };
    (value("ID")? == "debian").then(|| value("VERSION_CODENAME"))?
}

/// A mirror may lag behind the date in its own index; nothing here is newer than a release.
const LAG: &str = "Acquire::Check-Valid-Until=false";

/// Updates apt's package lists.
pub fn update() -> Result<()> {
    let mut update = program("apt-get");
    run("update Debian's package lists", update.args(["-q", "-o", LAG, "update"])).map(drop)
}

/// Installs packages.
pub fn install(what: &str, packages: &[&str]) -> Result<()> {
    update()?;
    let mut install = program("apt-get");
    install.env("DEBIAN_FRONTEND", "noninteractive").args(["-q", "-o", LAG, "install", "-y"]);
    run(what, install.arg("--no-install-recommends").args(packages)).map(drop)
}

/// The mirror that this machine's packages come from.
pub fn mirror() -> Result<String> {
    let known = package_lists("$(REPO_URI)")?;
    let first = known.lines().find(|mirror| !mirror.contains("security"));
    first.map(str::to_owned).context("apt has no mirror of Debian")
}

/// The mirror of its security updates.
pub fn security_mirror() -> Result<Option<String>> {
    let known = package_lists("$(REPO_URI)")?;
    Ok(known.lines().find(|mirror| mirror.contains("security")).map(str::to_owned))
}

/// Where the packages of this release come from, its updates included, each as `MIRROR SUITE main`.
pub fn sources(codename: &str) -> Result<Vec<String>> {
    let mut sources = Vec::new();
    for line in package_lists("$(REPO_URI) $(RELEASE) $(COMPONENT) $(CODENAME)")?.lines() {
        // A machine may name its release by another word, as stable, which the lists translate.
        if let [uri, suite, "main", names @ ..] = &line.split_whitespace().collect::<Vec<_>>()[..]
            && names.first().unwrap_or(suite).starts_with(codename)
        {
            let source = format!("{uri} {suite} main");
            if !sources.contains(&source) {
                sources.push(source);
            }
        }
    }
    ensure!(!sources.is_empty(), "apt has no mirror of Debian {codename}");
    Ok(sources)
}

fn package_lists(format: &str) -> Result<String> {
    let mut targets = program("apt-get");
    let known = ask(targets.args(["indextargets", "--format", format, "Created-By: Packages"]));
    known.context("apt-get knows no package lists")
}
