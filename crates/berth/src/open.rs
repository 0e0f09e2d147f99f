//! An installation that is there, and the engine that runs it.

use std::path::PathBuf;
use std::thread::available_parallelism;

use berth_engine::{Folder, Local};

use crate::{places, problem};

pub fn folder(state: Option<PathBuf>) -> anyhow::Result<Folder> {
    Folder::open(&places::state(state)?).map_err(problem::of_folder)
}

pub fn engine(folder: &Folder) -> Local {
    Local::new(folder.clone(), processors())
}

/// How many roles may be starting at a time when nobody says so: each loads for seconds of processor time.
pub fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}
