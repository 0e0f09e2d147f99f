//! Processes of this host: what they need is found and made, and they are kept up until Ctrl-C.

use std::path::Path;
use std::process::ExitCode;

use berth_engine::folder::FolderError;
use berth_engine::{Engine, EngineError, Folder, Kept, Local, Wanted, Watcher};
use berth_report::{Code, Problem};
use berth_role::Role;

use super::Raising;
use crate::arguments::Up;
use crate::interrupts::INTERRUPTED;
use crate::listening::Listening;
use crate::programs::Programs;
use crate::service::{self, Service};
use crate::view::{Shows, View};
use crate::watch::Watch;
use crate::{again, certificate, dkim, node, open, problem, secrets};

pub fn run(path: &Path, arguments: &Up) -> anyhow::Result<ExitCode> {
    not_for_this_engine(arguments)?;
    // A mistake must not leave a state folder behind, and not stop what runs.
    let kept = kept(path)?;
    let found = Found::look(arguments, kept.as_ref())?;
    arguments.domain.as_deref().map(service::name).transpose()?;
    service::in_reach(arguments.port_offset.unwrap_or_default())?;
    let (programs, warning) = (found.programs.clone(), found.warning.clone());
    let folder = Folder::create(path).map_err(problem::of_folder)?;
    let mut view = View::on_stderr()?;
    let lock = open::lock(&folder, "up", &mut view)?;
    let listening = Listening::of(&folder, arguments.port_offset, &arguments.listen)?;
    let wanted = prepare(&folder, arguments, &listening, found, &mut view)?;
    let at_once = arguments.at_once.map_or_else(open::processors, usize::from);
    let mut engine = Local::new(folder.clone(), at_once);

    if let Some(warning) = warning {
        view.say(&warning);
    }

    let back = kept.and_then(|kept| kept.flags(&programs));
    let ran = engine.wanted().map_err(problem::of)?.is_some();
    let told = |error| match error {
        EngineError::Busy(busy) => problem::of_busy(&busy, listening.free_offset(&wanted.instances)),
        error @ (EngineError::Died { .. } | EngineError::Late { .. }) => {
            with_other_programs(problem::of(error), back.as_deref(), ran)
        }
        error => problem::of(error),
    };
    let raised = || listening.keep(&folder).and_then(|()| programs.keep(&folder));
    let raising =
        Raising { folder: &folder, wanted: &wanted, arguments, told: &told, raised: &raised, gate: None };
    let started = raising.start(&mut engine, &mut view);
    let proven = match started.and_then(|()| raising.finish(&mut engine, !arguments.no_prove, &mut view)) {
        Err(_) if view.interrupts() > 0 => {
            view.say("interrupted: stopping");
            engine.down(&mut view).map_err(problem::of)?;
            return Ok(ExitCode::from(INTERRUPTED));
        }
        proven => proven?,
    };
    drop(lock);
    let code = if proven { ExitCode::SUCCESS } else { ExitCode::FAILURE };
    if arguments.detach {
        let verbs = ["status", "logs", "down"].map(again::berth);
        view.say(&format!("it goes on running; {}", verbs.join(", ")));
        return Ok(code);
    }
    if !arguments.once {
        view.say("Ctrl-C stops it");
        view.shows = Shows::Changes(Watch::default());
        if engine.keep(&mut view).map_err(problem::of)? == Kept::TakenDown {
            view.say("taken down by another berth");
            return Ok(code);
        }
    }
    view.shows = Shows::Nothing;
    let _lock = open::lock(&folder, "up", &mut view)?;
    view.say("stopping");
    engine.down(&mut view).map_err(problem::of)?;
    Ok(code)
}

/// What only containers know is refused, not passed over.
fn not_for_this_engine(arguments: &Up) -> Result<(), Problem> {
    let given = [
        ("--image", arguments.containers.image.is_some()),
        ("--overlay", !arguments.containers.overlay.is_empty()),
        ("--change-stores", arguments.containers.change_stores),
        ("--project", arguments.containers.project.is_some()),
        ("--dry-run", arguments.containers.dry_run),
    ];
    match given.iter().find(|(_, given)| *given) {
        None => Ok(()),
        Some((flag, _)) => {
            Err(Problem::new(Code::Usage, format!("{flag} is for containers, and this engine is local"))
                .hint("choose the other one: --engine compose"))
        }
    }
}

/// The programs of the last `up` here, if there was one.
fn kept(path: &Path) -> anyhow::Result<Option<Programs>> {
    match Folder::open(path) {
        Err(FolderError::Absent(_)) => Ok(None),
        folder => Programs::kept(&folder.map_err(problem::of_folder)?),
    }
}

/// A role that does not get ready with other programs than before: what ran with those is down, and is not brought back by
/// itself, because nobody knows which of the two is meant.
fn with_other_programs(error: anyhow::Error, back: Option<&str>, ran: bool) -> anyhow::Error {
    let Some(flags) = back else { return error };
    let stopped = if ran { ", and what ran was stopped for these" } else { "" };
    let message = format!("the roles do not get ready with other programs than before{stopped}");
    let hint = format!("go back to those: {}", again::berth(&format!("up {flags}")));
    Problem::new(Code::Unavailable, message).because(error).hint(hint).into()
}

/// The programs, and the roles that are to run and those that the application does not have.
struct Found {
    programs: Programs,
    /// What is odd about the Node.
    warning: Option<String>,
    roles: Vec<&'static Role>,
    absent: Vec<&'static str>,
}

impl Found {
    fn look(arguments: &Up, kept: Option<&Programs>) -> anyhow::Result<Self> {
        let programs = Programs::find(arguments, kept)?;
        let has = |role: &Role| programs.app.join(role.entrypoint).exists();
        let (roles, absent) = service::choose(&arguments.only, has)?;
        let warning = node::look(&programs)?;
        Ok(Self { programs, warning, roles, absent })
    }
}

/// Makes what the state folder has to hold.
fn prepare(
    folder: &Folder,
    arguments: &Up,
    listening: &Listening,
    found: Found,
    view: &mut View,
) -> anyhow::Result<Wanted> {
    let kept = secrets::kept_for_up(folder)?;
    let domain = service::domain(arguments.domain.as_deref(), kept.get("DOMAIN").map(String::as_str))?;
    let Found { programs: Programs { app, node, init }, roles, absent, .. } = found;
    let (offset, listen) = (listening.port_offset, listening.listen.clone());
    let service = Service { domain, offset, listen, app, node, init, roles };
    let secrets = secrets::complete(folder, kept, &service.domain, secrets::is_of_roles)?;
    dkim::ensure(folder)?;
    certificate::ensure(folder, &service::names(&service.domain))?;
    let names: Vec<&str> = service.roles.iter().map(|role| role.name).collect();
    view.say(&format!("{} in {}: {}", service.domain, folder.path("").display(), names.join(", ")));
    if !absent.is_empty() {
        view.say(&format!("the application does not have {}", absent.join(", ")));
    }
    service.wanted(folder, &secrets)
}
