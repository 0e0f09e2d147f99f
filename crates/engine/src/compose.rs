//! The engine that runs instances as containers of a Compose project.
//!
//! What is wanted comes as files; what has to be done about them is decided by pure functions ([`step`]) and done by
//! commands that a person could type in the project's folder ([`line`]): `.env` there says which files and which name
//! the project has. Containers belong to Docker, which starts again what ends; whoever brings them up may leave.

use std::collections::BTreeMap;
use std::io;
use std::path::PathBuf;
use std::process::Output;
use std::time::{Duration, SystemTime};

use crate::desired::Desired;
use crate::folder::Folder;
use crate::process::{self, Process};
use crate::{Containers, Engine, EngineError, Instance, Kind, Means, Seen, State, Until, Wanted, Watcher};

pub mod config;
pub mod line;

mod container;
mod docker;
mod down;
mod draft;
mod end;
mod inits;
mod look;
mod raise;
mod restart;
mod step;
mod time;

pub use container::Image;
pub use docker::{Docker, Said};
pub use draft::Draft;
pub use line::Line;
pub use time::time;

use container::Container;
use inits::Inits;

/// The folder of the project, in the state folder.
pub const PLACE: &str = "compose";

/// What an installation sets, which Compose reads: in the state folder.
pub const ENV: &str = "compose/.env";

/// The program that looks after a role in its container.
const INIT: &str = "berth-init";

/// How often is looked while something is to change soon: each look is two commands.
const LOOK: Duration = Duration::from_millis(300);

/// So many last lines of a log are told when an instance fails.
const LAST_LINES: usize = 12;

/// Runs each instance as a container of one Compose project.
#[derive(Debug)]
pub struct Compose {
    folder: Folder,
    alone: Option<Vec<String>>,
    /// What Compose makes of the files that are wanted, if it was asked already.
    draft: Option<Draft>,
    /// Whether this process has brought up what is wanted, and only waits for it.
    raised: bool,
    /// Whether this process has changed anything yet.
    acted: bool,
    /// What was seen and told since it was brought up.
    looking: Option<look::Look>,
    /// How often each container had been started again before we came, by its id.
    before: BTreeMap<String, u32>,
    /// What the inits in the containers have said.
    inits: Inits,
}

impl Compose {
    /// An engine that keeps its project's files in `folder`.
    #[must_use]
    pub fn new(folder: Folder) -> Self {
        Self {
            folder,
            alone: None,
            draft: None,
            raised: false,
            acted: false,
            looking: None,
            before: BTreeMap::new(),
            inits: Inits::default(),
        }
    }

    /// The same engine, which touches no other instances than these.
    #[must_use]
    pub fn alone(self, names: Vec<String>) -> Self {
        Self { alone: Some(names), ..self }
    }

    /// The same engine, which need not ask Compose for what it makes of the files that are wanted.
    #[must_use]
    pub fn drafted(self, draft: Draft) -> Self {
        Self { draft: Some(draft), ..self }
    }

    /// Whether bringing up has gone so far that something may be another thing than before.
    #[must_use]
    pub fn has_acted(&self) -> bool {
        self.acted
    }

    /// What was wanted last, whether it was taken down since or not.
    pub fn known(&self) -> Result<Option<Wanted>, EngineError> {
        Ok(self.desired()?.map(|desired| desired.wanted))
    }

    /// Where the project's files are.
    fn place(&self) -> PathBuf {
        self.folder.path(PLACE)
    }

    /// The client for the project's folder.
    fn docker(&self) -> Result<Docker, EngineError> {
        let env = self.folder.read(ENV)?.unwrap_or_default();
        Ok(Docker::new(&self.place(), draft::names(&env)))
    }

    fn desired(&self) -> Result<Option<Desired>, EngineError> {
        let desired = Desired::read(&self.folder)?;
        desired.map(|desired| containers(&desired.wanted).map(|_| ()).map(|()| desired)).transpose()
    }

    /// The containers of a project, one for each service, in no order.
    fn containers(docker: &Docker, project: &str) -> Result<Vec<Container>, EngineError> {
        let ids: Vec<String> =
            docker.ask(&line::containers(project))?.lines().map(ToOwned::to_owned).collect();
        if ids.is_empty() {
            return Ok(Vec::new());
        }
        // One that is gone between the two commands is no error; what is left is told all the same.
        let inspect = line::inspect(&ids);
        let output = docker.answer(&inspect, "")?;
        let mut all: Vec<Container> = docker::parsed(&inspect, &String::from_utf8_lossy(&output.stdout))?;
        all.retain(|container| !container.is_extra());
        // While one is replaced there are two: the one that was made last counts.
        all.sort_by_key(|container| std::cmp::Reverse(container.created()));
        let mut known = Vec::new();
        for container in all {
            if !known.iter().any(|other: &Container| other.service() == container.service()) {
                known.push(container);
            }
        }
        Ok(known)
    }

    /// How all instances are.
    fn see_all(&self, wanted: &Wanted) -> Result<Vec<(Seen, Option<Container>)>, EngineError> {
        let all = Self::containers(&self.docker()?, &containers(wanted)?.project)?;
        let now = SystemTime::now();
        let see = |instance: &Instance| {
            let container = all.iter().find(|container| container.service() == instance.name).cloned();
            let seen =
                container.as_ref().map(|container| on_this_host(container, container.seen(instance, now)));
            (seen.unwrap_or_else(|| Seen::new(instance, State::Down)), container)
        };
        let mut seen: Vec<_> = wanted.instances.iter().map(see).collect();
        let good: Vec<String> =
            seen.iter().filter(|(seen, _)| seen.state.is_good()).map(|(seen, _)| seen.name.clone()).collect();
        for ((seen, _), instance) in seen.iter_mut().zip(&wanted.instances) {
            if seen.state == State::Is(berth_control::State::Waiting) {
                let awaited = instance.needs.iter().chain(&instance.uses).filter(|need| !good.contains(need));
                seen.waiting_for = awaited.cloned().collect();
            }
        }
        Ok(seen)
    }

    /// The last lines that an instance wrote.
    fn last_lines(docker: &Docker, name: &str) -> Vec<String> {
        // Whoever asks has an error to tell already.
        let said = docker.ask(&line::logs(&[name.to_owned()], LAST_LINES, false)).unwrap_or_default();
        said.lines().map(|line| told_by(line).1.to_owned()).collect()
    }
}

/// What is particular to this engine.
fn containers(wanted: &Wanted) -> Result<&Containers, EngineError> {
    match &wanted.means {
        Means::Containers(containers) => Ok(containers),
        Means::Processes(_) => Err(EngineError::OtherEngine(Kind::Local)),
    }
}

/// Adds what can be known of processes, if they run on this host: not when the engine is elsewhere, in a virtual machine
/// for instance.
fn on_this_host(container: &Container, mut seen: Seen) -> Seen {
    let Some(init) = container.pid().filter(|pid| process::is_of_container(*pid, &container.id)) else {
        return seen;
    };
    let main = if container.has_init(INIT) { process::first_child(init) } else { None };
    seen.init = Some(init);
    seen.main = main;
    let age = Process::of(main.unwrap_or(init)).and_then(Process::age);
    seen.main_for_ms = age.and_then(|age| age.as_millis().try_into().ok());
    seen.init_memory = berth_process::resident(init);
    seen.main_memory = main.and_then(berth_process::resident);
    seen
}

/// Whose line of `docker compose logs` this is, and what it says: `imap-1  | text`.
fn told_by(line: &str) -> (&str, &str) {
    let (name, text) = line.split_once('|').unwrap_or(("", line));
    let name = name.trim();
    let service = name.rsplit_once('-').filter(|(_, number)| number.parse::<u32>().is_ok());
    (service.map_or(name, |(service, _)| service), text.strip_prefix(' ').unwrap_or(text))
}

impl Engine for Compose {
    fn up(&mut self, wanted: &Wanted, until: Until, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        if !self.raised {
            self.raise(wanted, watcher)?;
            self.raised = true;
        }
        self.wait(wanted, until, watcher)
    }

    fn down(&mut self, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        self.take_down(false, watcher)
    }

    fn wanted(&self) -> Result<Option<Wanted>, EngineError> {
        Ok(self.desired()?.filter(|desired| desired.up).map(|desired| desired.wanted))
    }

    fn status(&self) -> Result<Vec<Seen>, EngineError> {
        let Some(desired) = self.desired()? else { return Ok(Vec::new()) };
        let mut all = self.see_all(&desired.wanted)?;
        self.inits.tell(&self.docker()?, &mut all);
        Ok(all.into_iter().map(|(seen, _)| seen).collect())
    }

    fn restart(&self, name: &str, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let absent = || EngineError::NotRunning(name.to_owned());
        let wanted = self.wanted()?.ok_or_else(absent)?;
        let instance = wanted.instances.iter().find(|instance| instance.name == name).ok_or_else(absent)?;
        restart::restart(&self.docker()?, instance, watcher)
    }

    fn written(&self) -> Result<Vec<String>, EngineError> {
        let Some(desired) = self.desired()? else { return Ok(Vec::new()) };
        let there = Self::containers(&self.docker()?, &containers(&desired.wanted)?.project)?;
        let names = desired.wanted.instances.into_iter().map(|instance| instance.name);
        Ok(names.filter(|name| there.iter().any(|container| container.service() == name)).collect())
    }

    fn logs(
        &self,
        names: &[String],
        lines: usize,
        follow: bool,
        is_over: &dyn Fn() -> bool,
        take: &mut dyn FnMut(&str, &str) -> io::Result<()>,
    ) -> Result<(), EngineError> {
        let docker = self.docker()?;
        if !follow {
            // Compose mixes them as it gets them.
            let said = docker.ask(&line::logs(names, lines, false))?;
            let all: Vec<_> = said.lines().map(told_by).collect();
            for name in names {
                let own = all.iter().filter(|(writer, _)| writer == name);
                own.into_iter().try_for_each(|(_, text)| take(name, text))?;
            }
            return Ok(());
        }
        let mut running = docker.begin(&line::logs(names, lines, true))?;
        let mut said = Vec::new();
        while !is_over() {
            let ended = running.ended(&mut said)?;
            for line in said.drain(..) {
                let (name, text) = told_by(&line);
                take(name, text)?;
            }
            if ended {
                break;
            }
            std::thread::sleep(LOOK / 10);
        }
        Ok(())
    }

    /// Docker puts logs aside by itself: the project's files say how long they may get.
    fn tend(&self) -> Result<(), EngineError> {
        Ok(())
    }

    fn exec(&self, wanted: &Wanted, script: &[&str], input: &str) -> Result<Output, EngineError> {
        let absent = || EngineError::NotRunning("what runs the application's scripts".to_owned());
        let service = containers(wanted)?.scripts.as_deref().ok_or_else(absent)?;
        // What is run beside a role has the names of its secrets' files only, unless its init resolves them.
        let command = [&[INIT, "--settings", "--", "node"], script].concat();
        self.docker()?.answer(&line::exec(service, &command), input)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_of_a_log_is_told_from_its_writer() {
        assert_eq!(told_by("smtp-bree-1  | {\"a\": \"b|c\"}"), ("smtp-bree", "{\"a\": \"b|c\"}"));
        assert_eq!(told_by("imap-1  | "), ("imap", ""));
        assert_eq!(told_by("mail-db  |   indented"), ("mail-db", "  indented"));
        assert_eq!(told_by("no writer"), ("", "no writer"));
    }
}
