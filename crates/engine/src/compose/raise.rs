//! Bringing up: files are written, images fetched, containers made and started by Compose in the order of needs, and
//! all are waited for.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::time::{Instant, SystemTime, UNIX_EPOCH};

use super::container::Container;
use super::draft::Draft;
use super::look::Look;
use super::step::{self, Found, Goal, Step};
use super::{Compose, Line, PLACE, containers, restart};
use crate::desired::Desired;
use crate::plan::{Action, Why};
use crate::{Containers, EngineError, Event, Means, Wanted, Watcher};

/// Files of the project are for whoever runs in the containers too; the state folder above them is private.
const MODE: u32 = 0o644;

/// What there is to do, and what was found that leads to it.
pub(super) struct Plan {
    pub(super) draft: Draft,
    differences: Vec<(String, Action)>,
    steps: Vec<Step>,
    containers: Vec<Container>,
}

impl Plan {
    /// In what the containers are not as they are wanted that may have to be made anew.
    pub(super) fn changed(&self) -> BTreeMap<String, Vec<String>> {
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
            changed: self.changed(means, containers.as_ref().map_or(&[][..], |all| all)),
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
        let mut look = Look::begin(&plan.draft.docker, SystemTime::now());
        // What cannot be fetched has changed nothing yet.
        let (fetch, then): (Vec<&Step>, Vec<&Step>) =
            plan.steps.iter().partition(|step| matches!(step, Step::Pull(_)));
        for step in fetch {
            self.take(step, &plan, wanted, &mut look, watcher)?;
        }
        self.acted = !plan.steps.is_empty();
        let mut kept = self.kept()?;
        self.remember(wanted, &kept)?;
        for (path, text) in &containers(wanted)?.files {
            self.folder.keep(&PathBuf::from(PLACE).join(path), text.as_bytes(), MODE)?;
        }
        self.before =
            plan.containers.iter().map(|container| (container.id.clone(), container.restarts())).collect();
        for (name, action) in &plan.differences {
            match action {
                Action::Keep if plan.steps.is_empty() => {}
                Action::Keep => watcher.heard(Event::Adopted(name.clone())),
                Action::Stop(why @ Why::Unwanted) => {
                    watcher.heard(Event::Stopping(name.clone(), why.clone()));
                }
                // Compose has the last word on it.
                Action::Stop(Why::Changed(_)) | Action::Start => {}
            }
        }
        for step in then {
            self.take(step, &plan, wanted, &mut look, watcher)?;
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
        self.looking = Some(look);
        kept.loaded = newest(&containers(wanted)?.inputs).map(micros);
        self.remember(wanted, &kept)
    }

    fn take(
        &self,
        step: &Step,
        plan: &Plan,
        wanted: &Wanted,
        look: &mut Look,
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
            Step::Remove(_) => docker.run(&step.line(), &mut || watcher.interrupts() > 0),
            Step::Reload(..) => docker.ask(&step.line()).map(drop),
            Step::Up(_) => self.bring_up(plan, &step.line(), wanted, look, watcher),
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

    fn remember(&self, wanted: &Wanted, kept: &Containers) -> Result<(), EngineError> {
        let mut wanted = wanted.clone();
        if let Means::Containers(containers) = &mut wanted.means {
            containers.loaded = kept.loaded;
            containers.made.clone_from(&kept.made);
        }
        Desired { up: true, wanted }.write(&self.folder)
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
