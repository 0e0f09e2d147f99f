//! `berth up`: from nothing to a proven mail, then keeping it so until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use berth_engine::{Engine, EngineError, Folder, Kept, Local, Until, Wanted, Watcher};
use berth_report::{Code, Problem};
use berth_role::Role;

use crate::account::{self, Account};
use crate::arguments::Up;
use crate::interrupts::INTERRUPTED;
use crate::listening::Listening;
use crate::prove::Through;
use crate::service::{self, DEFAULT_DOMAIN, Service};
use crate::stdout::print;
use crate::view::View;
use crate::{again, certificate, dkim, doors, node, open, places, problem, prove, secrets, table};

pub fn run(state: Option<PathBuf>, arguments: &Up) -> anyhow::Result<ExitCode> {
    // A mistake must not leave a state folder behind.
    let found = Found::look(arguments)?;
    let folder = Folder::create(&places::state(state)?).map_err(problem::of_folder)?;
    let mut view = View::on_stderr()?;
    let lock = folder.lock("up").map_err(problem::of_folder)?;
    let listening = Listening::of(&folder, arguments.port_offset, &arguments.listen)?;
    let wanted = prepare(&folder, arguments, &listening, found, &mut view)?;
    let at_once = arguments.at_once.map_or_else(open::processors, usize::from);
    let mut engine = Local::new(folder.clone(), at_once);

    if let Some(warning) = node::warning(&engine, &wanted) {
        view.say(&warning);
    }

    let proven = match bring_up(&mut engine, &folder, &wanted, &listening, arguments, &mut view) {
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
    let domain = domain(arguments.domain.as_deref(), kept.get("DOMAIN").map(String::as_str))?;
    let Found { app, node, init, roles, absent } = found;
    let (offset, listen) = (listening.port_offset, listening.listen.clone());
    let service = Service { domain, offset, listen, app, node, init, roles };
    let secrets = secrets::complete(folder, kept, &service.domain)?;
    dkim::ensure(folder)?;
    certificate::ensure(folder, &service::names(&service.domain))?;
    let names: Vec<&str> = service.roles.iter().map(|role| role.name).collect();
    view.say(&format!("{} in {}: {}", service.domain, folder.path("").display(), names.join(", ")));
    if !absent.is_empty() {
        view.say(&format!("the application does not have {}", absent.join(", ")));
    }
    service.wanted(folder, &secrets)
}

/// Mailboxes belong to addresses, so the domain stays what it was at the first start.
fn domain(asked: Option<&str>, kept: Option<&str>) -> anyhow::Result<String> {
    match (asked, kept) {
        (Some(asked), Some(kept)) if asked != kept => {
            Err(Problem::new(Code::Usage, format!("this installation is for {kept}, not for {asked}"))
                .hint("a second installation has a state folder of its own: --state DIR --port-offset 4000")
                .into())
        }
        (asked, kept) => Ok(asked.or(kept).unwrap_or(DEFAULT_DOMAIN).to_owned()),
    }
}

/// Starts, proves, waits for the rest, and says how to use it. Answers whether nothing failed in the proof.
fn bring_up(
    engine: &mut Local,
    folder: &Folder,
    wanted: &Wanted,
    listening: &Listening,
    arguments: &Up,
    view: &mut View,
) -> anyhow::Result<bool> {
    raise(engine, wanted, listening, Until::Said, view)?;
    listening.keep(folder)?;
    view.settle();
    let can = account::possible(wanted);
    let domain = wanted.environment.get("WEB_HOST").map_or("", String::as_str);
    let account = can.then(|| account::first(engine, wanted, folder, domain)).transpose()?;
    let mut well = true;
    if !arguments.no_prove {
        well = proven(engine, folder, wanted, view)?;
        view.say(&format!("{} from the start to the end of the proof", table::time(view.elapsed())));
    }
    raise(engine, wanted, listening, Until::Ready, view)?;
    view.settle();
    view.live = false;
    print(&format!("\n{}", table::roles(&engine.status().map_err(problem::of)?)));
    // Nobody can try what is about to stop.
    if let Some(account) = account.filter(|_| !arguments.once) {
        print(&by_hand(wanted, &account, &folder.path(certificate::AUTHORITY)));
    }
    Ok(well)
}

/// Proves it, as far as can be without being given a mailbox. Answers whether nothing failed.
fn proven(engine: &Local, folder: &Folder, wanted: &Wanted, view: &View) -> anyhow::Result<bool> {
    let service = doors::service(folder, wanted)?;
    let through = Through { engine, wanted, folder, service, interrupts: &view.interrupts };
    let proof = through.proof(None, &mut |step| print(&prove::line(step)))?;
    if view.interrupts() > 0 {
        return Err(problem::of(EngineError::Interrupted));
    }
    print(&prove::verdict(&proof));
    Ok(proof.passed())
}

/// Has the engine bring it up; of one that failed, its last lines are said first.
fn raise(
    engine: &mut Local,
    wanted: &Wanted,
    listening: &Listening,
    until: Until,
    view: &mut View,
) -> anyhow::Result<()> {
    engine.up(wanted, until, view).map_err(|error| {
        if let EngineError::Busy(busy) = &error {
            return problem::of_busy(busy, listening.free_offset(wanted));
        }
        if let EngineError::Died { name, last, .. } | EngineError::Late { name, last, .. } = &error {
            view.settle();
            view.say(&format!("the last lines of {name}:"));
            for line in last {
                view.say(&format!("  | {line}"));
            }
        }
        problem::of(error)
    })
}

/// What a person types into a mail client.
fn by_hand(wanted: &Wanted, account: &Account, authority: &Path) -> String {
    let host = doors::host(wanted);
    let door = |published| {
        let port = doors::door(wanted, published)?;
        Some(format!("{host} port {}, TLS {}", port.listening.number, table::tls(port.listening.tls)))
    };
    let rows = [
        ("address", Some(account.address.clone())),
        ("password", Some(account.password.clone())),
        ("IMAP", door(doors::IMAP)),
        ("SMTP", door(doors::SUBMISSION)),
        (
            "web page",
            doors::door(wanted, doors::WEB).map(|port| format!("https://{host}:{}/", port.listening.number)),
        ),
        ("authority", Some(authority.display().to_string())),
    ];
    let rows = rows.into_iter().filter_map(|(key, value)| Some(vec![key.to_owned(), value?]));
    format!("\nTry it with any mail client or browser:\n\n{}\n", table::columns(&rows.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_domain_is_that_of_the_first_start() {
        assert_eq!(domain(None, None).unwrap(), "example.test");
        assert_eq!(domain(None, Some("a.test")).unwrap(), "a.test");
        assert_eq!(domain(Some("b.test"), None).unwrap(), "b.test");
        let error = domain(Some("b.test"), Some("a.test")).unwrap_err();
        assert_eq!(berth_report::code(&error), Code::Usage);
    }
}
