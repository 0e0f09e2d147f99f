//! Any program, after `--`.

use std::error::Error;
use std::ffi::OsString;
use std::pin::Pin;
use std::process::ExitCode;
use std::time::Duration;

use anyhow::Context;
use berth_control::{Credentials, Status};
use berth_report::{Code, Problem};
use berth_role::{Readiness, Stop};
use berth_supervise::machine::{Conduct, Plan};
use berth_supervise::{Budget, Charge, Inherited, Program, Waiting};

use crate::command_line::Times;
use crate::locate::locate;
use crate::own::{Own, Restart};
use crate::serve::serve;

/// Runs a program as tini does, or with a role's drain and grace.
pub fn supervise(words: &[OsString], as_role: Option<Times>) -> anyhow::Result<ExitCode> {
    let inherited = Inherited::take().context("cannot block signals")?;
    let own = Own::read()?;
    let program = program(words)?;
    let conduct = as_role.map_or(Conduct::Plain, |times| Conduct::Role {
        readiness: Readiness::AliveFor(Duration::ZERO),
        ready_within: Duration::MAX,
        delay: own.stop_delay.map_or(Duration::ZERO, |delay| delay.0),
        stop: Stop { drain: times.drain.0, grace: times.grace.0, normal: &[0, 1, 130, 143] },
        forward_usr1: own.forward_usr1,
    });
    let restarts = as_role.is_some() && own.restart == Restart::OnFailure;
    let plan = Plan { conduct, need_within: Duration::MAX, restart: restarts.then(Budget::default) };
    let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    serve(&own, &plan, &mut Plain { name, program: program.clone() }, program, inherited)
}

fn program(words: &[OsString]) -> Result<Program, Problem> {
    let (first, rest) =
        words.split_first().ok_or_else(|| Problem::new(Code::Usage, "no program after --"))?;
    let folder = std::env::current_dir()
        .map_err(|error| Problem::new(Code::CannotRun, "cannot tell the current folder").because(error))?;
    Ok(Program { path: locate(first)?, arguments: rest.to_vec(), folder, environment: Vec::new() })
}

struct Plain {
    name: String,
    program: Program,
}

impl Charge for Plain {
    fn name(&self) -> &str {
        &self.name
    }

    fn prepare(&mut self) -> Result<Program, Box<dyn Error + Send + Sync>> {
        Ok(self.program.clone())
    }

    fn needs(&self, _: Waiting) -> Pin<Box<dyn Future<Output = ()>>> {
        Box::pin(std::future::ready(()))
    }

    fn describe(&self, _: &mut Status) {}

    fn credentials(&self) -> Vec<Credentials> {
        Vec::new()
    }
}
