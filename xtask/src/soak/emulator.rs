//! The kernel's help for programs of another architecture (binfmt_misc): who runs them is registered for as long as it is
//! needed. <https://docs.kernel.org/admin-guide/binfmt-misc.html>

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;

use crate::debian;
use crate::outcome::Outcome;
use crate::run::{ask, program, run};

const FOLDER: &str = "/proc/sys/fs/binfmt_misc";

/// What runs programs of arm64, if anything does.
const INTERPRETER: &str = "/proc/sys/fs/binfmt_misc/qemu-aarch64";

/// As Debian's qemu-user-static has it for systemd-binfmt(8).
const REGISTRATION: &str = "/usr/lib/binfmt.d/qemu-aarch64.conf";

/// While it lives, the kernel runs programs of arm64.
#[derive(Default)]
pub struct Emulator {
    is_mounted: bool,
    is_registered: bool,
}

impl Emulator {
    /// Sees to it, or says what is missing.
    pub fn enter() -> Result<Result<Self, Outcome>> {
        if Path::new(INTERPRETER).exists() {
            return Ok(Ok(Self::default()));
        }
        if !debian::is_ours() || debian::codename().is_none() {
            return Ok(Err(Outcome::Skipped(
                "the kernel runs nothing of arm64: apt-get install qemu-user-static, and register it with binfmt_misc"
                    .to_owned(),
            )));
        }
        if !Path::new(REGISTRATION).exists() || ask(program("arch-test").arg("-n").arg("amd64")).is_none() {
            debian::install("install an emulator", &["qemu-user-static", "arch-test"])?;
        }
        let mut emulator = Self::default();
        // A package that registers by itself may have done so.
        if !Path::new(INTERPRETER).exists() {
            if !Path::new(FOLDER).join("register").exists() {
                let mut mount = program("mount");
                run("mount binfmt_misc", mount.args(["-t", "binfmt_misc", "binfmt_misc", FOLDER]))?;
                emulator.is_mounted = true;
            }
            let registration = fs::read_to_string(REGISTRATION)?;
            fs::write(Path::new(FOLDER).join("register"), registration.trim())
                .context("the kernel does not take the emulator")?;
            emulator.is_registered = true;
        }
        Ok(Ok(emulator))
    }
}

impl Drop for Emulator {
    fn drop(&mut self) {
        if self.is_registered {
            let _ = fs::write(INTERPRETER, "-1");
        }
        if self.is_mounted {
            let _ = program("umount").arg(FOLDER).status();
        }
    }
}
