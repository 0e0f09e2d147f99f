//! Bringing up: files are written, images fetched, containers made and started by Compose in the order of needs, and
//! all are waited for.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::thread::sleep;
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use super::container::Container;
use super::docker::{Docker, Running};
use super::draft::Draft;
use super::end::Ends;
use super::step::{self, Found, Goal, Step};
use super::{Compose, LOOK, Line, PLACE, containers, line, restart};
use crate::desired::Desired;
use crate::plan::{Action, Why};
use crate::{Containers, EngineError, Event, Instance, Means, Seen, State, Until, Wanted, Watcher};

/// Docker's own health check tells what is not good in time; only if it does not, the engine does.
const READY_MARGIN: Duration = Duration::from_secs(15);

/// Files of the project are for whoever runs in the containers too; the state folder above them is private.
const MODE: u32 = 0o644;

/// What there is to do, and what was found that leads to it.
struct Plan {
    draft: Draft,
    differences: Vec<(String, Action)>,
    steps: Vec<Step>,
    containers: Vec<Container>,
}

impl Plan {
    /// In what the containers are not as they are wanted that may have to be made anew.
    fn changed(&self) -> BTreeMap<String, Vec<String>> {
        let changed = self.differences.iter().filter_map(|(name, action)| match action {
            Action::Stop(Why::Changed(keys)) => Some((name.clone(), keys.clone())),
            _ => None,
        });
        changed.collect()
    }
}

impl Compose {
    /// The commands that [`crate::Engine::up`] would run now, in their order. Nothing is changed.
    pub fn lines(&self, wanted: &Wanted) -> Result<Vec<Line>, EngineError> {
        Ok(self.plan(wanted)?.steps.iter().map(Step::line).collect())
    }

    fn plan(&self, wanted: &Wanted) -> Result<Plan, EngineError> {
        let means = containers(wanted)?;
        let kept = self.kept()?;
        let read = || Draft::read(&self.place(), &means.files);
        let draft = self.draft.clone().map_or_else(read, Ok)?;
        let services: Vec<&str> = wanted.instances.iter().map(|instance| instance.name.as_str()).collect();
        let references = draft.config.images(|name| services.contains(&name));
        let (images, containers) = std::thread::scope(|scope| {
            let images = scope.spawn(|| draft.docker.images(references.iter().copied()));
            let containers = Self::containers(&draft.docker, &means.project);
            (images.join().expect("asking does not panic"), containers)
        });
        let found = Found {
            images: images?,
            changed: self.changed(means, &containers.as_ref().map_or(&[][..], |all| all)),
            containers: containers?,
        };
        let goal = Goal {
            services,
            alone: self.alone.as_deref(),
            config: &draft.config,
            marks: &draft.marks,
            made: &kept.made,
            inputs: newest(&means.inputs).map(|changed| (changed, kept.loaded == Some(micros(changed)))),
            reload: &means.reload,
        };
        let (differences, steps) = step::steps(&goal, &found);
        let containers = found.containers;
        Ok(Plan { draft, differences, steps, containers })
    }

    /// When what these containers have mounted of the project was changed; what is about to be written, now. Folders of
    /// what programs read again are no part of it.
    fn changed(&self, means: &Containers, containers: &[Container]) -> BTreeMap<PathBuf, SystemTime> {
        let place = self.place();
        let is_input = |path: &Path| means.inputs.iter().any(|input| input.starts_with(path));
        let mounted = containers.iter().flat_map(Container::binds).filter(|path| !is_input(path));
        let changed = mounted.filter_map(|path| {
            let inside = path.strip_prefix(&place).ok()?;
            let same = |file: &Path, text: &String| {
                fs_err::read_to_string(place.join(file)).is_ok_and(|there| there == *text)
            };
            let mut ours = means.files.iter().filter(|(file, _)| file.starts_with(inside));
            if ours.any(|(file, text)| !same(file, text)) {
                return Some((path.clone(), SystemTime::now()));
            }
            let all = if path.is_dir() {
                means
                    .files
                    .keys()
                    .filter(|file| file.starts_with(inside))
                    .map(|file| place.join(file))
                    .collect()
            } else {
                vec![path.clone()]
            };
            Some((path.clone(), newest(&all)?))
        });
        changed.collect()
    }

    /// What was remembered of the containers that are there.
    fn kept(&self) -> Result<Containers, EngineError> {
        Ok(match self.desired()?.map(|desired| desired.wanted.means) {
            Some(Means::Containers(containers)) => containers,
            _ => Containers::default(),
        })
    }

    /// Does what there is to do.
    pub(super) fn raise(&mut self, wanted: &Wanted, watcher: &mut dyn Watcher) -> Result<(), EngineError> {
        let plan = self.plan(wanted)?;
        // What cannot be fetched has changed nothing yet.
        let (fetch, then): (Vec<&Step>, Vec<&Step>) =
            plan.steps.iter().partition(|step| matches!(step, Step::Pull(_)));
        for step in fetch {
            self.take(step, &plan, wanted, watcher)?;
        }
        self.acted = true;
        let mut kept = self.kept()?;
        self.remember(wanted, &kept)?;
        for (path, text) in &containers(wanted)?.files {
            self.folder.keep(&PathBuf::from(PLACE).join(path), text.as_bytes(), MODE)?;
        }
        self.before =
            plan.containers.iter().map(|container| (container.id.clone(), container.restarts())).collect();
        for (name, action) in &plan.differences {
            match action {
                Action::Keep => watcher.heard(Event::Adopted(name.clone())),
                Action::Stop(why @ Why::Unwanted) => {
                    watcher.heard(Event::Stopping(name.clone(), why.clone()))
                }
                // Compose has the last word on it.
                Action::Stop(Why::Changed(_)) | Action::Start => {}
            }
        }
        for step in then {
            self.take(step, &plan, wanted, watcher)?;
        }
        let there = if plan.steps.is_empty() {
            plan.containers
        } else {
            Self::containers(&plan.draft.docker, &containers(wanted)?.project)?
        };
        for container in there {
            let name = container.service().to_owned();
            if let Some(mark) = plan.draft.marks.get(&name).filter(|_| self.touches(&name)) {
                kept.made.insert(name, (mark.clone(), container.hash().to_owned()));
            }
        }
        kept.loaded = newest(&containers(wanted)?.inputs).map(micros);
        self.remember(wanted, &kept)
    }

    fn take(
        &self,
        step: &Step,
        plan: &Plan,
        wanted: &Wanted,
        watcher: &mut dyn Watcher,
    ) -> Result<(), EngineError> {
        let docker = &plan.draft.docker;
        match step {
            Step::Pull(image) => {
                watcher.heard(Event::Fetching(image.clone()));
                docker.show(&step.line(), &mut || watcher.interrupts() > 0)
            }
            Step::Build(services) => {
                let images = plan.draft.config.images(|name| services.iter().any(|other| other == name));
                watcher.heard(Event::Building(images.into_iter().map(ToOwned::to_owned).collect()));
                docker.show(&step.line(), &mut || watcher.interrupts() > 0)
            }
            Step::Remove(_) | Step::Reload(..) => docker.ask(&step.line()).map(drop),
            Step::Up(_) => self.bring_up(plan, &step.line(), wanted, watcher),
            Step::Restart(name) => {
                let Some(instance) = wanted.instances.iter().find(|instance| instance.name == *name) else {
                    return Ok(());
                };
                let begin = Instant::now();
                restart::restart(docker, instance, watcher)?;
                watcher.heard(Event::Restarted(name.clone(), begin.elapsed()));
                Ok(())
            }
        }
    }

    /// Has Compose start all, and looks on.
    fn bring_up(
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

    fn touches(&self, name: &str) -> bool {
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

    fn remember(&self, wanted: &Wanted, kept: &Containers) -> Result<(), EngineError> {
        let mut wanted = wanted.clone();
        if let Means::Containers(containers) = &mut wanted.means {
            containers.loaded = kept.loaded;
            containers.made.clone_from(&kept.made);
        }
        Desired { up: true, wanted }.write(&self.folder)
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
        lines.iter().for_each(|line| self.ends.hear(line));
    }
}

/// When the newest of these files was changed.
fn newest(files: &[PathBuf]) -> Option<SystemTime> {
    files.iter().filter_map(|path| path.metadata().ok()?.modified().ok()).max()
}

fn micros(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_micros().try_into().unwrap_or(u64::MAX)
}
