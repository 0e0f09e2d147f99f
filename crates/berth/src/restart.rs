//! `berth restart`: stops a role's program gracefully and waits until it is ready again.

use std::path::PathBuf;
use std::process::ExitCode;
use std::thread::sleep;
use std::time::{Duration, Instant};

use berth_catalogue::called;
use berth_engine::{Engine, EngineError, State, Watcher};

use crate::view::View;
use crate::{open, problem, table};

const LOOK: Duration = Duration::from_millis(50);

pub fn run(state: Option<PathBuf>, name: &str) -> anyhow::Result<ExitCode> {
    let name = called(name)?.name;
    let folder = open::folder(state)?;
    let mut view = View::on_stderr()?;
    let _lock = folder.lock("restart").map_err(problem::of_folder)?;
    restart(&open::engine(&folder), name, &mut view).map_err(problem::of)?;
    Ok(ExitCode::SUCCESS)
}

/// Asks for a restart, and waits until another main process is ready.
fn restart(engine: &dyn Engine, name: &str, view: &mut View) -> Result<(), EngineError> {
    let absent = || EngineError::NotRunning(name.to_owned());
    let look = || Ok::<_, EngineError>(engine.status()?.into_iter().find(|seen| seen.name == name));
    let wanted = engine.wanted()?.unwrap_or_default();
    let instance = wanted.instances.into_iter().find(|instance| instance.name == name).ok_or_else(absent)?;
    let before = look()?.and_then(|seen| seen.main);
    engine.restart(name)?;
    let (begin, patience) = (Instant::now(), instance.stop_within + instance.ready_within);
    loop {
        let seen = look()?.filter(|seen| seen.state != State::Down).ok_or_else(absent)?;
        if seen.state == State::READY && seen.main != before {
            view.say(&format!("{name} is ready again after {}", table::time(begin.elapsed())));
            return Ok(());
        }
        if begin.elapsed() > patience {
            let (name, state) = (name.to_owned(), seen.state);
            return Err(EngineError::Late { name, state, after: patience, last: Vec::new() });
        }
        if view.interrupts() > 0 {
            return Err(EngineError::Interrupted);
        }
        view.saw(&[seen]);
        sleep(LOOK);
    }
}
