use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

use berth_control::{Address, Answer, AskError, Request, ask};
use serde::{Deserialize, Serialize};

use crate::folder::{Folder, FolderError};
use crate::plan::{Budget, Environment, INHERITED};
use crate::process::{self, Family, Process};
use crate::{Engine, EngineError, Event, Instance, Kept, Seen, State, Until, Wanted, Watcher, log, spawn};

mod raise;
mod stop;

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

/// What the last `up` wanted, and whether a `down` came after it.
#[derive(Debug, Serialize, Deserialize)]
struct Desired {
    up: bool,
    wanted: Wanted,
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
        let text = self.folder.read("desired.json")?;
        Ok(text.map(|text| serde_json::from_str(&text)).transpose().map_err(io::Error::from)?)
    }

    fn remember(&self, up: bool, wanted: &Wanted) -> Result<(), EngineError> {
        let desired = Desired { up, wanted: wanted.clone() };
        let text = serde_json::to_vec_pretty(&desired).map_err(io::Error::from)?;
        Ok(self.folder.write("desired.json", &text)?)
    }

    fn environment(&self, wanted: &Wanted, instance: &Instance) -> Result<Environment, EngineError> {
        let own = [
            (CONTROL, text(&self.folder.socket(&instance.name)?)),
            ("BERTH_APP_DIR", text(&wanted.app)),
            ("BERTH_NODE", text(&wanted.node)),
            ("BERTH_RESTART", "on-failure".to_owned()),
            ("BERTH_LOG_FORMAT", "json".to_owned()),
            ("BERTH_STAMP", stamp(wanted)),
        ];
        let mut environment = beside(wanted);
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
        let mut seen = Seen {
            name: instance.name.clone(),
            state: State::Silent,
            for_ms: None,
            ready_after_ms: None,
            restarts: 0,
            init: None,
            main: None,
            main_for_ms: None,
            init_memory: None,
            main_memory: None,
            waiting_for: Vec::new(),
            ports: instance.ports.clone(),
        };
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
        seen.init_memory = seen.init.and_then(process::resident);
        seen.main_memory = seen.main.and_then(process::resident);
        Ok(seen)
    }

    fn see_all(&self, instances: &[Instance], patience: Duration) -> Result<Vec<Seen>, EngineError> {
        instances.iter().map(|instance| self.see(instance, patience)).collect()
    }

    /// Starts an instance that has ended, unless somebody else changes things now or has done so.
    fn revive(
        &mut self,
        wanted: &Wanted,
        instance: &Instance,
        watcher: &mut dyn Watcher,
    ) -> Result<bool, EngineError> {
        let _lock = match self.folder.lock("up") {
            Err(FolderError::Locked { .. }) => return Ok(false),
            lock => lock?,
        };
        if self.desired()?.is_some_and(|desired| desired.up)
            && self.see(instance, PATIENCE)?.state == State::Down
        {
            self.kill(&instance.name, watcher);
            self.start(wanted, instance, self.restarts.get(&instance.name).map_or(1, |before| before + 1))?;
            watcher.heard(Event::Started(instance.name.clone()));
        }
        Ok(true)
    }
}

impl Engine for Local {
    fn up(&mut self, wanted: &Wanted, until: Until, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let raised = self.clear(wanted, watcher).and_then(|()| self.raise(wanted, until, watcher));
        if !matches!(raised, Ok(()) | Err(EngineError::Interrupted)) {
            let started: BTreeSet<String> = self.started.keys().cloned().collect();
            self.stop(&named(&started, &wanted.instances), watcher);
            self.remember(self.families().values().any(|family| family.leader.is_some()), wanted)?;
        }
        raised
    }

    fn keep(&mut self, watcher: &mut dyn Watcher) -> Result<Kept, EngineError> {
        let mut budgets: BTreeMap<String, Budget> = BTreeMap::new();
        // When to start what has ended; never, for what ended too often.
        let mut due: BTreeMap<String, Option<Instant>> = BTreeMap::new();
        loop {
            if watcher.interrupts() > 0 {
                return Ok(Kept::Interrupted);
            }
            // Another `up` may have wanted something else meanwhile.
            let Some(wanted) = self.wanted()? else { return Ok(Kept::TakenDown) };
            let all = self.see_all(&wanted.instances, GLANCE)?;
            watcher.saw(&all);
            self.tend()?;
            for (instance, seen) in wanted.instances.iter().zip(&all) {
                let name = &instance.name;
                if matches!(seen.state, State::Is(_)) {
                    self.restarts.insert(name.clone(), seen.restarts);
                }
                match due.get(name).copied() {
                    _ if seen.state != State::Down => drop(due.remove(name)),
                    None => {
                        self.started
                            .remove(name)
                            .into_iter()
                            .for_each(|started| drop(started.process.reap()));
                        let pause = budgets.entry(name.clone()).or_default().spend(Instant::now());
                        due.insert(name.clone(), pause.map(|pause| Instant::now() + pause));
                        let event = |pause| Event::Ended(name.clone(), pause);
                        watcher.heard(pause.map_or(Event::GivenUp(name.clone()), event));
                    }
                    Some(Some(at)) if at <= Instant::now() => {
                        if self.revive(&wanted, instance, watcher)? {
                            due.remove(name);
                        }
                    }
                    Some(_) => {}
                }
            }
            sleep(REST);
        }
    }

    fn down(&mut self, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let desired = self.desired()?;
        let known = desired.map(|desired| desired.wanted).unwrap_or_default();
        self.remember(false, &known)?;
        let running = self.families().into_keys().collect();
        self.stop(&named(&running, &known.instances), watcher);
        Ok(())
    }

    fn wanted(&self) -> Result<Option<Wanted>, EngineError> {
        Ok(self.desired()?.filter(|desired| desired.up).map(|desired| desired.wanted))
    }

    fn status(&self) -> Result<Vec<Seen>, EngineError> {
        let desired = self.desired()?;
        self.see_all(&desired.map(|desired| desired.wanted.instances).unwrap_or_default(), PATIENCE)
    }

    fn restart(&self, name: &str) -> Result<(), EngineError> {
        let socket = self.folder.socket(name)?;
        match ask(&Address::File(socket), Request::Restart, PATIENCE) {
            Ok(Answer::Accepted) => Ok(()),
            Ok(Answer::Refused { reason }) => Err(EngineError::Refused { name: name.to_owned(), reason }),
            Ok(Answer::Status(_) | Answer::Credentials { .. }) => Err(EngineError::Refused {
                name: name.to_owned(),
                reason: "it answered something else".into(),
            }),
            Err(AskError::Nobody(..)) => Err(EngineError::NotRunning(name.to_owned())),
            Err(source) => Err(EngineError::Ask { name: name.to_owned(), source }),
        }
    }

    fn logs(
        &self,
        names: &[String],
        lines: usize,
        follow: bool,
        take: &mut dyn FnMut(&str, &str) -> io::Result<()>,
    ) -> Result<(), EngineError> {
        let mut followers = Vec::new();
        for name in names {
            let (follower, last) = log::Follower::after_last_lines(&self.folder.log(name), lines, 0)?;
            last.iter().try_for_each(|line| take(name, line))?;
            followers.push((name, follower));
        }
        if !follow {
            return Ok(());
        }
        loop {
            for (name, follower) in &mut followers {
                follower.read(&mut |line| take(name, line))?;
            }
            sleep(REST / 2);
        }
    }

    fn tend(&self) -> Result<(), EngineError> {
        let wanted = self.wanted()?.unwrap_or_default();
        let mut logs = wanted.instances.iter().map(|instance| self.folder.log(&instance.name));
        Ok(logs.try_for_each(|log| log::put_aside_while_written(&log))?)
    }

    fn exec(&self, wanted: &Wanted, script: &[&str], input: &str) -> Result<Output, EngineError> {
        spawn::run(&wanted.node, script, &wanted.app, &beside(wanted), input)
            .map_err(|source| EngineError::Run { program: wanted.node.clone(), source })
    }
}

/// How often the instance of an init was started again before that init was.
fn earlier(init: u32) -> u32 {
    let environment = process::environment(init);
    environment.and_then(|environment| environment.get(EARLIER)?.parse().ok()).unwrap_or(0)
}

/// The settings, and what is taken over from us.
fn beside(wanted: &Wanted) -> Environment {
    let inherited = INHERITED.iter().filter_map(|key| Some(((*key).to_owned(), std::env::var(key).ok()?)));
    inherited.chain(wanted.environment.clone()).collect()
}

/// Changes when a file changes that an instance reads when it starts.
fn stamp(wanted: &Wanted) -> String {
    let files = [&wanted.program, &wanted.node].into_iter().chain(&wanted.inputs);
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
