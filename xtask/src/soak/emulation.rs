//! The image for the other architecture: built here, and run under emulation where the kernel has somebody to ask for it.

use std::path::Path;

use anyhow::{Result, bail};

use super::build;
use crate::docker::Docker;
use crate::outcome::Outcome;

pub const IMAGE: &str = "berth/postbox:soak-arm64";

const PLATFORM: &str = "linux/arm64";

/// What the kernel runs programs of that architecture with (binfmt_misc), if anything.
const INTERPRETER: &str = "/proc/sys/fs/binfmt_misc/qemu-aarch64";

/// Builds it, and runs both programs in it: berth-init, which lists the roles, and Node under it.
pub fn tried(docker: &Docker) -> Result<Outcome> {
    if docker.platform()? != PLATFORM && !Path::new(INTERPRETER).exists() {
        return Ok(Outcome::Skipped(format!(
            "the kernel runs nothing of {PLATFORM}: apt-get install qemu-user-static, and register it with binfmt_misc"
        )));
    }
    build(&["--platform", PLATFORM, "--tag", IMAGE], &[])?;
    let run = ["run", "--rm", "--network", "none", "--platform", PLATFORM, IMAGE];
    let roles = docker.done(run)?;
    let node = docker.done([&run[..], &["--", "node", "-p", "process.arch"]].concat())?;
    if node != "arm64" {
        bail!("node says that it is of {node}");
    }
    Ok(Outcome::Ok(format!("berth-init lists roles in {} lines, node is of {node}", roles.lines().count())))
}
