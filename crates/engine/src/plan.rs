//! What to do, decided from what is wanted and what runs. Nothing here does anything.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

use crate::Instance;

/// The environment of a process.
pub type Environment = BTreeMap<String, String>;

/// What an instance takes over from whoever starts it, when that has it. A change of it is no reason to restart.
pub const INHERITED: &[&str] = &[
    "PATH",
    "HOME",
    "LANG",
    "LC_ALL",
    "TZ",
    "NODE_EXTRA_CA_CERTS",
    "SSL_CERT_FILE",
    "SSL_CERT_DIR",
    "HTTP_PROXY",
    "HTTPS_PROXY",
    "NO_PROXY",
    "http_proxy",
    "https_proxy",
    "no_proxy",
];

/// What is to be done about one instance.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Action {
    /// It runs as wanted.
    Keep,
    /// It does not run.
    Start,
    /// It runs and has to go; whether it comes back, others tell.
    Stop(Why),
}

/// Why an instance that runs has to be stopped.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Why {
    /// It is not wanted any more.
    Unwanted,
    /// These settings, or files, are others than those that it was started with.
    Changed(Vec<String>),
}

/// Compares the environments that are wanted with those that the running were started with. Unwanted ones come
/// first, the wanted ones follow in their order.
#[must_use]
pub fn differences(
    wanted: &[(String, Environment)],
    running: &BTreeMap<String, Environment>,
) -> Vec<(String, Action)> {
    let names: BTreeSet<_> = wanted.iter().map(|(name, _)| name).collect();
    let unwanted = running.keys().filter(|name| !names.contains(name));
    let stops = unwanted.map(|name| (name.clone(), Action::Stop(Why::Unwanted)));
    let others = wanted.iter().map(|(name, environment)| {
        let action = match running.get(name).map(|was| changed(environment, was)) {
            None => Action::Start,
            Some(changed) if changed.is_empty() => Action::Keep,
            Some(changed) => Action::Stop(Why::Changed(changed)),
        };
        (name.clone(), action)
    });
    stops.chain(others).collect()
}

fn changed(wanted: &Environment, was: &Environment) -> Vec<String> {
    let keys: BTreeSet<_> = wanted.keys().chain(was.keys()).collect();
    let differs = |key: &&&String| !INHERITED.contains(&key.as_str()) && wanted.get(**key) != was.get(**key);
    keys.iter().filter(differs).map(ToString::to_string).collect()
}

/// How far an instance is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Phase {
    /// Not started.
    Absent,
    /// Started.
    Starting,
    /// Ready.
    Ready,
}

/// The instances to start now: in their order, those whose needs are ready, and at most so many that `limit`
/// are starting at a time, because each loads for seconds of processor time.
#[must_use]
pub fn next_to_start<'a>(
    instances: &'a [Instance],
    phase: &dyn Fn(&str) -> Phase,
    limit: usize,
) -> Vec<&'a str> {
    let wanted = |name: &String| instances.iter().any(|other| other.name == *name);
    let loads = |instance: &&Instance| instance.says_ready && phase(&instance.name) == Phase::Starting;
    let mut free = limit.saturating_sub(instances.iter().filter(loads).count());
    let startable = |instance: &&Instance| {
        phase(&instance.name) == Phase::Absent
            && instance.needs.iter().all(|need| !wanted(need) || phase(need) == Phase::Ready)
    };
    let taken = instances.iter().filter(startable).filter(|instance| {
        let place = free > 0;
        free -= usize::from(place && instance.says_ready);
        place
    });
    taken.map(|instance| instance.name.as_str()).collect()
}

/// The order of stopping: each wave holds those that nothing left needs or uses. Where uses make a circle, only
/// needs count; those that need each other in a circle are stopped together.
#[must_use]
pub fn stop_waves(instances: &[Instance]) -> Vec<Vec<&str>> {
    let mut left: Vec<&Instance> = instances.iter().collect();
    let mut waves = Vec::new();
    while !left.is_empty() {
        let free = |uses: bool| {
            let on = |other: &Instance, name: &String| {
                other.name != *name && (other.needs.contains(name) || uses && other.uses.contains(name))
            };
            let free = left.iter().filter(|instance| !left.iter().any(|other| on(other, &instance.name)));
            free.map(|instance| instance.name.as_str()).collect::<Vec<_>>()
        };
        let all = || left.iter().map(|instance| instance.name.as_str()).collect();
        let wave = [free(true), free(false)].into_iter().find(|wave| !wave.is_empty()).unwrap_or_else(all);
        left.retain(|instance| !wave.contains(&instance.name.as_str()));
        waves.push(wave);
    }
    waves
}

/// How often an instance may be started again before it is left alone. An init restarts its program by a budget of
/// its own, with jitter; this one is for inits, which end only when that budget is spent or somebody kills them, so
/// it looks at a longer time and needs no jitter.
#[derive(Debug, Default)]
pub struct Budget {
    ends: Vec<Instant>,
}

impl Budget {
    /// More ends than this within [`Self::WINDOW`] are no accident.
    pub const STARTS: u32 = 5;
    /// Ends before that are forgotten.
    pub const WINDOW: Duration = Duration::from_mins(5);

    /// Notes an end and answers how long to wait before the next start; nothing when the budget is spent.
    pub fn spend(&mut self, now: Instant) -> Option<Duration> {
        self.ends.retain(|end| now.duration_since(*end) < Self::WINDOW);
        let earlier = u32::try_from(self.ends.len()).ok().filter(|ends| *ends < Self::STARTS)?;
        self.ends.push(now);
        Some(Duration::from_millis(500) * 2u32.pow(earlier))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn instance(name: &str, needs: &[&str]) -> Instance {
        let needs = needs.iter().map(ToString::to_string).collect();
        Instance { name: name.into(), needs, says_ready: true, ..Instance::default() }
    }

    fn environment(pairs: &[(&str, &str)]) -> Environment {
        pairs.iter().map(|(key, value)| ((*key).to_owned(), (*value).to_owned())).collect()
    }

    #[test]
    fn what_runs_as_wanted_is_kept_and_the_rest_is_told_why() {
        let wanted = [
            ("same".to_owned(), environment(&[("PORT", "1"), ("LANG", "C")])),
            ("changed".to_owned(), environment(&[("PORT", "2"), ("NEW", "")])),
            ("absent".to_owned(), environment(&[])),
        ];
        let running = BTreeMap::from([
            ("same".to_owned(), environment(&[("PORT", "1"), ("LANG", "de_DE.UTF-8")])),
            ("changed".to_owned(), environment(&[("PORT", "1"), ("OLD", "")])),
            ("extra".to_owned(), environment(&[])),
        ]);
        let keys = ["NEW", "OLD", "PORT"].map(ToOwned::to_owned).to_vec();
        let expected = [
            ("extra".to_owned(), Action::Stop(Why::Unwanted)),
            ("same".to_owned(), Action::Keep),
            ("changed".to_owned(), Action::Stop(Why::Changed(keys))),
            ("absent".to_owned(), Action::Start),
        ];
        assert_eq!(differences(&wanted, &running), expected);
    }

    #[test]
    fn a_start_waits_for_its_needs_and_for_a_free_place() {
        let mut worker = instance("worker", &[]);
        worker.says_ready = false;
        let all = [
            instance("store", &[]),
            instance("a", &["store"]),
            instance("b", &[]),
            instance("c", &[]),
            worker,
        ];
        assert_eq!(next_to_start(&all, &|_| Phase::Absent, 2), ["store", "b"]);
        let store_ready = |name: &str| if name == "store" { Phase::Ready } else { Phase::Absent };
        assert_eq!(next_to_start(&all, &store_ready, 2), ["a", "b"]);
        assert_eq!(next_to_start(&all, &store_ready, 4), ["a", "b", "c", "worker"]);
        let all_but_a = |name: &str| if name == "a" { Phase::Absent } else { Phase::Starting };
        assert!(next_to_start(&all, &all_but_a, 9).is_empty(), "its need is not ready");
        let none_loads = |name: &str| if name == "worker" { Phase::Starting } else { store_ready(name) };
        assert_eq!(next_to_start(&all, &none_loads, 1), ["a"], "a worker that lives takes no place");
    }

    #[test]
    fn a_need_that_nobody_runs_is_the_instances_own_business() {
        assert_eq!(next_to_start(&[instance("a", &["elsewhere"])], &|_| Phase::Absent, 1), ["a"]);
    }

    #[test]
    fn a_circle_of_uses_leaves_the_order_of_needs_and_a_circle_of_needs_none() {
        let mut one = instance("one", &["base"]);
        one.uses = vec!["two".into()];
        let all = [instance("base", &[]), one, instance("two", &["one"])];
        assert_eq!(stop_waves(&all), [["two"], ["one"], ["base"]]);
        assert_eq!(stop_waves(&[instance("a", &["b"]), instance("b", &["a"])]), [["a", "b"]]);
    }

    #[test]
    fn a_budget_is_spent_and_recovers() {
        let mut budget = Budget::default();
        let start = Instant::now();
        let pauses: Vec<_> = (0..6).map(|_| budget.spend(start).map(|pause| pause.as_millis())).collect();
        assert_eq!(pauses, [Some(500), Some(1000), Some(2000), Some(4000), Some(8000), None]);
        assert_eq!(budget.spend(start + Budget::WINDOW), Some(Duration::from_millis(500)));
    }

    proptest! {
        #[test]
        fn everything_is_started_once_and_stopped_once_whatever_the_needs(
            needs in proptest::collection::vec(proptest::collection::vec(0usize..8, 0..3), 1..8),
            limit in 1usize..4,
        ) {
            // Needs point backwards only, so there is no circle.
            let all: Vec<_> = needs.iter().enumerate().map(|(index, needs)| {
                let needs: Vec<_> = needs.iter().filter(|need| **need < index).map(ToString::to_string).collect();
                instance(&index.to_string(), &needs.iter().map(String::as_str).collect::<Vec<_>>())
            }).collect();
            let mut ready: Vec<String> = Vec::new();
            while ready.len() < all.len() {
                let phase = |name: &str| if ready.iter().any(|r| r == name) { Phase::Ready } else { Phase::Absent };
                let next: Vec<_> = next_to_start(&all, &phase, limit).into_iter().map(ToOwned::to_owned).collect();
                prop_assert!(!next.is_empty() && next.len() <= limit);
                for name in &next {
                    let instance = &all[name.parse::<usize>().unwrap()];
                    prop_assert!(instance.needs.iter().all(|need| ready.contains(need)));
                }
                ready.extend(next);
            }
            let order: Vec<_> = stop_waves(&all).concat();
            prop_assert_eq!(order.len(), all.len());
            let position = |name: &str| order.iter().position(|other| *other == name);
            for instance in &all {
                prop_assert!(instance.needs.iter().all(|need| position(need) > position(&instance.name)));
            }
        }
    }
}
