use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

use berth_control::{Address, Answer, AskError, Request, ask};

use crate::desired::Desired;
use crate::folder::Folder;
use crate::plan::{Environment, INHERITED};
use crate::process::{self, Family, Process};
use crate::{
    Engine, EngineError, Instance, Kind, Means, Processes, Seen, State, Until, Wanted, Watcher, log, spawn,
};

mod keep;
mod raise;
mod restart;
mod stop;

pub use keep::Kept;

/// The setting that tells an init where its control socket is. What carries it in its environment belongs to
/// the instance.
const CONTROL: &str = "BERTH_CONTROL";

/// Tells how often an instance was started again before its init was: whoever looks adds it to what the init says.
const EARLIER: &str = "BERTH_EARLIER_RESTARTS";

/// An init answers at once, unless something is wrong with it or the host is busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who looks again and again does not wait for one that does not answer.
const GLANCE: Duration = Duration::from_millis(300);

/// How often is looked while something is to change soon, and while nothing is.
const TICK: Duration = Duration::from_millis(25);
const REST: Duration = Duration::from_millis(500);

/// How long one that is not known any more may take to stop: the longest grace of all.
const UNKNOWN_STOP: Duration = Duration::from_secs(90);

/// Runs each instance as a process of this host, in a session of its own.
#[derive(Debug)]
pub struct Local {
    folder: Folder,
    at_once: usize,
    started: BTreeMap<String, Started>,
    /// What ran already, and was said to.
    adopted: BTreeSet<String>,
    /// How often each was started again, as it was seen last.
    restarts: BTreeMap<String, u32>,
}

/// An instance that this process has started.
#[derive(Debug, Clone, Copy)]
struct Started {
    process: Process,
    at: Instant,
    /// Where its part of the log begins.
    log: u64,
}

impl Local {
    /// An engine that keeps what it must remember in `folder`, and has at most `at_once` instances starting at
    /// a time.
    #[must_use]
    pub fn new(folder: Folder, at_once: usize) -> Self {
        Self {
            folder,
            at_once,
            started: BTreeMap::new(),
            adopted: BTreeSet::new(),
            restarts: BTreeMap::new(),
        }
    }

    fn desired(&self) -> Result<Option<Desired>, EngineError> {
        Desired::read(&self.folder)
    }

    fn remember(&self, up: bool, wanted: &Wanted) -> Result<(), EngineError> {
        Desired { up, wanted: wanted.clone() }.write(&self.folder)
    }

    fn environment(&self, wanted: &Wanted, instance: &Instance) -> Result<Environment, EngineError> {
        let processes = processes(wanted)?;
        let own = [
            (CONTROL, text(&self.folder.socket(&instance.name)?)),
            ("BERTH_APP_DIR", text(&processes.app)),
            ("BERTH_NODE", text(&processes.node)),
            ("BERTH_RESTART", "on-failure".to_owned()),
            ("BERTH_LOG_FORMAT", "json".to_owned()),
            ("BERTH_STAMP", stamp(processes)),
        ];
        let mut environment = beside(processes);
        environment.extend(own.map(|(key, value)| (key.to_owned(), value)));
        Ok(environment)
    }

    /// What runs here, by name.
    fn families(&self) -> BTreeMap<String, Family> {
        let run = self.folder.path("run");
        let families = process::families(CONTROL).into_iter().filter_map(|(socket, family)| {
            let socket = Path::new(&socket);
            let name = socket.file_stem().filter(|_| socket.parent() == Some(&run))?;
            Some((name.to_str()?.to_owned(), family))
        });
        families.collect()
    }

    fn see(&self, instance: &Instance, patience: Duration) -> Result<Seen, EngineError> {
        let address = Address::File(self.folder.socket(&instance.name)?);
        let mut seen = Seen::new(instance, State::Silent);
        let started = self.started.get(&instance.name).filter(|started| started.process.runs());
        seen.init = started.map(|started| started.process.pid);
        match ask(&address, Request::Status, patience) {
            Ok(Answer::Status(status)) => {
                seen.state = State::Is(status.state);
                seen.for_ms = Some(status.for_ms);
                seen.ready_after_ms = status.ready_after_ms;
                seen.restarts = status.restarts + earlier(status.init);
                seen.init = Some(status.init);
                seen.main = status.main.map(|main| main.pid);
                let age = seen.main.and_then(Process::of).and_then(Process::age);
                seen.main_for_ms = age.and_then(|age| age.as_millis().try_into().ok());
                seen.waiting_for = status.waiting_for;
            }
            Err(AskError::Nobody(..)) if started.is_none() => seen.state = State::Down,
            _ => {}
        }
        seen.init_memory = seen.init.and_then(berth_process::resident);
        seen.main_memory = seen.main.and_then(berth_process::resident);
        Ok(seen)
    }

    fn see_all(&self, instances: &[Instance], patience: Duration) -> Result<Vec<Seen>, EngineError> {
        instances.iter().map(|instance| self.see(instance, patience)).collect()
    }
}

impl Engine for Local {
    fn up(&mut self, wanted: &Wanted, until: Until, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let raised = self.clear(wanted, watcher).and_then(|()| self.raise(wanted, until, watcher));
        if !matches!(raised, Ok(()) | Err(EngineError::Interrupted)) {
            let started: BTreeSet<String> = self.started.keys().cloned().collect();
            self.stop(&named(&started, &wanted.instances), watcher);
            if self.families().values().any(|family| family.leader.is_some()) {
                // What went wrong first counts.
                let _ = self.remember(true, wanted);
            } else {
                Desired::forget(&self.folder, wanted, watcher);
            }
        }
        raised
    }

    fn down(&mut self, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let known = self.desired()?.map(|desired| desired.wanted);
        if let Some(known) = &known {
            Desired::forget(&self.folder, known, watcher);
        }
        let running = self.families().into_keys().collect();
        self.stop(&named(&running, &known.map_or(Vec::new(), |known| known.instances)), watcher);
        Ok(())
    }

    fn wanted(&self) -> Result<Option<Wanted>, EngineError> {
        Ok(self.desired()?.filter(|desired| desired.up).map(|desired| desired.wanted))
    }

    fn status(&self) -> Result<Vec<Seen>, EngineError> {
        let desired = self.desired()?;
        self.see_all(&desired.map(|desired| desired.wanted.instances).unwrap_or_default(), PATIENCE)
    }

    fn restart(&self, name: &str, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        self.start_again(name, watcher)
    }

    fn written(&self) -> Result<Vec<String>, EngineError> {
        let instances = self.desired()?.map_or(Vec::new(), |desired| desired.wanted.instances);
        let mut names: Vec<String> = instances.into_iter().map(|instance| instance.name).collect();
        // One that is not wanted any more has left its log.
        let entries = fs_err::read_dir(self.folder.path("logs"))?.flatten();
        let mut others: Vec<String> = entries
            .filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(".log")?.to_owned()))
            .filter(|name| !names.contains(name))
            .collect();
        others.sort();
        names.extend(others);
        names.retain(|name| self.folder.log(name).exists());
        Ok(names)
    }

    fn logs(
        &self,
        names: &[String],
        lines: usize,
        follow: bool,
        is_over: &dyn Fn() -> bool,
        take: &mut dyn FnMut(&str, &str) -> io::Result<()>,
    ) -> Result<(), EngineError> {
        let (mut followers, mut told) = (Vec::new(), Vec::new());
        for name in names {
            let (follower, last) = log::Follower::after_last_lines(&self.folder.log(name), lines, 0)?;
            followers.push((name, follower));
            told.push((name.as_str(), last));
        }
        log::by_time(told).iter().try_for_each(|(name, line)| take(name, line))?;
        while follow && !is_over() {
            let mut told = Vec::new();
            for (name, follower) in &mut followers {
                let mut new = Vec::new();
                follower.read(&mut |line| {
                    new.push(line.to_owned());
                    Ok(())
                })?;
                told.push((name.as_str(), new));
            }
            log::by_time(told).iter().try_for_each(|(name, line)| take(name, line))?;
            sleep(REST / 2);
        }
        Ok(())
    }

    fn tend(&self) -> Result<(), EngineError> {
        let instances = self.wanted()?.map_or(Vec::new(), |wanted| wanted.instances);
        let logs = instances.iter().map(|instance| self.folder.log(&instance.name));
        // All are tried; the first that fails is told.
        Ok(logs.map(|log| log::put_aside_while_written(&log)).fold(Ok(()), io::Result::and)?)
    }

    fn exec(&self, wanted: &Wanted, script: &[&str], input: &str) -> Result<Output, EngineError> {
        processes(wanted)?.exec(script, input)
    }
}

impl Processes {
    /// Runs the Node with these words in the application's folder, with the settings.
    pub fn exec(&self, words: &[&str], input: &str) -> Result<Output, EngineError> {
        spawn::run(&self.node, words, &self.app, &beside(self), input)
            .map_err(|source| EngineError::Run { program: self.node.clone(), source })
    }
}

/// How often the instance of an init was started again before that init was.
fn earlier(init: u32) -> u32 {
    let environment = process::environment(init);
    environment.and_then(|environment| environment.get(EARLIER)?.parse().ok()).unwrap_or(0)
}

fn processes(wanted: &Wanted) -> Result<&Processes, EngineError> {
    match &wanted.means {
        Means::Processes(processes) => Ok(processes),
        Means::Containers(_) => Err(EngineError::OtherEngine(Kind::Compose)),
    }
}

/// The settings, and what is taken over from us.
fn beside(processes: &Processes) -> Environment {
    let inherited = INHERITED.iter().filter_map(|key| Some(((*key).to_owned(), std::env::var(key).ok()?)));
    inherited.chain(processes.environment.clone()).collect()
}

/// Changes when a file changes that an instance reads when it starts.
fn stamp(processes: &Processes) -> String {
    let files = [&processes.program, &processes.node].into_iter().chain(&processes.inputs);
    let stamps = files.map(|path| {
        let Ok(metadata) = path.metadata() else { return "none".to_owned() };
        let changed = metadata.modified().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        format!("{}-{}", metadata.len(), changed.unwrap_or_default().as_micros())
    });
    stamps.collect::<Vec<_>>().join(",")
}

/// The instances of these names, made up for names that are not known any more.
fn named(names: &BTreeSet<String>, known: &[Instance]) -> Vec<Instance> {
    let unknown =
        |name: &String| Instance { name: name.clone(), stop_within: UNKNOWN_STOP, ..Instance::default() };
    let find = |name: &String| known.iter().find(|instance| instance.name == *name).cloned();
    names.iter().map(|name| find(name).unwrap_or_else(|| unknown(name))).collect()
}

fn text(path: &Path) -> String {
    path.to_string_lossy().into_owned()
}
