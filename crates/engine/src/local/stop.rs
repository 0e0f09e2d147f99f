//! Taking down: TERM in the reverse order of need, KILL for what outstays its time, and nothing left.

use std::thread::sleep;
use std::time::{Duration, Instant};

use nix::sys::signal::Signal;

use super::{Local, TICK};
use crate::process::Process;
use crate::{Event, Instance, OnceMore, Watcher, plan};

/// What the kernel may take to end a process that was killed.
const KILL_WITHIN: Duration = Duration::from_secs(5);

impl Local {
    /// Stops these instances, wave by wave, and kills what outstays its time.
    pub(super) fn stop(&mut self, instances: &[Instance], watcher: &mut dyn Watcher) {
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
                    watcher.heard(Event::StillStopping(left.collect(), OnceMore::Kills));
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
    pub(super) fn kill(&self, name: &str, watcher: &mut dyn Watcher) {
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
}
