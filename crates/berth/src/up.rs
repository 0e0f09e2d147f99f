//! `berth up`: from nothing to a proven mail. What is particular to an engine is below.

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use berth_engine::folder::FolderError;
use berth_engine::{Engine, EngineError, Folder, Kind, Until, Wanted, Watcher};
use berth_report::{Code, Problem};

use crate::account::{self, Account};
use crate::arguments::{EngineName, Up};
use crate::prove::Through;
use crate::stdout::{columns, print};
use crate::view::{Shows, View};
use crate::{certificate, doors, places, problem, prove, secrets, table};

mod compose;
mod local;

pub fn run(state: Option<PathBuf>, arguments: &Up) -> anyhow::Result<ExitCode> {
    let path = places::state(state)?;
    match engine(&path, arguments.engine)? {
        Kind::Local => local::run(&path, arguments),
        Kind::Compose => compose::run(&path, arguments),
    }
}

/// The engine that is asked for, else that of the last time. Data do not move from one to another.
fn engine(path: &Path, asked: Option<EngineName>) -> anyhow::Result<Kind> {
    let asked = asked.map(|name| match name {
        EngineName::Local => Kind::Local,
        EngineName::Compose => Kind::Compose,
    });
    let had = match Folder::open(path) {
        Err(FolderError::Absent(_)) => None,
        folder => Kind::of(&folder.map_err(problem::of_folder)?).map_err(problem::of)?,
    };
    match (asked, had) {
        (Some(asked), Some(had)) if asked != had => {
            let message =
                format!("this installation is run by the engine {}, not by {}", had.word(), asked.word());
            Err(Problem::new(Code::Usage, message)
                .hint("a second installation has a state folder of its own: --state DIR")
                .into())
        }
        (asked, had) => Ok(asked.or(had).unwrap_or(Kind::Local)),
    }
}

/// What is brought up, and how far.
struct Raising<'a> {
    folder: &'a Folder,
    wanted: &'a Wanted,
    arguments: &'a Up,
    /// What the reader is told of an engine's error.
    told: &'a dyn Fn(EngineError) -> anyhow::Error,
    /// Done once all run that say so.
    raised: &'a dyn Fn() -> anyhow::Result<()>,
    /// The file of the password that is asked for before any page.
    gate: Option<&'a Path>,
}

impl Raising<'_> {
    /// Starts what says when it is ready.
    fn start(&self, engine: &mut dyn Engine, view: &mut View) -> anyhow::Result<()> {
        self.raise(engine, Until::Said, view)?;
        (self.raised)()?;
        view.settle();
        Ok(())
    }

    /// Proves what was started, waits for the rest, and says how to use it. Answers whether nothing failed in the proof.
    fn finish(&self, engine: &mut dyn Engine, prove: bool, view: &mut View) -> anyhow::Result<bool> {
        let Self { folder, wanted, arguments, .. } = self;
        let domain = secrets::kept(folder)?.remove("DOMAIN").unwrap_or_default();
        let can = account::possible(wanted);
        let account = can.then(|| account::first(engine, wanted, folder, &domain)).transpose()?;
        let mut well = true;
        if prove {
            well = proven(engine, folder, wanted, view)?;
            view.say(&format!("{} from the start to the end of the proof", table::time(view.elapsed())));
        }
        self.raise(engine, Until::Ready, view)?;
        view.settle();
        view.shows = Shows::Nothing;
        print(&format!("\n{}", table::roles(&engine.status().map_err(problem::of)?, columns())));
        // Nobody can try what is about to stop.
        if !arguments.once {
            let authority = folder.path(certificate::AUTHORITY);
            print(&by_hand(wanted, &domain, account.as_ref(), self.gate, &authority));
        }
        Ok(well)
    }

    /// Has the engine bring it up; of one that failed, its last lines are said first.
    fn raise(&self, engine: &mut dyn Engine, until: Until, view: &mut View) -> anyhow::Result<()> {
        engine.up(self.wanted, until, view).map_err(|error| {
            if let EngineError::Died { name, last, health, .. }
            | EngineError::Late { name, last, health, .. }
            | EngineError::Unhealthy { name, last, health } = &error
            {
                view.settle();
                view.say(&format!("the last lines of {name}:"));
                for line in last {
                    view.say(&format!("  | {line}"));
                }
                if let Some(health) = health {
                    view.say("what its last health check said:");
                    for line in health.lines() {
                        view.say(&format!("  | {line}"));
                    }
                }
            }
            (self.told)(error)
        })
    }
}

/// Proves it, as far as can be without being given a mailbox. Answers whether nothing failed.
fn proven(engine: &dyn Engine, folder: &Folder, wanted: &Wanted, view: &View) -> anyhow::Result<bool> {
    let service = doors::service(folder, wanted)?;
    let through = Through { engine, wanted, folder, service, interrupts: &view.interrupts };
    let proof = through.proof(None, &mut |step| print(&prove::line(step)))?;
    if view.interrupts() > 0 {
        return Err(problem::of(EngineError::Interrupted));
    }
    print(&prove::verdict(&proof));
    Ok(proof.passed())
}

/// What a person types into a mail client.
fn by_hand(
    wanted: &Wanted,
    domain: &str,
    account: Option<&Account>,
    gate: Option<&Path>,
    authority: &Path,
) -> String {
    let mail = |door| {
        let port = doors::door(wanted, door)?;
        let host = doors::host(wanted, port);
        Some(format!("{host} port {}, TLS {}", port.listening.number, table::tls(port.listening.tls)))
    };
    let page = |door, path| doors::page(wanted, door, domain).map(|page| page + path);
    let rows = [
        ("address", account.map(|account| account.address.clone())),
        ("user name", account.map(|_| "the address".to_owned())),
        ("password", account.map(|account| account.password.clone())),
        ("web page", page(doors::WEB, "/")),
        ("asks for", gate.map(|file| format!("admin, and the password in {}", file.display()))),
        ("API", page(doors::API, "/v1")),
        ("SMTP", mail(doors::SUBMISSION)),
        ("IMAP", mail(doors::IMAP)),
        ("POP3", mail(doors::POP3)),
        ("CalDAV", page(doors::CALDAV, "/")),
        ("CardDAV", page(doors::CARDDAV, "/")),
        ("authority", Some(authority.display().to_string())),
    ];
    let rows = rows.into_iter().filter_map(|(key, value)| Some(vec![key.to_owned(), value?]));
    format!("\nTry it with any mail client or browser:\n\n{}\n", table::columns(&rows.collect::<Vec<_>>()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_engine_is_that_of_the_last_time_and_another_is_refused() {
        let parent = tempfile::tempdir().unwrap();
        let path = parent.path().join("state");
        assert_eq!(engine(&path, None).unwrap(), Kind::Local);
        assert_eq!(engine(&path, Some(EngineName::Compose)).unwrap(), Kind::Compose);
        assert!(!path.exists(), "asking makes nothing");
        let folder = Folder::create(&path).unwrap();
        folder.write("desired.json", br#"{"up": false, "wanted": {"instances": [], "listen": [], "project": "mail", "inputs": []}}"#).unwrap();
        assert_eq!(engine(&path, None).unwrap(), Kind::Compose);
        let error = engine(&path, Some(EngineName::Local)).unwrap_err();
        assert_eq!(
            berth_report::tell(&error),
            "error: this installation is run by the engine compose, not by local\n\n\
             hint: a second installation has a state folder of its own: --state DIR\n"
        );
    }
}
