//! Builds what the service is made of: the two programs, and the sample application's packages.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::thread;

use anyhow::{Context, Result, anyhow};
use fs_err as fs;

use crate::run::{ask, cargo, program, run, say};
use crate::tools;

/// The folder of the sample application.
pub const APP: &str = "docker/app";

/// Which packages of the application are wanted.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Packages {
    /// What it needs to run.
    Production,
    /// Also what its tests and lints need.
    All,
}

/// What was built. All paths are absolute.
pub struct Programs {
    pub berth: PathBuf,
    pub init: PathBuf,
    pub node: PathBuf,
    pub app: PathBuf,
}

/// Builds all of it, side by side: npm waits for the network, and the link of `berth-init` keeps one core busy
/// for half a minute. `berth` is built as for development: half the time, and shared with the tests.
pub fn build(packages: Packages) -> Result<Programs> {
    thread::scope(|scope| {
        let node = scope.spawn(move || application(packages));
        let init = scope.spawn(init);
        run("build berth", cargo().args(["build", "--package", "berth", "--locked"]))?;
        let init = init.join().map_err(|_| anyhow!("building berth-init panicked"))??;
        let node = node.join().map_err(|_| anyhow!("installing the application's packages panicked"))??;
        Ok(Programs { berth: target()?.join("debug/berth"), init, node, app: std::path::absolute(APP)? })
    })
}

/// Builds `berth-init` as it is shipped: one static file.
pub fn init() -> Result<PathBuf> {
    let mut build = cargo();
    build.args(["build", "--package", "berth-init", "--profile", "init", "--locked"]);
    let triple = static_target();
    if let Some(triple) = &triple {
        build.args(["--target", triple]);
    }
    run("build berth-init", &mut build)?;
    Ok(target()?.join(triple.unwrap_or_default()).join("init/berth-init"))
}

/// The target whose programs need no library of the machine, or none where rustup cannot provide it.
fn static_target() -> Option<String> {
    let triple = format!("{ARCH}-unknown-linux-musl");
    let Some(installed) = ask(program("rustup").args(["target", "list", "--installed"])) else {
        say(
            "there is no rustup, so berth-init is built for this machine's libc: good for trying, not for images",
        );
        return None;
    };
    if !installed.lines().any(|line| line == triple) {
        let added =
            run("add the target of static programs", program("rustup").args(["target", "add", &triple]));
        if let Err(error) = added {
            say(&format!(
                "{error:#}: berth-init is built for this machine's libc: good for trying, not for images"
            ));
            return None;
        }
    }
    Some(triple)
}

/// Installs the application's packages, and gives the Node that they are for.
pub fn application(packages: Packages) -> Result<PathBuf> {
    let node = tools::node()?;
    let stamp = Path::new(APP).join("node_modules/.installed");
    // What has the development packages has the others too; pnpm would take them away and put them back.
    let all =
        packages == Packages::All || fs::read_to_string(&stamp).is_ok_and(|text| text.starts_with("all\n"));
    let inputs =
        ["package.json", "pnpm-lock.yaml", "pnpm-workspace.yaml"].map(|name| format!("{APP}/{name}"));
    tools::once(
        &stamp,
        if all { "all" } else { "production" },
        &inputs.each_ref().map(String::as_str),
        || {
            let mut pnpm = tools::pnpm(&node)?;
            pnpm.args([
                "install",
                "--frozen-lockfile",
                "--reporter=append-only",
                "--config.confirm-modules-purge=false",
            ]);
            if !all {
                pnpm.arg("--prod");
            }
            run("install the application's packages", &mut pnpm).map(drop)
        },
    )?;
    Ok(node)
}

/// Cargo's target folder: we are `debug/xtask` in it.
fn target() -> Result<PathBuf> {
    let ourselves = std::env::current_exe().context("cannot tell where this program is")?;
    ourselves.ancestors().nth(2).map(Path::to_owned).context("this program is not in a target folder")
}
