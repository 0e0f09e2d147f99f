//! An image brought up with its stores, as an operator does it: in a folder and under a name of its own, beside whatever else
//! this machine runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use fs_err as fs;
use serde_json::Value;

use super::FOLDER;
use crate::docker::Docker;
use crate::programs;
use crate::run::{program, run, say};

/// Every role of it is healthy. It goes, with all that it kept, when this does.
pub struct Installation<'a> {
    docker: &'a Docker,
    state: PathBuf,
}

impl<'a> Installation<'a> {
    /// Brings it up, with more words for `berth up`.
    pub fn bring_up(docker: &'a Docker, image: &str, more: &[String]) -> Result<Self> {
        let installation = Self { docker, state: Path::new(FOLDER).join("installation") };
        let mut up = installation.berth(&["up", "--engine", "compose", "--image", image])?;
        up.args(["--project", "berth-release", "--port-offset", "20000", "--detach", "--no-prove"]);
        run("bring it up", up.args(more))?;
        Ok(installation)
    }

    /// How far its proof goes, once that has succeeded.
    pub fn proven(&self) -> Result<String> {
        let told = self.berth(&["prove", "--json"])?.output().context("cannot run berth prove")?;
        let said = String::from_utf8_lossy(&told.stdout);
        if !told.status.success() {
            run("what its roles say", &mut self.berth(&["logs", "--lines", "20"])?)?;
            bail!("it is not proven: {said}{}", String::from_utf8_lossy(&told.stderr));
        }
        let proof: Value = serde_json::from_str(&said).context("cannot read what berth prove says")?;
        proof["extent"].as_str().map(str::to_owned).context("berth prove does not say how far it went")
    }

    /// Takes it down.
    pub fn take_down(self) -> Result<()> {
        let removed = self.remove();
        // It is not tried twice.
        std::mem::forget(self);
        removed
    }

    fn berth(&self, words: &[&str]) -> Result<Command> {
        let mut berth = program(programs::berth()?);
        berth.envs(self.docker.environment()).args(words).arg("--state").arg(&self.state);
        Ok(berth)
    }

    fn remove(&self) -> Result<()> {
        if self.state.exists() {
            run("take it down", &mut self.berth(&["down", "--volumes", "--yes"])?)?;
            fs::remove_dir_all(&self.state)?;
        }
        Ok(())
    }
}

impl Drop for Installation<'_> {
    fn drop(&mut self) {
        if let Err(error) = self.remove() {
            say(&format!("{} is left: {error:#}; berth down --volumes --state {0}", self.state.display()));
        }
    }
}
