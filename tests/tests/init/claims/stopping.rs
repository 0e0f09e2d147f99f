//! What becomes of the program, and of what it has started, when it is to end.

use berth_tests::wait_until;

use super::{EVERYWHERE, NOT_AS_PID_1, claims};
use crate::trial::{Column, Trial};

/// What `berth-init --` leaves to whoever wants it.
const AS_TINI: &str = "As `tini`: `--stop=role` does it.";

/// A shell that keeps its namespace after the end of the init.
const THEN_WAIT: &str = "\"$@\"; until [ -e gate ]; do sleep 0.02; done";

claims! {
    "Stopping";
    a_program_that_handles_term_ends_with_its_own_code:
        EVERYWHERE.note("What `docker stop` counts on.");
    term_to_the_init_reaches_the_programs_descendants_too: EVERYWHERE.only_for_a_role(AS_TINI);
    what_the_program_leaves_behind_gets_term_and_time_to_end_well: EVERYWHERE.only_for_a_role(AS_TINI);
    a_daemon_with_a_session_of_its_own_gets_term_and_time_to_end_well: EVERYWHERE.only_for_a_role(AS_TINI);
    what_outlasts_its_time_is_killed: EVERYWHERE.only_for_a_role("As `tini`: the engine's own time-out ends it all.");
    a_stopped_program_is_continued_for_its_end: EVERYWHERE.only_for_a_role(AS_TINI);
    what_the_program_leaves_behind_is_left_alone:
        NOT_AS_PID_1.not_for_a_role("What is left of a role is in the way of its next start: it gets TERM, and time.");
    no_descendant_gets_term_twice: NOT_AS_PID_1;
    an_init_that_is_killed_takes_its_program_with_it: NOT_AS_PID_1.only_for_a_role(AS_TINI).not_for_bare();
}

fn a_program_that_handles_term_ends_with_its_own_code(trial: Trial) {
    for code in [0, 3] {
        let case = trial.case();
        let mut init = trial.witness(&case, &[&format!("on=15:{code}"), "catch"]).start();
        init.until_said("catching");
        assert_eq!(init.stop(), code);
    }
}

fn term_to_the_init_reaches_the_programs_descendants_too(trial: Trial) {
    let case = trial.case();
    let script = "$WITNESS name=other on=15:0:go catch & exec $WITNESS name=main on=15:7:go catch";
    let mut init = trial.script(&case, script).start();
    init.until_said("main catching");
    init.until_said("other catching");
    init.signal(15);
    init.until_said("other signal 15");
    case.write("go", "");
    assert_eq!(init.end(), 7);
}

/// A second program beside main, which ends well if it is given the time; main ends by itself.
fn leaves(trial: Trial, how: &str) {
    let case = trial.case();
    let second = "trap : TERM; $WITNESS name=other on=15:0:late catch; echo other has ended well";
    let script = format!("{how} bash -c '{second}' & exec $WITNESS name=main on=12:7 catch");
    let mut init = trial.script(&case, &script).start();
    init.until_said("main catching");
    init.until_said("other catching");
    let main = case.process("witness", "name=main");
    // Its shell is waiting for it, which a TERM to both does not end.
    init.signal(12);
    wait_until("main is gone", || main.state().is_none().then_some(()));
    init.until_said("other signal 15");
    case.write("late", "");
    assert_eq!(init.end(), 7);
    assert_eq!(init.times("other has ended well"), 1);
}

fn what_the_program_leaves_behind_gets_term_and_time_to_end_well(trial: Trial) {
    leaves(trial, "");
}

fn a_daemon_with_a_session_of_its_own_gets_term_and_time_to_end_well(trial: Trial) {
    leaves(trial, "setsid");
}

fn what_outlasts_its_time_is_killed(trial: Trial) {
    let case = trial.case();
    let script = "$WITNESS name=other catch & exec $WITNESS name=main catch";
    let mut init = trial.hurried_script(&case, script).start();
    init.until_said("main catching");
    init.until_said("other catching");
    assert_eq!(init.stop(), 137);
    assert!(case.processes().is_empty());
}

fn a_stopped_program_is_continued_for_its_end(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["name=main", "on=15:7", "catch"]).start();
    init.until_said("main catching");
    let main = init.main();
    main.signal(19).unwrap();
    wait_until("it is stopped", || (main.state() == Some('T')).then_some(()));
    assert_eq!(init.stop(), 7);
}

fn what_the_program_leaves_behind_is_left_alone(trial: Trial) {
    let case = trial.case();
    let script = "$WITNESS name=other on=64:0 catch & exec $WITNESS name=main on=12:7 catch";
    let mut init = trial.below_script(&case, THEN_WAIT, script).start_below();
    init.until_said("main catching");
    init.until_said("other catching");
    let other = case.process("witness", "name=other");
    init.main().signal(12).unwrap();
    wait_until("the init is gone", || init.pid.state().is_none_or(|state| state == 'Z').then_some(()));
    other.signal(64).unwrap();
    init.until_said("other signal 64");
    case.write("gate", "");
    init.end();
    let signals = init.said().iter().filter(|line| line.starts_with("other signal")).count();
    assert_eq!(signals, 1, "{:?}", init.said());
}

/// The workers of Node's cluster take a second TERM as the order to drop what they have in hand.
fn no_descendant_gets_term_twice(trial: Trial) {
    let case = trial.case();
    let script = "$WITNESS name=other on=64:0 catch & exec $WITNESS name=main on=15:7:go catch";
    let mut init = trial.below_script(&case, THEN_WAIT, script).start_below();
    init.until_said("main catching");
    init.until_said("other catching");
    let other = case.process("witness", "name=other");
    init.signal(15);
    init.until_said("main signal 15");
    // Two that wait for the other would merge: this comes after the first, if there was one.
    other.signal(63).unwrap();
    init.until_said("other signal 63");
    case.write("go", "");
    wait_until("the init has told the rest, or is gone", || {
        let has_told = trial.column == Column::Role && init.times("other signal 15") > 0;
        (has_told || init.pid.state().is_none_or(|state| state == 'Z')).then_some(())
    });
    other.signal(64).unwrap();
    init.until_said("other signal 64");
    case.write("gate", "");
    init.end();
    assert!(init.times("other signal 15") <= 1, "{:?}", init.said());
}

fn an_init_that_is_killed_takes_its_program_with_it(trial: Trial) {
    let case = trial.case();
    let script = "exec $WITNESS name=main on=64:0 catch";
    let mut init = trial.below_script(&case, THEN_WAIT, script).start_below();
    init.until_said("main catching");
    let main = init.main();
    init.signal(9);
    let ended = std::panic::catch_unwind(|| wait_until("main has ended", || (!main.lives()).then_some(())));
    let _ = main.signal(64);
    case.write("gate", "\n");
    init.end();
    assert!(ended.is_ok());
}
