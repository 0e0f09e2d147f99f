use berth_tests::{Case, Process, wait_until};

use crate::running::{Init, Place, Running, places};

/// A grace that no test waits out: what ends before did not need it.
const LONG: &str = "600";

fn started(init: Init<'_>) -> Running<'_> {
    let init = init.start();
    init.until_ready();
    init
}

#[test]
fn term_and_int_send_one_term_to_the_main_process() {
    for place in places() {
        for number in [15, 2] {
            let case = Case::new();
            let mut init = started(Init::role(&case, place, "mx", "ready on=15:0 catch"));
            init.signal(number);
            assert_eq!(init.end(), 0);
            assert_eq!(init.said(), ["main catching", "main signal 15"]);
        }
    }
}

#[test]
fn a_role_is_draining_at_once() {
    for place in places() {
        let case = Case::new();
        let mut init = started(Init::role(&case, place, "mx", "ready on=15:0:go catch"));
        init.signal(15);
        init.until_said("main signal 15");
        assert_eq!(init.status().unwrap()["state"], "draining");
        case.write("app/go", "");
        assert_eq!(init.end(), 0);
    }
}

/// The application takes a second TERM as the order to drop what it has in hand.
#[test]
fn a_second_term_is_not_sent_on_but_shortens_the_grace() {
    for place in places() {
        let case = Case::new();
        let init = Init::role(&case, place, "mx", "ready catch").set("BERTH_GRACE", LONG);
        let mut init = started(init.set("BERTH_DRAIN", LONG));
        init.signal(15);
        init.until_said("main signal 15");
        assert_eq!(init.stop(), 137);
        assert_eq!(init.times("main signal 15"), 1);
    }
}

#[test]
fn a_second_term_leaves_some_time_to_end_well() {
    let case = Case::new();
    let mut init = started(Init::role(&case, Place::Ordinary, "mx", "ready on=15:0:go catch"));
    init.signal(15);
    init.until_said("main signal 15");
    init.signal(15);
    wait_until("it has both", || (init.logged("signal").len() == 2).then_some(()));
    case.write("app/go", "");
    assert_eq!(init.end(), 0);
}

/// Else what main has started would hear of the stop by KILL alone.
#[test]
fn after_a_second_term_the_rest_gets_term_before_the_kill() {
    for place in places() {
        let heard = || {
            let case = Case::new();
            let script = with_other("$WITNESS name=other on=15:0 catch", "");
            let init = Init::script(&case, place, "mx", &script).set("BERTH_GRACE", LONG);
            let mut init = started(init.set("BERTH_DRAIN", LONG));
            init.until_said("other catching");
            init.signal(15);
            init.until_said("main signal 15");
            assert_eq!(init.stop(), 137);
            assert_eq!(init.times("main signal 15"), 1);
            init.times("other signal 15") == 1
        };
        // The kill comes 1.5 s later, and a busy machine may let nobody run for as long.
        assert!((0..3).any(|_| heard()), "the rest got no TERM");
    }
}

#[test]
fn what_outlasts_the_grace_gets_kill() {
    for place in places() {
        let case = Case::new();
        let init = Init::role(&case, place, "mx", "ready catch").set("BERTH_GRACE", "0.5");
        let mut init = started(init.set("BERTH_DRAIN", "0.2"));
        assert_eq!(init.stop(), 137);
        let end = &init.logged("main process ended")[0];
        assert_eq!((&end["exit"], &end["normal"]), (&"SIGKILL".into(), &false.into()));
    }
}

/// A second process beside main, in the background.
fn with_other(other: &str, main: &str) -> String {
    format!("{other} &\nexec $WITNESS name=main ready {main} catch")
}

#[test]
fn what_main_leaves_behind_gets_term_when_main_has_ended() {
    for place in places() {
        let case = Case::new();
        let script = with_other("$WITNESS name=other on=15:0:late catch", "on=15:5:go");
        let init =
            Init::script(&case, place, "mx", &script).set("BERTH_GRACE", LONG).set("BERTH_DRAIN", LONG);
        let mut init = started(init);
        init.until_said("other catching");
        init.signal(15);
        init.until_said("main signal 15");
        // Main has its TERM and still runs.
        assert_eq!(init.times("other signal 15"), 0);
        case.write("app/go", "");
        init.until_said("other signal 15");
        assert_eq!(init.status().unwrap()["state"], "draining");
        assert!(init.status().unwrap()["main"].is_null());
        case.write("app/late", "");
        assert_eq!(init.end(), 5, "the code is main's");
    }
}

#[test]
fn what_main_leaves_behind_gets_kill_at_the_end_of_the_grace() {
    for place in places() {
        let case = Case::new();
        let script = with_other("$WITNESS name=other catch", "on=15:0");
        let mut init = started(Init::script(&case, place, "mx", &script).set("BERTH_GRACE", "3"));
        init.until_said("other catching");
        assert_eq!(init.stop(), 0, "the code is main's");
        assert_eq!(init.times("other signal 15"), 1);
        assert!(case.processes().is_empty());
    }
}

#[test]
fn a_daemon_with_a_session_of_its_own_gets_term_and_kill_too() {
    for place in places() {
        let case = Case::new();
        let daemons =
            "( setsid $WITNESS name=polite on=15:0 catch & )\n( setsid $WITNESS name=deaf catch & )";
        let script = format!("{daemons}\nexec $WITNESS name=main ready on=15:0 catch");
        let mut init = started(Init::script(&case, place, "mx", &script).set("BERTH_GRACE", "3"));
        init.until_said("polite catching");
        init.until_said("deaf catching");
        assert_eq!(init.stop(), 0);
        assert_eq!((init.times("polite signal 15"), init.times("deaf signal 15")), (1, 1));
        assert!(case.processes().is_empty());
    }
}

#[test]
fn leftovers_of_leftovers_get_term_too() {
    let case = Case::new();
    let script = with_other("bash -c '$WITNESS name=other on=15:0 catch; exit 0'", "on=15:0");
    let init = Init::script(&case, Place::Ordinary, "mx", &script).set("BERTH_GRACE", LONG);
    let mut init = started(init);
    init.until_said("other catching");
    assert_eq!(init.stop(), 0);
    assert_eq!(init.times("other signal 15"), 1);
}

#[test]
fn a_main_that_takes_longer_than_its_drain_is_not_asked_again_but_the_rest_is() {
    for place in places() {
        let case = Case::new();
        let script = with_other("$WITNESS name=other on=15:0 catch", "on=15:0:go");
        let init = Init::script(&case, place, "mx", &script).set("BERTH_GRACE", LONG);
        let mut init = started(init.set("BERTH_DRAIN", "0.2"));
        init.until_said("other catching");
        init.signal(15);
        init.until_said("other signal 15");
        case.write("app/go", "");
        assert_eq!(init.end(), 0);
        assert_eq!(init.times("main signal 15"), 1);
    }
}

#[test]
fn a_stop_is_over_as_soon_as_nothing_is_left() {
    for place in places() {
        let case = Case::new();
        let script = with_other("$WITNESS name=other on=15:0 catch", "on=15:0");
        let init = Init::script(&case, place, "mx", &script).set("BERTH_GRACE", LONG);
        let mut init = started(init.set("BERTH_DRAIN", LONG));
        init.until_said("other catching");
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_main_that_ends_by_itself_has_its_leftovers_cleared_too() {
    for place in places() {
        let case = Case::new();
        let script = with_other("$WITNESS name=other on=15:0 catch", "on=12:9");
        let mut init = started(Init::script(&case, place, "mx", &script));
        init.until_said("other catching");
        init.signal(12);
        assert_eq!(init.end(), 9);
        assert_eq!(init.times("other signal 15"), 1);
        assert!(case.processes().is_empty());
    }
}

/// As `docker exec` brings one in.
#[test]
fn a_process_that_entered_from_outside_is_left_alone() {
    if !places().contains(&Place::First) {
        return;
    }
    let case = Case::new();
    let script = with_other("$WITNESS name=other on=15:0:go catch", "on=15:0");
    let mut init = started(Init::script(&case, Place::First, "mx", &script));
    init.until_said("other catching");
    let mut guest = init.beside(crate::running::WITNESS);
    let out = fs_err::OpenOptions::new().append(true).open(case.path("out")).unwrap();
    let mut guest = guest.args(["name=guest", "catch"]).stdout(out.into_file()).spawn().unwrap();
    init.until_said("guest catching");
    init.signal(15);
    init.until_said("other signal 15");
    assert_eq!(init.times("guest signal 15"), 0);
    case.write("app/go", "");
    assert_eq!(init.end(), 0);
    assert_eq!(init.times("guest signal 15"), 0);
    // The kernel ends it with the namespace.
    guest.wait().unwrap();
}

#[test]
fn a_stop_waits_for_its_delay_and_is_not_ready_meanwhile() {
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").set("BERTH_STOP_DELAY", LONG);
    let mut init = started(init);
    init.signal(15);
    init.until("draining");
    assert_eq!(init.times("main signal 15"), 0);
    // A second TERM shortens the delay too.
    assert_eq!(init.stop(), 0);
    assert_eq!(init.times("main signal 15"), 1);
}

#[test]
fn after_the_delay_term_is_sent() {
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").set("BERTH_STOP_DELAY", "0.3");
    let mut init = started(init);
    assert_eq!(init.stop(), 0);
    assert_eq!(init.times("main signal 15"), 1);
}

#[test]
fn a_stopped_main_is_continued_for_its_stop() {
    for place in places() {
        let case = Case::new();
        let mut init =
            started(Init::role(&case, place, "mx", "ready on=15:0 catch").set("BERTH_GRACE", LONG));
        let main = init.main();
        main.signal(19).unwrap();
        wait_until("the status says that it is stopped", || {
            init.status().filter(|status| status["main"]["stopped"] == true)
        });
        assert_eq!(main.state(), Some('T'), "it is left stopped until a stop");
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_main_that_is_stopped_during_its_stop_is_continued() {
    let case = Case::new();
    let mut init =
        started(Init::role(&case, Place::Ordinary, "mx", "ready on=15:0:go catch").set("BERTH_GRACE", LONG));
    init.signal(15);
    init.until_said("main signal 15");
    init.main().signal(19).unwrap();
    case.write("app/go", "");
    assert_eq!(init.end(), 0);
}

#[test]
fn a_stopped_and_continued_main_is_told_of() {
    let case = Case::new();
    let mut init = started(Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch"));
    for (number, stopped) in [(19, true), (18, false)] {
        init.main().signal(number).unwrap();
        wait_until("the status says so", || {
            init.status().filter(|status| status["main"]["stopped"] == stopped)
        });
        let told = init.logged("main process stopped or continued by a signal");
        assert_eq!(told.last().unwrap()["stopped"], stopped);
    }
    assert_eq!(init.stop(), 0);
}

/// A stopped leftover could not take its TERM; KILL needs no consent.
#[test]
fn a_stopped_leftover_does_not_outlast_the_grace() {
    let case = Case::new();
    let script = with_other("$WITNESS name=other on=15:0 catch", "on=15:0");
    let mut init = started(Init::script(&case, Place::Ordinary, "mx", &script).set("BERTH_GRACE", "3"));
    init.until_said("other catching");
    case.process("witness", "name=other").signal(19).unwrap();
    assert_eq!(init.stop(), 0);
}

#[test]
fn a_killed_init_takes_its_main_with_it() {
    for place in places() {
        let case = Case::new();
        let mut init = started(Init::role(&case, place, "mx", "ready catch"));
        let main = init.main();
        init.signal(9);
        wait_until("main has ended", || (!main.lives()).then_some(()));
        init.end();
    }
}

/// `berth` may end and its roles go on: only the main process is bound to its init.
#[test]
fn a_role_outlives_whoever_started_it() {
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch");
    let mut starter = init.through(&["bash", "-c", "\"$@\" & echo started; read < gate", "bash"]).command();
    nix::unistd::mkfifo(&case.path("gate"), nix::sys::stat::Mode::S_IRWXU).unwrap();
    let out = fs_err::File::create(case.path("out")).unwrap();
    let mut starter = starter.stdout(out.into_file()).stderr(std::process::Stdio::null()).spawn().unwrap();
    wait_until("main is there", || case.read("out").contains("main catching").then_some(()));
    starter.kill().unwrap();
    starter.wait().unwrap();
    let main = case.process("witness", "name=main");
    let init: Process = case.process("berth-init", "mx");
    wait_until("init has got another parent", || {
        let parent = init.status("PPid").unwrap();
        (parent != starter.id().to_string()).then_some(())
    });
    assert!(main.lives());
    init.signal(15).unwrap();
    wait_until("both have ended", || (!init.lives() && !main.lives()).then_some(()));
}

#[test]
fn any_program_can_be_stopped_as_a_role() {
    for place in places() {
        let case = Case::new();
        let program =
            format!("{0} name=other on=15:0 catch & exec {0} name=main catch", crate::running::WITNESS);
        let words = ["--stop=role", "--grace", "6", "--drain", "3", "--", "bash", "-c", &program];
        let mut init = Init::new(&case, place, &words).start();
        init.until_said("main catching");
        init.until_said("other catching");
        assert_eq!(init.stop(), 137);
        assert_eq!((init.times("main signal 15"), init.times("other signal 15")), (1, 1));
        assert!(case.processes().is_empty());
    }
}

/// Its numbers would name processes that are not ours.
#[test]
fn where_proc_is_anothers_nobody_is_signalled_by_it_and_the_end_is_reached() {
    if !places().contains(&Place::First) {
        return;
    }
    let case = Case::new();
    let script = with_other("$WITNESS name=other catch", "on=15:0");
    let init = Init::script(&case, Place::Ordinary, "mx", &script).set("BERTH_GRACE", "3");
    // A namespace of its own, and the /proc of the one outside.
    let mut init = started(init.through(&["unshare", "-fp", "--kill-child", "--"]));
    init.until_said("other catching");
    assert_eq!(init.stop(), 0);
    assert_eq!(init.times("other signal 15"), 0);
    assert!(!init.logged("leftovers cannot be found").is_empty());
}

/// Such a name once kept the process out of sight: it outlived its init, and so did what it had started.
#[test]
fn a_leftover_that_calls_itself_by_no_text_is_found_too() {
    let case = Case::new();
    let odd = "mkfifo pipe; (printf '\\377' > /proc/$BASHPID/comm; trap '' TERM; echo > named; sleep 300 & read < pipe) &
        until [ -e named ]; do sleep 0.01; done; exec $WITNESS name=main ready on=15:0 catch";
    let mut init = Init::script(&case, Place::Ordinary, "mx", odd).set("BERTH_GRACE", "5").start();
    init.until_ready();
    assert_eq!(init.stop(), 0);
    assert_eq!(case.processes(), []);
}
