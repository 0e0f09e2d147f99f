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

/// The engine tells of an end as soon as somebody listens.
const TOLD_WITHIN: Duration = Duration::from_secs(2);

impl Compose {
    /// Has Compose start all, and looks on.
    pub(super) fn bring_up(
        &self,
        plan: &Plan,
        up: &Line,
        wanted: &Wanted,
        look: &mut Look,
        watcher: &mut dyn Watcher,
    ) -> Result<(), EngineError> {
        let docker = &plan.draft.docker;
        look.listen(wanted)?;
        look.changed = plan.changed();
        let mut running = docker.begin(up)?;
        let mut said = Vec::new();
        loop {
            let ended = running.ended(&mut said);
            let all = self.look(look, wanted, watcher)?;
            match ended {
                Ok(true) => return Ok(()),
                Ok(false) => sleep(LOOK),
                // Compose names the container; what that said is more.
                Err(error) => return Err(self.blame(look, wanted, &all).unwrap_or(error)),
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
        let mut look = match self.looking.take() {
            Some(look) => look,
            None => Look::begin(&self.docker()?, SystemTime::now()),
        };
        let ended = self.wait_looking(wanted, until, &mut look, watcher);
        // It knows what was told already.
        self.looking = Some(look);
        ended
    }

    fn wait_looking(
        &self,
        wanted: &Wanted,
        until: Until,
        look: &mut Look,
        watcher: &mut dyn Watcher,
    ) -> Result<(), EngineError> {
        loop {
            let all = self.look(look, wanted, watcher)?;
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
                let name = seen.name.clone();
                let is_new = !self.before.contains_key(&container.id);
                let replaced = if is_new { look.changed.remove(&name) } else { None };
                watcher.heard(match replaced {
                    Some(keys) => Event::Replaced(name, keys),
                    None => Event::Started(name),
                });
            }
        }
        if watcher.interrupts() > 0 {
            return Err(EngineError::Interrupted);
        }
        for (instance, (seen, container)) in wanted.instances.iter().zip(&all) {
            match container {
                _ if !self.touches(&instance.name) => {}
                Some(container) => self.check(look, wanted, instance, seen, container)?,
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
        look: &mut Look,
        wanted: &Wanted,
        instance: &Instance,
        seen: &Seen,
        container: &Container,
    ) -> Result<(), EngineError> {
        let known = self.before.get(&container.id).copied();
        if !self.raised && known.is_some() && look.changed.contains_key(&seen.name) {
            // Whatever becomes of it: another one is about to take its place.
            return Ok(());
        }
        let before = known.unwrap_or(0);
        // While Compose replaces a container, the old one has ended.
        let ended = self.raised && container.has_ended();
        if ended || container.restarts() > before && !seen.state.is_good() {
            return Err(Self::died(look, wanted, seen, container));
        }
        let after = instance.ready_within + READY_MARGIN;
        let since = Duration::from_millis(seen.for_ms.unwrap_or(0)).min(look.begin.elapsed());
        let late = container.runs() && !seen.state.is_good() && since > after;
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

    fn died(look: &mut Look, wanted: &Wanted, seen: &Seen, container: &Container) -> EngineError {
        let told = look.end_of(wanted, container).or_else(|| container.end());
        EngineError::Died {
            name: seen.name.clone(),
            how: told.unwrap_or("ended and was started again".to_owned()) + " before it was healthy",
            last: Self::last_lines(&look.docker, &seen.name),
            health: container.said().map(ToOwned::to_owned),
        }
    }

    /// The first instance that is to blame when Compose has given up.
    fn blame(
        &self,
        look: &mut Look,
        wanted: &Wanted,
        all: &[(Seen, Option<Container>)],
    ) -> Option<EngineError> {
        let touched = wanted.instances.iter().zip(all).filter(|(instance, _)| self.touches(&instance.name));
        touched.into_iter().find_map(|(_, (seen, container))| match (container, seen.state) {
            (Some(container), _) if container.has_ended() || container.end().is_some() => {
                Some(Self::died(look, wanted, seen, container))
            }
            (Some(_), State::Unhealthy) => Some(EngineError::Unhealthy {
                name: seen.name.clone(),
                health: seen.health.clone(),
                last: Self::last_lines(&look.docker, &seen.name),
            }),
            _ => None,
        })
    }
}

/// What is known since somebody began to look.
#[derive(Debug)]
pub(super) struct Look {
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
    /// `since` is when this process began to change something.
    pub(super) fn begin(docker: &Docker, since: SystemTime) -> Self {
        Self {
            begin: Instant::now(),
            since,
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
            self.listening = Some(self.docker.begin(&line::ends(&containers(wanted)?.project, self.since))?);
        }
        Ok(())
    }

    /// How a container ended. What the engine tells of it may be on its way.
    fn end_of(&mut self, wanted: &Wanted, container: &Container) -> Option<String> {
        // Without being told there is still what the container looks like.
        self.listen(wanted).ok()?;
        let (begin, limit) = (Instant::now(), container.memory_limit().unwrap_or(0));
        loop {
            self.hear();
            let told = self.ends.of(&container.id, limit);
            if told.is_some() || begin.elapsed() > TOLD_WITHIN {
                return told;
            }
            sleep(LOOK / 10);
        }
    }

    fn hear(&mut self) {
        let lines = self.listening.as_ref().map(Running::lines).unwrap_or_default();
        for line in lines {
            self.ends.hear(&line);
        }
    }
}
