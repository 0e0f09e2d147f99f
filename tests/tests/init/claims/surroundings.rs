//! What the program finds around it, and what the init needs there.

use std::io::Write;
use std::path::Path;
use std::process::Stdio;
use std::sync::atomic::{AtomicU32, Ordering};

use berth_tests::{is_root, wait_until};

use super::{AS_PID_1, EVERYWHERE, claims};
use crate::running::{stderr, stdout};
use crate::trial::{Column, Trial};

const CHANNEL: &str = "The channel on which Node says that it is ready, and `NODE_CHANNEL_FD` with it.";

claims! {
    "Surroundings";
    the_program_keeps_the_callers_folder: EVERYWHERE.note("Services name their files from it.");
    the_init_keeps_no_folder_busy: EVERYWHERE.not_for_bare();
    the_program_is_called_as_it_was_written:
        EVERYWHERE.note("Some programs go by their name, and name themselves in what they print.");
    the_program_finds_the_callers_environment: EVERYWHERE.not_for_a_role(CHANNEL);
    input_and_output_pass_through_untouched: EVERYWHERE.note("300,000 bytes of every value.");
    the_program_inherits_no_descriptor_of_the_init:
        EVERYWHERE.not_for_a_role(CHANNEL);
    a_descriptor_of_the_caller_reaches_the_program: EVERYWHERE.note("As an engine hands sockets on.");
    a_listen_pid_that_means_the_init_means_the_program: EVERYWHERE;
    a_listen_pid_that_means_another_is_left_alone: EVERYWHERE.note("It is not for this program (sd_listen_fds(3)).");
    closed_standard_descriptors_are_no_harm:
        EVERYWHERE.note("What an init opens would become the program's output.");
    no_proc_is_no_harm: AS_PID_1.note("Where leftovers cannot be found they are not told.");
    no_place_to_write_is_no_harm: AS_PID_1.note("`docker run --read-only` without a tmpfs.");
    no_privileges_are_no_harm: EVERYWHERE.note("No capabilities, none to be had, no new privileges.");
    a_user_namespace_is_no_harm: EVERYWHERE.as_one_user().note("As of a rootless engine.");
    an_init_that_can_start_no_process_says_so_and_fails:
        EVERYWHERE.not_for_bare().as_one_user().note("At a pids.max (cgroups(7)).");
    an_init_at_rest_never_wakes: EVERYWHERE.as_one_user();
}

fn folder(pid: i32) -> std::path::PathBuf {
    fs_err::read_link(format!("/proc/{pid}/cwd")).unwrap()
}

fn the_program_keeps_the_callers_folder(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["name=main", "on=15:0", "catch"]).start();
    init.until_said("main catching");
    assert_eq!(folder(init.main().0), case.folder());
    assert_eq!(init.stop(), 0);
}

fn the_init_keeps_no_folder_busy(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=15:0", "catch"]).start();
    init.until_said("catching");
    assert_eq!(folder(init.pid.0), Path::new("/"));
    assert_eq!(init.stop(), 0);
}

fn the_program_is_called_as_it_was_written(trial: Trial) {
    let case = trial.case();
    let output = trial.over(&case, &["cat", "/proc/self/cmdline"]).output();
    assert_eq!(stdout(&output), "cat\0/proc/self/cmdline\0");
}

fn the_program_finds_the_callers_environment(trial: Trial) {
    use std::os::unix::ffi::OsStringExt;
    let case = trial.case();
    let bytes = std::ffi::OsString::from_vec(vec![0xff, 0xfe]);
    let init = trial.over(&case, &["env"]).set("SPACES", " a  b ").set("EMPTY", "").set("BYTES", &bytes);
    let mut bare = case.command("env");
    bare.env("SPACES", " a  b ").env("EMPTY", "").env("BYTES", &bytes);
    let lines = |output: &[u8]| {
        let mut lines: Vec<_> = output.split(|byte| *byte == b'\n').map(<[u8]>::to_vec).collect();
        lines.sort();
        lines
    };
    assert_eq!(lines(&init.output().stdout), lines(&bare.output().unwrap().stdout));
}

fn input_and_output_pass_through_untouched(trial: Trial) {
    let case = trial.case();
    let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
    let mut command = trial.over(&case, &["cat"]).command();
    command.stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    let sent = bytes.clone();
    let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    assert!(output.stdout == bytes);
}

/// Closes what this test's own caller left open, and becomes the words that follow.
pub const CLOSE: &str = "for path in /proc/$$/fd/*; do number=${path##*/}; [ $number -gt 2 ] && eval \"exec $number>&-\"; done; exec \"$@\"";

fn the_program_inherits_no_descriptor_of_the_init(trial: Trial) {
    let case = trial.case();
    let init = trial.over(&case, &["ls", "/proc/self/fd"]).through(&["bash", "-c", CLOSE, "bash"]);
    // The fourth is ls' own, on the folder.
    assert_eq!(stdout(&init.output()), "0\n1\n2\n3\n");
}

fn a_descriptor_of_the_caller_reaches_the_program(trial: Trial) {
    let case = trial.case();
    case.write("socket", "connection\n");
    let init = trial.over(&case, &["bash", "-c", "cat <&7"]);
    let init = init.through(&["bash", "-c", "exec 7< socket; exec \"$@\"", "bash"]);
    assert_eq!(stdout(&init.output()), "connection\n");
}

/// Says whether the program takes LISTEN_PID for its own, and what is on the descriptor that goes with it.
const LISTENS: &str = "[ $LISTEN_PID = $$ ] && echo mine || echo $LISTEN_PID; cat <&3";

/// As an engine hands sockets on, to a process whose number it knows: that of the init.
fn a_listen_pid_that_means_the_init_means_the_program(trial: Trial) {
    let case = trial.case();
    case.write("socket", "connection\n");
    let launcher = "exec 3< socket; export LISTEN_FDS=1 LISTEN_PID=$$; exec \"$@\"";
    let init = trial.over(&case, &["bash", "-c", LISTENS]).through(&["bash", "-c", launcher, "bash"]);
    assert_eq!(stdout(&init.output()), "mine\nconnection\n");
}

fn a_listen_pid_that_means_another_is_left_alone(trial: Trial) {
    let case = trial.case();
    let init = trial.over(&case, &["bash", "-c", "echo $LISTEN_FDS $LISTEN_PID"]);
    let init = init.set("LISTEN_FDS", "1").set("LISTEN_PID", "4194305");
    assert_eq!(stdout(&init.output()), "1 4194305\n");
}

fn closed_standard_descriptors_are_no_harm(trial: Trial) {
    let case = trial.case();
    let look = "for number in 0 1 2; do readlink /proc/$$/fd/$number; done > seen; exit 7";
    let launcher = "exec \"$@\" <&- >&- 2>&-";
    let init = trial.over(&case, &["bash", "-c", look]).through(&["bash", "-c", launcher, "bash"]);
    assert_eq!(init.output().status.code(), Some(7));
    let seen = case.read("seen");
    assert!(seen.lines().all(|line| line == "/dev/null" || line.ends_with("/seen")), "{seen}");
}

fn goes_on_through(trial: Trial, launcher: &[&str]) {
    let case = trial.case();
    let script = "( true & ); exec $WITNESS name=main on=15:7 catch";
    let mut init = trial.script(&case, script).through(launcher).start();
    init.until_said("main catching");
    init.signal(12);
    init.until_said("main signal 12");
    if trial.column != Column::Bare {
        let main = init.main();
        wait_until("the orphan is reaped", || (init.pid.children() == [main]).then_some(()));
    }
    assert_eq!(init.stop(), 7);
}

fn no_proc_is_no_harm(trial: Trial) {
    goes_on_through(trial, &["bash", "-c", "mount -t tmpfs none /proc && exec \"$@\"", "bash"]);
}

/// Has every mount read-only for the words that follow, and shows that it is.
const READ_ONLY: &str = "while read -r _ _ _ _ point _; do mount -o remount,bind,ro \"$point\" 2> /dev/null; done < /proc/self/mountinfo
! touch here 2> /dev/null && ! touch /tmp/here 2> /dev/null && exec \"$@\"";

fn no_place_to_write_is_no_harm(trial: Trial) {
    goes_on_through(trial, &["bash", "-c", READ_ONLY, "bash"]);
}

fn no_privileges_are_no_harm(trial: Trial) {
    let bounds: &[&str] = if is_root() { &["--bounding-set=-all"] } else { &[] };
    let launcher = [&["setpriv", "--no-new-privs", "--inh-caps=-all"], bounds].concat();
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=15:7", "catch"]).through_last(&launcher).start();
    init.until_said("catching");
    assert_eq!(init.stop(), 7);
}

fn a_user_namespace_is_no_harm(trial: Trial) {
    goes_on_through(trial, &["unshare", "--user", "--map-root-user"]);
}

/// As at a pids.max (cgroups(7)): fork(2) fails. The limit counts a user's processes wherever they are, so here each is a
/// user of its own.
fn an_init_that_can_start_no_process_says_so_and_fails(trial: Trial) {
    static USERS: AtomicU32 = AtomicU32::new(0);
    let case = trial.case();
    let user = 1_000_000 + std::process::id() * 100 + USERS.fetch_add(1, Ordering::Relaxed);
    let user = format!("--reuid={user}");
    let mut launcher = vec!["prlimit", "--nproc=1"];
    if is_root() {
        launcher.extend(["setpriv", &user, "--clear-groups"]);
    }
    let init = trial.over(&case, &["true"]);
    let output = init.through(&launcher).output();
    assert!(output.status.code().is_some_and(|code| code != 0), "{output:?}");
    let said = stderr(&output);
    assert!(said.contains("fork") || said.contains("Resource temporarily unavailable"), "{said}");
}

/// That nothing happens is the subject here, so time is no guess: tini, for one, wakes each second.
fn an_init_at_rest_never_wakes(trial: Trial) {
    let case = trial.case();
    let mut init = trial.witness(&case, &["on=15:0", "catch"]).start();
    init.until_said("catching");
    let before = crate::resting::at_rest(&init);
    std::thread::sleep(std::time::Duration::from_millis(2500));
    assert_eq!(crate::resting::sleeps(init.pid), before);
    assert_eq!(init.stop(), 0);
}
