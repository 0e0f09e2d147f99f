//! A Docker engine for tests and images: the machine's own where one is good enough, else one from Debian's packages
//! that needs no installation, and goes away again.

use std::ffi::{OsStr, OsString};
use std::os::unix::process::CommandExt;
use std::process::{Command, ExitCode, Stdio};

use anyhow::{Context, Result, bail, ensure};

use crate::debian;
use crate::run::{ask, program, told};

pub mod bases;
mod daemon;
mod host;
mod install;
mod leftovers;
mod machine;
mod rules;
mod stand_ins;

pub use bases::{Bases, ensure as bases};
use machine::Own;
pub use stand_ins::{to_assemble_arm64, with_arm64};

/// An engine that answers. One that we started stops with the last who has this.
pub struct Docker {
    environment: Vec<(&'static str, OsString)>,
    told: String,
    ours: Option<daemon::Use>,
}

/// What came of looking for one.
pub enum Ensured {
    /// There is one.
    Usable(Docker),
    /// None can be had here, and why.
    Missing(String),
}

/// Finds an engine, or starts one. What DOCKER_HOST names comes first, then one of ours that runs, then the machine's.
pub fn ensure() -> Result<Ensured> {
    let named = std::env::var_os("DOCKER_HOST").is_some_and(|host| !host.is_empty());
    if !named && daemon::runs() {
        return ours();
    }
    match machine::look() {
        Own::Good(told) => Ok(Ensured::Usable(Docker { environment: Vec::new(), told, ours: None })),
        Own::Lacking(why) => Ok(Ensured::Missing(why)),
        Own::None if named => Ok(Ensured::Missing("no Docker engine answers at DOCKER_HOST".to_owned())),
        Own::None => ours(),
    }
}

/// The same, for whoever can do nothing without.
pub fn required() -> Result<Docker> {
    match ensure()? {
        Ensured::Usable(docker) => Ok(docker),
        Ensured::Missing(why) => bail!(why),
    }
}

fn ours() -> Result<Ensured> {
    let missing = |why: &str| Ok(Ensured::Missing(format!("no Docker engine answers, and {why}")));
    if !debian::is_ours() || debian::codename().is_none() {
        return missing("one is started only as root on Debian");
    }
    if ask(program("unshare").args(["--mount", "true"])).is_none() {
        return missing("root may not mount here, as in a container");
    }
    let ours = daemon::enter(install::install)?;
    let environment = daemon::environment()?;
    let docker = Docker { environment, told: "of our own".to_owned(), ours: Some(ours) };
    let version = docker.ask(["version", "--format", "Engine {{.Server.Version}}"]);
    let version = version.context("the Docker engine does not answer")?;
    Ok(Ensured::Usable(Docker { told: format!("{}, our own", version.trim()), ..docker }))
}

impl Docker {
    /// `docker` with these words.
    pub fn command(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Command {
        let mut docker = program("docker");
        docker.envs(self.environment()).args(words);
        docker
    }

    /// What `docker` with these words prints; nothing when it fails.
    pub fn ask(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Option<String> {
        ask(&mut self.command(words))
    }

    /// The same; when it fails, what it said is the error.
    pub fn done(&self, words: impl IntoIterator<Item = impl AsRef<OsStr>>) -> Result<String> {
        let mut command = self.command(words);
        let output = command.output().context("cannot run docker")?;
        let said = String::from_utf8_lossy(&output.stderr);
        ensure!(output.status.success(), "`{}` failed: {}", told(&command), said.trim());
        Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
    }

    /// The platform that it is for, as `linux/amd64`.
    pub fn platform(&self) -> Result<String> {
        self.done(["version", "--format", "{{.Server.Os}}/{{.Server.Arch}}"])
    }

    /// What programs need that are to use this engine.
    pub fn environment(&self) -> impl Iterator<Item = (&'static str, &OsStr)> {
        self.environment.iter().map(|(key, value)| (*key, value.as_os_str()))
    }

    /// Which it is, in a few words.
    pub fn told(&self) -> &str {
        &self.told
    }

    /// Stops it, if we started it and nobody else uses it.
    pub fn leave(self) -> Result<()> {
        self.ours.map_or(Ok(()), daemon::Use::leave)
    }
}

/// `cargo xtask bases`: gets the base images; with `refresh` it reads their digests before.
pub fn run_bases(refresh: bool) -> Result<ExitCode> {
    let docker = required()?;
    if refresh {
        bases::refresh(&docker)?;
    }
    print!("{}", bases(&docker)?.table());
    docker.leave()?;
    Ok(ExitCode::SUCCESS)
}

/// `cargo xtask docker`: becomes `docker` with these words, or says how to reach the engine.
pub fn run(words: &[OsString], stop: bool) -> Result<ExitCode> {
    if stop {
        daemon::stop().context("cannot stop the Docker engine")?;
        return Ok(ExitCode::SUCCESS);
    }
    let docker = required()?;
    if docker.ours.is_some() {
        daemon::keep()?;
    }
    if words.is_empty() {
        println!("# {}; for a shell: eval \"$(cargo xtask docker)\"", docker.told());
        for (key, value) in docker.environment() {
            println!("export {key}='{}'", value.to_string_lossy());
        }
        return Ok(ExitCode::SUCCESS);
    }
    let mut command = docker.command(words);
    command.stdin(Stdio::inherit());
    Err(command.exec()).context("cannot run docker")
}
