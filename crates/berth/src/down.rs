//! `berth down`: stops all that runs of an installation, and with `--volumes` removes its data.

use std::io::{IsTerminal, stdin};
use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, anyhow};
use berth_engine::{Compose, EngineError, Folder};
use berth_report::{Code, Problem};

use crate::arguments::Down;
use crate::compose::project;
use crate::interrupts::INTERRUPTED;
use crate::view::View;
use crate::{account, again, open, problem};

pub fn run(state: Option<PathBuf>, arguments: &Down) -> anyhow::Result<ExitCode> {
    let folder = open::folder(state)?;
    if arguments.volumes {
        return with_volumes(&folder, arguments.yes);
    }
    let mut view = View::on_stderr()?;
    let _lock = open::lock(&folder, "down", &mut view)?;
    done(open::engine(&folder)?.down(&mut view), &mut view)
}

fn done(ended: Result<(), EngineError>, view: &mut View) -> anyhow::Result<ExitCode> {
    match ended {
        Err(EngineError::Interrupted) => return Ok(not_waited_for(view)),
        ended => ended.map_err(problem::of)?,
    }
    view.say("nothing of it runs any more");
    Ok(ExitCode::SUCCESS)
}

/// Somebody did not wait until all was down.
pub fn not_waited_for(view: &mut View) -> ExitCode {
    let down = again::berth("down");
    view.say(&format!(
        "not waited for any longer: what was asked to stop goes on stopping, and the rest goes on running; to take \
         that down too: {down}"
    ));
    ExitCode::from(INTERRUPTED)
}

/// The volumes hold what cannot be made again.
fn with_volumes(folder: &Folder, yes: bool) -> anyhow::Result<ExitCode> {
    let mut compose = Compose::new(folder.clone());
    let Some(project) = project::check(folder)? else {
        let problem = Problem::new(Code::Usage, "there are no volumes: the roles are processes of this host");
        let data = folder.path("data");
        return Err(problem.hint(format!("their data are in {}", data.display())).into());
    };
    let volumes = compose.volumes(&project).map_err(problem::of)?;
    let told = format!("all mail and all accounts are lost with the volumes {}", volumes.join(", "));
    if !volumes.is_empty() && !yes && !confirmed(&told, &project)? {
        let hint = format!("say so: {}", again::berth("down --volumes --yes"));
        return Err(Problem::new(Code::Usage, "nothing was removed")
            .because(anyhow!(told))
            .hint(hint)
            .into());
    }
    let mut view = View::on_stderr()?;
    let _lock = open::lock(folder, "down", &mut view)?;
    if yes && !volumes.is_empty() {
        view.say(&told);
    }
    let code = done(compose.down_with_volumes(&mut view), &mut view)?;
    account::forget(folder)?;
    Ok(code)
}

/// Asks the person at the keyboard, if there is one, to type the name of what is lost.
fn confirmed(told: &str, project: &str) -> anyhow::Result<bool> {
    if !stdin().is_terminal() {
        return Ok(false);
    }
    eprintln!("{told}\nType the project's name, {project}, to go on:");
    let mut typed = String::new();
    stdin().read_line(&mut typed).context("cannot read the answer")?;
    Ok(typed.trim() == project)
}
