//! Builds what the service is made of: the two programs, and the sample application's packages.

use std::env::consts::ARCH;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;

use anyhow::{Context, Result, anyhow, bail, ensure};
use fs_err as fs;

use crate::run::{ask, cargo, program, run, say};
use crate::{debian, tools};

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
        let berth = berth()?;
        let init = init.join().map_err(|_| anyhow!("building berth-init panicked"))??;
        let node = node.join().map_err(|_| anyhow!("installing the application's packages panicked"))??;
        Ok(Programs { berth, init, node, app: std::path::absolute(APP)? })
    })
}

/// Builds `berth` as for development.
pub fn berth() -> Result<PathBuf> {
    run("build berth", cargo().args(["build", "--package", "berth", "--locked"]))?;
    Ok(target()?.join("debug/berth"))
}

/// Builds `berth-init` as it is shipped: one static file.
pub fn init() -> Result<PathBuf> {
    let triple = format!("{ARCH}-unknown-linux-musl");
    match has_target(&triple) {
        Ok(()) => init_of(Some(&triple)),
        Err(error) => {
            say(&format!(
                "{error:#}: berth-init is built for this machine's libc: good for trying, not for images"
            ));
            init_of(None)
        }
    }
}

/// Builds `berth-init` for an architecture that Docker calls so, on this machine, whatever that is.
pub fn init_for(architecture: &str) -> Result<PathBuf> {
    let machine = machine(architecture)?;
    let triple = format!("{machine}-unknown-linux-musl");
    has_target(&triple)?;
    if machine != ARCH {
        let compiler = cross_compiler(machine)?;
        let mut build = cargo();
        build.env(format!("CC_{}", triple.replace('-', "_")), compiler);
        return build_init(build, Some(&triple));
    }
    init_of(Some(&triple))
}

/// Builds `berth` as it is shipped, static, for an architecture that Docker calls so.
pub fn berth_for(architecture: &str) -> Result<PathBuf> {
    let machine = machine(architecture)?;
    let triple = format!("{machine}-unknown-linux-musl");
    has_target(&triple)?;
    let mut build = cargo();
    if machine != ARCH {
        build.env(format!("CC_{}", triple.replace('-', "_")), cross_compiler(machine)?);
    }
    build.args(["build", "--package", "berth", "--release", "--locked", "--target", &triple]);
    run("build berth, static", &mut build)?;
    Ok(target()?.join(triple).join("release/berth"))
}

/// What compilers call an architecture.
pub fn machine(architecture: &str) -> Result<&'static str> {
    match architecture {
        "amd64" => Ok("x86_64"),
        "arm64" => Ok("aarch64"),
        other => bail!("no program is made for {other}"),
    }
}

/// A C compiler for another machine: ring has C and assembly in it.
fn cross_compiler(machine: &str) -> Result<String> {
    let compiler = format!("{machine}-linux-gnu-gcc");
    // Without the headers of a C library it finds this machine's.
    let (gcc, headers) = match machine {
        "aarch64" => ("gcc-aarch64-linux-gnu", "libc6-dev-arm64-cross"),
        _ => ("gcc-x86-64-linux-gnu", "libc6-dev-amd64-cross"),
    };
    let has_compiler = ask(program(&compiler).arg("--version")).is_some();
    let has_headers = Path::new(&format!("/usr/{machine}-linux-gnu/include/stdint.h")).exists();
    if !debian::is_ours() {
        ensure!(
            has_compiler,
            "there is no {compiler} to build berth-init for {machine} with; Debian's packages are {gcc} and {headers}"
        );
    } else if !has_compiler || !has_headers {
        debian::install(&format!("get a compiler for {machine}"), &[gcc, headers])?;
    }
    Ok(compiler)
}

fn init_of(triple: Option<&str>) -> Result<PathBuf> {
    build_init(cargo(), triple)
}

fn build_init(mut build: Command, triple: Option<&str>) -> Result<PathBuf> {
    build.args(["build", "--package", "berth-init", "--profile", "init", "--locked"]);
    if let Some(triple) = triple {
        build.args(["--target", triple]);
    }
    run("build berth-init", &mut build)?;
    Ok(target()?.join(triple.unwrap_or_default()).join("init/berth-init"))
}

/// Makes sure that programs can be built which need no library of the machine.
fn has_target(triple: &str) -> Result<()> {
    let installed = ask(program("rustup").args(["target", "list", "--installed"]));
    let installed = installed.context("there is no rustup")?;
    if !installed.lines().any(|line| line == triple) {
        run("add the target of static programs", program("rustup").args(["target", "add", triple]))?;
    }
    Ok(())
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

/// Ourselves, for who calls us. Where we are: the tests of xtask have us linked anew while we run, and what runs is then a
/// file that was deleted (proc_pid_exe(5)).
pub fn xtask() -> Result<PathBuf> {
    Ok(target()?.join("debug/xtask"))
}

/// Cargo's target folder: we are `debug/xtask` in it.
fn target() -> Result<PathBuf> {
    let ourselves = std::env::current_exe().context("cannot tell where this program is")?;
    ourselves.ancestors().nth(2).map(Path::to_owned).context("this program is not in a target folder")
}
