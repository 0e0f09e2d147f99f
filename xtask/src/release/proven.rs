//! Which published application images this version was tried with: each night the newest is made ours, brought up with its
//! stores, and proven; its digest goes into a signed list.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;
use serde_json::{Value, json};

use super::FOLDER;
use super::signing::Signer;
use super::version::Version;
use crate::docker::Docker;
use crate::programs;
use crate::run::{ask, program, run, say};

/// The list: what was proven before stays in it, if it is there.
const LIST: &str = "proven.json";

/// Another name than anything that is released.
const TAG: &str = "berth/release:derived";

pub fn prove(docker: &Docker, signer: &Signer, version: &Version, from: &str, rest: &[String]) -> Result<()> {
    if docker.ask(["image", "inspect", from]).is_none() {
        run(&format!("fetch {from}"), &mut docker.command(["pull", "--quiet", from]))?;
    }
    let digest = docker.done(["image", "inspect", "--format", "{{index .RepoDigests 0}}", from])?;
    let mut derive = program(std::env::current_exe()?);
    derive.args(["build-image", "--from", from, "--tag", TAG, "--no-check"]);
    run("make it ours", &mut derive)?;
    let proven = brought_up(docker, rest);
    docker.ask(["image", "rm", TAG]);
    proven?;
    note(&digest, version)?;
    signer.file(&Path::new(FOLDER).join(LIST))?;
    say(&format!("{digest} is proven with {version}"));
    Ok(())
}

/// As an operator does it. The proof is the exit code.
fn brought_up(docker: &Docker, rest: &[String]) -> Result<()> {
    let state = Path::new(FOLDER).join("installation");
    let berth = |words: &[&str], rest: &[String]| -> Result<()> {
        let mut berth = program(programs::berth()?);
        berth.envs(docker.environment()).args(words).arg("--state").arg(&state).args(rest);
        run(&format!("berth {}", words[0]), &mut berth).map(drop)
    };
    let up = [
        "up",
        "--engine",
        "compose",
        "--image",
        TAG,
        "--project",
        "berth-proven",
        "--port-offset",
        "20000",
        "--detach",
    ];
    let up = berth(&up, rest);
    let down = berth(&["down", "--volumes", "--yes"], &[]);
    up?;
    down?;
    fs::remove_dir_all(state).map_err(Into::into)
}

fn note(digest: &str, version: &Version) -> Result<()> {
    let path = Path::new(FOLDER).join(LIST);
    let before = fs::read_to_string(&path).unwrap_or_else(|_| "[]".to_owned());
    let mut list: Vec<Value> = serde_json::from_str(&before).context("cannot read the list")?;
    let date = ask(program("date").args(["--utc", "+%Y-%m-%d"])).context("cannot ask date(1)")?;
    list.retain(|entry| entry["image"] != digest || entry["version"] != version.to_string());
    list.push(json!({"image": digest, "version": version.to_string(), "proven": date.trim()}));
    fs::write(path, serde_json::to_string_pretty(&list)? + "\n").map_err(Into::into)
}
