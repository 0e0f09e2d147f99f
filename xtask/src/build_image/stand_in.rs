//! The stand-in for the published application image: the sample, built the way of the published recipe.

use std::path::Path;

use anyhow::{Context, Result};
use fs_err as fs;

use super::{FOLDER, machine};
use crate::docker::{self, Docker};
use crate::programs::APP;
use crate::run::{ask, program, run};

/// What it is called. Never as what it stands in for.
pub const TAG: &str = "berth-standin/published:dev";

/// Builds it.
pub fn build(docker: &Docker, tag: &str) -> Result<()> {
    let bases = docker::bases(docker)?;
    let folder = checkout()?;
    let manifest = fs::read_to_string(Path::new(APP).join("package.json"))?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest).context("cannot read package.json")?;
    let pnpm = manifest["packageManager"].as_str().and_then(|named| named.strip_prefix("pnpm@"));
    let pnpm = pnpm.context("package.json names no pnpm")?;
    let node = bases.reference("node").context("there is no base image of Node")?;
    let mut build = docker.command(["buildx", "build", "--provenance=false", "--load", "--tag", tag]);
    build.args(["--file", "docker/stand-ins/published/Dockerfile"]);
    build.arg("--build-arg").arg(format!("NODE={node}")).arg("--build-arg").arg(format!("PNPM={pnpm}"));
    let _lent = machine::lend(&mut build)?;
    run(&format!("build {tag}"), build.arg(folder)).map(drop)
}

/// Copies a folder of the repository, without what git ignores, in place of what was there.
pub fn copy(source: &str, folder: &Path) -> Result<()> {
    if folder.exists() {
        fs::remove_dir_all(folder)?;
    }
    fs::create_dir_all(folder)?;
    let mut list = program("git");
    list.args(["-C", source, "ls-files", "--cached", "--others", "--exclude-standard", "--deduplicate", "."]);
    let files = ask(&mut list).with_context(|| format!("cannot list {source}: is this a git clone?"))?;
    for file in files.lines().filter(|file| Path::new(source).join(file).exists()) {
        let target = folder.join(file);
        fs::create_dir_all(target.parent().context("it is in the folder")?)?;
        fs::copy(Path::new(source).join(file), target)?;
    }
    Ok(())
}

/// A copy of the sample as a checkout of it alone would be, with a history.
fn checkout() -> Result<String> {
    let folder = Path::new(FOLDER).join("published");
    copy(APP, &folder)?;
    let told = folder.to_string_lossy().into_owned();
    for words in [
        &["init", "--quiet"][..],
        &["add", "--all"],
        &[
            "-c",
            "user.name=berth",
            "-c",
            "user.email=berth@example.test",
            "commit",
            "--quiet",
            "--message=postbox",
        ],
    ] {
        let mut git = program("git");
        // The same files are the same commit.
        git.env("GIT_AUTHOR_DATE", "@0 +0000").env("GIT_COMMITTER_DATE", "@0 +0000");
        run("make a history for the stand-in", git.args(["-C", &told]).args(words))?;
    }
    Ok(told)
}
