//! `cargo xtask bench`: what `berth-init` costs beside what one would otherwise use.
//!
//! Figures for a person to read, never asserted: they are a property of the machine and of what else it does. What is compared is
//! measured in turns, so that whatever else goes on meets all alike; medians are printed.

use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context, Result};
use clap::{Args, ValueEnum};
use fs_err as fs;
use nix::unistd::geteuid;

use crate::outcome::Outcome;
use crate::programs::{self, Packages};
use figures::Table;

mod figures;
mod health;
mod init;
mod machine;
mod order;
mod page;
mod service;
mod standing;

/// Where it keeps what it makes.
const FOLDER: &str = "target/bench";

/// What is measured.
#[derive(Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum Part {
    /// Size, memory, start, signals, ends and orphans, beside other inits
    Init,
    /// One health check, beside curl, nc and a script for Node
    Probe,
    /// From nothing to ready in our order, one after another, and all at once
    Up,
    /// Start, memory and mails of the service, beside the same programs without berth-init
    Service,
}

/// What is asked for.
#[derive(Args)]
pub struct Bench {
    /// What is measured; without a name all
    parts: Vec<Part>,
    /// How often each is measured [default: 5]
    #[arg(long, value_name = "TIMES", conflicts_with = "short")]
    runs: Option<usize>,
    /// Measure once and little, to see that everything can be measured: the figures are worth nothing
    #[arg(long)]
    short: bool,
    /// Write docs/reference/benchmarks.md and its picture
    #[arg(long, conflicts_with_all = ["short", "parts"])]
    write: bool,
}

/// How much is measured.
#[derive(Clone, Copy)]
pub struct Effort {
    /// How often what takes seconds is measured.
    pub runs: usize,
    /// How often what takes a millisecond is.
    pub rounds: usize,
    /// How many orphans are made.
    pub orphans: u32,
    /// How long something is watched at rest.
    pub rest: Duration,
    /// How many mails go through the service.
    pub mails: u32,
}

impl Bench {
    fn effort(&self) -> Effort {
        let runs = self.runs.unwrap_or(5);
        if self.short {
            let rest = Duration::from_millis(500);
            return Effort { runs: 1, rounds: 3, orphans: 200, rest, mails: 20 };
        }
        Effort { runs, rounds: runs * 40, orphans: 20_000, rest: Duration::from_secs(5), mails: 1000 }
    }
}

/// Measures what is asked for, prints it, and writes the page where that is wanted.
pub fn run(asked: &Bench) -> Result<()> {
    let wanted = |part: Part| asked.parts.is_empty() || asked.parts.contains(&part);
    let effort = asked.effort();
    let mut programs = programs::build(Packages::Production)?;
    fs::create_dir_all(FOLDER)?;
    programs.init = installed(&programs.init)?;
    let mut report = page::Report { machine: machine::described(), ..page::Report::default() };
    if wanted(Part::Init) {
        report.init = Some(told(init::measured(&programs.init, effort)?));
    }
    if [Part::Probe, Part::Up, Part::Service].into_iter().any(wanted) {
        let standing = standing::Standing::new(programs)?;
        if wanted(Part::Probe) {
            report.probe = Some(told(health::measured(&standing, effort)?));
        }
        if wanted(Part::Service) {
            let service::Measured { memory, times } = service::measured(&standing, effort)?;
            report.service = Some([told(memory), told(times)]);
        }
        if wanted(Part::Up) {
            report.up = Some(told(order::measured(&standing, effort)?));
        }
    }
    if asked.write { report.write() } else { Ok(()) }
}

/// A copy of a program, as installing it makes one. A linker writes its file here and there, and the kernel then holds it in so
/// small pieces that a start takes a fifth more page faults.
fn installed(file: &Path) -> Result<PathBuf> {
    let copy = std::path::absolute(FOLDER)?.join(file.file_name().context("a program has a name")?);
    // Written anew, not over what was there: somebody may still run that.
    let _ = fs::remove_file(&copy);
    fs::copy(file, &copy)?;
    Ok(copy)
}

/// Measures little of everything: what nobody runs for months would not run any more.
pub fn tried() -> Result<Outcome> {
    if !geteuid().is_root() {
        return Ok(Outcome::Skipped("inits are measured as root".to_owned()));
    }
    run(&Bench { parts: Vec::new(), runs: None, short: true, write: false })?;
    Ok(Outcome::Ok("its figures are worth nothing".to_owned()))
}

/// Prints a table, as it is written to the page.
fn told(table: Table) -> Table {
    println!("{}", table.rendered());
    table
}
