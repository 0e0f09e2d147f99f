//! Keeping up: what ends is started again.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::Instant;

use super::{GLANCE, Local, PATIENCE, REST};
use crate::desired::Desired;
use crate::folder::FolderError;
use crate::plan::Budget;
use crate::{Engine, EngineError, Event, Instance, State, Wanted, Watcher};

/// Why [`Local::keep`] returned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kept {
    /// The watcher wanted an end.
    Interrupted,
    /// Somebody else took down what was kept.
    TakenDown,
}

impl Local {
    /// Starts again what ends, until somebody wants an end.
    pub fn keep(&mut self, watcher: &mut dyn Watcher) -> Result<Kept, EngineError> {
        let mut budgets: BTreeMap<String, Budget> = BTreeMap::new();
        // When to start what has ended; never, for what ended too often.
        let mut due: BTreeMap<String, Option<Instant>> = BTreeMap::new();
        let mut last = None;
        loop {
            if watcher.interrupts() > 0 {
                return Ok(Kept::Interrupted);
            }
            // Another `up` may have wanted something else meanwhile.
            let written = Desired::written(&self.folder);
            let Some(wanted) = self.wanted()? else { return Ok(Kept::TakenDown) };
            if let Some((before, earlier)) = last.replace((written, wanted.clone()))
                && before != written
            {
                watcher.heard(Event::WantedAgain(earlier == wanted));
            }
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
