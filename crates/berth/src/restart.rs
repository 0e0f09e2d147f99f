//! `berth restart`: stops a role's program gracefully and waits until it is ready again.

use std::path::PathBuf;
use std::process::ExitCode;

use berth_catalogue::called;
use berth_engine::compose::PLACE;
use berth_engine::{Compose, EngineError, Folder, Kind, Means};
use berth_report::{Code, Problem};

use crate::interrupts::INTERRUPTED;
use crate::view::View;
use crate::{again, open, problem, table};

pub fn run(state: Option<PathBuf>, name: &str) -> anyhow::Result<ExitCode> {
    let name = match called(name) {
        Ok(role) => role.name,
        Err(unknown) => return Err(beside_the_roles(state, name)?.unwrap_or(unknown).into()),
    };
    let folder = open::folder(state)?;
    let mut view = View::on_stderr()?;
    let _lock = open::lock(&folder, "restart", &mut view)?;
    let engine = open::engine(&folder)?;
    // From here on: what Docker takes to be asked who runs is no part of it.
    let begin = std::time::Instant::now();
    match engine.restart(name, &mut view) {
        Err(EngineError::Interrupted) => {
            view.say(&format!("not waited for any longer: {name} goes on; {}", again::berth("status")));
            return Ok(ExitCode::from(INTERRUPTED));
        }
        restarted => restarted.map_err(problem::of)?,
    }
    view.say(&format!("{name} is ready again after {}", table::time(begin.elapsed())));
    Ok(ExitCode::SUCCESS)
}

/// What there is to say of a service beside the roles: these are Docker's.
fn beside_the_roles(state: Option<PathBuf>, name: &str) -> anyhow::Result<Option<Problem>> {
    let Ok(folder) = open::folder(state) else { return Ok(None) };
    let problem =
        || Problem::new(Code::Usage, format!("{name} is no role, and has no berth-init that restarts it"));
    Ok(command(&folder, name)?.map(|command| problem().hint(command)))
}

/// The command that does the same for a service of ours that is no role: read again where it can, else start again.
fn command(folder: &Folder, name: &str) -> anyhow::Result<Option<String>> {
    if Kind::of(folder).map_err(problem::of)? != Some(Kind::Compose) {
        return Ok(None);
    }
    let Some(wanted) = Compose::new(folder.clone()).known().map_err(problem::of)? else { return Ok(None) };
    let (true, Means::Containers(containers)) =
        (wanted.instances.iter().any(|instance| instance.name == name), &wanted.means)
    else {
        return Ok(None);
    };
    let words = match containers.reload.get(name) {
        Some(reload) => format!("exec {name} {}", reload.join(" ")),
        None => format!("restart {name}"),
    };
    Ok(Some(format!("docker compose {words}, in {}", folder.path(PLACE).display())))
}
