//! Bringing up: what is in the way goes, what is missing is started, and all are waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{EARLIER, GLANCE, Local, PATIENCE, Started, TICK, named, processes};
use crate::plan::{self, Action, Phase};
use crate::process::{self, Process};
use crate::{EngineError, Event, Instance, Seen, State, Until, Wanted, Watcher, holder, log, spawn};

/// An init says itself that readiness did not come in time; only if it does not, the engine does.
const READY_MARGIN: Duration = Duration::from_secs(15);

/// For how long one has to be ready until it counts as up: one that dies as soon as it is ready did not come up.
const STEADY: Duration = Duration::from_millis(500);

/// So many last lines of a log are told when an instance fails.
const LAST_LINES: usize = 12;

impl Local {
    /// Starts an init, of an instance that was started again so often before it.
    pub(super) fn start(
        &mut self,
        wanted: &Wanted,
        instance: &Instance,
        restarts: u32,
    ) -> Result<(), EngineError> {
        let mut environment = self.environment(wanted, instance)?;
        if restarts > 0 {
            environment.insert(EARLIER.to_owned(), restarts.to_string());
        }
        let log = log::open(&self.folder.log(&instance.name))?;
        let from = log.metadata()?.len();
        let processes = processes(wanted)?;
        let pid = spawn::detached(&processes.program, &instance.name, &processes.app, &environment, log)
            .map_err(|source| EngineError::Run { program: processes.program.clone(), source })?;
        if let Some(process) = Process::child(pid) {
            let started = Started { process, at: Instant::now(), log: from };
            self.started.insert(instance.name.clone(), started);
        }
        Ok(())
    }

    /// Starts what does not run and waits for all, or fails with the first that does not come.
    pub(super) fn raise(
        &mut self,
        wanted: &Wanted,
        until: Until,
        watcher: &mut dyn Watcher,
    ) -> Result<(), EngineError> {
        let begin = Instant::now();
        // Of one that gives no answer now it is not known how often it was started again before.
        let first = self.see_all(&wanted.instances, PATIENCE)?.into_iter();
        let before: BTreeMap<String, u32> =
            first.filter(|seen| seen.state != State::Silent).map(|seen| (seen.name, seen.restarts)).collect();
        loop {
            let seen = self.see_all(&wanted.instances, GLANCE)?;
            watcher.saw(&seen);
            if watcher.interrupts() > 0 {
                return Err(EngineError::Interrupted);
            }
            for (instance, seen) in wanted.instances.iter().zip(&seen) {
                self.check(instance, seen, begin, before.get(&seen.name).copied().unwrap_or(u32::MAX))?;
            }
            let done = |(instance, seen): (&Instance, &Seen)| match until {
                Until::Said if !instance.says_ready => seen.state != State::Down,
                _ => is_up(seen),
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
                    self.start(wanted, instance, 0)?;
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
        let restarting =
            seen.state == State::Is(berth_control::State::Restarting) && seen.ready_after_ms.is_none();
        let how = match ended {
            Some(started) => {
                Some(started.process.reap().unwrap_or("has ended".into()) + " before it was ready")
            }
            None if restarting || seen.restarts > restarts => {
                Some("did not come up at its first start".into())
            }
            None => None,
        };
        if let Some(how) = how {
            return Err(EngineError::Died { name: seen.name.clone(), how, last: last(from)?, health: None });
        }
        let since = started.map_or(begin, |started| started.at.max(begin));
        let after = instance.ready_within + READY_MARGIN;
        if seen.state != State::READY && seen.state != State::Down && since.elapsed() > after {
            return Err(EngineError::Late {
                name: seen.name.clone(),
                state: seen.state,
                after,
                last: last(from)?,
                health: None,
            });
        }
        Ok(())
    }

    /// Stops what runs otherwise than wanted or is not wanted, and checks that the rest can be started.
    pub(super) fn clear(&mut self, wanted: &Wanted, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let environments = wanted
            .instances
            .iter()
            .map(|instance| Ok((instance.name.clone(), self.environment(wanted, instance)?)));
        let environments = environments.collect::<Result<Vec<_>, EngineError>>()?;
        let families = self.families();
        let running = families.iter().filter_map(|(name, family)| {
            let mut environment = process::environment(family.leader?.pid)?;
            // It is no setting, and no reason to start it anew.
            environment.remove(EARLIER);
            Some((name.clone(), environment))
        });
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
}

fn is_up(seen: &Seen) -> bool {
    seen.state == State::READY && seen.for_ms.is_some_and(|ms| Duration::from_millis(ms) >= STEADY)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_that_is_ready_for_less_than_half_a_second_is_not_up() {
        let is_up = |state, for_ms| is_up(&Seen { for_ms, ..Seen::new(&Instance::default(), state) });
        assert!(is_up(State::READY, Some(500)));
        assert!(!is_up(State::READY, Some(499)));
        assert!(!is_up(State::READY, None));
        assert!(!is_up(State::Silent, Some(500)));
    }
}
