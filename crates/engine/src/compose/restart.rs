//! Starting a role's program again in place, by the init in its container. A signal through the engine would have it
//! take the next end as wanted.

use std::thread::sleep;
use std::time::Instant;

use berth_control::Status;

use super::docker::{Docker, Said, parsed};
use super::{INIT, LOOK, line};
use crate::{EngineError, Instance, Seen, State, Watcher};

/// Asks for a restart, and waits until another main process is good for clients.
pub fn restart(docker: &Docker, instance: &Instance, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
    let name = &instance.name;
    let before = status(docker, name)?.main.map(|main| main.pid);
    let (ok, said) = asked(docker, name, &["restart"])?;
    if !ok {
        return Err(EngineError::Refused { name: name.clone(), reason: said });
    }
    let (begin, patience) = (Instant::now(), instance.stop_within + instance.ready_within);
    loop {
        let status = status(docker, name)?;
        let again = status.main.is_some_and(|main| Some(main.pid) != before);
        let ready = again && status.state == berth_control::State::Ready;
        let (healthy, said) = if ready { asked(docker, name, &["health"])? } else { (false, String::new()) };
        if healthy {
            return Ok(());
        }
        let health = Some(said).filter(|said| !said.is_empty());
        let state = if ready { State::Unhealthy } else { State::Is(status.state) };
        if begin.elapsed() > patience {
            let last = super::Compose::last_lines(docker, name);
            return Err(EngineError::Late { name: name.clone(), state, after: patience, last, health });
        }
        if watcher.interrupts() > 0 {
            return Err(EngineError::Interrupted);
        }
        let waiting_for = status.waiting_for;
        watcher.saw(&[Seen { waiting_for, health, ..Seen::new(instance, state) }]);
        sleep(LOOK);
    }
}

/// What the init says of itself and its program.
fn status(docker: &Docker, name: &str) -> Result<Status, EngineError> {
    let line = line::exec(name, &[INIT, "status", "--json"]);
    parsed(&line, &docker.ask(&line).map_err(|error| not_running(name, error))?)
}

/// Whether the init does it, and what it says to it.
fn asked(docker: &Docker, name: &str, words: &[&str]) -> Result<(bool, String), EngineError> {
    let output = docker.answer(&line::exec(name, &[&[INIT], words].concat()), "")?;
    let said = if output.stdout.is_empty() { output.stderr } else { output.stdout };
    Ok((output.status.success(), String::from_utf8_lossy(&said).trim().to_owned()))
}

/// What Compose says when there is no container to run something in.
fn not_running(name: &str, error: EngineError) -> EngineError {
    let is_absent = |said: &Said| said.last.iter().any(|line| line.contains("is not running"));
    match error {
        EngineError::Docker { said, .. } if is_absent(&said) => EngineError::NotRunning(name.to_owned()),
        error => error,
    }
}
