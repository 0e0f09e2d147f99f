//! Processes of this host: what they need is found and made, and they are kept up until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use berth_engine::{Engine, EngineError, Folder, Kept, Local, Wanted, Watcher};
use berth_report::{Code, Problem};
use berth_role::Role;

use super::Raising;
use crate::arguments::Up;
use crate::interrupts::INTERRUPTED;
use crate::listening::Listening;
use crate::service::{self, Service};
use crate::view::View;
use crate::{again, certificate, dkim, node, open, places, problem, secrets};

pub fn run(path: &Path, arguments: &Up) -> anyhow::Result<ExitCode> {
    not_for_this_engine(arguments)?;
    // A mistake must not leave a state folder behind.
    let found = Found::look(arguments)?;
    let folder = Folder::create(path).map_err(problem::of_folder)?;
    let mut view = View::on_stderr()?;
    let lock = folder.lock("up").map_err(problem::of_folder)?;
    let listening = Listening::of(&folder, arguments.port_offset, &arguments.listen)?;
    let wanted = prepare(&folder, arguments, &listening, found, &mut view)?;
    let at_once = arguments.at_once.map_or_else(open::processors, usize::from);
    let mut engine = Local::new(folder.clone(), at_once);

    if let Some(warning) = node::warning(&engine, &wanted) {
        view.say(&warning);
    }

    let told = |error| match error {
        EngineError::Busy(busy) => problem::of_busy(&busy, listening.free_offset(&wanted.instances)),
        error => problem::of(error),
    };
    let raised = || listening.keep(&folder);
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
        if engine.keep(&mut view).map_err(problem::of)? == Kept::TakenDown {
            view.say("taken down by another berth");
            return Ok(code);
        }
    }
    let _lock = folder.lock("up").map_err(problem::of_folder)?;
    view.say("stopping");
    engine.down(&mut view).map_err(problem::of)?;
    Ok(code)
}

/// What only containers know is refused, not passed over.
fn not_for_this_engine(arguments: &Up) -> Result<(), Problem> {
    let given = [
        ("--image", arguments.containers.image.is_some()),
        ("--overlay", !arguments.containers.overlay.is_empty()),
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

/// The programs, and the roles that are to run and those that the application does not have.
struct Found {
    app: PathBuf,
    node: PathBuf,
    init: PathBuf,
    roles: Vec<&'static Role>,
    absent: Vec<&'static str>,
}

impl Found {
    fn look(arguments: &Up) -> anyhow::Result<Self> {
        let app = places::app(arguments.app.as_deref())?;
        let (roles, absent) = service::choose(&arguments.only, |role| app.join(role.entrypoint).exists())?;
        let node = places::node(arguments.node.as_deref())?;
        let init = places::init(arguments.init.as_deref())?;
        Ok(Self { app, node, init, roles, absent })
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
    let kept = secrets::kept(folder)?;
    let domain = service::domain(arguments.domain.as_deref(), kept.get("DOMAIN").map(String::as_str))?;
    let Found { app, node, init, roles, absent } = found;
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
