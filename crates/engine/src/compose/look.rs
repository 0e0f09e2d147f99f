//! Looking on while containers come up, until all are as they are to be or one has failed.

use std::collections::{BTreeMap, BTreeSet};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime};

use super::container::Container;
use super::docker::{Docker, Running};
use super::end::Ends;
use super::raise::Plan;
use super::{Compose, LOOK, Line, containers, line};
use crate::{EngineError, Event, Instance, Seen, State, Until, Wanted, Watcher};

/// Docker's own health check tells what is not good in time; only if it does not, the engine does.
const READY_MARGIN: Duration = Duration::from_secs(15);

impl Compose {
    /// Has Compose start all, and looks on.
    pub(super) fn bring_up(
        &self,
        plan: &Plan,
        up: &Line,
        wanted: &Wanted,
        watcher: &mut dyn Watcher,
    ) -> Result<(), EngineError> {
        let docker = &plan.draft.docker;
        let mut look = Look::begin(docker);
        look.listen(wanted)?;
        look.changed = plan.changed();
        let mut running = docker.begin(up)?;
        let mut said = Vec::new();
        loop {
            let ended = running.ended(&mut said);
            let all = self.look(&mut look, wanted, watcher)?;
            match ended {
                Ok(true) => return Ok(()),
                Ok(false) => sleep(LOOK),
                // Compose names the container; what that said is more.
                Err(error) => return Err(self.blame(docker, &look, wanted, &all).unwrap_or(error)),
            }
        }
    }

    /// Waits until all are as they are to be.
    pub(super) fn wait(
        &mut self,
        wanted: &Wanted,
        until: Until,
        watcher: &mut dyn Watcher,
    ) -> Result<(), EngineError> {
        let docker = self.docker()?;
        let mut look = Look::begin(&docker);
        loop {
            let all = self.look(&mut look, wanted, watcher)?;
            let done = |(instance, (seen, _)): (&Instance, &(Seen, Option<Container>))| match until {
                Until::Said if !instance.says_ready => seen.state != State::Down,
                _ => seen.state.is_good(),
            };
            let touched =
                |(instance, _): &(&Instance, &(Seen, Option<Container>))| self.touches(&instance.name);
            if wanted.instances.iter().zip(&all).filter(touched).all(done) {
                return Ok(());
            }
            look.listen(wanted)?;
            sleep(LOOK);
        }
    }

    /// Looks at all, tells the watcher, and fails when one of them has failed.
    fn look(
        &self,
        look: &mut Look,
        wanted: &Wanted,
        watcher: &mut dyn Watcher,
    ) -> Result<Vec<(Seen, Option<Container>)>, EngineError> {
        look.hear();
        let all = self.see_all(wanted)?;
        watcher.saw(&all.iter().map(|(seen, _)| seen.clone()).collect::<Vec<_>>());
        for (seen, container) in &all {
            let runs = container.as_ref().filter(|container| container.runs());
            let new = runs.filter(|container| container.started() > Some(look.since));
            if let Some(container) = new.filter(|container| look.started.insert(container.id.clone())) {
                let replaced =
                    look.changed.remove(&seen.name).filter(|_| !self.before.contains_key(&container.id));
                let name = seen.name.clone();
                watcher
                    .heard(replaced.map_or(Event::Started(name.clone()), |keys| Event::Replaced(name, keys)));
            }
        }
        if watcher.interrupts() > 0 {
            return Err(EngineError::Interrupted);
        }
        for (instance, (seen, container)) in wanted.instances.iter().zip(&all) {
            match container {
                _ if !self.touches(&instance.name) => {}
                Some(container) => self.check(look, instance, seen, container)?,
                // Somebody else takes it down.
                None if self.raised => return Err(EngineError::NotRunning(seen.name.clone())),
                None => {}
            }
        }
        Ok(all)
    }

    pub(super) fn touches(&self, name: &str) -> bool {
        self.alone.as_ref().is_none_or(|alone| alone.iter().any(|other| other == name))
    }

    /// Fails when an instance has ended and was started again, or takes too long.
    fn check(
        &self,
        look: &Look,
        instance: &Instance,
        seen: &Seen,
        container: &Container,
    ) -> Result<(), EngineError> {
        let before = self.before.get(&container.id).copied().unwrap_or(0);
        // While Compose replaces a container, the old one has ended.
        let ended = self.raised && container.has_ended();
        if ended || container.restarts() > before && !seen.state.is_good() {
            return Err(Self::died(look, seen, container));
        }
        let after = instance.ready_within + READY_MARGIN;
        let waited = Duration::from_millis(seen.for_ms.unwrap_or(0)).min(look.begin.elapsed());
        let late = container.runs() && !seen.state.is_good() && waited > after;
        if late {
            return Err(EngineError::Late {
                name: seen.name.clone(),
                state: seen.state,
                after,
                last: Self::last_lines(&look.docker, &seen.name),
                health: seen.health.clone(),
            });
        }
        Ok(())
    }

    fn died(look: &Look, seen: &Seen, container: &Container) -> EngineError {
        let limit = container.memory_limit().unwrap_or(0);
        let told = look.ends.of(&container.id, limit).or_else(|| container.end());
        EngineError::Died {
            name: seen.name.clone(),
            how: told.map_or("did not get ready at its first start".to_owned(), |how| {
                how + " before it was healthy"
            }),
            last: Self::last_lines(&look.docker, &seen.name),
            health: seen.health.clone(),
        }
    }

    /// The first instance that is to blame when Compose has given up.
    fn blame(
        &self,
        docker: &Docker,
        look: &Look,
        wanted: &Wanted,
        all: &[(Seen, Option<Container>)],
    ) -> Option<EngineError> {
        let touched = wanted.instances.iter().zip(all).filter(|(instance, _)| self.touches(&instance.name));
        touched.into_iter().find_map(|(_, (seen, container))| match (container, seen.state) {
            (Some(container), _) if container.has_ended() || container.end().is_some() => {
                Some(Self::died(look, seen, container))
            }
            (Some(_), State::Unhealthy) => Some(EngineError::Unhealthy {
                name: seen.name.clone(),
                health: seen.health.clone(),
                last: Self::last_lines(docker, &seen.name),
            }),
            _ => None,
        })
    }
}

/// What is known since somebody began to look.
struct Look {
    begin: Instant,
    since: SystemTime,
    docker: Docker,
    /// The engine tells of what ends.
    listening: Option<Running>,
    ends: Ends,
    /// Containers that were told of, by their ids.
    started: BTreeSet<String>,
    /// In what containers were not as they are wanted.
    changed: BTreeMap<String, Vec<String>>,
}

impl Look {
    fn begin(docker: &Docker) -> Self {
        Self {
            begin: Instant::now(),
            since: SystemTime::now(),
            docker: docker.clone(),
            listening: None,
            ends: Ends::default(),
            started: BTreeSet::new(),
            changed: BTreeMap::new(),
        }
    }

    /// Has the engine tell of what ends from now on.
    fn listen(&mut self, wanted: &Wanted) -> Result<(), EngineError> {
        if self.listening.is_none() {
            self.listening = Some(self.docker.begin(&line::ends(&containers(wanted)?.project))?);
        }
        Ok(())
    }

    fn hear(&mut self) {
        let lines = self.listening.as_ref().map(Running::lines).unwrap_or_default();
        for line in lines {
            self.ends.hear(&line);
        }
    }
}
