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
use berth_settings::{Settings, Severity};
use berth_supervise::machine::{Conduct, Plan};
use berth_supervise::{Charge, Inherited, Life, Program, Waiting};

use crate::account::{home_of, leave_root};
use crate::application;
use crate::command_line::Times;
use crate::locate::locate;
use crate::own::{Own, environment};
use crate::review::{self, Environment};
use crate::serve::serve;

/// Runs a program as tini does, or with a role's drain and grace; with the settings of the application, if it asks for them.
pub fn supervise(words: &[OsString], settings: bool, as_role: Option<Times>) -> anyhow::Result<ExitCode> {
    let inherited = Inherited::take().context("cannot block signals")?;
    let own = Own::read()?;
    let user = leave_root(&own)?;
    let mut program = program(words)?;
    if settings {
        program.environment = handed_over(&own)?;
    }
    program.environment.extend(home_of(user));
    let conduct = as_role.map_or(Conduct::Plain, |times| Conduct::Role {
        readiness: Readiness::AliveFor(Duration::ZERO),
        ready_within: Duration::MAX,
        delay: own.stop_delay.map_or(Duration::ZERO, |delay| delay.0),
        stop: Stop { quiet: None, drain: times.drain.0, grace: times.grace.0, normal: Stop::USUAL },
        forward_usr1: own.forward_usr1,
    });
    let restart = as_role.and_then(|_| own.restart.budget());
    // Nothing is known that it could be asked.
    let plan = Plan { conduct, need_within: Duration::MAX, restart, watch: None };
    let name = words.first().map(|word| word.to_string_lossy().into_owned()).unwrap_or_default();
    serve(&own, &plan, &mut Plain { name, program: program.clone() }, program, inherited)
}

fn program(words: &[OsString]) -> Result<Program, Problem> {
    let (first, rest) =
        words.split_first().ok_or_else(|| Problem::new(Code::Usage, "no program after --"))?;
    let folder = std::env::current_dir()
        .map_err(|error| Problem::new(Code::CannotRun, "cannot tell the current folder").because(error))?;
    let (path, name) = (locate(first)?, Some(first.clone()));
    Ok(Program { path, name, arguments: rest.to_vec(), folder, ..Program::default() })
}

/// What the application would be handed. It would end where something is missing, and so do we.
fn handed_over(own: &Own) -> Result<Environment, Problem> {
    let settings = Settings::load(&application::folder_of_any(own)?, environment());
    let findings = settings.findings(|_| false);
    if findings.iter().any(|finding| finding.severity == Severity::Refused) {
        let cause = review::unusable("the settings", &findings);
        return Err(Problem::new(Code::Settings, "cannot hand over the settings").because(cause));
    }
    Ok(review::in_place_of_files(&settings))
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

    fn ports(&self) -> Vec<u16> {
        Vec::new()
    }

    fn live(&self) -> Life {
        Box::pin(std::future::ready(Ok("runs".to_owned())))
    }

    fn describe(&self, _: &mut Status) {}

    fn credentials(&self) -> Vec<Credentials> {
        Vec::new()
    }
}
