//! The code that an init ends with.

use super::{EVERYWHERE, claims};
use crate::running::stderr;
use crate::trial::{Trial, witness};

claims! {
    "Exit codes";
    an_exit_code_is_passed_on:
        EVERYWHERE.note("What every init is for: the row keeps it so.");
    an_end_by_a_signal_is_128_and_its_number: EVERYWHERE;
    a_signal_that_nobody_catches_ends_both_with_128_and_its_number:
        EVERYWHERE.not_for_a_role("INT is a stop, which is one TERM; HUP restarts; USR1 is held back.");
    a_program_that_is_not_there_is_named_and_is_no_success: EVERYWHERE.not_for_bare();
    a_program_that_is_not_there_is_127: EVERYWHERE.not_for_bare();
    a_program_that_cannot_be_run_is_named_and_is_no_success: EVERYWHERE.not_for_bare();
    a_program_that_cannot_be_run_is_126: EVERYWHERE.not_for_bare();
    an_init_under_an_init_gives_the_same_code:
        EVERYWHERE.not_for_bare().note("`docker run --init` puts one over ours.");
    a_caller_that_ignores_child_signals_loses_no_exit_code:
        EVERYWHERE.note("Where CHLD is ignored the kernel throws the statuses of children away (waitpid(2)).");
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
        let is_path = program.starts_with('/');
        assert!(!is_path || stderr(&output).contains("No such file or directory"), "{}", stderr(&output));
    }
}

fn a_program_that_is_not_there_is_127(trial: Trial) {
    for program in ["/does/not/exist", "no-such-program"] {
        let case = trial.case();
        assert_eq!(trial.over(&case, &[program]).output().status.code(), Some(127), "{program}");
    }
}

fn a_program_that_cannot_be_run_is_named_and_is_no_success(trial: Trial) {
    for program in ["./plain-text", "/tmp"] {
        let case = trial.case();
        case.write("plain-text", "no program");
        let output = trial.over(&case, &[program]).output();
        assert_ne!(output.status.code(), Some(0));
        assert!(stderr(&output).contains(program.trim_start_matches("./")), "{}", stderr(&output));
    }
}

fn a_program_that_cannot_be_run_is_126(trial: Trial) {
    for program in ["./plain-text", "/tmp"] {
        let case = trial.case();
        case.write("plain-text", "no program");
        assert_eq!(trial.over(&case, &[program]).output().status.code(), Some(126), "{program}");
    }
}

fn an_init_under_an_init_gives_the_same_code(trial: Trial) {
    let case = trial.case();
    let inner = trial.words();
    let inner: Vec<_> = inner.iter().map(String::as_str).chain([witness(), "exit=42"]).collect();
    assert_eq!(trial.over(&case, &inner).output().status.code(), Some(42));
}

fn a_caller_that_ignores_child_signals_loses_no_exit_code(trial: Trial) {
    let case = trial.case();
    let init = trial.witness(&case, &["exit=7"]).through(&["env", "--ignore-signal=CHLD"]);
    assert_eq!(init.output().status.code(), Some(7));
}
