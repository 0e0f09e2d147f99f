//! An image brought up with its stores, as an operator does it: in a folder and under a name of its own, beside whatever else
//! this machine runs.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, bail};
use berth_catalogue::ROLES;
use fs_err as fs;
use serde_json::Value;

use super::FOLDER;
use crate::docker::Docker;
use crate::programs;
use crate::run::{program, run, say};

/// It, while somebody does something with it.
pub struct Installation<'a> {
    docker: &'a Docker,
    state: PathBuf,
}

/// Brings it up, with more words for `berth up`, until every role is healthy; does what is to be done with it; and takes it
/// down, whatever came of that.
pub fn with_installation<'a, T>(
    docker: &'a Docker,
    image: &str,
    more: &[String],
    work: impl FnOnce(&Installation<'a>) -> Result<T>,
) -> Result<T> {
    let installation = Installation { docker, state: Path::new(FOLDER).join("installation") };
    let done = installation.bring_up(image, more).and_then(|()| work(&installation));
    let down = installation.take_down();
    if let (Err(_), Err(left)) = (&done, &down) {
        say(&format!("{left:#}"));
    }
    let done = done?;
    down.map(|()| done)
}

impl Installation<'_> {
    fn bring_up(&self, image: &str, more: &[String]) -> Result<()> {
        let mut up = self.berth(&["up", "--engine", "compose", "--image", image])?;
        up.args(["--project", "berth-release", "--port-offset", "20000", "--detach", "--no-prove"]);
        run("bring it up", up.args(more)).map(drop)
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

    /// The roles that it has; stores and the front are told with them.
    pub fn roles(&self) -> Result<Vec<String>> {
        let told = self.berth(&["status", "--json"])?.output().context("cannot run berth status")?;
        let status: Value =
            serde_json::from_slice(&told.stdout).context("cannot read what berth status says")?;
        let roles = status["roles"].as_array().context("berth status names no roles")?.iter();
        let is_role = |name: &&str| ROLES.iter().any(|role| role.name == *name);
        let names = roles.filter_map(|role| role["role"].as_str()).filter(is_role);
        Ok(names.map(str::to_owned).collect())
    }

    fn berth(&self, words: &[&str]) -> Result<Command> {
        let mut berth = program(programs::berth()?);
        berth.envs(self.docker.environment()).args(words).arg("--state").arg(&self.state);
        Ok(berth)
    }

    fn take_down(&self) -> Result<()> {
        if self.state.exists() {
            let left = || format!("it is left: berth down --volumes --state {}", self.state.display());
            run("take it down", &mut self.berth(&["down", "--volumes", "--yes"])?).with_context(left)?;
            fs::remove_dir_all(&self.state)?;
        }
        Ok(())
    }
}
