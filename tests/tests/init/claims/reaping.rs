//! Orphans, which become the init's children.

use berth_tests::{Process, wait_until};

use super::{AS_PID_1, EVERYWHERE, NOT_AS_PID_1, claims};
use crate::running::Running;
use crate::trial::Trial;

claims! {
    "Orphans";
    a_hundred_orphans_are_adopted_and_reaped: AS_PID_1;
    orphans_are_adopted_and_reaped_by_an_init_that_is_not_pid_1: NOT_AS_PID_1;
    orphans_that_end_all_the_time_leave_no_zombie: EVERYWHERE;
    an_orphan_that_came_in_from_outside_is_reaped: AS_PID_1;
    a_zombie_that_it_was_started_with_is_reaped: EVERYWHERE;
    the_code_of_the_program_is_not_mistaken_for_that_of_an_orphan:
        EVERYWHERE.note("A reaper that takes statuses from elsewhere in its own program loses codes.");
}

/// Makes as many orphans, then becomes the witness.
pub fn orphans(count: usize, orphan: &str) -> String {
    format!("for number in $(seq {count}); do ( {orphan} & ) ; done; exec $WITNESS name=main on=15:0 catch")
}

/// Waits until as many orphans are children of init, and ends them one by one.
pub fn end_adopted(init: &Running, count: usize) {
    let main = init.main();
    let adopted = wait_until("all orphans are init's children", || {
        let children = init.pid.children();
        (children.len() == count + 1).then_some(children)
    });
    for orphan in adopted.into_iter().filter(|child| *child != main) {
        orphan.signal(15).unwrap();
    }
    until_alone(init, main);
}

fn until_alone(init: &Running, main: Process) {
    wait_until("the main process is the only child, zombies counted", || {
        (init.pid.children() == [main]).then_some(())
    });
}

fn a_hundred_orphans_are_adopted_and_reaped(trial: Trial) {
    let case = trial.case();
    let mut init = trial.script(&case, &orphans(100, "sleep 300")).start();
    init.until_said("main catching");
    end_adopted(&init, 100);
    assert_eq!(init.stop(), 0);
}

fn orphans_are_adopted_and_reaped_by_an_init_that_is_not_pid_1(trial: Trial) {
    a_hundred_orphans_are_adopted_and_reaped(trial);
}

fn orphans_that_end_all_the_time_leave_no_zombie(trial: Trial) {
    let case = trial.case();
    let mut init = trial.script(&case, &orphans(100, "true")).start();
    init.until_said("main catching");
    until_alone(&init, init.main());
    assert_eq!(init.stop(), 0);
}

/// As a health check or `docker exec` leaves one: pid1-rs and phusion's issue tracker know them well.
fn an_orphan_that_came_in_from_outside_is_reaped(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["name=main", "on=15:0", "catch"]).start();
    init.until_said("main catching");
    let mut guest = init.beside("bash");
    assert!(guest.args(["-c", "( sleep 0.1 & ) ; ( true & )"]).status().unwrap().success());
    until_alone(&init, init.main());
    assert_eq!(init.stop(), 0);
}

/// What `exec` turns into an init may have had children before, whose SIGCHLD went to nobody.
fn a_zombie_that_it_was_started_with_is_reaped(trial: Trial) {
    let case = trial.case();
    let init = trial.witness(&case, &["name=main", "on=15:0", "catch"]);
    let mut init = init.through(&[crate::trial::witness(), "zombie", "exec"]).start();
    init.until_said("main catching");
    until_alone(&init, init.main());
    assert_eq!(init.stop(), 0);
}

fn the_code_of_the_program_is_not_mistaken_for_that_of_an_orphan(trial: Trial) {
    let case = trial.case();
    let script = "for number in $(seq 100); do ( ( true & ) & ) ; done; exit 42";
    assert_eq!(trial.script(&case, script).start().end(), 42);
    // An orphan may outlive an init that is not PID 1, by the time that `true` takes.
    wait_until("all have ended", || case.processes().is_empty().then_some(()));
}
