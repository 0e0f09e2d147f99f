//! Our order of starting beside the one of the published Compose file, one role after another, and all at once.

use std::collections::BTreeSet;
use std::process::{Child, Stdio};
use std::thread::sleep;
use std::time::{Duration, Instant};

use anyhow::{Result, ensure};
use fs_err as fs;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::figures::{Row, Table, median};
use super::standing::{PATIENCE, Standing, Started};
use super::{Effort, FOLDER};
use crate::run::say;

pub const OURS: &str = "berth up";
pub const ALL: &str = "ready, s";
const BESIDE: &str = "one after another, in the published file's order";
const CHAINED: &str = "as the published file chains them";
const AT_ONCE: &str = "all at once";

/// The roles that have a port, as the published Compose file makes them wait: a line for those that wait for the line before. Workers
/// count as ready by the time that they have lived, whatever the order.
const CHAIN: &str = include_str!("../../tools/published-order.txt");

/// Starts all in turns, each time from nothing.
pub fn measured(standing: &Standing, effort: Effort) -> Result<Table> {
    let started = standing.started()?;
    let all: Vec<_> = CHAIN.split_whitespace().collect();
    let one_by_one: Vec<_> = all.iter().map(|role| vec![*role]).collect();
    let chained: Vec<Vec<_>> = CHAIN.lines().map(|stage| stage.split_whitespace().collect()).collect();
    let at_once = vec![all.clone()];
    let mut figures: [Vec<f64>; 4] = Default::default();
    for run in 1..=effort.runs {
        say(&format!("orders of starting, {run} of {}", effort.runs));
        let [ours, rest @ ..] = &mut figures;
        standing.berth(&["down"])?;
        let begun = Instant::now();
        standing.up(&["--detach", "--no-prove", "--only", &all.join(",")])?;
        ours.push(begun.elapsed().as_secs_f64());
        standing.berth(&["down"])?;
        for (stages, figures) in [&one_by_one, &chained, &at_once].into_iter().zip(rest) {
            figures.push(started_in(stages, &started)?);
        }
    }
    let names = [OURS, BESIDE, CHAINED, AT_ONCE];
    let rows = names
        .iter()
        .zip(figures)
        .map(|(name, figures)| Row { name: (*name).to_owned(), medians: vec![median(figures)] });
    let rows = rows.collect();
    Ok(Table { title: "nine roles with a port", columns: vec![ALL], rows, beside: BESIDE.to_owned() })
}

/// How long it takes to start roles in stages, each when all of the last are ready; seconds.
fn started_in(stages: &[Vec<&str>], started: &[Started]) -> Result<f64> {
    let mut inits = Inits(Vec::new());
    let begun = Instant::now();
    for stage in stages {
        let mut awaited = BTreeSet::new();
        for role in started.iter().filter(|one| stage.contains(&one.role.as_str())) {
            let path = format!("{FOLDER}/{}.log", role.role);
            let log = fs::File::create(&path)?.into_parts().0;
            inits.0.push(role.again()?.stdout(Stdio::null()).stderr(log).spawn()?);
            awaited.insert(path);
        }
        while !awaited.is_empty() {
            ensure!(begun.elapsed() < PATIENCE, "not ready: {awaited:?} say why");
            sleep(Duration::from_millis(5));
            awaited.retain(|path| !fs::read_to_string(path).is_ok_and(|log| log.lines().any(is_ready)));
        }
    }
    Ok(begun.elapsed().as_secs_f64())
}

/// The line with which an init says that its role is ready.
fn is_ready(line: &str) -> bool {
    serde_json::from_str(line).is_ok_and(|line: serde_json::Value| line["message"] == "ready")
}

/// Stopped at the end, the last first.
struct Inits(Vec<Child>);

impl Drop for Inits {
    fn drop(&mut self) {
        for init in self.0.iter_mut().rev() {
            if let Ok(pid) = i32::try_from(init.id()) {
                let _ = kill(Pid::from_raw(pid), Signal::SIGTERM);
            }
            let _ = init.wait();
        }
    }
}
