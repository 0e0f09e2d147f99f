//! Which signals reach the program, and how often.

use std::process::Stdio;

use super::{EVERYWHERE, claims};
use crate::running::stdout;
use crate::trial::{Trial, witness};

claims! {
    "Signals";
    a_signal_that_means_nothing_to_the_init_reaches_the_program_once:
        EVERYWHERE.note("QUIT, USR2, PIPE, ALRM, STKFLT, CONT and 23 to 30: what every init is for.");
    int_reaches_the_program:
        EVERYWHERE.not_for_a_role("A stop, as TERM is: the program gets one TERM, and its descendants are told after it.");
    hup_reaches_the_program: EVERYWHERE.not_for_a_role("Restarts the program in place.");
    usr1_reaches_the_program:
        EVERYWHERE.not_for_a_role("Held back, because it opens Node's debugger, unless `BERTH_FORWARD_USR1` is true.");
    a_second_term_reaches_the_program:
        EVERYWHERE.not_for_a_role("Sent once: the application takes a second TERM as the order to drop what it has in hand.");
    tstp_reaches_the_program:
        EVERYWHERE.note("`dumb-init` sends STOP in its place, which no program can handle.");
    ttin_and_ttou_reach_the_program:
        EVERYWHERE.not(&crate::trial::Column::OURS, "As `tini`: they are the terminal's answers to what the init does itself.");
    a_fault_that_somebody_sends_reaches_the_program:
        EVERYWHERE.not(&crate::trial::Column::OURS, "As `tini`: SEGV, ABRT and the like are the init's own faults, which have to end it.");
    real_time_signals_reach_the_program: EVERYWHERE.note("34 to 64, of which lists of signals are easily short.");
    a_real_time_signal_reaches_the_program_as_often_as_it_was_sent:
        EVERYWHERE.note("Queued by the kernel (signal(7)); an init must not merge them.");
    a_signal_that_the_c_library_keeps_for_itself_reaches_the_program:
        EVERYWHERE.note("32 and 33 (nptl(7)): who forwards by the library's own calls never sees them.");
    a_child_signal_is_not_forwarded: EVERYWHERE;
    a_thousand_terms_in_a_burst_do_not_wedge_it:
        EVERYWHERE.note("They merge on the way (signal(7)); one arrives, and other signals after it.");
    the_value_that_was_sent_with_a_signal_reaches_the_program:
        EVERYWHERE.note("sigqueue(3), and who has sent it. Others forward by kill(2), which takes no value.");
    a_signal_reaches_the_program_and_not_its_descendants: EVERYWHERE;
    a_signal_through_two_inits_arrives_once: EVERYWHERE.not_for_bare().note("`docker run --init` puts one over ours.");
    the_callers_ignored_and_blocked_signals_reach_the_program_unchanged: EVERYWHERE;
    a_child_signal_that_the_caller_ignores_and_blocks_is_so_for_the_program: EVERYWHERE;
    a_program_whose_reader_has_left_ends_by_pipe: EVERYWHERE;
}

/// tini's rule: everything but what a process does to itself (FPE ILL SEGV BUS ABRT TRAP SYS), what the terminal answers to
/// init's own doings (TTIN TTOU), CHLD, and the two that nobody catches. Less those of which a role makes something else,
/// and TSTP, of which dumb-init does.
pub const PLAIN: [i32; 14] = [3, 12, 13, 14, 16, 18, 23, 24, 25, 26, 27, 28, 29, 30];

fn a_signal_that_means_nothing_to_the_init_reaches_the_program_once(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=15:0", "catch"]).start();
    init.until_said("catching");
    for number in PLAIN {
        init.signal(number);
        init.until_said(&format!("signal {number}"));
    }
    assert_eq!(init.stop(), 0);
    assert_eq!(init.said().len(), 2 + PLAIN.len(), "each once, and TERM: {:?}", init.said());
}

/// Sends a signal, then one that ends the program, and gives whether the first one arrived. What is pending at the same time
/// is taken in the order of the numbers.
fn arrives(trial: Trial, number: i32) -> bool {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=64:7", "catch"]).start();
    init.until_said("catching");
    init.signal(number);
    init.signal(64);
    assert_eq!(init.end(), 7);
    init.times(&format!("signal {number}")) == 1
}

fn int_reaches_the_program(trial: Trial) {
    assert!(arrives(trial, 2));
}

fn hup_reaches_the_program(trial: Trial) {
    assert!(arrives(trial, 1));
}

fn usr1_reaches_the_program(trial: Trial) {
    assert!(arrives(trial, 10));
}

fn tstp_reaches_the_program(trial: Trial) {
    assert!(arrives(trial, 20));
}

fn ttin_and_ttou_reach_the_program(trial: Trial) {
    assert!(arrives(trial, 21) && arrives(trial, 22));
}

fn a_fault_that_somebody_sends_reaches_the_program(trial: Trial) {
    for number in [4, 5, 6, 7, 8, 11, 31] {
        assert!(arrives(trial, number), "{number}");
    }
}

fn a_child_signal_is_not_forwarded(trial: Trial) {
    assert!(!arrives(trial, 17));
}

fn a_second_term_reaches_the_program(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=64:7", "catch"]).start();
    init.until_said("catching");
    init.signal(15);
    init.until_said("signal 15");
    init.signal(15);
    init.signal(64);
    assert_eq!(init.end(), 7);
    assert_eq!(init.times("signal 15"), 2);
}

fn real_time_signals_reach_the_program(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=64:0", "catch"]).start();
    init.until_said("catching");
    for number in 34..=64 {
        init.signal(number);
        init.until_said(&format!("signal {number}"));
    }
    assert_eq!(init.end(), 0);
}

fn a_real_time_signal_reaches_the_program_as_often_as_it_was_sent(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=64:0", "catch"]).start();
    init.until_said("catching");
    for _ in 0..20 {
        init.signal(40);
    }
    init.signal(64);
    assert_eq!(init.end(), 0);
    assert_eq!(init.times("signal 40"), 20);
}

/// 32 and 33 are glibc's and musl's, and no set of theirs has them (nptl(7)). A program does not expect them either, and is
/// ended by them.
fn a_signal_that_the_c_library_keeps_for_itself_reaches_the_program(trial: Trial) {
    for number in [32, 33] {
        let case = trial.case();
        let mut init = trial.over(&case, &["sleep", "300"]).start();
        assert!(case.process("sleep", "300").lives());
        init.signal(number);
        // An end by this one shows that the other was lost; else there may be nobody any more.
        let _ = init.pid.signal(64);
        assert_eq!(init.end(), 128 + number);
    }
}

fn a_thousand_terms_in_a_burst_do_not_wedge_it(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=12:7", "catch"]).start();
    init.until_said("catching");
    for _ in 0..1000 {
        init.signal(15);
    }
    init.until_said("signal 15");
    init.signal(12);
    assert_eq!(init.end(), 7);
}

fn the_value_that_was_sent_with_a_signal_reaches_the_program(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=64:7", "catch"]).start();
    init.until_said("catching");
    init.pid.queue(40, 1234).unwrap();
    init.signal(64);
    assert_eq!(init.end(), 7);
    assert_eq!(init.times("signal 40 with 1234"), 1);
}

fn a_signal_reaches_the_program_and_not_its_descendants(trial: Trial) {
    let case = trial.case();
    let other = "$WITNESS name=other on=64:0 catch & exec $WITNESS name=main on=64:7 catch";
    let mut init = trial.script(&case, other).start();
    init.until_said("main catching");
    init.until_said("other catching");
    init.signal(12);
    init.until_said("main signal 12");
    case.process("witness", "name=other").signal(64).unwrap();
    init.until_said("other signal 64");
    init.signal(64);
    assert_eq!(init.end(), 7);
    assert_eq!(init.times("other signal 12"), 0);
}

fn a_signal_through_two_inits_arrives_once(trial: Trial) {
    let case = trial.case();
    let inner = trial.words();
    let words = [witness(), "on=64:7", "catch"];
    let inner: Vec<_> = inner.iter().map(String::as_str).chain(words).collect();
    let mut init = trial.over(&case, &inner).start();
    init.until_said("catching");
    for number in [12, 64] {
        init.signal(number);
        init.until_said(&format!("signal {number}"));
    }
    assert_eq!(init.end(), 7);
    assert_eq!(init.said(), ["catching", "signal 12", "signal 64"]);
}

fn the_callers_ignored_and_blocked_signals_reach_the_program_unchanged(trial: Trial) {
    let launchers: [&[&str]; 4] = [
        &["env"],
        &["env", "--ignore-signal=PIPE"],
        &["env", "--ignore-signal=TTOU,SEGV,INT,HUP", "--block-signal=TTIN,ILL,TERM,PIPE"],
        &["env", "--ignore-signal=TERM,RTMIN", "--block-signal=TERM,RTMIN,RTMIN+3,RTMAX"],
    ];
    for launcher in launchers {
        unchanged(trial, launcher);
    }
}

fn a_child_signal_that_the_caller_ignores_and_blocks_is_so_for_the_program(trial: Trial) {
    unchanged(trial, &["env", "--ignore-signal=CHLD", "--block-signal=CHLD"]);
}

fn unchanged(trial: Trial, launcher: &[&str]) {
    let status = ["cat", "/proc/self/status"];
    let case = trial.case();
    let bare = case.command("env").args(&launcher[1..]).args(status).output().unwrap();
    let under = trial.over(&case, &status).through(launcher).output();
    assert_eq!(masks(&stdout(&under)), masks(&stdout(&bare)), "{launcher:?}");
}

/// The lines SigBlk, SigIgn and SigCgt of a status file.
pub fn masks(status: &str) -> Vec<&str> {
    let wanted = ["SigBlk:", "SigIgn:", "SigCgt:"];
    let lines: Vec<_> =
        status.lines().filter(|line| wanted.iter().any(|key| line.starts_with(key))).collect();
    assert_eq!(lines.len(), wanted.len(), "{status}");
    lines
}

/// An init that ignores PIPE hands that on, as Rust's runtime would; then the program sees an error instead.
fn a_program_whose_reader_has_left_ends_by_pipe(trial: Trial) {
    let case = trial.case();
    let (reader, writer) = std::io::pipe().unwrap();
    drop(reader);
    let mut command = trial.over(&case, &["yes"]).command();
    let mut child = command.stdout(writer).stderr(Stdio::null()).spawn().unwrap();
    let status = berth_tests::wait_until("its end", || child.try_wait().unwrap());
    assert_eq!(status.code(), Some(141));
}
