//! What an end means, told of a real Node.

use std::path::PathBuf;

use berth_tests::{Case, node, skip};
use nix::libc::{SIGHUP, SIGINT, SIGTERM};
use serde_json::Value;

use crate::group::Group;
use crate::running::{Init, Place, Running, places};

/// The Node of the application, and an older one where there is one on PATH.
pub fn nodes() -> Vec<PathBuf> {
    let on_path = std::env::var_os("PATH").unwrap_or_default();
    let on_path =
        std::env::split_paths(&on_path).map(|folder| folder.join("node")).find(|node| node.is_file());
    let mut nodes: Vec<_> = node().into_iter().chain(on_path).collect();
    nodes.dedup();
    if nodes.is_empty() {
        skip("there is no Node");
    }
    nodes
}

/// How its main process ended the last time.
fn end(init: &Running) -> Value {
    let ends = init.logged("main process ended");
    ends.last().unwrap_or_else(|| panic!("no end: {:?}", init.log())).clone()
}

const READY: &str = "setInterval(() => {}, 1000); process.send('ready');";

#[test]
fn each_way_that_node_ends_by_itself_has_its_verdict() {
    for node in nodes() {
        for (program, options, verdict, exit) in [
            ("throw new Error('nobody catches this')", "", "failed", "exit 1"),
            ("process.exit(1)", "", "failed", "exit 1"),
            ("await new Promise(() => {})", "", "unsettled-await", "exit 13"),
            ("", "--no-such-option", "bad-option", "exit 9"),
            ("process.exit(0)", "", "exited", "exit 0"),
            ("process.exit(7)", "", "exited", "exit 7"),
            ("process.abort()", "", "aborted", "SIGABRT"),
            ("process.kill(process.pid, 'SIGSEGV')", "", "killed", "SIGSEGV"),
            ("process.kill(process.pid, 'SIGKILL')", "", "killed", "SIGKILL"),
        ] {
            let case = Case::new();
            let init = Init::node(&case, Place::Ordinary, "mx", &node, program).set("NODE_OPTIONS", options);
            let mut init = init.start_apart();
            init.end();
            let end = end(&init);
            assert_eq!(
                (&end["verdict"], &end["exit"]),
                (&verdict.into(), &exit.into()),
                "{program} {options}"
            );
            assert_eq!((&end["asked_by"], &end["normal"]), (&"nobody".into(), &false.into()));
            assert_eq!((&end["sender"], &end["restarts"]), (&Value::Null, &0.into()));
        }
    }
}

#[test]
fn a_heap_that_is_full_is_told_from_other_aborts() {
    for node in nodes() {
        for place in places() {
            let case = Case::new();
            let program = "const all = []; for (;;) all.push(new Array(1000).fill(Math.random()))";
            let init = Init::node(&case, place, "mx", &node, program).set("BERTH_HEAP", "48");
            let mut init = init.start_apart();
            assert_eq!(init.end(), 134);
            let end = end(&init);
            assert_eq!(end["verdict"], "heap-exhausted", "{end}");
            assert!(end["peak_rss_bytes"].as_u64().unwrap() > 48 << 20, "{end}");
        }
    }
}

#[test]
fn a_kill_for_lack_of_memory_is_told_from_other_kills() {
    for node in nodes() {
        for place in places() {
            let case = Case::new();
            let Some(group) = Group::limited(&case, 160) else { return };
            // Not V8's heap, so that V8 does not come first.
            let program = "const all = []; for (;;) all.push(Buffer.alloc(1 << 20, 1))";
            let init = Init::node(&case, place, "mx", &node, program);
            let mut init = init.through(&group.launcher().each_ref().map(String::as_str)).start_apart();
            assert_eq!(init.end(), 137);
            let end = end(&init);
            assert_eq!(
                (&end["verdict"], &end["exit"]),
                (&"out-of-memory".into(), &"SIGKILL".into()),
                "{end}"
            );
            drop(init);
            drop(group);
        }
    }
}

#[test]
fn an_asked_for_end_is_drained_and_names_who_asked() {
    let Some(node) = nodes().pop() else { return };
    for signal in [SIGTERM, SIGINT] {
        let case = Case::new();
        let program = format!("process.on('SIGTERM', () => process.exit(0)); {READY}");
        let mut init = Init::node(&case, Place::Ordinary, "mx", &node, &program).start_apart();
        init.until("ready");
        init.signal(signal);
        assert_eq!(init.end(), 0);
        let end = end(&init);
        assert_eq!((&end["verdict"], &end["normal"]), (&"drained".into(), &true.into()), "{end}");
        assert_eq!(end["sender"], std::process::id());
        let name = if signal == SIGTERM { "SIGTERM" } else { "SIGINT" };
        assert_eq!(end["asked_by"], name);
    }
}

#[test]
fn an_end_by_our_own_kill_is_cut_off() {
    let Some(node) = nodes().pop() else { return };
    for place in places() {
        let case = Case::new();
        let program = format!("process.on('SIGTERM', () => {{}}); {READY}");
        let init = Init::node(&case, place, "mx", &node, &program).set("BERTH_GRACE", "0.2");
        let mut init = init.start_apart();
        init.until("ready");
        assert_eq!(init.stop(), 137);
        let end = end(&init);
        assert_eq!((&end["verdict"], &end["normal"]), (&"cut-off".into(), &false.into()), "{end}");
        // Whoever is outside of a PID namespace has no number in it.
        let sender = if place == Place::First { 0 } else { std::process::id() };
        assert_eq!(end["sender"], sender);
    }
}

#[test]
fn a_restart_is_no_signals_doing() {
    let Some(node) = nodes().pop() else { return };
    let case = Case::new();
    let program = format!("process.on('SIGTERM', () => process.exit(0)); {READY}");
    let mut init = Init::node(&case, Place::Ordinary, "mx", &node, &program).start_apart();
    init.until("ready");
    init.signal(SIGHUP);
    berth_tests::wait_until("it is ready again", || {
        init.status().filter(|status| status["state"] == "ready" && status["restarts"] == 1)
    });
    let first = end(&init);
    assert_eq!((&first["verdict"], &first["asked_by"]), (&"drained".into(), &"restart".into()));
    assert_eq!((&first["sender"], &first["restarts"]), (&Value::Null, &0.into()));
    assert_eq!(init.stop(), 0);
    assert_eq!(end(&init)["restarts"], 1);
}

/// A program of which nothing is known is not read as if it were Node.
#[test]
fn a_program_that_is_not_node_has_codes_of_its_own() {
    let case = Case::new();
    let words = ["--stop=role", "--", "bash", "-c", "exit 13"];
    let mut init = Init::new(&case, Place::Ordinary, &words).start();
    assert_eq!(init.end(), 13);
    assert_eq!(end(&init)["verdict"], "exited");
}
