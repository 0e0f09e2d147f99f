//! What a contributor runs, one file a command: `cargo xtask up`, `test`, `check`, `generate`, `compatibility`,
//! `bench`, `soak`, `build-image`, `release`, `bases`, `docker`, `tools`.
//!
//! Commands work on the clone that they are called from, whatever the current folder, and keep what they
//! make in four git-ignored folders: `target` (builds), `.tools` (Node, linters, Docker), `.berth` (the service) and
//! `docker/app/node_modules` (the sample application's packages). A Docker engine that they start has its socket in
//! `/run`.

use std::ffi::OsString;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::{Parser, Subcommand};

mod bench;
mod build_image;
mod check;
mod crates;
mod debian;
mod docker;
mod generate;
mod links;
mod outcome;
mod peers;
mod programs;
mod release;
mod run;
mod servers;
mod soak;
mod test;
mod tools;
mod up;

#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask", about = "Work on berth", after_help = EXAMPLES)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const EXAMPLES: &str = "\
Examples:
  cargo xtask up --once    build everything, prove that a mail goes through, stop
  cargo xtask up --port-offset 4000    all options of `berth up` are passed on
  cargo xtask test init    run the black-box tests of berth-init alone";

const DOCKER_EXAMPLES: &str = "\
Examples:
  cargo xtask docker -- ps           what runs; an engine is started if none answers, and goes on
  eval \"$(cargo xtask docker)\"       let this shell's docker reach it
  cargo xtask docker --stop          stop it";

#[derive(Subcommand)]
enum Command {
    /// Build everything and bring the mail service up
    Up {
        /// Passed on to `berth up`: --once proves that a mail goes through, then stops
        #[arg(trailing_var_arg = true, allow_hyphen_values = true, value_name = "ARGUMENTS OF berth up")]
        arguments: Vec<OsString>,
    },
    /// Run the tests; without a name all of them
    Test {
        /// Which of them
        suites: Vec<test::Suite>,
    },
    /// Run what is to be clean before every commit: format, lints, layers, generated files, links, …
    Check,
    /// Write the files that are rendered from the catalogue
    Generate {
        /// Write nothing; fail with the difference when a file is not what would be written
        #[arg(long)]
        check: bool,
    },
    /// Try what is expected of an init on berth-init and on others, and write docs/reference/pid1-compatibility.md
    Compatibility,
    /// Measure what berth-init and its health check cost, beside what one would otherwise use
    Bench(bench::Bench),
    /// Run what takes too long for every change: mails under restarts and kills, two builds compared, another architecture and kernel, a release, a published image proven, berth-init's suite again and again
    Soak {
        /// Which parts of it; without a name all
        parts: Vec<soak::Part>,
        /// How many mails go in while roles are restarted and killed
        #[arg(long, default_value_t = 1000)]
        mails: u32,
        /// How often the suite of berth-init runs; its tests of signals and deadlines ten times as often
        #[arg(long, default_value_t = 20, value_parser = clap::value_parser!(u32).range(1..=1_000_000))]
        runs: u32,
    },
    /// Build the shared image: from source, or from a published image
    BuildImage(Box<build_image::BuildImage>),
    /// Build, check, push, sign and verify what users get: the image for each platform, and the programs
    Release(Box<release::Release>),
    /// Get the images that ours are built from and run beside; where no registry can be reached, stand-ins are made
    Bases {
        /// First read each digest from its registry and write it into docker/bases.json, and into the workflows whose jobs run in one
        #[arg(long)]
        refresh: bool,
    },
    /// Run docker on the engine that the tests use, which is started if there is none
    #[command(after_help = DOCKER_EXAMPLES)]
    Docker {
        /// Stop the engine that was started, and remove what it changed on this machine but its images
        #[arg(long, conflicts_with = "words")]
        stop: bool,
        /// Words for docker; without any, what a shell needs to reach the engine is printed
        #[arg(last = true, value_name = "WORDS FOR docker")]
        words: Vec<OsString>,
    },
    /// Get Node, pnpm and the linters into .tools
    Tools,
}

fn main() -> ExitCode {
    run(Arguments::parse().command).unwrap_or_else(|error| {
        eprintln!("error: {error:#}");
        ExitCode::FAILURE
    })
}

fn run(command: Command) -> Result<ExitCode> {
    go_to_the_root()?;
    match command {
        Command::Up { arguments } => up::run(&arguments),
        Command::Test { suites } => Ok(test::run(&suites)),
        Command::Check => Ok(check::run()),
        Command::Generate { check } => generate::run(check).map(|()| ExitCode::SUCCESS),
        Command::Compatibility => Ok(test::compatibility()),
        Command::Bench(asked) => bench::run(&asked).map(|()| ExitCode::SUCCESS),
        Command::Soak { parts, mails, runs } => soak::run(&parts, mails, runs),
        Command::BuildImage(asked) => build_image::run(&asked),
        Command::Release(asked) => release::run(&asked),
        Command::Bases { refresh } => docker::run_bases(refresh),
        Command::Docker { stop, words } => docker::run(&words, stop),
        Command::Tools => tools::run().map(|()| ExitCode::SUCCESS),
    }
}

/// All paths in this program are relative to the root of the clone. Cargo names it when it runs us: the path
/// at compile time would be another clone's where two share a target folder.
fn go_to_the_root() -> Result<()> {
    let package = std::env::var_os("CARGO_MANIFEST_DIR").context("run this as `cargo xtask`")?;
    let root = std::path::Path::new(&package).parent().context("the folder of xtask has no parent")?;
    std::env::set_current_dir(root).with_context(|| format!("cannot enter {}", root.display()))
}
