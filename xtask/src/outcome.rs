//! Steps that all run, though one fails, and the table of how each ended.

use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;

use crate::run::say;

/// How a step ended when it did not fail.
pub enum Outcome {
    /// It ran; with what is worth saying about it.
    Ok(String),
    /// It could not run, and why. In CI that is a failure: nobody would notice it.
    Skipped(String),
}

/// What ran, in order.
#[derive(Default)]
pub struct Outcomes {
    rows: Vec<Row>,
}

struct Row {
    step: &'static str,
    ended: &'static str,
    took: Duration,
    note: String,
}

impl Outcomes {
    /// Runs a step. `remedy` is what to do when it fails.
    pub fn step(&mut self, step: &'static str, remedy: &str, work: impl FnOnce() -> Result<Outcome>) {
        say(&format!("== {step}"));
        let begun = Instant::now();
        let (ended, note) = match work() {
            Ok(Outcome::Ok(note)) => ("ok", note),
            Ok(Outcome::Skipped(why)) if in_ci() => ("failed", format!("skipped, though in CI: {why}")),
            Ok(Outcome::Skipped(why)) => ("skipped", why),
            Err(error) => {
                eprintln!("error: {step}: {error:#}");
                ("failed", remedy.to_owned())
            }
        };
        self.rows.push(Row { step, ended, took: begun.elapsed(), note });
    }

    /// Prints the table; the exit code says whether all went well.
    pub fn conclude(self) -> ExitCode {
        let width = self.rows.iter().map(|row| row.step.len()).max().unwrap_or(0);
        println!("\n{:width$}  {:7}  {:>8}  ", "step", "ended", "took");
        for Row { step, ended, took, note } in &self.rows {
            println!("{step:width$}  {ended:7}  {:6.1} s  {note}", took.as_secs_f32());
        }
        if self.rows.iter().any(|row| row.ended == "failed") { ExitCode::FAILURE } else { ExitCode::SUCCESS }
    }
}

/// Whether a skip counts as a failure.
fn in_ci() -> bool {
    std::env::var_os("CI").is_some_and(|value| !value.is_empty())
}
