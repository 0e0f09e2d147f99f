//! What talks to registries and signs: crane, cosign, and a registry of one's own. The first on PATH, else Debian's,
//! unpacked into `.tools/release`.

use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result, bail};

use crate::debian::unpacked::{self, Packages};
use crate::outcome::Outcome;
use crate::run::{ask, program};
use crate::{debian, tools};

const FOLDER: &str = ".tools/release";

/// Of Debian sid, whose programs in Go want no newer C library than others have.
const PACKAGES: &str = "cosign crane docker-registry";

/// Copies images between folders and registries, and sets tags. <https://github.com/google/go-containerregistry>
pub fn crane() -> Result<Command> {
    get("crane", &["version"])
}

/// Signs. <https://github.com/sigstore/cosign>
pub fn cosign() -> Result<Command> {
    get("cosign", &["version"])
}

/// Serves a registry. <https://github.com/distribution/distribution>
pub fn registry() -> Result<Command> {
    get("docker-registry", &["--version"])
}

/// Gets those that are missing, where there is apt.
pub fn install_all() -> Result<Outcome> {
    match [crane(), cosign(), registry()].into_iter().find_map(Result::err) {
        None => Ok(Outcome::Ok(String::new())),
        Some(missing) if debian::codename().is_none() => Ok(Outcome::Skipped(format!("{missing:#}"))),
        Some(missing) => Err(missing),
    }
}

fn get(name: &str, version: &[&str]) -> Result<Command> {
    let ours = Path::new(FOLDER).join("root/usr/bin").join(name);
    if !ours.exists() && ask(program(name).args(version)).is_some() {
        return Ok(program(name));
    }
    install().with_context(|| format!("there is no {name} on PATH"))?;
    Ok(program(std::path::absolute(ours)?))
}

/// Unpacks Debian's, where there is apt. Root is not needed.
pub fn install() -> Result<()> {
    let Some(codename) = debian::codename() else {
        bail!("this is not Debian, whose packages would be taken")
    };
    let folder = Path::new(FOLDER);
    tools::once(&folder.join("installed"), &format!("{codename} {PACKAGES}"), &[], || {
        let packages = Packages { from_sid: PACKAGES, of_this_release: "", with_needs: false };
        let (apt, root) = (folder.join("apt"), folder.join("root"));
        unpacked::unpack("what signs and pushes images", &packages, &codename, &apt, &root)
    })
}
