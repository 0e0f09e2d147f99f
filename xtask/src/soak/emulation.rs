//! The image for the other architecture: built here, and run under emulation where the kernel has somebody to ask for it.

use std::time::{Duration, Instant};

use anyhow::{Result, bail};

use super::{build, done};
use crate::docker::Docker;
use crate::outcome::Outcome;

pub const IMAGE: &str = "berth/postbox:soak-arm64";

const PLATFORM: &str = "linux/arm64";

/// What the kernel runs programs of that architecture with (binfmt_misc), if anything.
const INTERPRETER: &str = "/proc/sys/fs/binfmt_misc/qemu-aarch64";

/// A container of ours; nobody else's name.
const CONTAINER: &str = "berth-soak-arm64";

/// Emulation is slow.
const PATIENCE: Duration = Duration::from_mins(3);

/// A role of its own, without stores and without others.
const ROLE: &str = "smtp-bree";

pub fn tried(docker: &Docker) -> Result<Outcome> {
    let engine = docker.ask(["version", "--format", "{{.Server.Arch}}"]).unwrap_or_default();
    if engine.trim() != "arm64" && !std::path::Path::new(INTERPRETER).exists() {
        return Ok(Outcome::Skipped(format!(
            "the kernel runs nothing of {PLATFORM}: apt-get install qemu-user-static, and register it with binfmt_misc"
        )));
    }
    build(&["--platform", PLATFORM, "--tag", IMAGE], &[])?;
    let outcome = roles_and_health(docker);
    let _ = docker.ask(["rm", "--force", "--volumes", CONTAINER]);
    outcome
}

fn roles_and_health(docker: &Docker) -> Result<Outcome> {
    let roles = done(docker, &["run", "--rm", "--platform", PLATFORM, IMAGE])?;
    let node =
        done(docker, &["run", "--rm", "--platform", PLATFORM, IMAGE, "--", "node", "-p", "process.arch"])?;
    if node != "arm64" {
        bail!("node says that it is of {node}");
    }
    let begun = Instant::now();
    let words = ["run", "--detach", "--name", CONTAINER, "--platform", PLATFORM, "--network", "none"];
    let sample = ["--env", "POSTBOX_STATE=/mnt", "--env", "NODE_ENV=development"];
    done(docker, &[&words[..], &sample, &[IMAGE, ROLE]].concat())?;
    loop {
        let health = docker.command(["exec", CONTAINER, "berth-init", "health"]).output()?;
        let said = String::from_utf8_lossy(&health.stdout).trim().to_owned();
        if health.status.success() {
            let took = begun.elapsed().as_secs_f32();
            let roles = roles.lines().count();
            return Ok(Outcome::Ok(format!(
                "{roles} lines of roles; {ROLE} is {said}, {took:.0} s after its start"
            )));
        }
        if begun.elapsed() > PATIENCE {
            let log = docker.command(["logs", "--tail", "20", CONTAINER]).output()?;
            bail!("{ROLE} is not healthy: {said}\n{}", String::from_utf8_lossy(&log.stderr));
        }
        std::thread::sleep(Duration::from_secs(1));
    }
}
