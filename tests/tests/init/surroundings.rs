//! What the program finds around it.

use berth_tests::Case;

use crate::running::{Init, Place, places, run, stdout};

#[test]
fn the_program_keeps_the_callers_folder_and_init_keeps_none_busy() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::plain(&case, place, &["on=15:0", "catch"]).start();
        init.until_said("catching");
        let folder = |pid: i32| fs_err::read_link(format!("/proc/{pid}/cwd")).unwrap();
        assert_eq!(folder(case.process("witness", "catch").0), case.folder());
        assert_eq!(folder(init.pid.0), std::path::Path::new("/"));
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_role_runs_in_the_applications_folder() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_said("main catching");
    let folder = fs_err::read_link(format!("/proc/{}/cwd", init.main().0)).unwrap();
    assert_eq!(folder, case.path("app"));
    init.stop();
}

#[test]
fn the_current_folder_is_the_applications_when_its_program_is_there() {
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "mx", "ready exit=5");
    let mut command = init.command();
    command.env_remove("BERTH_APP_DIR").current_dir(case.path("app"));
    assert_eq!(run(&mut command).status.code(), Some(5));
}

#[test]
fn the_program_finds_the_callers_environment() {
    for place in places() {
        let case = Case::new();
        let init = Init::new(&case, place, &["--", "env"]).set("SPACES", " a  b ").set("EMPTY", "");
        let mut under: Vec<_> = stdout(&init.output()).lines().map(str::to_owned).collect();
        let mut bare = case.command("env");
        bare.env("SPACES", " a  b ").env("EMPTY", "");
        let mut expected: Vec<_> = stdout(&bare.output().unwrap()).lines().map(str::to_owned).collect();
        under.sort();
        expected.sort();
        assert_eq!(under, expected);
    }
}

/// envy panics on it when it reads the environment itself.
#[test]
fn a_variable_that_is_no_text_is_passed_on() {
    use std::os::unix::ffi::OsStringExt;
    let case = Case::new();
    let value = std::ffi::OsString::from_vec(vec![0xff, 0xfe]);
    let output = Init::new(&case, Place::Ordinary, &["--", "env"]).set("BYTES", value).output();
    assert!(output.stdout.windows(9).any(|bytes| bytes == b"BYTES=\xff\xfe\n"));
}

/// Closes what this test's own caller left open, and becomes the words that follow.
const CLOSE: [&str; 3] =
    ["python3", "-c", "import os, sys; os.closerange(3, 4096); os.execvp(sys.argv[1], sys.argv[1:])"];

#[test]
fn the_program_inherits_no_descriptor_of_ours() {
    for place in places() {
        let case = Case::new();
        let init = Init::new(&case, place, &["--", "ls", "/proc/self/fd"]).through(&CLOSE);
        // The fourth is ls' own, on the folder.
        assert_eq!(stdout(&init.output()), "0\n1\n2\n3\n");
    }
}

#[test]
fn a_role_inherits_the_channel_and_nothing_else() {
    for place in places() {
        let case = Case::new();
        let script = "exec bash -c 'echo $NODE_CHANNEL_FD; exec ls /proc/self/fd'";
        let output = Init::script(&case, place, "mx", script).through(&CLOSE).output();
        let text = stdout(&output);
        let (channel, inherited) = text.split_once('\n').unwrap();
        let mut inherited: Vec<_> = inherited.lines().collect();
        inherited.retain(|descriptor| *descriptor != channel);
        // The first free one is ls' own, on the folder.
        assert_eq!(inherited, ["0", "1", "2", "3"], "beside the channel, {channel}");
    }
}

#[test]
fn a_plain_program_gets_no_channel() {
    let case = Case::new();
    let output = Init::new(&case, Place::Ordinary, &["--", "env"]).output();
    assert!(!stdout(&output).contains("NODE_CHANNEL_FD"));
}

#[test]
fn input_and_output_pass_through_untouched() {
    use std::io::Write;
    for place in places() {
        let case = Case::new();
        let bytes: Vec<u8> = (0..=255).cycle().take(300_000).collect();
        let mut command = Init::new(&case, place, &["--", "cat"]).command();
        command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
        let mut child = command.spawn().unwrap();
        let mut stdin = child.stdin.take().unwrap();
        let sent = bytes.clone();
        let writer = std::thread::spawn(move || stdin.write_all(&sent).unwrap());
        let output = child.wait_with_output().unwrap();
        writer.join().unwrap();
        assert!(output.stdout == bytes);
    }
}
