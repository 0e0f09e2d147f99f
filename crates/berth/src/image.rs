//! `berth image`: makes the shared image from one that was published, looks into a finished one, and takes one from a file.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::{Args, Subcommand};

mod archive;
mod check;
mod contents;
pub mod derive;
mod docker;
pub mod elf;
mod layer;
mod load;
mod rules;

#[derive(Debug, Args)]
pub struct Image {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Make the shared image from a published one: the same, and berth-init
    #[command(
        after_help = "Examples:\n  berth image derive --from ghcr.io/OWNER/REPO-selfhosted:v1.2.3\n  berth image derive --from published:dev --tag berth/mail:dev --dry-run"
    )]
    Derive(Derive),
    /// Look into a finished image: sizes, and what should not be in it; exit 1 when there is something
    #[command(
        after_help = "Examples:\n  berth image check berth/postbox:dev\n  berth image check image.tar --json"
    )]
    Check {
        /// An image of the engine, or a file that `docker save` or a build wrote
        image: String,
        /// Which of several platforms [default: the engine's]
        #[arg(long, value_name = "OS/ARCH")]
        platform: Option<String>,
        /// As JSON (docs/reference/berth.md)
        #[arg(long)]
        json: bool,
    },
    /// Take an image of a release from a file, where no registry is reached; verified first
    #[command(
        after_help = "Examples:\n  berth image load image-v1.2.3.oci.tar\n  berth image load image-v1.2.3.oci.tar --release release.json"
    )]
    Load {
        /// What was published beside the image: image-vX.Y.Z.oci.tar
        file: PathBuf,
        /// Who signs it, a file: docs/guide/releases.md [default: who releases berth]
        #[arg(long, env = "BERTH_RELEASE", value_name = "FILE", hide_env_values = true)]
        release: Option<PathBuf>,
    },
}

#[derive(Debug, Args)]
pub struct Derive {
    /// The published image; as NAME@DIGEST it is that very one
    #[arg(long, value_name = "IMAGE")]
    from: String,
    /// The name of the new image [default: berth/, and the last part of the published one's name]
    #[arg(long, value_name = "NAME:TAG")]
    tag: Option<String>,
    /// The static berth-init to put into it [default: beside berth]
    #[arg(long, env = "BERTH_INIT", value_name = "PATH", hide_env_values = true)]
    init: Option<PathBuf>,
    /// Which of several platforms [default: that of berth-init]
    #[arg(long, value_name = "OS/ARCH")]
    platform: Option<String>,
    /// Only say what would be done
    #[arg(long)]
    dry_run: bool,
    /// Passed on to `docker build` instead of --load
    #[arg(last = true, value_name = "ARGUMENTS OF docker build")]
    rest: Vec<String>,
}

pub fn run(state: Option<PathBuf>, image: &Image) -> anyhow::Result<ExitCode> {
    match &image.command {
        Command::Derive(derive) => derive::run(derive),
        Command::Check { image, platform, json } => check::run(image, platform.as_deref(), *json),
        Command::Load { file, release } => load::run(state, file, release.as_deref()),
    }
}
