use berth_tests::Case;
use berth_tests::init;

use crate::running::{Init, Place, WITNESS, places, stderr};

#[test]
fn each_exit_code_is_passed_on() {
    for place in places() {
        // As PID 1 each run makes a namespace, so fewer will do.
        let step = if place == Place::First { 15 } else { 1 };
        for code in (0..=255).step_by(step) {
            let case = Case::new();
            let output = Init::plain(&case, place, &[&format!("exit={code}")]).output();
            assert_eq!(output.status.code(), Some(code), "{place:?}");
        }
    }
}

#[test]
fn an_end_by_a_signal_is_128_and_its_number() {
    for place in places() {
        for number in [1, 2, 3, 6, 9, 10, 11, 13, 14, 15, 31, 34, 64] {
            let case = Case::new();
            let output = Init::plain(&case, place, &[&format!("die={number}")]).output();
            assert_eq!(output.status.code(), Some(128 + number), "{place:?}");
            assert_eq!(stderr(&output), "");
        }
    }
}

#[test]
fn a_signal_that_nobody_catches_ends_both_with_128_and_its_number() {
    for place in places() {
        for number in [15, 10, 12, 1, 2] {
            let case = Case::new();
            let mut init = Init::new(&case, place, &["--", "sleep", "300"]).start();
            assert!(case.process("sleep", "300").lives());
            init.signal(number);
            assert_eq!(init.end(), 128 + number, "{place:?}");
        }
    }
}

#[test]
fn a_program_that_is_not_there_is_127_and_is_named() {
    for place in places() {
        for program in ["/does/not/exist", "no-such-program"] {
            let case = Case::new();
            let output = Init::new(&case, place, &["--", program]).output();
            assert_eq!(output.status.code(), Some(127));
            assert!(stderr(&output).contains(program), "{}", stderr(&output));
        }
    }
}

#[test]
fn a_program_that_cannot_be_run_is_126_and_is_named() {
    for place in places() {
        let case = Case::new();
        case.write("plain-text", "no program");
        for program in ["./plain-text", "/tmp"] {
            let output = Init::new(&case, place, &["--", program]).output();
            assert_eq!(output.status.code(), Some(126), "{program}: {}", stderr(&output));
            assert!(stderr(&output).contains(program.trim_start_matches("./")), "{}", stderr(&output));
        }
    }
}

#[test]
fn a_roles_exit_code_is_passed_on_too() {
    for place in places() {
        for code in [0, 1, 7, 127, 255] {
            let case = Case::new();
            let mut init = Init::role(&case, place, "mx", &format!("ready exit={code}")).start();
            assert_eq!(init.end(), code);
        }
        let case = Case::new();
        assert_eq!(Init::role(&case, place, "mx", "ready die=9").start().end(), 137);
    }
}

#[test]
fn an_end_that_nobody_asked_for_is_never_normal() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready exit=0").start();
    assert_eq!(init.end(), 0);
    let ends = init.logged("main process ended");
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!(ends[0]["normal"], false);
    assert_eq!(ends[0]["asked_by"], "nobody");
    assert_eq!(ends[0]["level"], "WARN");
}

#[test]
fn an_end_tells_how_why_and_who_asked() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_said("main catching");
    assert_eq!(init.stop(), 0);
    let ends = init.logged("main process ended");
    assert_eq!(ends.len(), 1, "{ends:?}");
    assert_eq!((&ends[0]["exit"], &ends[0]["asked_by"]), (&"exit 0".into(), &"SIGTERM".into()));
    assert_eq!(ends[0]["normal"], true);
    assert!(ends[0]["lived_ms"].is_u64());
    // Who sent the signal, as far as the kernel tells.
    let signals = init.logged("signal");
    assert_eq!(signals[0]["sender"], std::process::id());
}

#[test]
fn a_role_without_node_or_without_its_entrypoint_is_127() {
    let case = Case::new();
    let without_node = Init::role(&case, Place::Ordinary, "mx", "").set("BERTH_NODE", "/no/node").output();
    assert_eq!(without_node.status.code(), Some(127));
    assert!(stderr(&without_node).contains("/no/node"), "{}", stderr(&without_node));

    let without_entrypoint = Init::role(&case, Place::Ordinary, "mx", "");
    fs_err::remove_file(case.path("app/mx.js")).unwrap();
    let output = without_entrypoint.output();
    assert_eq!(output.status.code(), Some(127));
    assert!(stderr(&output).contains("mx.js"), "{}", stderr(&output));
}

#[test]
fn an_init_under_an_init_gives_the_same_code() {
    for place in places() {
        let case = Case::new();
        let inner = init();
        let words = ["--", inner.to_str().unwrap(), "--", WITNESS, "exit=42"];
        assert_eq!(Init::new(&case, place, &words).output().status.code(), Some(42));
    }
}

/// Where SIGCHLD is ignored the kernel throws the statuses of children away (waitpid(2), notes).
#[test]
fn a_caller_that_ignores_child_signals_loses_no_exit_code() {
    for place in places() {
        let case = Case::new();
        let init = Init::plain(&case, place, &["exit=7"]).through(&["env", "--ignore-signal=CHLD"]);
        assert_eq!(init.output().status.code(), Some(7));
    }
}
