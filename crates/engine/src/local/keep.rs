//! Keeping up: what ends is started again.

use std::collections::BTreeMap;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{GLANCE, Local, PATIENCE, REST};
use crate::desired::Desired;
use crate::folder::FolderError;
use crate::plan::Budget;
use crate::{Engine, EngineError, Event, Instance, State, Wanted, Watcher};

/// Logs that could not be put aside are left alone for so long: to try may cost what room there is.
const TEND_AGAIN: Duration = Duration::from_mins(1);

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
        let (mut last, mut untended) = (None, None);
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
            self.tend_or_tell(&mut untended, watcher);
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

    /// Puts logs aside, and tells once that it cannot; `untended` is when that was seen.
    fn tend_or_tell(&self, untended: &mut Option<Instant>, watcher: &mut dyn Watcher) {
        if untended.is_some_and(|since| since.elapsed() < TEND_AGAIN) {
            return;
        }
        match (self.tend(), untended.take()) {
            (Ok(()), _) => {}
            (Err(error), before) => {
                *untended = Some(Instant::now());
                if before.is_none() {
                    watcher.heard(Event::Untended(error.told()));
                }
            }
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
