//! An installation that is there, and the engine that runs it.

use std::path::PathBuf;
use std::thread::available_parallelism;

use berth_engine::folder::Lock;
use berth_engine::{Compose, Engine, Folder, Local};

use crate::compose::project;
use crate::view::{self, View};
use crate::{places, problem};

pub fn folder(state: Option<PathBuf>) -> anyhow::Result<Folder> {
    Folder::open(&places::state(state)?).map_err(problem::of_folder)
}

/// The engine that the installation was brought up with.
pub fn engine(folder: &Folder) -> anyhow::Result<Box<dyn Engine>> {
    Ok(match project::check(folder)? {
        Some(_) => Box::new(Compose::new(folder.clone())),
        None => Box::new(Local::new(folder.clone(), processors())),
    })
}

/// Lets no other berth change it meanwhile. That these are not told by whom is no reason not to do what was asked.
pub fn lock(folder: &Folder, purpose: &str, view: &mut View) -> anyhow::Result<Lock> {
    let lock = folder.lock(purpose).map_err(problem::of_folder)?;
    if let Some(error) = lock.untold() {
        view.say(&format!("other commands are not told who is changing this installation: {error}"));
    }
    Ok(lock)
}

/// Puts aside the logs that have grown too long, for whoever wants to know something else: that it cannot be done is
/// said, and no more.
pub fn tend(engine: &dyn Engine) {
    if let Err(error) = engine.tend() {
        eprintln!("{}", view::untended(&error.told()));
    }
}

/// How many roles may be starting at a time when nobody says so: each loads for seconds of processor time.
pub fn processors() -> usize {
    available_parallelism().map_or(1, usize::from)
}
