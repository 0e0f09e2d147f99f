//! `berth down`: stops all that runs of an installation.

use std::path::PathBuf;
use std::process::ExitCode;

use berth_engine::Engine;

use crate::view::View;
use crate::{open, problem};

pub fn run(state: Option<PathBuf>) -> anyhow::Result<ExitCode> {
    let folder = open::folder(state)?;
    let mut view = View::on_stderr()?;
    let _lock = folder.lock("down").map_err(problem::of_folder)?;
    open::engine(&folder).down(&mut view).map_err(problem::of)?;
    view.say("nothing of it runs any more");
    Ok(ExitCode::SUCCESS)
}
