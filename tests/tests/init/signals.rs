use berth_tests::Case;

use crate::running::{Init, Place, places, stdout};

/// tini's rule: everything but what a process does to itself (FPE ILL SEGV BUS ABRT TRAP SYS), what the terminal
/// answers to init's own doings (TTIN TTOU), CHLD, and the two that nobody catches.
const FORWARDED: [i32; 19] = [1, 2, 3, 10, 12, 13, 14, 15, 16, 18, 20, 23, 24, 25, 26, 27, 28, 29, 30];

#[test]
fn every_signal_that_tini_forwards_reaches_the_program() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::plain(&case, place, &["on=15:0", "catch"]).start();
        init.until_said("catching");
        // TERM, which ends this witness, comes last.
        for number in FORWARDED.into_iter().filter(|number| *number != 15).chain([15]) {
            init.signal(number);
            init.until_said(&format!("signal {number}"));
        }
        assert_eq!(init.end(), 0);
        assert_eq!(init.said().len(), 1 + FORWARDED.len(), "each once: {:?}", init.said());
    }
}

#[test]
fn real_time_signals_are_forwarded_too() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::plain(&case, place, &["on=64:0", "catch"]).start();
        init.until_said("catching");
        for number in 34..=64 {
            init.signal(number);
            init.until_said(&format!("signal {number}"));
        }
        assert_eq!(init.end(), 0);
    }
}

#[test]
fn a_child_signal_is_not_forwarded() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::plain(&case, place, &["on=34:0", "catch"]).start();
        init.until_said("catching");
        init.signal(17);
        // Of two that are pending the lower number comes first.
        init.signal(34);
        assert_eq!(init.end(), 0);
        assert_eq!(init.said(), ["catching", "signal 34"]);
    }
}

#[test]
fn the_callers_ignored_and_blocked_signals_reach_the_program_unchanged() {
    let launchers: [&[&str]; 4] = [
        &["env"],
        &["env", "--ignore-signal=PIPE"],
        &["env", "--ignore-signal=TTOU,SEGV,INT,CHLD,HUP", "--block-signal=TTIN,ILL,TERM,PIPE,CHLD"],
        &["env", "--ignore-signal=TERM,RTMIN", "--block-signal=TERM,RTMIN,RTMIN+3,RTMAX"],
    ];
    let status = ["cat", "/proc/self/status"];
    for place in places() {
        for launcher in launchers {
            let case = Case::new();
            let bare = case.command("env").args(&launcher[1..]).args(status).output().unwrap();
            let plain = Init::new(&case, place, &["--", status[0], status[1]]).through(launcher).output();
            assert_eq!(masks(&stdout(&plain)), masks(&stdout(&bare)), "{place:?} {launcher:?}");
        }
    }
}

#[test]
fn a_role_gets_the_callers_ignored_and_blocked_signals_too() {
    for place in places() {
        let case = Case::new();
        let launcher = ["env", "--ignore-signal=PIPE,INT,CHLD", "--block-signal=TERM,USR2"];
        let status = ["cat", "/proc/self/status"];
        let bare = case.command("env").args(&launcher[1..]).args(status).output().unwrap();
        let role = Init::role(&case, place, "mx", "").set("BERTH_NODE", "/bin/cat").through(&launcher);
        fs_err::remove_file(case.path("app/mx.js")).unwrap();
        std::os::unix::fs::symlink(status[1], case.path("app/mx.js")).unwrap();
        assert_eq!(masks(&stdout(&role.output())), masks(&stdout(&bare)), "{place:?}");
    }
}

/// The lines SigBlk, SigIgn and SigCgt of a status file.
fn masks(status: &str) -> Vec<&str> {
    let wanted = ["SigBlk:", "SigIgn:", "SigCgt:"];
    let lines: Vec<_> =
        status.lines().filter(|line| wanted.iter().any(|key| line.starts_with(key))).collect();
    assert_eq!(lines.len(), wanted.len(), "{status}");
    lines
}

#[test]
fn a_role_whose_caller_ignored_or_blocked_term_is_stopped_by_it() {
    for place in places() {
        for launcher in [["env", "--ignore-signal=TERM"], ["env", "--block-signal=TERM"]] {
            let case = Case::new();
            let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").through(&launcher).start();
            init.until_said("main catching");
            assert_eq!(init.stop(), 0);
        }
    }
}

#[test]
fn a_thousand_terms_in_a_burst_do_not_wedge_it() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::plain(&case, place, &["on=12:7", "catch"]).start();
        init.until_said("catching");
        for _ in 0..1000 {
            init.signal(15);
        }
        init.until_said("signal 15");
        init.signal(12);
        assert_eq!(init.end(), 7);
    }
}

#[test]
fn a_role_survives_a_thousand_terms_and_ends_with_its_own_code() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0:go catch").start();
        init.until_said("main catching");
        for _ in 0..1000 {
            init.signal(15);
        }
        init.until_said("main signal 15");
        case.write("app/go", "");
        assert_eq!(init.end(), 0);
        assert_eq!(init.times("main signal 15"), 1);
    }
}

#[test]
fn usr1_is_held_back_from_a_role() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=12:0 catch").start();
    init.until_said("main catching");
    init.signal(10);
    init.signal(12);
    init.end();
    assert_eq!(init.said(), ["main catching", "main signal 12"]);
    assert_eq!(init.logged("signal held back").len(), 1);
}

#[test]
fn usr1_is_passed_to_a_role_that_asks_for_it() {
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "mx", "ready on=10:0 catch");
    let mut init = init.set("BERTH_FORWARD_USR1", "true").start();
    init.until_said("main catching");
    init.signal(10);
    init.end();
    init.until_said("main signal 10");
}

#[test]
fn what_is_no_stop_and_no_restart_goes_to_a_roles_main_process() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        init.until_said("main catching");
        let forwarded =
            FORWARDED.into_iter().chain([34, 64]).filter(|number| ![1, 2, 10, 15].contains(number));
        for number in forwarded {
            init.signal(number);
            init.until_said(&format!("main signal {number}"));
        }
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_signal_reaches_the_main_process_only() {
    for place in places() {
        let case = Case::new();
        let program = format!(
            "{0} name=other on=15:0 catch & exec {0} name=main on=15:0 catch",
            crate::running::WITNESS
        );
        let mut init = Init::new(&case, place, &["--", "bash", "-c", &program]).start();
        init.until_said("main catching");
        init.until_said("other catching");
        let other = case.process("witness", "name=other");
        init.signal(12);
        init.until_said("main signal 12");
        assert_eq!(init.stop(), 0);
        if place == Place::Ordinary {
            // As tini does: what is left is left alone.
            assert!(other.lives());
            other.signal(15).unwrap();
            init.until_said("other signal 15");
            berth_tests::wait_until("the other has ended", || (!other.lives()).then_some(()));
        }
        assert_eq!(init.times("other signal 12"), 0);
    }
}
