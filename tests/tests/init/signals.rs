use berth_tests::Case;

use crate::claims::signals::{PLAIN, masks};
use crate::running::{Init, Place, WITNESS, places, stdout};

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
        let forwarded = PLAIN.into_iter().chain([20, 34, 64]);
        for number in forwarded {
            init.signal(number);
            init.until_said(&format!("main signal {number}"));
        }
        assert_eq!(init.stop(), 0);
    }
}

/// The one who sent it, not the init: us, seen from where the program is.
#[test]
fn a_value_comes_with_the_number_and_the_user_of_who_has_sent_it() {
    for place in places() {
        for is_role in [false, true] {
            let case = Case::new();
            let witness = "ready on=64:7 catch";
            let mut init = if is_role {
                Init::role(&case, place, "mx", &format!("name=of {witness}")).start()
            } else {
                Init::plain(&case, place, &["name=of", "on=64:7", "catch"]).start()
            };
            init.until_said("of catching");
            // One that the C library's list has, one that it has not, and an ordinary one.
            for number in [40, 34, 12] {
                init.pid.queue(number, usize::MAX - 1).unwrap();
                init.until_said(&format!("of signal {number} with {}", usize::MAX - 1));
            }
            init.signal(64);
            init.end();
            let us = if place == Place::First { 0 } else { std::process::id() };
            assert_eq!(
                init.times(&format!("of sent by {us} {}", nix::unistd::getuid())),
                3,
                "{:?}",
                init.said()
            );
        }
    }
}

#[test]
fn a_signal_arrives_without_its_value_where_nothing_can_be_queued() {
    for place in places() {
        for (number, line) in [(40, "signal 40"), (12, "signal 12")] {
            let case = Case::new();
            let script = "ulimit -i 0; exec $WITNESS on=64:7 catch";
            let init = Init::new(&case, place, &["--", "bash", "-c", script]).set("WITNESS", WITNESS);
            let mut init = init.start();
            init.until_said("catching");
            init.pid.queue(number, 1234).unwrap();
            init.until_said(line);
            init.signal(64);
            assert_eq!(init.end(), 7);
        }
    }
}
