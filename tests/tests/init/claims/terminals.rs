//! On a terminal, as `docker run -it` gives one, and under a shell with job control.

use std::fs::File;
use std::io::Write;
use std::thread::sleep as pause;
use std::time::Duration;

use berth_tests::{Case, wait_until};

use super::{EVERYWHERE, NOT_AS_PID_1, claims};
use crate::resting::sleeps;
use crate::running::Running;
use crate::trial::{Trial, witness};

/// An interrupt from the keyboard (termios(3), VINTR).
pub const CONTROL_C: &[u8] = b"\x03";
/// The end of the input (VEOF).
const CONTROL_D: &[u8] = b"\x04";
/// A stop (VSUSP).
const CONTROL_Z: &[u8] = b"\x1a";

/// So often, since two of a kind may merge on their way (signal(7)), and one that comes twice be taken for one.
const AGAIN: usize = 20;

const NO_TERMINAL: &str = "A role has no use for a terminal, and is not given it: ^C is a stop.";

claims! {
    "Terminals and job control";
    the_program_reads_from_the_terminal: EVERYWHERE.not_for_a_role(NO_TERMINAL);
    an_interrupt_from_the_keyboard_reaches_the_program_once: EVERYWHERE.not_for_a_role(NO_TERMINAL);
    a_shell_has_job_control: EVERYWHERE.not_for_a_role(NO_TERMINAL);
    a_change_of_the_window_reaches_the_program_once: EVERYWHERE;
    no_hup_comes_at_the_start:
        EVERYWHERE.note("An init that gives its terminal up gets one from the kernel (TIOCNOTTY, ioctl_tty(2)), and must not pass it on.");
    a_hangup_of_the_terminal_reaches_the_program: EVERYWHERE.not_for_a_role("HUP restarts the program in place.");
    the_terminal_is_given_back: NOT_AS_PID_1;
    ctrl_z_gives_a_shell_its_prompt_back_and_fg_goes_on: NOT_AS_PID_1.not_for_a_role(NO_TERMINAL);
    ctrl_z_where_no_shell_would_continue_it_stops_nothing: EVERYWHERE.not_for_a_role(NO_TERMINAL);
    ctrl_z_under_a_script_without_job_control_does_not_hang_it: NOT_AS_PID_1.not_for_a_role(NO_TERMINAL);
    tstp_stops_the_program_and_cont_wakes_it: EVERYWHERE.not_for_bare();
    an_init_stops_with_its_program_and_wakes_with_it:
        NOT_AS_PID_1.not_for_bare().not_for_a_role("The keeper of a role stays awake.");
}

fn the_program_reads_from_the_terminal(trial: Trial) {
    let case = trial.case();
    let (mut init, mut keyboard) = trial.over(&case, &["tac"]).start_on_terminal();
    keyboard.write_all(b"one\ntwo\nthree\n").unwrap();
    keyboard.write_all(CONTROL_D).unwrap();
    assert_eq!(init.end(), 0);
    assert_eq!(case.read("out"), "three\ntwo\none\n");
}

fn an_interrupt_from_the_keyboard_reaches_the_program_once(trial: Trial) {
    let case = trial.case();
    let (mut init, mut keyboard) = trial.witness(&case, &["on=64:7", "catch"]).start_on_terminal();
    init.until_said("catching");
    for presses in 1..=AGAIN {
        keyboard.write_all(CONTROL_C).unwrap();
        init.until_said_times("signal 2", presses);
        // Another one, by way of the init, would come before this.
        init.signal(12);
        init.until_said_times("signal 12", presses);
        assert_eq!(init.times("signal 2"), presses);
    }
    init.signal(64);
    assert_eq!(init.end(), 7);
}

/// ^C ends the job and not the shell.
fn a_shell_has_job_control(trial: Trial) {
    let case = trial.case();
    let shell = ["bash", "--norc", "-i", "-c", "$WITNESS on=2:0 catch & fg; exit 3"];
    let init = trial.over(&case, &shell).set("WITNESS", witness());
    let (mut init, mut keyboard) = init.start_on_terminal();
    // What `fg` prints once the job has the terminal.
    init.until_said("$WITNESS on=2:0 catch");
    init.until_said("catching");
    keyboard.write_all(CONTROL_C).unwrap();
    assert_eq!(init.end(), 3);
    assert_eq!(init.times("signal 2"), 1);
}

fn a_change_of_the_window_reaches_the_program_once(trial: Trial) {
    let case = trial.case();
    let init = trial.witness(&case, &["on=64:7", "catch"]);
    let (mut init, keyboard) = init.start_on_terminal();
    init.until_said("catching");
    for changes in 1..=AGAIN {
        let mut change = case.command("stty");
        // The terminal's other end will do: TIOCSWINSZ is the same call on both (ioctl_tty(2)).
        change.args(["rows", &(20 + changes).to_string()]).stdin(keyboard.try_clone().unwrap());
        assert!(change.status().unwrap().success());
        init.until_said_times("signal 28", changes);
    }
    init.signal(64);
    assert_eq!(init.end(), 7);
    assert_eq!(init.times("signal 28"), AGAIN);
}

fn no_hup_comes_at_the_start(trial: Trial) {
    let case = trial.case();
    let (mut init, _keyboard) = trial.witness(&case, &["on=64:7", "catch"]).start_on_terminal();
    init.until_said("catching");
    init.signal(64);
    assert_eq!(init.end(), 7);
    assert_eq!(init.said(), ["catching", "signal 64"]);
}

fn a_hangup_of_the_terminal_reaches_the_program(trial: Trial) {
    let case = trial.case();
    let (mut init, keyboard) = trial.witness(&case, &["on=1:7", "catch"]).start_on_terminal();
    init.until_said("catching");
    drop(keyboard);
    assert_eq!(init.end(), 7);
}

/// A script's next command reads from the terminal; the script has no job control that would take it back.
fn the_terminal_is_given_back(trial: Trial) {
    let case = trial.case();
    let program = ["bash", "-c", "echo started; until [ -e gate ]; do sleep 0.02; done"];
    let init = trial.below(&case, "\"$@\"; read line && echo read $line", &program);
    let (mut init, mut keyboard) = init.start_below_on_terminal();
    init.until_said("started");
    case.write("gate", "");
    keyboard.write_all(b"hello\n").unwrap();
    init.end();
    assert_eq!(case.read("out"), "started\nread hello\n");
}

fn ctrl_z_gives_a_shell_its_prompt_back_and_fg_goes_on(trial: Trial) {
    let case = trial.case();
    // Whichever signal has stopped the init will do.
    let shell = "set -m; \"$@\"; [ $? -gt 128 ] && echo back; fg > /dev/null; echo end $?";
    let (mut init, mut keyboard) = trial.below(&case, shell, &["cat"]).start_below_on_terminal();
    let cat = case.process("cat", "cat");
    keyboard.write_all(CONTROL_Z).unwrap();
    init.until_said("back");
    wait_until("it goes on", || cat.state().filter(|state| *state != 'T'));
    keyboard.write_all(b"hello\n").unwrap();
    keyboard.write_all(CONTROL_D).unwrap();
    init.end();
    assert_eq!(case.read("out"), "back\nhello\nend 0\n");
}

/// As in a container with a terminal: there is no prompt to get back to.
fn ctrl_z_where_no_shell_would_continue_it_stops_nothing(trial: Trial) {
    let case = trial.case();
    let (init, keyboard) = trial.over(&case, &["cat"]).start_on_terminal();
    assert_eq!(goes_on(init, keyboard, &case), 0);
}

/// The script leads the session here, so that nobody is there to continue it.
fn ctrl_z_under_a_script_without_job_control_does_not_hang_it(trial: Trial) {
    let case = trial.case();
    let init = trial.below(&case, "\"$@\"; exit $?", &["cat"]);
    let (init, keyboard) = init.start_below_on_terminal();
    assert_eq!(goes_on(init, keyboard, &case), 0);
}

/// Stops a `cat` again and again, which goes on nevertheless, and gives the code at its end.
fn goes_on(mut init: Running, mut keyboard: File, case: &Case) -> i32 {
    assert!(case.process("cat", "cat").lives());
    for times in 1..=AGAIN {
        keyboard.write_all(CONTROL_Z).unwrap();
        keyboard.write_all(b"hello\n").unwrap();
        init.until_said_times("hello", times);
    }
    keyboard.write_all(CONTROL_D).unwrap();
    init.end()
}

fn tstp_stops_the_program_and_cont_wakes_it(trial: Trial) {
    let case = trial.case();
    let mut init = trial.over(&case, &["sleep", "300"]).leading_a_group().start();
    let sleep = case.process("sleep", "300");
    init.signal(20);
    wait_until("it is stopped", || (sleep.state() == Some('T')).then_some(()));
    // One that stops itself too does so after its program; what continues it before that is lost.
    wait_until("the init has done all that it does about it", || {
        let seen = || (init.pid.state(), sleeps(init.pid));
        let before = seen();
        pause(Duration::from_millis(20));
        (matches!(before.0, Some('S' | 'T')) && seen() == before).then_some(())
    });
    init.signal(18);
    wait_until("it goes on", || (sleep.state() == Some('S')).then_some(()));
    assert_eq!(init.stop(), 143);
}

fn an_init_stops_with_its_program_and_wakes_with_it(trial: Trial) {
    let case = trial.case();
    let mut init = trial.below(&case, crate::running::AS_A_JOB, &["sleep", "300"]).start_below();
    let sleep = case.process("sleep", "300");
    let both = |state| move |process: &berth_tests::Process| process.state() == Some(state);
    let are = |state| [init.pid, sleep].iter().all(both(state)).then_some(());
    init.signal(20);
    wait_until("both are stopped", || are('T'));
    init.signal(18);
    wait_until("both go on", || are('S'));
    assert_eq!(init.stop(), 143);
}
