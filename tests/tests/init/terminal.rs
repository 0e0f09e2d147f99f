//! On a terminal, as `docker run -it` gives one.

use std::fs::File;
use std::io::Write;
use std::process::{Child, Stdio};

use crate::running::{Init, WITNESS, places};
use berth_tests::{Case, terminal, wait_until};

/// An interrupt from the keyboard (termios(3), VINTR).
const CONTROL_C: &[u8] = b"\x03";
/// The end of the input (VEOF).
const CONTROL_D: &[u8] = b"\x04";

/// Starts an init whose standard input is the terminal of a session of its own; gives the keyboard too.
fn on_terminal(case: &Case, init: Init<'_>) -> (Child, File) {
    let (master, slave) = terminal();
    let mut command = init.through(&["setsid", "--ctty"]).command();
    command.stdin(slave).stdout(File::create(case.path("out")).unwrap()).stderr(Stdio::null());
    (command.spawn().unwrap(), master)
}

fn code(mut child: Child) -> Option<i32> {
    wait_until("berth-init has ended", || child.try_wait().unwrap()).code()
}

/// A program in the background would be stopped when it reads (TTIN).
#[test]
fn a_plain_program_reads_from_the_terminal() {
    for place in places() {
        let case = Case::new();
        let (child, mut keyboard) = on_terminal(&case, Init::new(&case, place, &["--", "tac"]));
        keyboard.write_all(b"one\ntwo\nthree\n").unwrap();
        keyboard.write_all(CONTROL_D).unwrap();
        assert_eq!(code(child), Some(0));
        assert_eq!(case.read("out"), "three\ntwo\none\n");
    }
}

#[test]
fn control_c_reaches_a_plain_program_once() {
    for place in places() {
        let case = Case::new();
        let (child, mut keyboard) = on_terminal(&case, Init::plain(&case, place, &["on=34:7", "catch"]));
        wait_until("it catches", || case.read("out").contains("catching").then_some(()));
        keyboard.write_all(CONTROL_C).unwrap();
        wait_until("it has INT", || case.read("out").contains("signal 2").then_some(()));
        // A second one, by way of init, would come before this.
        case.process("berth-init", WITNESS).signal(34).unwrap();
        assert_eq!(code(child), Some(7));
        assert_eq!(case.read("out"), "catching\nsignal 2\nsignal 34\n");
    }
}

#[test]
fn a_shell_has_job_control() {
    for place in places() {
        let case = Case::new();
        let shell = ["--", "bash", "--norc", "-i", "-c", "cat & fg; exit 3"];
        let (child, mut keyboard) = on_terminal(&case, Init::new(&case, place, &shell));
        wait_until("the job is in the foreground", || case.read("out").contains("cat").then_some(()));
        keyboard.write_all(b"hello\n").unwrap();
        keyboard.write_all(CONTROL_D).unwrap();
        assert_eq!(code(child), Some(3));
        assert_eq!(case.read("out"), "cat\nhello\n");
    }
}

#[test]
fn control_c_is_a_stop_for_a_role() {
    for place in places() {
        let case = Case::new();
        let (child, mut keyboard) = on_terminal(&case, Init::role(&case, place, "mx", "ready on=15:0 catch"));
        wait_until("it catches", || case.read("out").contains("main catching").then_some(()));
        keyboard.write_all(CONTROL_C).unwrap();
        assert_eq!(code(child), Some(0));
        assert_eq!(case.read("out"), "main catching\nmain signal 15\n");
    }
}
