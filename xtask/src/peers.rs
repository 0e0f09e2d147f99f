//! Other inits, which `berth-init` is compared with: unpacked from Debian's packages into `.tools/peers`, installed nowhere.

use std::path::Path;

use anyhow::Result;
use fs_err as fs;

use crate::outcome::Outcome;
use crate::run::{ask, program, run};
use crate::{debian, tools};

pub const FOLDER: &str = ".tools/peers";

const PACKAGES: [&str; 3] = ["tini", "dumb-init", "catatonit"];

/// Gets those that are missing, where there is apt; root is not needed if its package lists are there.
pub fn install() -> Result<Outcome> {
    if debian::codename().is_none() || ask(program("apt-get").arg("--version")).is_none() {
        return Ok(Outcome::Skipped("other inits: not Debian".to_owned()));
    }
    let mut note = "all there";
    tools::once(&Path::new(FOLDER).join("installed"), &PACKAGES.join(" "), &[], || {
        note = "unpacked";
        unpack()
    })?;
    Ok(Outcome::Ok(format!("{note}: {}", PACKAGES.join(", "))))
}

fn unpack() -> Result<()> {
    let packages = Path::new(FOLDER).join("packages");
    fs::create_dir_all(&packages)?;
    let download = || {
        let mut apt = program("apt-get");
        apt.current_dir(&packages).args(["-q", "-o", "APT::Sandbox::User=root", "download"]).args(PACKAGES);
        run("download other inits", &mut apt)
    };
    if download().is_err() {
        debian::update()?;
        download()?;
    }
    for package in fs::read_dir(&packages)? {
        run("unpack another init", program("dpkg-deb").arg("-x").arg(package?.path()).arg(FOLDER))?;
    }
    fs::remove_dir_all(packages)?;
    Ok(())
}
