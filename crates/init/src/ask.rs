//! Asks the running init.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use berth_control::{Address, Answer, Credentials, Request, Status, ask};
use berth_report::{Code, Problem};

use crate::own::Own;
use crate::print;

/// An init that is alive answers within a turn of its loop.
const PATIENCE: Duration = Duration::from_secs(5);

/// The init of this container, or the one that BERTH_CONTROL names.
pub struct Running(Address);

impl Running {
    pub fn of(own: &Own) -> std::io::Result<Self> {
        own.control_of_running().map(Self)
    }

    /// The one that our environment names.
    pub fn here() -> anyhow::Result<Self> {
        Ok(Self::of(&Own::read()?)?)
    }

    pub fn put(&self, request: Request) -> anyhow::Result<Answer> {
        ask(&self.0, request, PATIENCE).map_err(|error| {
            Problem::new(Code::Failure, "cannot ask the running init")
                .hint("run this where it runs (docker exec), or name its socket with BERTH_CONTROL")
                .because(error)
                .into()
        })
    }

    pub fn status(&self) -> anyhow::Result<Status> {
        match self.put(Request::Status)? {
            Answer::Status(status) => Ok(status),
            other => bail!("the init answered {other:?} when asked how it is"),
        }
    }

    /// With what it asks the stores that its role needs.
    pub fn credentials(&self) -> anyhow::Result<Vec<Credentials>> {
        match self.put(Request::Credentials)? {
            Answer::Credentials { credentials } => Ok(credentials),
            other => bail!("the init answered {other:?} when asked for credentials"),
        }
    }
}

/// Prints the status, for a person or as JSON.
pub fn status(json: bool) -> anyhow::Result<ExitCode> {
    let status = Running::here()?.status()?;
    if json {
        print::json(&status)?;
    } else {
        print::lines(&[line(&status)])?;
    }
    Ok(ExitCode::SUCCESS)
}

/// Asks for a restart in place.
pub fn restart() -> anyhow::Result<ExitCode> {
    match Running::here()?.put(Request::Restart)? {
        Answer::Accepted => {
            print::lines(&["restarting; `berth-init status` says how far it is".to_owned()])?;
            Ok(ExitCode::SUCCESS)
        }
        Answer::Refused { reason } => bail!("no restart: {reason}"),
        other => bail!("the init answered {other:?} when asked to restart"),
    }
}

/// A status in a line: what a person wants to know first.
pub fn line(status: &Status) -> String {
    let name = status.role.as_deref().unwrap_or("program");
    let main = status
        .main
        .map(|main| format!("process {}{}", main.pid, if main.stopped { " (stopped)" } else { "" }));
    let waits =
        (!status.waiting_for.is_empty()).then(|| format!("waits for {}", status.waiting_for.join(", ")));
    let parts = [
        Some(format!("{name} {} for {} s", status.state.word(), status.for_ms / 1000)),
        main,
        status.ready_after_ms.map(|after| format!("ready after {after} ms")),
        (status.restarts > 0).then(|| format!("{} restarts", status.restarts)),
        waits,
    ];
    parts.into_iter().flatten().collect::<Vec<_>>().join(", ")
}
