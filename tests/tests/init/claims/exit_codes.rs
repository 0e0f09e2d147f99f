//! The code that an init ends with.

use super::{EVERYWHERE, claims};
use crate::running::stderr;
use crate::trial::{Column, Trial};

claims! {
    "Exit codes";
    an_exit_code_is_passed_on: EVERYWHERE.note("What every init is for: it stays so.");
    an_end_by_a_signal_is_128_and_its_number: EVERYWHERE;
    a_signal_that_nobody_catches_ends_both_with_128_and_its_number: EVERYWHERE.not_for_a_role("HUP, USR1, INT.");
    a_program_that_is_not_there_is_named_and_is_no_success: EVERYWHERE.not_for_bare();
    a_program_that_is_not_there_is_127: EVERYWHERE.not_for_bare();
    a_program_that_cannot_be_run_is_126: EVERYWHERE.not_for_bare();
}

fn an_exit_code_is_passed_on(trial: Trial) {
    for code in [0, 1, 2, 32, 64, 127, 128, 254, 255] {
        let case = trial.case();
        assert_eq!(trial.witness(&case, &[&format!("exit={code}")]).start().end(), code);
    }
}

fn an_end_by_a_signal_is_128_and_its_number(trial: Trial) {
    for number in [1, 2, 3, 6, 9, 10, 11, 13, 14, 15, 31, 34, 64] {
        let case = trial.case();
        assert_eq!(trial.witness(&case, &[&format!("die={number}")]).start().end(), 128 + number);
    }
}

fn a_signal_that_nobody_catches_ends_both_with_128_and_its_number(trial: Trial) {
    for number in [15, 10, 12, 1, 2] {
        let case = trial.case();
        let mut init = trial.over(&case, &["sleep", "300"]).start();
        assert!(case.process("sleep", "300").lives());
        init.signal(number);
        assert_eq!(init.end(), 128 + number);
    }
}

fn a_program_that_is_not_there_is_named_and_is_no_success(trial: Trial) {
    for program in ["/does/not/exist", "no-such-program"] {
        let case = trial.case();
        let output = trial.over(&case, &[program]).output();
        assert_ne!(output.status.code(), Some(0));
        assert!(stderr(&output).contains(program), "{}", stderr(&output));
    }
}

fn a_program_that_is_not_there_is_127(trial: Trial) {
    let case = trial.case();
    assert_eq!(trial.over(&case, &["/does/not/exist"]).output().status.code(), Some(127));
}

fn a_program_that_cannot_be_run_is_126(trial: Trial) {
    let case = trial.case();
    case.write("plain-text", "no program");
    for program in ["./plain-text", "/tmp"] {
        assert_eq!(trial.over(&case, &[program]).output().status.code(), Some(126), "{program}");
    }
}
