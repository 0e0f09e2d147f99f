//! Taking down: Compose stops what is needed last and removes all, the volumes only if that is said.

use std::collections::BTreeSet;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::container::Container;
use super::{Compose, Docker, LOOK, containers, line};
use crate::desired::Desired;
use crate::{EngineError, Event, OnceMore, Watcher};

impl Compose {
    /// The names of the volumes that hold the installation's data; those of a project of this name, whoever made them.
    pub fn volumes(&self, project: &str) -> Result<Vec<String>, EngineError> {
        let names = self.docker()?.ask(&line::volumes(project))?;
        Ok(names.lines().map(ToOwned::to_owned).collect())
    }

    /// Stops all, and removes the data.
    pub fn down_with_volumes(&mut self, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        self.take_down(true, watcher)
    }

    pub(super) fn take_down(&mut self, volumes: bool, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let Some(desired) = self.desired()? else { return Ok(()) };
        let (docker, project) = (self.docker()?, containers(&desired.wanted)?.project.clone());
        Desired::forget(&self.folder, &desired.wanted, watcher);
        let running = || -> Result<BTreeSet<String>, EngineError> {
            let all = Self::containers(&docker, &project)?;
            let running = all.iter().filter(|container| container.runs());
            Ok(running.map(|container| container.service().to_owned()).collect())
        };
        let mut left = running()?;
        // The first wish for an end may be what brought us here.
        let hurry = watcher.interrupts().min(1);
        let (mut heard, begin, mut said) = (hurry, Instant::now(), Vec::new());
        let mut down = docker.begin(&line::down(volumes))?;
        loop {
            let ended = down.ended(&mut said)?;
            let now = running()?;
            for name in left.difference(&now) {
                watcher.heard(Event::Stopped(name.clone(), begin.elapsed()));
            }
            left = now;
            if ended {
                self.raised = false;
                return if volumes { self.remove_volumes(&docker, &project) } else { Ok(()) };
            }
            match watcher.interrupts() {
                count if count > hurry + 1 => return Err(EngineError::Interrupted),
                count if count > heard => {
                    let left = self.left(&left, begin.elapsed())?;
                    watcher.heard(Event::StillStopping(left, OnceMore::Leaves));
                }
                _ => {}
            }
            heard = watcher.interrupts();
            sleep(LOOK);
        }
    }

    /// Compose removes the volumes that its files name now. Those of a store that was left for another are the project's
    /// too.
    fn remove_volumes(&self, docker: &Docker, project: &str) -> Result<(), EngineError> {
        let left = self.volumes(project)?;
        if left.is_empty() {
            return Ok(());
        }
        docker.ask(&line::remove_volumes(&left)).map(drop)
    }

    /// What has not ended yet, with the time that it may still take.
    fn left(
        &self,
        names: &BTreeSet<String>,
        elapsed: Duration,
    ) -> Result<Vec<(String, Duration)>, EngineError> {
        let instances = self.desired()?.map(|desired| desired.wanted.instances).unwrap_or_default();
        let rest = |name: &String| {
            let instance = instances.iter().find(|instance| instance.name == *name);
            instance.map_or(Duration::ZERO, |instance| instance.stop_within.saturating_sub(elapsed))
        };
        Ok(names.iter().map(|name| (name.clone(), rest(name))).collect())
    }

    /// Whether containers of a project of this name were made for another folder, and which that is.
    pub fn made_elsewhere(&self, project: &str) -> Result<Option<String>, EngineError> {
        let place = self.place();
        let all = Self::containers(&self.docker()?, project)?;
        let mut others =
            all.iter().map(Container::folder).filter(|folder| std::path::Path::new(folder) != place);
        Ok(others.next().map(ToOwned::to_owned))
    }
}
