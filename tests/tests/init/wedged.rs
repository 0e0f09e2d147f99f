//! BERTH_RESTART=on-wedged: a role that is there and does not answer is started again.

use std::thread::sleep;
use std::time::Duration;

use berth_tests::{Case, wait_until, wait_until_within};

use crate::listening::Door;
use crate::running::{Init, Place, Running, places};

/// What is measured is that nothing happens, so here time is the subject and not a guess.
const REST: Duration = Duration::from_secs(6);

/// The role mx on this port, asked often whether it lives.
fn watched<'a>(case: &'a Case, place: Place, door: &Door, witness: &str) -> Init<'a> {
    let init = Init::role(case, place, "mx", witness).set("MX_PORT", door.port());
    let init = init.set("BERTH_RESTART", "on-wedged");
    init.set("BERTH_LIVE_EVERY", "0.1").set("BERTH_LIVE_WITHIN", "0.2")
}

fn until_restarted(init: &Running, times: u64) {
    wait_until(&format!("restart {times}"), || {
        init.status().filter(|status| status["restarts"].as_u64() >= Some(times))
    });
}

#[test]
fn a_role_that_takes_connections_and_never_answers_is_started_again() {
    for place in places() {
        let case = Case::new();
        let door = Door::silent();
        let mut init = watched(&case, place, &door, "ready on=15:0 catch").start();
        until_restarted(&init, 1);
        let log = init.log();
        let at = |message: &str| log.iter().position(|line| line["message"] == message).unwrap();
        let wedged = at("wedged: too often no sign of life");
        let silent = log[..wedged].iter().filter(|line| line["message"] == "no sign of life");
        assert_eq!(silent.count(), 3);
        assert_eq!(log[at("main process ended")]["asked_by"], "wedged");
        assert!(at("starts again after a pause") > wedged);
        init.stop();
    }
}

/// A connection that is never answered is no reason to wait for its end, nor is a load balancer.
#[test]
fn a_wedged_role_is_stopped_without_waiting_for_its_clients() {
    let case = Case::new();
    let door = Door::silent();
    let init = watched(&case, Place::Ordinary, &door, "ready on=15:0 catch").set("BERTH_GRACE", "1200");
    let mut init = init.set("BERTH_QUIET", "600").set("BERTH_STOP_DELAY", "600").start();
    let _client = door.enter();
    until_restarted(&init, 1);
    // One TERM may find it ready and waiting for its delay; two that come at once may be one (signal(7)).
    wait_until("it ends", || {
        init.signal(15);
        init.is_over().then_some(())
    });
}

/// Its handler of TERM does not run either.
#[test]
fn a_wedged_role_that_does_not_hear_term_is_killed_and_started_again() {
    let case = Case::new();
    let door = Door::silent();
    let init = watched(&case, Place::Ordinary, &door, "ready catch").set("BERTH_GRACE", "0.3");
    let mut init = init.set("BERTH_DRAIN", "0.1").start();
    until_restarted(&init, 1);
    assert_eq!(init.logged("main process ended")[0]["exit"], "SIGKILL");
    init.stop();
}

#[test]
fn a_role_that_hangs_up_on_everybody_is_wedged_too() {
    let case = Case::new();
    let door = Door::closing();
    let mut init = watched(&case, Place::Ordinary, &door, "ready on=15:0 catch").start();
    until_restarted(&init, 1);
    init.stop();
}

#[test]
fn a_role_that_answers_is_asked_again_and_again_and_left_alone() {
    for place in places() {
        let case = Case::new();
        let door = Door::greeting("421 not now\r\n");
        let init = watched(&case, place, &door, "ready on=15:0 catch");
        // It answers at once, but a busy machine may not.
        let mut init = init.set("BERTH_LIVE_WITHIN", "20").start();
        door.until_knocked_times(8);
        let status = init.status().unwrap();
        assert_eq!((&status["state"], &status["restarts"]), (&"ready".into(), &0.into()));
        assert!(init.logged("no sign of life").is_empty());
        assert_eq!(init.stop(), 0);
    }
}

/// Somebody stopped it, and has a reason.
#[test]
fn a_role_that_a_signal_has_stopped_is_not_asked_until_it_goes_on() {
    let case = Case::new();
    let door = Door::silent();
    let init = watched(&case, Place::Ordinary, &door, "ready on=15:0 catch").set("BERTH_LIVE_EVERY", "0.5");
    // Until it is stopped it has time; a question comes 5.5 s after the one before.
    let mut init = init.set("BERTH_LIVE_WITHIN", "5").start();
    init.until_ready();
    init.main().signal(19).unwrap();
    wait_until("it is seen", || init.status().filter(|status| status["main"]["stopped"] == true));
    // One that was under way then has come once there is nothing new for longer than from one to the next.
    let mut knocks = door.knocks();
    wait_until("no more questions", || {
        sleep(REST);
        let now = door.knocks();
        (std::mem::replace(&mut knocks, now) == now).then_some(())
    });
    sleep(REST);
    assert_eq!(door.knocks(), knocks);
    assert_eq!(init.status().unwrap()["state"], "ready");
    init.main().signal(18).unwrap();
    until_restarted(&init, 1);
    init.stop();
}

#[test]
fn on_wedged_restarts_what_ends_as_well() {
    let case = Case::new();
    let door = Door::silent();
    let init = watched(&case, Place::Ordinary, &door, "ready exit=3").set("BERTH_LIVE_EVERY", "600");
    let mut init = init.start();
    until_restarted(&init, 1);
    assert_eq!(init.logged("main process ended")[0]["exit"], "exit 3");
    init.stop();
}

/// Silence and failures are paid from one budget.
#[test]
fn a_role_that_stays_wedged_is_given_up_with_69() {
    let case = Case::new();
    let door = Door::silent();
    let mut init = watched(&case, Place::Ordinary, &door, "ready on=15:0 catch").start();
    // Pauses of 16 s in all, a fifth more at most.
    let over = || init.is_over().then_some(());
    wait_until_within(Duration::from_mins(1), "it is given up", over);
    assert_eq!(init.end(), 69);
    assert_eq!(init.times("main catching"), 6);
    assert_eq!(init.logged("failed too often: not started again").len(), 1);
}

#[test]
fn a_stop_during_the_question_ends_both() {
    let case = Case::new();
    let door = Door::silent();
    let init = watched(&case, Place::Ordinary, &door, "ready on=15:0 catch").set("BERTH_LIVE_WITHIN", "600");
    let mut init = init.set("BERTH_QUIET", "600").set("BERTH_GRACE", "1200").start();
    door.until_knocked();
    // Its own question is no client that it would wait for.
    assert_eq!(init.stop(), 0);
}
