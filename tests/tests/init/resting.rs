//! Nothing wakes an init that has nothing to do.

use std::thread::sleep;
use std::time::Duration;

use berth_tests::{Case, Process, wait_until};

use crate::running::{Init, Place, Running, places};

/// What is measured is that nothing happens, so here time is the subject and not a guess.
const REST: Duration = Duration::from_secs(5);

/// How often a process has been woken: it goes to sleep as often.
pub fn sleeps(process: Process) -> u64 {
    process.status("voluntary_ctxt_switches").unwrap().parse().unwrap()
}

/// Waits until an init has come to rest: what it does at start may still be under way. Half a second in which nothing happens
/// may be one in which it does not get to run; asleep, and twice in a row, it is at rest.
pub fn at_rest(init: &Running) -> u64 {
    let mut last = sleeps(init.pid);
    let mut quiet = 0;
    wait_until("it comes to rest", || {
        sleep(Duration::from_millis(500));
        let now = sleeps(init.pid);
        let rests = std::mem::replace(&mut last, now) == now && init.pid.state() == Some('S');
        quiet = if rests { quiet + 1 } else { 0 };
        (quiet == 2).then_some(now)
    })
}

#[test]
fn the_init_of_a_role_at_rest_never_wakes() {
    let cases = [Case::new(), Case::new()];
    let mut inits = Vec::new();
    for (case, place) in cases.iter().zip(places()) {
        let role = Init::role(case, place, "mx", "ready on=15:0 catch").start();
        role.until_ready();
        inits.push(role);
    }
    let before: Vec<_> = inits.iter().map(at_rest).collect();
    sleep(REST);
    let after: Vec<_> = inits.iter().map(|init| sleeps(init.pid)).collect();
    assert_eq!(after, before);
    for mut init in inits {
        assert_eq!(init.stop(), 0);
    }
}

/// Its end is noticed anyway.
#[test]
fn a_role_without_a_port_is_not_watched() {
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "smtp-bree", "ready on=15:0 catch");
    let mut init = init.set("BERTH_RESTART", "on-wedged").set("BERTH_LIVE_EVERY", "0.1").start();
    init.until_ready();
    let before = at_rest(&init);
    sleep(REST);
    assert_eq!(sleeps(init.pid), before);
    assert_eq!(init.stop(), 0);
}

/// Half of what the code takes that answers; KiB.
const HALF: u64 = 900;

/// Waits until an init has less in memory than these KiB: it has given back what it ran through.
fn gives_back(init: &Running, kibibytes: u64) {
    wait_until("it has given back what it took", || (init.pid.resident().unwrap() < kibibytes).then_some(()));
}

/// An engine asks every half a minute, for as long as the role runs.
#[test]
fn an_init_that_was_asked_rests_as_before_in_as_little_memory() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        init.until_ready();
        for _ in 0..3 {
            init.status().unwrap();
            gives_back(&init, HALF);
        }
        let before = at_rest(&init);
        sleep(REST);
        assert_eq!(sleeps(init.pid), before);
        assert_eq!(init.stop(), 0);
    }
}

/// Its next question is always due, so it waits with the runtime, which takes a little more.
#[test]
fn an_init_that_watches_gives_back_what_an_answer_took() {
    let case = Case::new();
    let role = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch");
    let mut init = role.set("BERTH_RESTART", "on-wedged").set("BERTH_LIVE_EVERY", "3600").start();
    init.until_ready();
    for _ in 0..3 {
        init.status().unwrap();
        gives_back(&init, 1300);
    }
    assert_eq!(init.stop(), 0);
}

/// All of them were read.
#[test]
fn an_init_that_refused_new_settings_gives_back_what_that_took() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_ready();
    gives_back(&init, HALF);
    case.write("app/.env.schema", "SOMETHING_NEW=\n");
    init.signal(1);
    wait_until("it refuses", || {
        (init.logged("no restart: the new settings are not good").len() == 1).then_some(())
    });
    gives_back(&init, HALF);
    assert_eq!(init.stop(), 0);
}

#[test]
fn an_init_is_one_thread() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        init.until_ready();
        assert_eq!(init.pid.status("Threads").as_deref(), Some("1"));
        assert_eq!(init.stop(), 0);
    }
}

/// A role that says ready closes no channel: Node keeps it open as long as it lives.
#[test]
fn a_role_that_closes_its_channel_does_not_keep_its_init_awake() {
    let case = Case::new();
    let script = "exec {NODE_CHANNEL_FD}>&-; exec $WITNESS name=main on=15:0 catch";
    let mut init = Init::script(&case, Place::Ordinary, "smtp-bree", script).start();
    init.until_ready();
    let before = at_rest(&init);
    sleep(REST);
    assert_eq!(sleeps(init.pid), before);
    assert_eq!(init.stop(), 0);
}
