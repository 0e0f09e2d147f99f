use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::path::Path;
use std::process::Output;
use std::thread::sleep;
use std::time::{Duration, Instant, UNIX_EPOCH};

use berth_control::{Address, Answer, AskError, Request, ask};
use nix::sys::signal::Signal;
use serde::{Deserialize, Serialize};

use crate::folder::{Folder, FolderError};
use crate::plan::{self, Action, Budget, Environment, INHERITED, Phase};
use crate::process::{self, Family, Process};
use crate::{
    Engine, EngineError, Event, Instance, Kept, Seen, State, Until, Wanted, Watcher, holder, log, spawn,
};

/// The setting that tells an init where its control socket is. What carries it in its environment belongs to
/// the instance.
const CONTROL: &str = "BERTH_CONTROL";

/// An init answers at once, unless something is wrong with it or the host is busy.
const PATIENCE: Duration = Duration::from_secs(2);

/// Who looks again and again does not wait for one that does not answer.
const GLANCE: Duration = Duration::from_millis(300);

/// How often is looked while something is to change soon, and while nothing is.
const TICK: Duration = Duration::from_millis(25);
const REST: Duration = Duration::from_millis(500);

/// An init says itself that readiness did not come in time; only if it does not, the engine does.
const READY_MARGIN: Duration = Duration::from_secs(15);

/// What the kernel may take to end a process that was killed.
const KILL_WITHIN: Duration = Duration::from_secs(5);

/// How long one that is not known any more may take to stop: the longest grace of all.
const UNKNOWN_STOP: Duration = Duration::from_secs(90);

/// So many last lines of a log are told when an instance fails.
const LAST_LINES: usize = 12;

/// Runs each instance as a process of this host, in a session of its own.
#[derive(Debug)]
pub struct Local {
    folder: Folder,
    at_once: usize,
    started: BTreeMap<String, Started>,
    /// What ran already, and was said to.
    adopted: BTreeSet<String>,
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
        Self { folder, at_once, started: BTreeMap::new(), adopted: BTreeSet::new() }
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
                seen.restarts = status.restarts;
                seen.init = Some(status.init);
                seen.main = status.main.map(|main| main.pid);
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

    fn start(&mut self, wanted: &Wanted, instance: &Instance) -> Result<(), EngineError> {
        let environment = self.environment(wanted, instance)?;
        let log = log::open(&self.folder.log(&instance.name))?;
        let from = log.metadata()?.len();
        let pid = spawn::detached(&wanted.program, &instance.name, &wanted.app, &environment, log)
            .map_err(|source| EngineError::Run { program: wanted.program.clone(), source })?;
        if let Some(process) = Process::child(pid) {
            let started = Started { process, at: Instant::now(), log: from };
            self.started.insert(instance.name.clone(), started);
        }
        Ok(())
    }

    /// Starts what does not run and waits for all, or fails with the first that does not come.
    fn raise(&mut self, wanted: &Wanted, until: Until, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let begin = Instant::now();
        let before: BTreeMap<String, u32> = self
            .see_all(&wanted.instances, GLANCE)?
            .into_iter()
            .map(|seen| (seen.name, seen.restarts))
            .collect();
        loop {
            let seen = self.see_all(&wanted.instances, GLANCE)?;
            watcher.saw(&seen);
            if watcher.interrupts() > 0 {
                return Err(EngineError::Interrupted);
            }
            for (instance, seen) in wanted.instances.iter().zip(&seen) {
                self.check(instance, seen, begin, before.get(&seen.name).copied().unwrap_or(0))?;
            }
            let done = |(instance, seen): (&Instance, &Seen)| match until {
                Until::Said if !instance.says_ready => seen.state != State::Down,
                _ => seen.state == State::READY,
            };
            if wanted.instances.iter().zip(&seen).all(done) {
                return Ok(());
            }
            let phase = |name: &str| match seen.iter().find(|seen| seen.name == name).map(|seen| seen.state) {
                Some(State::READY) => Phase::Ready,
                None | Some(State::Down) => Phase::Absent,
                Some(_) => Phase::Starting,
            };
            for name in plan::next_to_start(&wanted.instances, &phase, self.at_once) {
                if let Some(instance) = wanted.instances.iter().find(|instance| instance.name == name) {
                    self.start(wanted, instance)?;
                    watcher.heard(Event::Started(name.to_owned()));
                }
            }
            sleep(TICK);
        }
    }

    /// Fails when an instance has ended, has ended and was started again, or takes too long.
    fn check(
        &self,
        instance: &Instance,
        seen: &Seen,
        begin: Instant,
        restarts: u32,
    ) -> Result<(), EngineError> {
        let started = self.started.get(&instance.name);
        let last = |from| log::last_lines(&self.folder.log(&instance.name), LAST_LINES, from);
        let from = started.map_or(0, |started| started.log);
        let ended = started.filter(|started| !started.process.runs());
        let pausing = seen.state == State::Is(berth_control::State::Pausing) && seen.ready_after_ms.is_none();
        let how = match ended {
            Some(started) => {
                Some(started.process.reap().unwrap_or("has ended".into()) + " before it was ready")
            }
            None if pausing || seen.restarts > restarts => {
                Some("did not get ready at its first start".into())
            }
            None => None,
        };
        if let Some(how) = how {
            return Err(EngineError::Died { name: seen.name.clone(), how, last: last(from)? });
        }
        let since = started.map_or(begin, |started| started.at.max(begin));
        let after = instance.ready_within + READY_MARGIN;
        if seen.state != State::READY && seen.state != State::Down && since.elapsed() > after {
            return Err(EngineError::Late {
                name: seen.name.clone(),
                state: seen.state,
                after,
                last: last(from)?,
            });
        }
        Ok(())
    }

    /// Stops these instances, wave by wave, and kills what outstays its time.
    fn stop(&mut self, instances: &[Instance], watcher: &mut dyn Watcher) {
        let families = self.families();
        // The first wish for an end may be what brought us here; the next one is answered, the one after that
        // is obeyed.
        let hurry = watcher.interrupts().min(1);
        let mut heard = hurry;
        for wave in plan::stop_waves(instances) {
            let begin = Instant::now();
            let mut left: Vec<(&Instance, Process)> = instances
                .iter()
                .filter(|instance| wave.contains(&instance.name.as_str()))
                .filter_map(|instance| Some((instance, families.get(&instance.name)?.leader?)))
                .collect();
            for (_, process) in &left {
                process.signal(Signal::SIGTERM);
            }
            while !left.is_empty() {
                left.retain(|(instance, process)| {
                    let runs = process.runs();
                    if !runs {
                        process.reap();
                        watcher.heard(Event::Stopped(instance.name.clone(), begin.elapsed()));
                    }
                    runs
                });
                let now = watcher.interrupts();
                let obey = now.saturating_sub(hurry) > 1;
                if now > heard && !obey {
                    let rest = |i: &Instance| i.stop_within.saturating_sub(begin.elapsed());
                    let left = left.iter().map(|(instance, _)| (instance.name.clone(), rest(instance)));
                    watcher.heard(Event::StillStopping(left.collect()));
                }
                heard = now;
                left.retain(|(instance, _)| {
                    let spent = obey || begin.elapsed() > instance.stop_within;
                    if spent {
                        self.kill(&instance.name, watcher);
                    }
                    !spent
                });
                if !left.is_empty() {
                    sleep(TICK);
                }
            }
        }
        for instance in instances {
            self.kill(&instance.name, watcher);
            self.started.remove(&instance.name);
        }
    }

    /// Kills all that is left of an instance, and waits until it is gone.
    fn kill(&self, name: &str, watcher: &mut dyn Watcher) {
        let Some(family) = self.families().remove(name) else { return };
        let all: Vec<Process> = family.leader.into_iter().chain(family.rest).collect();
        for process in &all {
            process.signal(Signal::SIGKILL);
        }
        let begin = Instant::now();
        while all.iter().any(|process| process.runs()) && begin.elapsed() < KILL_WITHIN {
            sleep(TICK);
        }
        for process in &all {
            process.reap();
        }
        watcher.heard(Event::Killed(name.to_owned(), all.len()));
    }

    /// Stops what runs otherwise than wanted or is not wanted, and checks that the rest can be started.
    fn clear(&mut self, wanted: &Wanted, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let environments = wanted
            .instances
            .iter()
            .map(|instance| Ok((instance.name.clone(), self.environment(wanted, instance)?)));
        let environments = environments.collect::<Result<Vec<_>, EngineError>>()?;
        let families = self.families();
        let running = families
            .iter()
            .filter_map(|(name, family)| Some((name.clone(), process::environment(family.leader?.pid)?)));
        let known = self.desired()?.map(|desired| desired.wanted.instances).unwrap_or_default();
        self.remember(true, wanted)?;
        let (mut stops, mut starts) = (BTreeSet::new(), BTreeSet::new());
        for (name, action) in plan::differences(&environments, &running.collect()) {
            match action {
                Action::Keep if self.started.contains_key(&name) => {}
                Action::Keep => {
                    if self.adopted.insert(name.clone()) {
                        watcher.heard(Event::Adopted(name));
                    }
                }
                Action::Start => drop(starts.insert(name)),
                Action::Stop(why) => {
                    watcher.heard(Event::Stopping(name.clone(), why));
                    stops.insert(name);
                }
            }
        }
        // What an init that was killed left behind would be in the new one's way.
        starts.iter().filter(|name| families.contains_key(*name)).for_each(|name| self.kill(name, watcher));
        self.stop(&named(&stops, &known), watcher);
        starts.extend(stops.into_iter().filter(|name| wanted.instances.iter().any(|i| i.name == *name)));
        check_ports(wanted, &starts)
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
            self.start(wanted, instance)?;
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
            for (instance, seen) in wanted.instances.iter().zip(&all) {
                let name = &instance.name;
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
            Ok(Answer::Status(_)) => Err(EngineError::Refused {
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

    fn exec(&self, wanted: &Wanted, script: &[&str], input: &str) -> Result<Output, EngineError> {
        spawn::run(&wanted.node, script, &wanted.app, &beside(wanted), input)
            .map_err(|source| EngineError::Run { program: wanted.node.clone(), source })
    }
}

/// Fails when a port of these instances is taken, naming all that are.
fn check_ports(wanted: &Wanted, names: &BTreeSet<String>) -> Result<(), EngineError> {
    let mut busy = Vec::new();
    for instance in wanted.instances.iter().filter(|instance| names.contains(&instance.name)) {
        for port in instance.ports.iter().map(|port| port.listening.number) {
            let free = holder::is_free(port, &wanted.listen).map_err(|source| EngineError::Port {
                name: instance.name.clone(),
                port,
                source,
            })?;
            if !free {
                busy.push((instance.name.clone(), port, holder::of(port)));
            }
        }
    }
    if busy.is_empty() { Ok(()) } else { Err(EngineError::Busy(busy)) }
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
