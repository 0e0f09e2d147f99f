//! `berth-init metrics`: what the running init has counted, and what the kernel says of its program, for Prometheus and
//! whoever else reads OpenMetrics. The kernel is asked here, by the one who wants to know: the init keeps no figure that can be
//! had elsewhere.

use std::process::ExitCode;
use std::time::Duration;

use anyhow::bail;
use berth_cgroup::Cgroup;
use berth_control::{Answer, Checks, Metrics, Request, State, Verdict};
use berth_process::{Stat, resident, time};
use berth_role::Bytes;

use crate::ask::Running;
use crate::openmetrics::{Kind, Text};
use crate::print;

/// Prints them.
pub fn run() -> anyhow::Result<ExitCode> {
    let metrics = match Running::here()?.put(Request::Metrics)? {
        Answer::Metrics(metrics) => *metrics,
        other => bail!("the init answered {other:?} when asked for metrics"),
    };
    let main = metrics.status.main.map(|main| main.pid);
    // The init's own group is that of all that it starts.
    let group = Cgroup::of(&main.unwrap_or(metrics.status.init).to_string());
    let process = main.map(Process::of).unwrap_or_default();
    print::lines(&[page(&metrics, &process, &group)])?;
    Ok(ExitCode::SUCCESS)
}

/// What the kernel says of the program.
#[derive(Debug, Default)]
struct Process {
    resident: Option<Bytes>,
    cpu: Option<Duration>,
}

impl Process {
    fn of(pid: u32) -> Self {
        Self { resident: resident(pid).map(Bytes::new), cpu: Stat::of(pid).and_then(|stat| time(stat.cpu)) }
    }
}

fn page(metrics: &Metrics, process: &Process, group: &Cgroup) -> String {
    let mut page = Page { text: Text::default(), role: metrics.status.role.clone() };
    page.state(metrics);
    page.counted(metrics);
    page.checks(metrics);
    page.kernel(process, group);
    page.text.end()
}

struct Page {
    text: Text,
    /// The first label of each, where a role is run.
    role: Option<String>,
}

struct Sample {
    suffix: &'static str,
    labels: Vec<(&'static str, String)>,
    value: String,
}

fn sample(suffix: &'static str, labels: &[(&'static str, &str)], value: &impl ToString) -> Sample {
    let labels = labels.iter().map(|(name, value)| (*name, (*value).to_owned())).collect();
    Sample { suffix, labels, value: value.to_string() }
}

impl Page {
    /// Writes a family, unless it has no sample.
    fn write(
        &mut self,
        name: &'static str,
        kind: Kind,
        help: &str,
        samples: impl IntoIterator<Item = Sample>,
    ) {
        let mut samples = samples.into_iter().peekable();
        if samples.peek().is_none() {
            return;
        }
        let mut family = self.text.family(name, kind, help);
        for Sample { suffix, labels, value } in samples {
            let role = self.role.iter().map(|role| ("role", role.as_str()));
            let others = labels.iter().map(|(name, value)| (*name, value.as_str()));
            family.sample(suffix, &role.chain(others).collect::<Vec<_>>(), value);
        }
    }

    fn gauge(&mut self, name: &'static str, help: &str, value: Option<String>) {
        self.write(name, Kind::Gauge, help, value.map(|value| sample("", &[], &value)));
    }

    fn counter(&mut self, name: &'static str, help: &str, value: Option<String>) {
        self.write(name, Kind::Counter, help, value.map(|value| sample("_total", &[], &value)));
    }

    fn state(&mut self, Metrics { status, .. }: &Metrics) {
        let version = sample("", &[("version", &status.version)], &1);
        self.write("berth_build_info", Kind::Gauge, "The version of berth-init.", [version]);
        let states = State::ALL.map(|state| {
            let is_it = u8::from(state == status.state);
            sample("", &[("state", state.word())], &is_it)
        });
        self.write("berth_state", Kind::Gauge, "Whether it is in this state.", states);
        let help = "How long it has been in that state.";
        self.gauge("berth_state_age_seconds", help, Some(seconds(status.for_ms)));
        let help = "From the start of the program until it was ready.";
        self.gauge("berth_ready_after_seconds", help, status.ready_after_ms.map(seconds));
    }

    fn counted(&mut self, metrics: &Metrics) {
        let help = "Starts of the program after the first, asked for or not.";
        self.counter("berth_restarts", help, Some(metrics.status.restarts.to_string()));
        let ends = Verdict::ALL.map(|verdict| {
            let count = metrics.ends.get(&verdict).copied().unwrap_or_default();
            sample("_total", &[("verdict", verdict.word())], &count)
        });
        self.write("berth_ends", Kind::Counter, "Ends of the program, by what they mean.", ends);
        let help = "Ended processes that were collected, but for the program.";
        self.counter("berth_orphans_reaped", help, Some(metrics.orphans_reaped.to_string()));
        let signals = metrics.signals.iter();
        let signals = signals.map(|(name, count)| sample("_total", &[("signal", name)], count));
        let help = "Signals sent to the program: those passed on, and the TERM of a stop.";
        self.write("berth_signals_forwarded", Kind::Counter, help, signals);
    }

    fn checks(&mut self, metrics: &Metrics) {
        let questions = [("health", metrics.health), ("live", metrics.live)];
        let results = questions.iter().flat_map(|(question, Checks { good, bad, .. })| {
            let of = |result, count| sample("_total", &[("question", question), ("result", result)], count);
            [of("good", good), of("bad", bad)]
        });
        let help = "Answers that `berth-init health` got, by question and result.";
        self.write("berth_health_checks", Kind::Counter, help, results);
        let durations = questions.iter().flat_map(|(question, Checks { good, bad, took_ms, .. })| {
            let labels = [("question", *question)];
            [
                sample("_count", &labels, &good.saturating_add(*bad)),
                sample("_sum", &labels, &seconds(*took_ms)),
            ]
        });
        let help = "How long these took.";
        self.write("berth_health_check_duration_seconds", Kind::Summary, help, durations);
        let last = questions.iter().filter_map(|(question, checks)| {
            Some(sample("", &[("question", question)], &u8::from(checks.last?)))
        });
        self.write("berth_healthy", Kind::Gauge, "Whether the last answer was good.", last);
    }

    fn kernel(&mut self, process: &Process, group: &Cgroup) {
        let bytes = |bytes: Bytes| bytes.number().to_string();
        let time = |time: Duration| time.as_secs_f64().to_string();
        let help = "Resident memory of the program.";
        self.gauge("berth_program_resident_memory_bytes", help, process.resident.map(bytes));
        let help = "Processor time of the program since its start.";
        self.counter("berth_program_cpu_seconds", help, process.cpu.map(time));
        let help = "Memory in use by the control group, caches of files included.";
        self.gauge("berth_cgroup_memory_usage_bytes", help, group.memory_usage().map(bytes));
        let help = "The lowest memory limit that counts for the control group.";
        let limit = group.memory_limit().map(|limit| bytes(limit.bytes));
        self.gauge("berth_cgroup_memory_limit_bytes", help, limit);
        let help = "Processor time of the control group.";
        self.counter("berth_cgroup_cpu_seconds", help, group.cpu_time().map(time));
        let help = "Processes of the control group that the kernel killed for lack of memory.";
        self.counter("berth_cgroup_oom_kills", help, group.oom_kills().map(|kills| kills.to_string()));
    }
}

fn seconds(milliseconds: u64) -> String {
    Duration::from_millis(milliseconds).as_secs_f64().to_string()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use berth_control::{Main, Status};
    use proptest::prelude::*;

    use super::*;
    use crate::openmetrics::tests::samples;

    fn checks() -> impl Strategy<Value = Checks> {
        let fields = (any::<u64>(), any::<u64>(), any::<u64>(), any::<Option<bool>>());
        fields.prop_map(|(good, bad, took_ms, last)| Checks { good, bad, took_ms, last })
    }

    /// What an init could say, and what none does.
    fn metrics() -> impl Strategy<Value = Metrics> {
        let name = || prop_oneof!["[a-z\"\\\\\n{}, ]{0,9}", ".{0,9}"];
        let status = (
            (prop::option::of(name()), name(), prop::sample::select(&State::ALL[..])),
            (any::<u64>(), any::<Option<u64>>(), any::<u32>(), any::<Option<u32>>()),
        );
        let status =
            status.prop_map(|((role, version, state), (for_ms, ready_after_ms, restarts, main))| Status {
                role,
                version,
                init: 1,
                main: main.map(|pid| Main { pid, stopped: false }),
                state,
                for_ms,
                ready_after_ms,
                restarts,
                waiting_for: Vec::new(),
                ports: Vec::new(),
                certificate: None,
                needs: Vec::new(),
            });
        let signals = prop::collection::btree_map(name(), any::<u64>(), 0..5);
        let ends = prop::collection::btree_map(prop::sample::select(&Verdict::ALL[..]), any::<u64>(), 0..5);
        (status, any::<u64>(), signals, ends, checks(), checks()).prop_map(
            |(status, orphans_reaped, signals, ends, health, live)| Metrics {
                status,
                orphans_reaped,
                signals,
                ends,
                health,
                live,
            },
        )
    }

    proptest! {
        #[test]
        fn the_page_is_well_formed_whatever_was_counted_and_whatever_it_is_called(
            metrics in metrics(), resident in any::<Option<u64>>(), cpu in any::<Option<u32>>(),
        ) {
            let process = Process { resident: resident.map(Bytes::new), cpu: cpu.map(|ms| Duration::from_millis(ms.into())) };
            let nowhere = Cgroup::under(std::path::Path::new("/nowhere"), "self");
            let page = page(&metrics, &process, &nowhere);
            let Some(samples) = samples(&page) else { panic!("{page}") };
            let of = |name: &str, label: &str| -> BTreeMap<String, String> {
                let of = samples.iter().filter(|(other, ..)| other == name);
                of.filter_map(|(_, labels, value)| {
                    let (_, text) = labels.iter().find(|(other, _)| other == label)?;
                    Some((text.clone(), value.clone()))
                }).collect()
            };
            let signals: BTreeMap<_, _> = metrics.signals.iter().map(|(name, count)| (name.clone(), count.to_string())).collect();
            prop_assert_eq!(of("berth_signals_forwarded_total", "signal"), signals);
            let roles = samples.iter().all(|(_, labels, _)| {
                let role = labels.iter().find(|(name, _)| name == "role").map(|(_, role)| role);
                role == metrics.status.role.as_ref()
            });
            prop_assert!(roles);
        }
    }
}
