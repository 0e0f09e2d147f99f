//! What the program finds around it.

use berth_tests::Case;

use crate::claims::surroundings::CLOSE;
use crate::running::{Init, Place, places, run, stdout};

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
fn a_role_inherits_the_channel_and_nothing_else() {
    for place in places() {
        let case = Case::new();
        let script = "exec bash -c 'echo $NODE_CHANNEL_FD; exec ls /proc/self/fd'";
        let output =
            Init::script(&case, place, "mx", script).through(&["bash", "-c", CLOSE, "bash"]).output();
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

/// It names the init, whatever LISTEN_PID is made to name, and sd_listen_fds(3) then finds no sockets.
#[test]
fn a_second_name_for_the_init_as_the_one_that_listens_is_not_handed_on() {
    for (number, said) in [("$$", "none"), ("4194305", "77")] {
        let case = Case::new();
        let launcher = format!("export LISTEN_FDS=1 LISTEN_PID={number} LISTEN_PIDFDID=77; exec \"$@\"");
        let program = ["--", "bash", "-c", "echo ${LISTEN_PIDFDID-none}"];
        let init = Init::new(&case, Place::Ordinary, &program).through(&["bash", "-c", &launcher, "bash"]);
        assert_eq!(stdout(&init.output()).trim_end(), said);
    }
}

/// As `docker run --init` puts one there. Health and status found nobody, so that every such container was unhealthy.
#[test]
fn right_below_the_init_of_a_container_it_is_asked_as_pid_1_is_and_a_second_one_beside_it_runs_too() {
    if !places().contains(&Place::First) {
        return;
    }
    let case = Case::new();
    let script = "\"$@\" & until \"$1\" status > status; do sleep 0.02; done; \"$1\" -- echo second; wait $!";
    let init = Init::role(&case, Place::First, "mx", "ready on=15:7 catch");
    let mut init = init.through(&["bash", "-c", script, "bash"]).start_below();
    init.until_said("second");
    assert_eq!(init.until_ready()["role"], "mx");
    init.signal(15);
    assert_eq!(init.end(), 7);
}
