//! `berth restart`: stops a role's program gracefully and waits until it is ready again.

use std::path::PathBuf;
use std::process::ExitCode;

use berth_catalogue::called;

use crate::view::View;
use crate::{open, problem, table};

pub fn run(state: Option<PathBuf>, name: &str) -> anyhow::Result<ExitCode> {
    let name = called(name)?.name;
    let folder = open::folder(state)?;
    let mut view = View::on_stderr()?;
    let _lock = folder.lock("restart").map_err(problem::of_folder)?;
    let engine = open::engine(&folder)?;
    // From here on: what Docker takes to be asked who runs is no part of it.
    let begin = std::time::Instant::now();
    engine.restart(name, &mut view).map_err(problem::of)?;
    view.say(&format!("{name} is ready again after {}", table::time(begin.elapsed())));
    Ok(ExitCode::SUCCESS)
}
