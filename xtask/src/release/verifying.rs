//! What an operator does with a released image: `berth verify`, by its digest.

use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use super::FOLDER;
use super::layout::Layout;
use super::target::Target;
use crate::programs;
use crate::run::{ask, program, run};

pub fn as_an_operator(target: &Target) -> Result<()> {
    run("verify it as an operator would", &mut command(target)?).map(drop)
}

/// Whether that would go well now, and names this commit.
pub fn is_good(target: &Target, commit: &str) -> Result<bool> {
    let told = ask(command(target)?.arg("--json"));
    let told = told.and_then(|told| serde_json::from_str::<Value>(&told).ok());
    Ok(told.is_some_and(|told| told["commit"] == commit))
}

/// Writes all that was signed of the image, as `berth image load` wants it.
pub fn evidence(target: &Target, file: &Path) -> Result<()> {
    run("fetch what was signed of it", command(target)?.arg("--evidence").arg(file)).map(drop)
}

fn command(target: &Target) -> Result<Command> {
    let mut verify = program(programs::berth()?);
    verify.arg("verify").arg(target.at(&Layout::joined()?.digest));
    // Where a key has signed, it says so; else who may sign is compiled into `berth`.
    let release = Path::new(FOLDER).join("release.json");
    if release.exists() {
        verify.arg("--release").arg(release);
    }
    Ok(verify)
}
