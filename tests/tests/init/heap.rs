//! The heap that a role's Node is given.

use berth_tests::Case;
use serde_json::Value;

use crate::group::Group;
use crate::running::{Init, Place, places, run, stdout};
use crate::verdicts::nodes;

/// Prints what each thread, and a child, know of their heap: options, and the limit in MiB.
const TELL: &str = "
    import { Worker } from 'node:worker_threads';
    import { spawnSync } from 'node:child_process';
    import v8 from 'node:v8';
    const tell = `${process.execArgv.join()} ${Math.floor(v8.getHeapStatistics().heap_size_limit / 2 ** 20)}`;
    const code = 'console.log(\"thread\", Math.floor(require(\"v8\").getHeapStatistics().heap_size_limit / 2 ** 20))';
    console.log('main', tell);
    const other = 'console.log(\"child\", process.execArgv.some(option => option.startsWith(\"--max\")), process.env.NODE_OPTIONS)';
    process.stdout.write(spawnSync(process.execPath, ['-e', other]).stdout);
    new Worker(code, { eval: true }).on('exit', () => process.exit(0));
";

fn explained(init: &Init) -> Value {
    let output = run(&mut init.command());
    serde_json::from_str::<Value>(&stdout(&output)).unwrap()
}

#[test]
fn a_share_of_the_limit_is_passed_to_every_thread_and_to_no_child() {
    for node in nodes() {
        for place in places() {
            let case = Case::new();
            let Some(group) = Group::limited(&case, 320) else { return };
            let launcher = group.launcher();
            let launcher = launcher.each_ref().map(String::as_str);
            let mut init = Init::node(&case, place, "mx", &node, TELL).through(&launcher).start_apart();
            assert_eq!(init.end(), 0);
            let said = init.said();
            // 60 % of what 64 MiB for Node leave of 320.
            assert!(said[0].starts_with("main --max-old-space-size=153 "), "{said:?}");
            assert_eq!(said[1], "child false undefined");
            let limit = said[0].rsplit_once(' ').unwrap().1;
            assert_eq!(said[2], format!("thread {limit}"));
            assert!(limit.parse::<u64>().unwrap() >= 153);

            let explain = Init::node(&case, place, "mx", &node, TELL).through(&launcher);
            let explain = explained(&explain.words(&["explain", "mx", "--json"]));
            let heap = &explain["heap"];
            assert_eq!(explain["arguments"], serde_json::json!(["--max-old-space-size=153", "mx.js"]));
            assert_eq!((&heap["limit_bytes"], &heap["passed"]), (&(320_u64 << 20).into(), &true.into()));
            assert_eq!((&heap["percent"], &heap["threads"]), (&60.into(), &1.into()));
            assert!(heap["limit_from"].as_str().unwrap().starts_with("/sys/fs/cgroup/"), "{heap}");
            drop(init);
            drop(group);
        }
    }
}

#[test]
fn a_role_with_worker_threads_divides_its_share() {
    let Some(node) = nodes().pop() else { return };
    let case = Case::new();
    let Some(group) = Group::limited(&case, 320) else { return };
    let launcher = group.launcher();
    let launcher = launcher.each_ref().map(String::as_str);
    let explain = |role: &str| {
        let init = Init::node(&case, Place::Ordinary, role, &node, "").through(&launcher);
        explained(&init.words(&["explain", role, "--json"]))
    };
    let arguments = |role: &str| explain(role)["arguments"].clone();
    assert_eq!(arguments("sqlite"), serde_json::json!(["--max-old-space-size=76", "sqlite.js"]));
    // What a role with threads without number is not given is told, too, and what it is no part of.
    for role in ["bree", "sqlite-bree"] {
        assert_eq!(arguments(role), serde_json::json!([format!("{role}.js")]));
        let heap = &explain(role)["heap"];
        assert_eq!((&heap["bytes"], &heap["passed"]), (&Value::Null, &false.into()));
        assert_eq!((&heap["limit_bytes"], &heap["threads"]), (&(320_u64 << 20).into(), &Value::Null));
        assert!(heap["limit_from"].as_str().unwrap().starts_with("/sys/fs/cgroup/"), "{heap}");
        assert!(heap["because"].as_str().unwrap().contains("worker threads"), "{heap}");
        let init = Init::node(&case, Place::Ordinary, role, &node, "").through(&launcher);
        let page = stdout(&run(&mut init.words(&["explain", role]).command()));
        let line = page.lines().find(|line| line.trim_start().starts_with("heap")).unwrap();
        assert!(line.contains("limit of 320 MiB") && line.contains("; /sys/fs/cgroup/"), "{line}");
    }
}

#[test]
fn what_the_user_has_set_is_left_as_it_is() {
    let Some(node) = nodes().pop() else { return };
    for (options, bytes) in [
        ("--max-old-space-size=100", Value::from(100_u64 << 20)),
        ("--max_old_space_size=100", Value::from(100_u64 << 20)),
    ] {
        let case = Case::new();
        let Some(group) = Group::limited(&case, 320) else { return };
        let launcher = group.launcher();
        let launcher = launcher.each_ref().map(String::as_str);
        let init = Init::node(&case, Place::Ordinary, "mx", &node, TELL).set("NODE_OPTIONS", options);
        let mut init = init.through(&launcher).start_apart();
        assert_eq!(init.end(), 0);
        assert!(init.said()[0].starts_with("main  "), "{:?}", init.said());
        let explain = Init::node(&case, Place::Ordinary, "mx", &node, TELL).set("NODE_OPTIONS", options);
        let heap = explained(&explain.words(&["explain", "mx", "--json"]))["heap"].clone();
        assert_eq!((&heap["bytes"], &heap["passed"]), (&bytes, &false.into()));
        assert_eq!(heap["because"], "NODE_OPTIONS");
        drop(init);
        drop(group);
    }
}

#[test]
fn a_heap_that_was_named_is_passed_whatever_the_limit_is_and_none_can_be_named() {
    let case = Case::new();
    for (named, arguments) in [("200", &["--max-old-space-size=200", "mx.js"][..]), ("0", &["mx.js"])] {
        let init = Init::role(&case, Place::Ordinary, "mx", "").set("BERTH_HEAP", named);
        let explain = explained(&init.words(&["explain", "mx", "--json"]));
        assert_eq!(explain["arguments"], serde_json::json!(arguments));
    }
    let output = Init::role(&case, Place::Ordinary, "mx", "").set("BERTH_HEAP", "half").output();
    assert_eq!(output.status.code(), Some(78));
}
