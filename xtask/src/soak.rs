//! `cargo xtask soak`: what takes too long for every change. Many mails while every role is restarted and killed, and
//! while one that cuts off its clients is restarted, with and without a wait for a quiet moment; the image built twice,
//! and compared; the image for the other architecture, under emulation; a kernel with control groups of version 2; a release for both;
//! a published image made ours and proven; and the suite of `berth-init` again and again.
//!
//! Steps that this machine cannot do are said to be skipped. Times and CPU are for a person to read, and asserted nowhere but where a
//! grace is to be as long by a clock that jumps.

use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, bail, ensure};
use berth_catalogue::ROLES;
use berth_role::Start;
use clap::ValueEnum;
use fs_err as fs;
use serde_json::Value;

use crate::docker;
use crate::outcome::{Outcome, Outcomes};
use crate::run::{program, run as run_program};
use crate::{build_image, programs, test};

mod archive;
mod cgroup2;
mod emulation;
mod emulator;
mod machine;
mod stress;

/// Where it keeps what it builds.
const FOLDER: &str = "target/soak";

/// The image that it builds and tries; nobody else's tag.
const IMAGE: &str = "berth/postbox:soak";

/// The stand-in for an image of an application that is not known.
const UNKNOWN: &str = "berth-standin/unknown:soak";

/// A part of it.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Mails go in while every role is restarted and killed in containers
    Restarts,
    /// Submissions while a role that cuts off its clients is restarted
    Quiet,
    /// The image is built twice from nothing, and compared
    Twice,
    /// The image for arm64 is built and run, under emulation if need be; and a package is compiled for it
    Arm64,
    /// berth-init below a limit of control groups of version 2, in a virtual machine
    Cgroup2,
    /// A whole release for both platforms, to a registry of this machine
    Release,
    /// A stand-in for a published image is made ours and proven, as each night the newest
    Proven,
    /// The suite of berth-init again and again with all cores busy
    Stress,
    /// Its tests of signals and deadlines, ten times as often
    Deadlines,
}

/// Does these parts, or all, however one comes out.
pub fn run(parts: &[Part], mails: u32, runs: u32) -> Result<ExitCode> {
    let wanted = |part| parts.is_empty() || parts.contains(&part);
    let mut outcomes = Outcomes::default();
    if wanted(Part::Cgroup2) {
        outcomes.step("control groups of version 2", "cargo xtask soak cgroup2", cgroup2::tried);
    }
    if wanted(Part::Stress) {
        outcomes.step("berth-init's suite under stress", "cargo xtask soak stress", || {
            stress::tried(&stress::WHOLE, runs)
        });
    }
    if wanted(Part::Deadlines) {
        outcomes.step("signals and deadlines under stress", "cargo xtask soak deadlines", || {
            stress::tried(&stress::SIGNALS_AND_DEADLINES, 10 * runs)
        });
    }
    if parts.is_empty()
        || parts.iter().any(|part| !matches!(part, Part::Cgroup2 | Part::Stress | Part::Deadlines))
    {
        on_docker(&mut outcomes, &wanted, mails)?;
    }
    Ok(outcomes.conclude())
}

/// What needs an engine.
fn on_docker(outcomes: &mut Outcomes, wanted: &impl Fn(Part) -> bool, mails: u32) -> Result<()> {
    let docker = docker::required()?;
    fs::create_dir_all(FOLDER)?;
    if wanted(Part::Restarts) {
        outcomes.step("image", "cargo xtask build-image", || {
            build(&["--tag", IMAGE], &[]).map(|()| Outcome::Ok(IMAGE.to_owned()))
        });
        outcomes.step("mails under restarts and kills", "cargo xtask soak restarts", || {
            test::mails_in_containers(&docker, IMAGE, mails)
        });
    }
    if wanted(Part::Quiet) {
        outcomes.step("submissions to a role that cuts off", "cargo xtask soak quiet", || {
            test::submissions_cut_off(mails)
        });
    }
    if wanted(Part::Twice) {
        outcomes.step("the same image twice", "cargo xtask soak twice", twice);
    }
    if wanted(Part::Arm64) {
        outcomes.step("the image for arm64", "cargo xtask soak arm64", || emulation::tried(&docker));
    }
    if wanted(Part::Release) {
        outcomes.step("a release for both platforms", "cargo xtask soak release", || test::release(&docker));
    }
    if wanted(Part::Proven) {
        outcomes.step("a published image is proven", "cargo xtask soak proven", || proven(&docker));
    }
    outcomes.step("docker engine put away", "cargo xtask docker --stop", || {
        let _ = docker.ask(["image", "rm", "--force", IMAGE, UNKNOWN, emulation::IMAGE, emulation::COMPILED]);
        docker.leave().map(|()| Outcome::Ok(String::new()))
    });
    Ok(())
}

/// What is done each night to the newest published image, to a stand-in for it that is not known as the sample.
fn proven(docker: &docker::Docker) -> Result<Outcome> {
    if let Err(why) = build_image::ensure_builds_releases(docker) {
        return Ok(Outcome::Skipped(format!("a local image has no digest here: {why:#}")));
    }
    let mut published = program(programs::xtask()?);
    run_program("build the stand-in for a published image", published.args(["build-image", "--standin"]))?;
    let mut build =
        docker.command(["build", "--quiet", "--provenance=false", "--tag", UNKNOWN, "--build-arg"]);
    build.arg(format!("PUBLISHED={}", build_image::STAND_IN)).arg("docker/stand-ins/unknown");
    run_program("make it one of an application that is not known", &mut build)?;
    let mut prove = program(programs::xtask()?);
    let list = format!("{FOLDER}/proven.json");
    let _ = fs::remove_file(&list);
    prove.args(["release", "proven", "--registry", "127.0.0.1:5000", "--list", &list]);
    prove.args(["--from", UNKNOWN, "--"]);
    // Without the one that takes most memory, as each night.
    let roles: Vec<_> = ROLES.iter().filter(|role| role.start != Start::Last).map(|role| role.name).collect();
    prove.args(["--overlay", "ferretdb", "--only", &roles.join(",")]);
    run_program("prove it", &mut prove)?;
    let listed: Value = serde_json::from_str(&fs::read_to_string(&list)?)?;
    let [proof] = listed.as_array().context("no list")?.as_slice() else { bail!("not one proof: {listed}") };
    let names: Vec<_> = proof["roles"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
    ensure!(names.len() == roles.len(), "proven of {names:?}, not of {roles:?}");
    let extent = proof["extent"].as_str().context("it does not say how far it went")?;
    Ok(Outcome::Ok(format!("{} roles, {} tests, {extent}", names.len(), proof["tests"])))
}

/// `cargo xtask build-image` with these words, and these for `docker build`.
fn build(words: &[&str], rest: &[&str]) -> Result<()> {
    let mut build = program(programs::xtask()?);
    build.args(["build-image", "--no-check"]).args(words).arg("--").args(rest);
    run_program(&format!("build-image {}", words.join(" ")), &mut build).map(drop)
}

/// Builds from nothing, twice, and compares the digests.
fn twice() -> Result<Outcome> {
    let mut digests = Vec::new();
    for number in 1..=2 {
        let file = format!("{FOLDER}/{number}.tar");
        build(&["--oci", &file], &["--no-cache"])?;
        digests.push(digest(Path::new(&file))?);
        fs::remove_file(&file)?;
    }
    ensure!(digests[0] == digests[1], "{} and then {}", digests[0], digests[1]);
    Ok(Outcome::Ok(format!("{} both times", digests[0])))
}

/// The digest of the image in an archive of an OCI layout (image-spec, image layout: index.json).
fn digest(archive: &Path) -> Result<String> {
    let mut tar = program("tar");
    tar.arg("--extract").arg("--to-stdout").arg("--file").arg(archive).arg("index.json");
    let index = crate::run::ask(&mut tar).context("the archive has no index.json")?;
    let index: Value = serde_json::from_str(&index)?;
    Ok(index["manifests"][0]["digest"].as_str().context("the index names no image")?.to_owned())
}
