//! `cargo xtask build-image`: the shared image, from the application's source, or from a published image, or that
//! image's stand-in; then looks into what it made.

use std::collections::BTreeMap;
use std::fs::Permissions;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};

use anyhow::{Context, Result, bail, ensure};
use clap::Args;
use fs_err as fs;
use serde_json::Value;

use crate::crates;
use crate::docker::{self, Docker};
use crate::outcome::Outcome;
use crate::programs;
use crate::run::{program, run as run_program, say};

mod application;
mod emulation;
mod inspection;
mod machine;
mod outputs;
mod secrets;
mod stand_in;

use application::Application;
use outputs::Output;
pub use stand_in::{TAG as STAND_IN, copy};

/// Where it keeps what builds take, from the root of the clone.
const FOLDER: &str = "target/image";

const EXAMPLES: &str = "\
Examples:
  cargo xtask build-image                                            the sample, as berth/postbox:dev
  cargo xtask build-image --app ../mail --tag ghcr.io/OWNER/REPO-selfhosted:v1.2.3 --push
  cargo xtask build-image --platform linux/amd64,linux/arm64 --oci image.tar
  cargo xtask build-image --from ghcr.io/OWNER/REPO-selfhosted:v1.2.3 --tag berth/mail:dev
  cargo xtask build-image --standin --compare                        what the published recipe makes of the sample";

/// What is to be built, and where it goes.
#[derive(Args, Default)]
#[allow(clippy::struct_excessive_bools)] // Flags of a command line are independent of each other.
#[command(after_help = EXAMPLES)]
pub struct BuildImage {
    /// The application's folder
    #[arg(long, value_name = "DIR", default_value = programs::APP, conflicts_with_all = ["from", "standin"])]
    app: PathBuf,
    /// Take this published image, and add berth-init
    #[arg(long, value_name = "IMAGE[@DIGEST]", conflicts_with = "standin")]
    from: Option<String>,
    /// Build the stand-in for the published image: the sample, the way of the published recipe
    #[arg(long)]
    standin: bool,
    /// For which platforms [default: the engine's]
    #[arg(long, value_name = "OS/ARCHITECTURE,…", value_delimiter = ',')]
    platform: Vec<String>,
    /// What it is called [default: berth/NAME:dev, after the application]
    #[arg(long, value_name = "NAME:TAG")]
    tag: Vec<String>,
    /// Into the engine; the default
    #[arg(long, conflicts_with_all = ["push", "oci"])]
    load: bool,
    /// To the registry that the tag names
    #[arg(long, conflicts_with = "oci")]
    push: bool,
    /// Into a file, as an OCI layout
    #[arg(long, value_name = "FILE")]
    oci: Option<PathBuf>,
    /// A build argument of docker/Dockerfile, such as BASE_IMAGE, COMPILE, LICENCES_OF
    #[arg(long, value_name = "NAME=VALUE")]
    build_arg: Vec<String>,
    /// Only make what `docker buildx bake -f docker/docker-bake.hcl` takes: berth-init for each platform
    #[arg(long, conflicts_with_all = ["from", "standin", "push", "oci"])]
    programs: bool,
    /// Show it beside the image that the published recipe makes of the sample
    #[arg(long)]
    compare: bool,
    /// Do not look into what was made
    #[arg(long)]
    no_check: bool,
    /// Passed on to `docker build`
    #[arg(last = true, value_name = "ARGUMENTS OF docker build")]
    rest: Vec<String>,
}

pub fn run(asked: &BuildImage) -> Result<ExitCode> {
    let docker = docker::required()?;
    say(&format!("Docker {}", docker.told()));
    let ended = build(&docker, asked);
    docker.leave()?;
    ended
}

/// What the tests run: the sample's image, looked into, and the stand-in for the published one.
pub fn for_tests(docker: &Docker) -> Result<Outcome> {
    let asked = BuildImage { app: programs::APP.into(), ..BuildImage::default() };
    let ended = build(docker, &asked)?;
    ensure!(ended == ExitCode::SUCCESS, "something is in the image that should not be");
    stand_in::build(docker, stand_in::TAG)?;
    Ok(Outcome::Ok(String::new()))
}

/// That a release can be built on this engine: others neither write an image into a file nor load it from there. Said before
/// anything is built.
pub fn ensure_builds_releases(docker: &Docker) -> Result<()> {
    ensure!(
        outputs::has_containerd_store(docker),
        "Docker {} has no containerd image store, without which no release is built: put \
         {{\"features\":{{\"containerd-snapshotter\":true}}}} into /etc/docker/daemon.json, and restart it",
        docker.told()
    );
    Ok(())
}

/// What a release has for a platform, in a file; gives the images that it is made of, with their digests.
pub fn for_release(
    docker: &Docker,
    app: &Path,
    platform: &str,
    tag: &str,
    file: &Path,
) -> Result<BTreeMap<String, String>> {
    let bases = docker::bases(docker)?;
    let mut asked = BuildImage {
        app: app.to_owned(),
        platform: vec![platform.to_owned()],
        tag: vec![tag.to_owned()],
        oci: Some(file.to_owned()),
        no_check: true,
        ..BuildImage::default()
    };
    if platform != docker.platform()? && bases.is_stand_in("node") {
        let [base, node] = docker::to_assemble_arm64(docker, &bases)?;
        asked.build_arg = vec![format!("BASE_IMAGE={base}"), format!("NODE_IMAGE={node}")];
    }
    build(docker, &asked)?;
    Ok(bases.digests())
}

/// Whether nothing is in an image that should not be there.
pub fn look_into(docker: &Docker, source: &str, platform: &str) -> Result<bool> {
    inspection::show(docker, source, Some(platform))
}

fn build(docker: &Docker, asked: &BuildImage) -> Result<ExitCode> {
    let platforms = platforms(docker, asked)?;
    let architectures: Vec<_> =
        platforms.iter().map(|platform| architecture(platform)).collect::<Result<_>>()?;
    if asked.standin {
        let tag = asked.tag.first().map_or(stand_in::TAG, String::as_str);
        stand_in::build(docker, tag)?;
        if asked.compare {
            inspection::show(docker, tag, None)?;
        }
        return Ok(ExitCode::SUCCESS);
    }
    for architecture in &architectures {
        prepare(architecture)?;
    }
    if asked.programs {
        return Ok(ExitCode::SUCCESS);
    }
    let made = match &asked.from {
        Some(published) => derive(docker, asked, published, &platforms)?,
        None => from_source(docker, asked, &platforms)?,
    };
    say(&format!("made {}", made.told()));
    if asked.no_check {
        return Ok(ExitCode::SUCCESS);
    }
    let Some(source) = made.source() else { return Ok(ExitCode::SUCCESS) };
    let mut good = true;
    for platform in &platforms {
        good &= inspection::show(docker, source, Some(platform))?;
    }
    if asked.compare {
        stand_in::build(docker, stand_in::TAG)?;
        inspection::show(docker, stand_in::TAG, None)?;
        inspection::compare(docker, source, stand_in::TAG, &platforms[0])?;
    }
    if !good && asked.from.is_some() {
        say("it has that from the published image, in which nothing is changed");
        good = true;
    }
    Ok(if good { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

/// The platforms that were asked for, or the engine's own.
fn platforms(docker: &Docker, asked: &BuildImage) -> Result<Vec<String>> {
    if !asked.platform.is_empty() {
        return Ok(asked.platform.clone());
    }
    Ok(vec![docker.platform()?])
}

fn architecture(platform: &str) -> Result<&str> {
    match platform {
        "linux/amd64" => Ok("amd64"),
        "linux/arm64" | "linux/arm64/v8" => Ok("arm64"),
        other => bail!("berth-init is made for linux/amd64 and linux/arm64, not for {other}"),
    }
}

/// Puts berth-init for an architecture, and the licences of what is linked into it, where builds find them.
fn prepare(architecture: &str) -> Result<()> {
    let built = fs::read(programs::init_for(architecture)?)?;
    let folder = Path::new(FOLDER).join("berth").join(format!("linux-{architecture}"));
    fs::create_dir_all(&folder)?;
    put(&folder.join("berth-init"), &built, 0o755)?;
    let licences = crates::licences("berth-init", programs::machine(architecture)?)?;
    put(&folder.join("berth-init.licenses"), licences.as_bytes(), 0o644)
}

/// Writes a file unless it is that already. Another build may be reading it there.
fn put(place: &Path, bytes: &[u8], mode: u32) -> Result<()> {
    if fs::read(place).is_ok_and(|there| there == bytes) {
        return Ok(());
    }
    let name = place.file_name().unwrap_or_default().to_string_lossy();
    let next = Path::new(FOLDER).join(format!("{name}-{}", std::process::id()));
    fs::write(&next, bytes)?;
    fs::set_permissions(&next, Permissions::from_mode(mode))?;
    fs::rename(next, place).map_err(Into::into)
}

fn from_source(docker: &Docker, asked: &BuildImage, platforms: &[String]) -> Result<Output> {
    let application = Application::read(&asked.app)?;
    let output = Output::of(docker, asked, || format!("berth/{}:dev", application.name))?;
    let given = |name: &str| {
        let pairs = asked.build_arg.iter().filter_map(|pair| pair.split_once('='));
        pairs.filter(|(key, _)| *key == name).map(|(_, value)| value.to_owned()).next_back()
    };
    let bases = docker::bases(docker)?;
    let mut build = docker.command(["buildx", "build", "--file", "docker/Dockerfile"]);
    build.args(["--build-context", "recipe=docker/recipe"]);
    build.arg("--build-context").arg(format!("berth={FOLDER}/berth"));
    build.args(["--platform", &platforms.join(",")]);
    let compiles = given("COMPILE").map_or(application.compiles, |value| value == "yes");
    let base = match given("BASE_IMAGE") {
        Some(base) => base,
        None => bases.reference("debian").context("there is no base image")?,
    };
    for (name, value) in [
        ("NODE_IMAGE", application.node.image(&bases, "node", "-slim")?),
        ("BUILDER_IMAGE", application.node.image(&bases, "builder", "")?),
        ("BASE_IMAGE", base.clone()),
        ("COMPILE", if compiles { "yes" } else { "no" }.to_owned()),
    ] {
        if given(name).is_none() {
            build.arg("--build-arg").arg(format!("{name}={value}"));
        }
    }
    for pair in &asked.build_arg {
        build.args(["--build-arg", pair]);
    }
    for (name, value) in application.labels(&base) {
        build.arg("--label").arg(format!("{name}={value}"));
    }
    if compiles {
        emulation::warn(docker, platforms, &asked.rest)?;
    }
    let _secrets = machine::lend(&mut build)?;
    build.env("SOURCE_DATE_EPOCH", application.epoch.to_string());
    // It says when and where something was built, which is never the same twice; whoever releases an image adds it.
    build.arg("--provenance=false");
    build.args(output.tags().iter().flat_map(|tag| ["--tag", tag]));
    output.ask(&mut build);
    build.args(&asked.rest).arg(&asked.app);
    run_program(&format!("build {}", output.told()), &mut build)?;
    output.deliver(docker)
}

/// By `berth image derive`, which operators have.
fn derive(docker: &Docker, asked: &BuildImage, published: &str, platforms: &[String]) -> Result<Output> {
    let [platform] = platforms else { bail!("a published image is derived for one platform at a time") };
    let name = published.split('@').next().unwrap_or(published).rsplit('/').next().unwrap_or(published);
    let output =
        Output::of(docker, asked, || format!("berth/{}:dev", name.split(':').next().unwrap_or(name)))?;
    let init =
        Path::new(FOLDER).join("berth").join(format!("linux-{}", architecture(platform)?)).join("berth-init");
    let mut derive = berth(docker)?;
    derive.args(["image", "derive", "--from", published, "--platform", platform]).arg("--init").arg(init);
    derive.args(["--tag", &output.tags()[0]]).arg("--");
    derive.args(output.tags()[1..].iter().flat_map(|tag| ["--tag", tag]));
    output.ask(&mut derive);
    derive.args(&asked.rest);
    run_program(&format!("derive {} from {published}", output.told()), &mut derive)?;
    output.deliver(docker)
}

/// `berth`, on this engine.
fn berth(docker: &Docker) -> Result<Command> {
    let mut berth = program(programs::berth()?);
    berth.envs(docker.environment());
    Ok(berth)
}

/// A field of a build's notes.
fn field<'a>(notes: &'a Value, name: &str) -> Option<&'a str> {
    notes[name].as_str()
}

/// That a program succeeded without a word is not enough where its answer is needed.
fn ensure_json(text: &str, what: &str) -> Result<Value> {
    ensure!(!text.trim().is_empty(), "{what} said nothing");
    serde_json::from_str(text).with_context(|| format!("cannot read what {what} said"))
}
