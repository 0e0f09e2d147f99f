//! `cargo xtask release`: from a version to signed images that anyone can pull and check. Each step is a word of its own;
//! without one all are done, in this order: build, check, push, sign, verify, tags, assets.
//!
//! No tag moves before the image was booted, pushed by its digest, signed, and verified as an operator would. What a step
//! makes is in `target/publish`, where the next one finds it, and each may be repeated: what is there already is left.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::Result;
use clap::{Args, Subcommand};
use fs_err as fs;

use crate::docker;
use crate::run::say;

mod assets;
mod boot;
mod build;
mod check;
mod installation;
mod layout;
mod notes;
mod prepare;
mod programs;
mod proven;
mod provenance;
mod pushing;
mod registry;
mod sbom;
mod signing;
mod target;
mod verifying;
mod version;

pub use programs::install_all as install_programs;
use registry::Registry;
use signing::Signer;
use target::Target;
use version::Version;

/// Where it keeps what it makes, from the root of the clone.
const FOLDER: &str = "target/publish";

const EXAMPLES: &str = "\
Examples:
  cargo xtask release --registry 127.0.0.1:5000              all of it, on this machine
  cargo xtask release --registry 127.0.0.1:5000 --dry-run    what would be done
  cargo xtask release prepare 0.2.0                          bump, check the changelog, commit, tag
  cargo xtask release check                                  what has to be right before anything is public";

#[derive(Args)]
#[command(after_help = EXAMPLES)]
pub struct Release {
    #[command(subcommand)]
    step: Option<Step>,
    /// Where images go: a registry, such as 127.0.0.1:5000. One of this machine is started where none answers
    #[arg(long, global = true, value_name = "HOST[:PORT]")]
    registry: Option<String>,
    /// The key to sign with, a file of cosign's. Without one the workflow's identity signs; on this machine one is made
    #[arg(long, global = true, value_name = "FILE")]
    key: Option<PathBuf>,
    /// The application's folder
    #[arg(long, global = true, value_name = "DIR", default_value = crate::programs::APP)]
    app: PathBuf,
    /// For which platforms
    #[arg(
        long,
        global = true,
        value_name = "OS/ARCHITECTURE,…",
        value_delimiter = ',',
        default_value = "linux/amd64,linux/arm64"
    )]
    platform: Vec<String>,
    /// Leave the static `berth` out, which takes minutes to build for each platform
    #[arg(long, global = true)]
    without_berth: bool,
    /// Only say what would be done
    #[arg(long, global = true)]
    dry_run: bool,
}

#[derive(Subcommand, Clone, PartialEq, Eq)]
enum Step {
    /// Make this the version of the workspace, check the changelog, commit and tag
    Prepare {
        /// X.Y.Z, or X.Y.Z-rc.1
        version: String,
    },
    /// The programs, the image for each platform, what is in it (SBOM), and where it comes from (provenance)
    Build,
    /// What has to be right before anything is public; starts each role of the image that was built
    Check,
    /// The image to the registry, by its digest: no tag moves
    Push,
    /// A signature, the SBOM and the provenance to it
    Sign,
    /// Verify it as an operator would, by `berth verify`
    Verify,
    /// Move the tags to it, if it verifies
    Tags,
    /// What is published beside the image: programs, checksums, the digest, and the image as a file
    Assets,
    /// Make a published application image ours, prove it, run the tests that hold of every image on it, and note its digest in a signed list
    Proven {
        /// The published image
        #[arg(long, value_name = "IMAGE")]
        from: String,
        /// The list: what was proven before stays in it
        #[arg(long, value_name = "FILE", default_value = proven::LIST)]
        list: PathBuf,
        /// Passed on to `berth up`
        #[arg(last = true, value_name = "ARGUMENTS OF berth up")]
        rest: Vec<String>,
    },
    /// Serve a registry of this machine until Ctrl-C, at --registry
    Registry,
}

const ALL: [Step; 7] =
    [Step::Build, Step::Check, Step::Push, Step::Sign, Step::Verify, Step::Tags, Step::Assets];

/// Does the step, or all.
pub fn run(asked: &Release) -> Result<ExitCode> {
    if let Some(Step::Prepare { version }) = &asked.step {
        prepare::run_for(version, asked.dry_run)?;
        return Ok(ExitCode::SUCCESS);
    }
    let target = Target::of(asked.registry.as_deref())?;
    if asked.step == Some(Step::Registry) {
        return registry::serve(&target);
    }
    let steps = asked.step.clone().map_or(ALL.to_vec(), |step| vec![step]);
    if !asked.dry_run {
        fs::create_dir_all(FOLDER)?;
    }
    let wants_registry =
        |step: &Step| matches!(step, Step::Push | Step::Sign | Step::Verify | Step::Tags | Step::Assets);
    let _registry = if steps.iter().any(wants_registry) && !asked.dry_run {
        Registry::if_none_answers(&target)?
    } else {
        None
    };
    for step in steps {
        one(&step, asked, &target)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn one(step: &Step, asked: &Release, target: &Target) -> Result<()> {
    let version = Version::of_the_workspace()?;
    if asked.dry_run {
        say(&format!("would {}", told(step, target, &version)));
        return if *step == Step::Check { check::before(target, &version).map(drop) } else { Ok(()) };
    }
    say(&format!("== {}", told(step, target, &version)));
    match step {
        Step::Build => with_docker(|docker| build::run(docker, asked, &version)),
        Step::Check => {
            check::before(target, &version)?;
            with_docker(|docker| {
                check::image(docker)?;
                boot::every_role(docker)
            })
        }
        Step::Push => pushing::image(target),
        Step::Sign => signing::sign(target, asked.key.as_deref()),
        Step::Verify => verifying::as_an_operator(target),
        Step::Tags => {
            verifying::as_an_operator(target)?;
            pushing::tags(target, &version)
        }
        Step::Assets => assets::gather(target, asked.key.as_deref(), &version),
        Step::Proven { from, list, rest } => with_docker(|docker| {
            // Whoever cannot sign is told before minutes of proof.
            let signer = Signer::of(target, asked.key.as_deref())?;
            let proof = proven::prove(docker, &version, from, rest)?;
            proven::note(list, &proof)?;
            signer.file(list)
        }),
        Step::Prepare { .. } | Step::Registry => Ok(()),
    }
}

fn with_docker(work: impl FnOnce(&docker::Docker) -> Result<()>) -> Result<()> {
    let docker = docker::required()?;
    let done = work(&docker);
    docker.leave()?;
    done
}

/// What a step does, for whoever watches or only wants to know.
fn told(step: &Step, target: &Target, version: &Version) -> String {
    let image = &target.image;
    match step {
        Step::Prepare { .. } => "prepare".to_owned(),
        Step::Build => {
            format!("build programs and image of {version} into {FOLDER}, with SBOM and provenance")
        }
        Step::Check => "check the repository, look into the image, and start each of its roles".to_owned(),
        Step::Push => format!("push the image to {image} by its digest"),
        Step::Sign => format!("sign {image}, and attach SBOM and provenance"),
        Step::Verify => format!("verify {image} as an operator would"),
        Step::Tags => format!("move the tags of {image} that are for {version}"),
        Step::Assets => format!("put into {FOLDER}/assets what is published beside {image}"),
        Step::Proven { from, .. } => {
            format!("derive an image from {from}, prove it, and run the tests that hold of every image")
        }
        Step::Registry => format!("serve {}", target.registry),
    }
}
