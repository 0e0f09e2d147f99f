//! What `berth-init metrics` prints, read by the parser that Prometheus' own client library has for OpenMetrics.

#![expect(clippy::float_cmp, reason = "counts are whole numbers")]

use std::path::PathBuf;

use berth_tests::{Case, clients, skip, wait_until};
use serde_json::{Value, json};

use crate::claims::reaping::end_adopted;
use crate::group::Group;
use crate::running::{Init, Place, Running, places, run, stdout};

/// Prints the families that the parser finds. What node_exporter's textfile collector reads is the older format.
const PARSE: &str = "
import json, sys
from prometheus_client.openmetrics.parser import text_string_to_metric_families as families
from prometheus_client.parser import text_string_to_metric_families as older
text = sys.stdin.read()
known = {'counter', 'gauge', 'summary', 'unknown', 'untyped'}
assert all(family.type in known for family in older(text))
print(json.dumps({family.name: {'type': family.type, 'unit': family.unit,
    'samples': [[sample.name, sample.labels, sample.value] for sample in family.samples]}
    for family in families(text)}))";

/// The parser, in a folder of Python packages.
struct Parser(PathBuf);

impl Parser {
    /// Nothing, and the test is skipped, where it is not installed.
    fn new() -> Option<Self> {
        let folder = clients();
        if folder.is_none() {
            skip("there are no clients from PyPI: `cargo xtask tools` gets them");
        }
        folder.map(Self)
    }

    fn read(&self, case: &Case, init: &Running) -> Metrics {
        let output = init.ask(&["metrics"]);
        assert_eq!(output.status.code(), Some(0));
        let file = fs_err::File::open(case.write("metrics", &stdout(&output))).unwrap();
        let mut python = case.command("python3");
        let parsed = run(python.args(["-c", PARSE]).env("PYTHONPATH", &self.0).stdin(file.into_parts().0));
        assert!(parsed.status.success(), "{parsed:?}: {}", stdout(&output));
        Metrics(serde_json::from_slice(&parsed.stdout).unwrap())
    }
}

/// What was printed, parsed.
struct Metrics(Value);

impl Metrics {
    /// The values of a family's samples that have all of these labels.
    fn values(&self, family: &str, labels: &Value) -> Vec<f64> {
        let samples = self.0[family]["samples"].as_array().cloned().unwrap_or_default();
        let has =
            |sample: &&Value| labels.as_object().unwrap().iter().all(|(key, value)| sample[1][key] == *value);
        samples.iter().filter(has).map(|sample| sample[2].as_f64().unwrap()).collect()
    }

    fn value(&self, family: &str, labels: &Value) -> f64 {
        let values = self.values(family, labels);
        assert_eq!(values.len(), 1, "{family} {labels}: {:#}", self.0);
        values[0]
    }
}

/// A role without a port, whose health is that it runs.
const ROLE: &str = "smtp-bree";

#[test]
fn the_format_is_openmetrics_with_names_and_units_as_prometheus_has_them() {
    let Some(parser) = Parser::new() else { return };
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, ROLE, "ready on=15:0 catch").start();
        init.until_ready();
        let metrics = parser.read(&case, &init);
        for (name, family) in metrics.0.as_object().unwrap() {
            assert!(name.starts_with("berth_"), "{name}");
            let unit = ["seconds", "bytes"].into_iter().find(|unit| name.ends_with(unit)).unwrap_or_default();
            assert_eq!(family["unit"], unit, "{name}");
            for sample in family["samples"].as_array().unwrap() {
                assert_eq!(sample[1]["role"], ROLE, "{sample}");
            }
        }
        let types = [
            "berth_state",
            "berth_restarts",
            "berth_healthy",
            "berth_build_info",
            "berth_ready_after_seconds",
        ];
        let types = types.map(|name| metrics.0[name]["type"].clone());
        assert_eq!(json!(types), json!(["gauge", "counter", null, "gauge", "gauge"]));
        assert_eq!(metrics.value("berth_build_info", &json!({"version": env!("CARGO_PKG_VERSION")})), 1.0);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn what_happens_is_counted() {
    let Some(parser) = Parser::new() else { return };
    for place in places() {
        let case = Case::new();
        let script = "( sleep 300 & ); exec $WITNESS name=main ready on=15:0 catch";
        let mut init = Init::script(&case, place, ROLE, script).start();
        init.until_ready();
        end_adopted(&init, 1);
        let before = parser.read(&case, &init);
        let all = json!({});
        assert_eq!(before.value("berth_state", &json!({"state": "ready"})), 1.0);
        assert_eq!(before.values("berth_state", &all).iter().sum::<f64>(), 1.0);
        assert_eq!(before.values("berth_ends", &all).iter().sum::<f64>(), 0.0);
        assert_eq!(before.value("berth_restarts", &all), 0.0);
        assert_eq!(before.values("berth_signals_forwarded", &all), [] as [f64; 0]);
        assert_eq!(before.values("berth_healthy", &all), [] as [f64; 0]);

        for times in 1..=2 {
            init.signal(12);
            init.until_said_times("main signal 12", times);
        }
        assert!(init.ask(&["health"]).status.success() && init.ask(&["health", "--live"]).status.success());
        assert!(init.ask(&["restart"]).status.success());
        init.until_said_times("main catching", 2);
        init.until("ready");
        end_adopted(&init, 1);
        // A stopped program is neither healthy nor live.
        init.main().signal(19).unwrap();
        wait_until("it is not healthy", || (!init.ask(&["health"]).status.success()).then_some(()));
        init.main().signal(18).unwrap();

        let after = parser.read(&case, &init);
        assert_eq!(after.value("berth_restarts", &all), 1.0);
        assert_eq!(after.value("berth_orphans_reaped", &all), 2.0);
        assert_eq!(after.value("berth_ends", &json!({"verdict": "drained"})), 1.0);
        assert_eq!(after.values("berth_ends", &all).iter().sum::<f64>(), 1.0);
        assert_eq!(after.value("berth_signals_forwarded", &json!({"signal": "SIGUSR2"})), 2.0);
        assert_eq!(after.value("berth_signals_forwarded", &json!({"signal": "SIGTERM"})), 1.0);
        let checks = |question: &str, result: &str| {
            after.value("berth_health_checks", &json!({"question": question, "result": result}))
        };
        // It may have been asked before the init had heard that its program is stopped.
        assert!(checks("health", "good") >= 1.0 && checks("health", "bad") == 1.0);
        assert_eq!((checks("live", "good"), checks("live", "bad")), (1.0, 0.0));
        assert_eq!(after.value("berth_healthy", &json!({"question": "health"})), 0.0);
        assert_eq!(after.value("berth_healthy", &json!({"question": "live"})), 1.0);
        let took = after.values("berth_health_check_duration_seconds", &json!({"question": "live"}));
        assert!(took[0] == 1.0 && took[1] < 20.0, "{took:?}");
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn what_the_kernel_says_is_asked_when_it_is_wanted() {
    let Some(parser) = Parser::new() else { return };
    for place in places() {
        let case = Case::new();
        let Some(group) = Group::limited(&case, 320) else { return };
        let launcher = group.launcher();
        let init = Init::role(&case, place, ROLE, "ready on=15:0 catch");
        let mut init = init.through(&launcher.each_ref().map(String::as_str)).start();
        init.until_ready();
        let metrics = parser.read(&case, &init);
        let all = json!({});
        assert_eq!(metrics.value("berth_cgroup_memory_limit_bytes", &all), f64::from(320 << 20));
        assert_eq!(metrics.value("berth_cgroup_oom_kills", &all), 0.0);
        let resident = metrics.value("berth_program_resident_memory_bytes", &all);
        assert!((100_000.0..100_000_000.0).contains(&resident), "{resident}");
        assert!(metrics.value("berth_cgroup_memory_usage_bytes", &all) > 0.0);
        assert!(metrics.value("berth_program_cpu_seconds", &all) < 20.0);
        assert!(metrics.value("berth_cgroup_cpu_seconds", &all) > 0.0);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_program_that_waits_and_one_that_is_no_role_have_metrics_too() {
    let Some(parser) = Parser::new() else { return };
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "mx", "").set("MONGO_URI", "mongodb://127.0.0.1:1/mail");
    let mut init = init.start();
    init.until("waiting");
    let metrics = parser.read(&case, &init);
    assert_eq!(metrics.value("berth_state", &json!({"state": "waiting", "role": "mx"})), 1.0);
    let without_program = ["berth_program_resident_memory_bytes", "berth_ready_after_seconds"];
    assert!(without_program.iter().all(|family| metrics.0[family].is_null()));
    assert_eq!(init.stop(), 143);

    let case = Case::new();
    let mut init = Init::plain(&case, Place::Ordinary, &["on=15:0", "catch"]).start();
    init.until_said("catching");
    let metrics = parser.read(&case, &init);
    assert_eq!(metrics.0["berth_restarts"]["samples"], json!([["berth_restarts_total", {}, 0]]));
    assert_eq!(init.stop(), 0);
}

#[test]
fn without_an_init_there_are_none() {
    let case = Case::new();
    let output = Init::new(&case, Place::Ordinary, &["metrics"]).output();
    assert_eq!((output.status.code(), stdout(&output).as_str()), (Some(1), ""));
}
