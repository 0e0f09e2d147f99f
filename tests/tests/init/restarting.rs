use berth_tests::{Case, Process, wait_until, wait_until_within};
use serde_json::Value;

use crate::listening::nobody;
use crate::running::{Init, Place, Running, WITNESS, places, stderr, stdout};

/// Waits until a second main process is ready, and checks that the init is the same.
fn until_restarted(init: &Running, before: &Value) -> Value {
    let after = wait_until("it is ready again", || {
        init.status().filter(|status| status["state"] == "ready" && status["restarts"] != before["restarts"])
    });
    assert_eq!(after["init"], before["init"]);
    assert_ne!(after["main"]["pid"], before["main"]["pid"]);
    assert_eq!(after["restarts"].as_u64(), Some(before["restarts"].as_u64().unwrap() + 1));
    after
}

#[test]
fn hup_restarts_the_main_process_in_place() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        let before = init.until_ready();
        init.signal(1);
        until_restarted(&init, &before);
        init.until_said_times("main catching", 2);
        // The old one got TERM and no HUP.
        assert_eq!(init.said(), ["main catching", "main signal 15", "main catching"]);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn the_command_restart_does_the_same() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        let mut before = init.until("ready");
        for times in 1..=3 {
            init.until_said_times("main catching", times);
            let output = init.ask(&["restart"]);
            assert!(output.status.success(), "{}", stderr(&output));
            assert!(stdout(&output).contains("restarting"));
            before = until_restarted(&init, &before);
        }
        init.until_said_times("main catching", 4);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn what_the_old_main_left_is_gone_before_the_new_one_starts() {
    let case = Case::new();
    let script = "$WITNESS name=other on=15:0:go catch &\nexec $WITNESS name=main ready on=15:0 catch";
    let mut init = Init::script(&case, Place::Ordinary, "mx", script).set("BERTH_GRACE", "600").start();
    init.until_said("main catching");
    init.until_said("other catching");
    let before = init.until("ready");
    init.signal(1);
    init.until_said("other signal 15");
    assert_eq!(init.times("main catching"), 1);
    assert_eq!(init.status().unwrap()["state"], "draining");
    case.write("app/go", "");
    until_restarted(&init, &before);
    assert_eq!(init.stop(), 0);
}

#[test]
fn new_settings_are_used_after_a_restart() {
    let case = Case::new();
    case.write("app/.env", "MX_PORT=2601\n");
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    let before = init.until("ready");
    assert_eq!(before["ports"][0]["number"], 2601);
    init.until_said("main catching");
    case.write("app/.env", "MX_PORT=2602\n");
    init.signal(1);
    let after = until_restarted(&init, &before);
    assert_eq!(after["ports"][0]["number"], 2602);
    init.until_said_times("main catching", 2);
    assert_eq!(init.stop(), 0);
}

#[test]
fn with_bad_new_settings_the_old_process_goes_on() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        let before = init.until_ready();
        case.write("app/.env.schema", "SOMETHING_NEW=\n");
        let output = init.ask(&["restart"]);
        assert_eq!(output.status.code(), Some(1));
        assert!(stderr(&output).contains("SOMETHING_NEW"), "{}", stderr(&output));
        init.signal(1);
        wait_until("it refuses twice", || {
            (init.logged("no restart: the new settings are not good").len() == 2).then_some(())
        });
        let after = init.status().unwrap();
        assert_eq!((&after["main"], &after["state"]), (&before["main"], &before["state"]));
        assert_eq!(init.stop(), 0);
        assert_eq!(init.said(), ["main catching", "main signal 15"]);
    }
}

#[test]
fn a_bad_certificate_is_found_before_the_old_process_is_stopped() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_ready();
    case.write("app/cert.pem", "no certificate");
    case.write("app/.env", "WEB_SSL_CERT_PATH=cert.pem\nWEB_SSL_KEY_PATH=key.pem\n");
    let output = init.ask(&["restart"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("cert.pem"), "{}", stderr(&output));
    assert_eq!(init.status().unwrap()["state"], "ready");
    assert_eq!(init.stop(), 0);
}

#[test]
fn term_during_a_restart_is_the_last_word() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0:go catch").start();
        init.until_ready();
        init.signal(1);
        init.until_said("main signal 15");
        init.signal(15);
        wait_until("it has it", || (init.logged("signal").len() == 2).then_some(()));
        case.write("app/go", "");
        assert_eq!(init.end(), 0);
        assert_eq!(init.said(), ["main catching", "main signal 15"]);
    }
}

#[test]
fn a_plain_program_and_a_waiting_role_are_not_restarted() {
    let case = Case::new();
    let mut plain = Init::plain(&case, Place::Ordinary, &["on=15:0", "catch"]).start();
    plain.until_said("catching");
    plain.until("ready");
    assert_eq!(plain.ask(&["restart"]).status.code(), Some(1));
    assert_eq!(plain.stop(), 0);

    let case = Case::new();
    let mut role = Init::role(&case, Place::Ordinary, "imap", "catch").set("SQLITE_PORT", nobody()).start();
    role.until("waiting");
    let output = role.ask(&["restart"]);
    assert_eq!(output.status.code(), Some(1));
    assert!(stderr(&output).contains("waiting"), "{}", stderr(&output));
    assert_eq!(role.stop(), 143);
}

#[test]
fn a_failed_role_is_left_to_the_engine_unless_told_otherwise() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready say=here exit=7").start();
    assert_eq!(init.end(), 7);
    assert_eq!(init.said(), ["main here"]);
}

#[test]
fn a_failed_role_is_started_again_and_an_end_with_0_is_a_failure() {
    for place in places() {
        for code in [0, 7] {
            let case = Case::new();
            let script = format!(
                "[ -e failed ] || {{ touch failed; exit {code}; }}\nexec $WITNESS name=main ready on=15:0 catch"
            );
            let init = Init::script(&case, place, "mx", &script).set("BERTH_RESTART", "on-failure");
            let mut init = init.start();
            init.until_said("main catching");
            assert_eq!(init.until("ready")["restarts"], 1);
            assert_eq!(init.stop(), 0, "what was asked for is no failure");
        }
    }
}

#[test]
fn one_that_is_not_ready_in_time_is_started_again_too() {
    let case = Case::new();
    let script = "[ -e failed ] && exec $WITNESS name=main ready on=15:0 catch\ntouch failed\nexec $WITNESS name=main on=15:0 catch";
    let init = Init::script(&case, Place::Ordinary, "mx", script).set("BERTH_RESTART", "on-failure");
    let mut init = init.set("BERTH_READY_WITHIN", "5").start();
    assert_eq!(init.until("ready")["restarts"], 1);
    init.until_said_times("main catching", 2);
    assert_eq!(init.stop(), 0);
}

#[test]
fn restarts_have_a_budget_and_when_it_is_spent_the_end_is_the_programs_own() {
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "mx", "ready say=here exit=9");
    let mut init = init.set("BERTH_RESTART", "on-failure").start();
    wait_until_within(std::time::Duration::from_mins(1), "it gives up", || init.is_over().then_some(()));
    assert_eq!(init.end(), 9);
    assert_eq!(init.times("main here"), 6, "once, and five times again");
    let pauses: Vec<_> =
        init.logged("starts again after a pause").iter().map(|line| line["pause_ms"].clone()).collect();
    let pauses: Vec<_> = pauses.iter().map(|pause| pause.as_u64().unwrap()).collect();
    assert_eq!(pauses.len(), 5);
    assert!(
        pauses.windows(2).all(|pair| pair[0] < pair[1]),
        "each is longer than the one before: {pauses:?}"
    );
}

#[test]
fn term_in_the_pause_before_a_restart_ends_it_at_once_with_143() {
    for place in places() {
        let case = Case::new();
        let init = Init::role(&case, place, "mx", "ready exit=1").set("BERTH_RESTART", "on-failure");
        let mut init = init.start();
        // Late enough for a pause that can be hit on a busy machine: 4 s.
        wait_until("the fourth pause", || {
            (init.logged("starts again after a pause").len() == 4).then_some(())
        });
        let starts = init.status().unwrap()["restarts"].clone();
        assert_eq!(init.stop(), 143);
        assert_eq!(starts, 3);
    }
}

#[test]
fn a_restart_waits_for_the_needs_again() {
    let case = Case::new();
    let sqlite = crate::listening::Door::guarded();
    let init =
        Init::role(&case, Place::Ordinary, "imap", "ready on=15:0 catch").set("SQLITE_PORT", sqlite.port());
    let mut init = init.start();
    init.until_ready();
    drop(sqlite);
    init.signal(1);
    init.until("waiting");
    assert_eq!(init.stop(), 143);
}

#[test]
fn no_zombie_is_left_by_restarts() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        let mut status = init.until("ready");
        for times in 1..=5 {
            init.until_said_times("main catching", times);
            init.signal(1);
            status = until_restarted(&init, &status);
        }
        init.until_said_times("main catching", 6);
        let main: Process = init.main();
        assert_eq!(init.pid.children(), [main]);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn any_program_can_be_restarted_as_a_role() {
    for place in places() {
        let case = Case::new();
        let program =
            format!("[ -e failed ] || {{ touch failed; exit 7; }}; exec {WITNESS} name=main on=15:0 catch");
        let init = Init::new(&case, place, &["--stop=role", "--", "bash", "-c", &program]);
        let mut init = init.set("BERTH_RESTART", "on-failure").start();
        let before = init.until_ready();
        assert_eq!(before["restarts"], 1);
        init.signal(1);
        until_restarted(&init, &before);
        init.until_said_times("main catching", 2);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_storm_of_signals_ends_well() {
    for place in places() {
        let case = Case::new();
        let init = Init::role(&case, place, "mx", "ready on=15:0 catch").set("BERTH_GRACE", "600");
        // One that was just started ignores, as whoever started its init did, what it does not yet block and would die of.
        let init = init.through(&["env", "--ignore-signal=USR1,USR2,RTMIN"]);
        let mut init = init.set("BERTH_FORWARD_USR1", "true").start();
        init.until_said("main catching");
        // Each of them in each order with each other: 5 and 7 have no common divisor.
        for number in
            (0..2_000).map(|step| [1, 10, 12, 28, 34][step % 5].max([0, 1, 0, 18, 0, 1, 17][step % 7]))
        {
            init.signal(number);
        }
        let status = init.until("ready");
        assert!(status["restarts"].as_u64().unwrap() > 0);
        init.signal(15);
        // One that is not yet catching ends by the signal itself.
        assert!([0, 143].contains(&init.end()));
        assert!(case.processes().is_empty());
    }
}
