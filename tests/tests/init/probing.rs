use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;

use berth_tests::{Case, wait_until, wait_until_within};
use serde_json::Value;

use crate::listening::{Door, nobody};
use crate::running::{Init, Place, Running, places, run, stderr, stdout};

/// Both questions: whether the answers are good, and what they say.
fn asked(init: &Running) -> [(bool, String); 2] {
    [&["health"][..], &["health", "--live"]].map(|words| {
        let output = init.ask(words);
        let line = stdout(&output);
        assert_eq!(stderr(&output), "");
        assert!(
            line.ends_with('\n') && line.lines().count() == 1 && line.len() <= 4096,
            "one line: {line:?}"
        );
        let code = output.status.code().unwrap();
        assert!(code == 0 || code == 1, "{code}");
        (code == 0, line)
    })
}

fn good(init: &Running) -> [bool; 2] {
    asked(init).map(|(good, _)| good)
}

/// The role sqlite, ready, with this port for its own.
fn ready_store(case: &Case, place: Place, port: String) -> Running<'_> {
    let init = Init::role(case, place, "sqlite", "ready on=15:0 catch").set("SQLITE_PORT", port).start();
    init.until_ready();
    init
}

const HEALTHY_AND_LIVE: [bool; 2] = [true, true];
const LIVE_ONLY: [bool; 2] = [false, true];
const NEITHER: [bool; 2] = [false, false];

#[test]
fn a_waiting_role_is_live_and_not_healthy() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "imap", "catch").set("SQLITE_PORT", nobody()).start();
        init.until("waiting");
        assert_eq!(good(&init), LIVE_ONLY);
        init.stop();
    }
}

#[test]
fn a_starting_role_is_live_and_not_healthy() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "on=15:0 catch").start();
        init.until_said("main catching");
        assert_eq!(good(&init), LIVE_ONLY);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_ready_role_is_healthy_when_its_port_speaks_its_protocol() {
    for place in places() {
        let case = Case::new();
        let sqlite = Door::guarded();
        let mut init = ready_store(&case, place, sqlite.port());
        assert_eq!(good(&init), HEALTHY_AND_LIVE, "{:?}", asked(&init));
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_role_whose_port_is_closed_is_neither() {
    for place in places() {
        let case = Case::new();
        let mut init = ready_store(&case, place, nobody());
        assert_eq!(good(&init), NEITHER);
        assert_eq!(init.stop(), 0);
    }
}

/// The port takes connections, as a process does whose event loop stands still.
#[test]
fn a_role_whose_port_is_silent_is_not_healthy_at_once_and_not_live_after_a_minute() {
    let case = Case::new();
    let silent = Door::silent();
    let mut init = ready_store(&case, Place::Ordinary, silent.port());
    let mut live = init.beside(berth_tests::init().to_str().unwrap());
    let mut live = live.args(["health", "--live"]).stdout(std::process::Stdio::null()).spawn().unwrap();
    assert_eq!(init.ask(&["health"]).status.code(), Some(1));
    assert!(live.try_wait().unwrap().is_none(), "a busy process is given longer than an unhealthy one");
    let minute_and_more = std::time::Duration::from_secs(80);
    let ended = wait_until_within(minute_and_more, "the probe gives up", || live.try_wait().unwrap());
    assert_eq!(ended.code(), Some(1));
    assert_eq!(init.stop(), 0);
}

#[test]
fn how_long_a_sign_of_life_may_take_can_be_set() {
    let case = Case::new();
    let silent = Door::silent();
    let mut init = ready_store(&case, Place::Ordinary, silent.port());
    let mut live = init.beside(berth_tests::init().to_str().unwrap());
    let output = run(live.args(["health", "--live"]).env("BERTH_LIVE_WITHIN", "0.2"));
    assert_eq!(output.status.code(), Some(1));
    assert!(stdout(&output).contains("in time"), "{}", stdout(&output));
    assert_eq!(init.stop(), 0);
}

#[test]
fn what_a_role_needs_counts_for_its_health_and_not_for_its_life() {
    let case = Case::new();
    let sqlite = Door::guarded();
    let own = Door::guarded();
    let init = Init::role(&case, Place::Ordinary, "caldav", "ready on=15:0 catch")
        .set("SQLITE_PORT", sqlite.port())
        .set("CALDAV_PORT", own.port());
    let mut init = init.start();
    init.until_said("main catching");
    let needs = &init.until("ready")["needs"];
    assert_eq!(
        (&needs[0]["name"], &needs[0]["port"]["number"].to_string()),
        (&"sqlite".into(), &sqlite.port())
    );
    assert_eq!(good(&init), HEALTHY_AND_LIVE, "{:?}", asked(&init));
    drop(sqlite);
    let [(healthy, reason), (live, _)] = asked(&init);
    assert!(!healthy && reason.contains("needs sqlite"), "{reason}");
    assert!(live);
    assert_eq!(init.stop(), 0);
}

#[test]
fn a_draining_role_is_live_and_not_healthy() {
    for place in places() {
        let case = Case::new();
        let sqlite = Door::guarded();
        let init = Init::role(&case, place, "sqlite", "ready on=15:0:go catch");
        let mut init = init.set("SQLITE_PORT", sqlite.port()).start();
        init.until_ready();
        init.signal(15);
        init.until_said("main signal 15");
        assert_eq!(good(&init), LIVE_ONLY);
        case.write("app/go", "");
        assert_eq!(init.end(), 0);
    }
}

#[test]
fn a_role_in_the_pause_before_a_restart_is_live_and_not_healthy() {
    let case = Case::new();
    let init = Init::role(&case, Place::Ordinary, "mx", "ready exit=1").set("BERTH_RESTART", "on-failure");
    let mut init = init.start();
    // Long enough for all that is asked in it on a busy machine: 4 s.
    wait_until("the fourth pause", || (init.logged("starts again after a pause").len() == 4).then_some(()));
    assert_eq!(init.status().unwrap()["state"], "restarting");
    assert_eq!(good(&init), LIVE_ONLY);
    assert_eq!(init.stop(), 143);
}

#[test]
fn a_role_whose_main_process_is_stopped_is_neither() {
    for place in places() {
        let case = Case::new();
        let sqlite = Door::guarded();
        let mut init = ready_store(&case, place, sqlite.port());
        init.main().signal(19).unwrap();
        wait_until("it is seen", || init.status().filter(|status| status["main"]["stopped"] == true));
        assert_eq!(good(&init), NEITHER);
        init.main().signal(18).unwrap();
        wait_until("it is seen", || init.status().filter(|status| status["main"]["stopped"] == false));
        assert_eq!(good(&init), HEALTHY_AND_LIVE);
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_role_without_a_port_is_healthy_once_it_is_ready() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "smtp-bree", "ready on=15:0 catch").start();
    init.until_ready();
    assert_eq!(good(&init), HEALTHY_AND_LIVE);
    assert_eq!(init.stop(), 0);
}

#[test]
fn a_plain_program_is_healthy_and_live_while_it_runs() {
    for place in places() {
        let case = Case::new();
        let mut init = Init::plain(&case, place, &["name=main", "on=15:0", "catch"]).start();
        init.until_said("main catching");
        assert_eq!(good(&init), HEALTHY_AND_LIVE);
        init.main().signal(19).unwrap();
        wait_until("it is seen", || init.status().filter(|status| status["main"]["stopped"] == true));
        assert_eq!(good(&init), NEITHER);
        init.main().signal(18).unwrap();
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn without_an_init_it_is_neither_and_says_why() {
    let case = Case::new();
    for words in [&["health"][..], &["health", "--live"]] {
        let output = Init::new(&case, Place::Ordinary, words).output();
        assert_eq!(output.status.code(), Some(1));
        assert_eq!(stdout(&output).lines().count(), 1);
        assert!(stdout(&output).contains("no init answers"), "{}", stdout(&output));
    }
}

#[test]
fn an_init_that_does_not_answer_is_neither_and_does_not_keep_the_probe() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_ready();
    init.signal(19);
    assert_eq!(good(&init), NEITHER);
    init.signal(18);
    assert_eq!(init.stop(), 0);
}

#[test]
fn the_answer_can_be_had_as_json() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "on=15:0 catch").start();
    init.until_said("main catching");
    let output = init.ask(&["health", "--json"]);
    let answer: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(answer["good"], false);
    assert!(answer["reason"].as_str().unwrap().contains("starting"));
    assert!(answer["took_ms"].is_u64());
    assert_eq!(init.stop(), 0);
}

#[test]
fn term_during_a_health_probe_is_a_stop_like_any_other() {
    for place in places() {
        let case = Case::new();
        let silent = Door::silent();
        let mut init = ready_store(&case, place, silent.port());
        let mut probe = init.beside(berth_tests::init().to_str().unwrap());
        let mut probe = probe.arg("health").stdout(std::process::Stdio::null()).spawn().unwrap();
        silent.until_knocked();
        assert_eq!(init.stop(), 0);
        assert_eq!(init.times("main signal 15"), 1);
        wait_until("the probe has ended", || probe.try_wait().unwrap());
    }
}

/// A health check that forks leaves zombies; this one is one process and one thread's work.
#[test]
fn probes_leave_no_process_behind() {
    for place in places() {
        let case = Case::new();
        let sqlite = Door::guarded();
        let mut init = ready_store(&case, place, sqlite.port());
        for _ in 0..10 {
            assert_eq!(good(&init), HEALTHY_AND_LIVE);
        }
        assert_eq!(init.pid.children(), [init.main()]);
        assert_eq!(init.stop(), 0);
        assert_eq!(init.logged("end")[0]["orphans_reaped"], 0);
    }
}

#[test]
fn another_user_is_not_answered() {
    if !berth_tests::is_root() {
        return berth_tests::skip("another user: only root can become one");
    }
    for place in places() {
        let case = Case::new();
        let mut init = Init::role(&case, place, "mx", "ready on=15:0 catch").start();
        init.until_ready();
        // The way there is open, so that it is the init that refuses.
        let open = std::fs::Permissions::from_mode(0o777);
        fs_err::set_permissions(case.folder(), open.clone()).unwrap();
        if place == Place::Ordinary {
            fs_err::set_permissions(case.path("control"), open).unwrap();
        }
        let other = ["--reuid=65534", "--regid=65534", "--clear-groups", "--"];
        for words in [&["status"][..], &["restart"], &["health"]] {
            let mut command = init.beside("setpriv");
            let output = run(command.args(other).arg(berth_tests::init()).args(words));
            assert_eq!(output.status.code(), Some(1), "{words:?}");
            let said = stdout(&output) + &stderr(&output);
            assert!(said.contains("did not answer"), "{said}");
        }
        assert_eq!(init.status().unwrap()["restarts"], 0);
        assert_eq!(init.stop(), 0);
    }
}

/// One that connects and says nothing keeps nobody else waiting.
#[test]
fn a_silent_caller_does_not_hold_up_the_others() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_ready();
    let callers: Vec<_> = (0..20).map(|_| UnixStream::connect(case.path("control")).unwrap()).collect();
    assert_eq!(init.status().unwrap()["state"], "ready");
    assert_eq!(init.stop(), 0);
    drop(callers);
}

/// The write to one who has left brings SIGPIPE, which is not the program's.
#[test]
fn a_caller_who_leaves_before_the_answer_is_not_the_programs_affair() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_ready();
    // While it is stopped they ask and leave, so that each answer comes too late.
    init.pid.signal(19).unwrap();
    for _ in 0..5 {
        let mut stream = UnixStream::connect(case.path("control")).unwrap();
        stream.write_all(b"{\"request\":\"status\"}\n").unwrap();
    }
    init.pid.signal(18).unwrap();
    assert_eq!(init.status().unwrap()["state"], "ready");
    assert_eq!(init.stop(), 0);
    assert_eq!(init.times("main signal 13"), 0);
}

#[test]
fn rubbish_on_the_control_socket_is_harmless() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_ready();
    let long = vec![b'x'; 1_000_000];
    for rubbish in [&b"\n"[..], b"{}\n", b"{\"request\":\"stop\"}\n", b"\xff\xfe\n", &long] {
        let mut stream = UnixStream::connect(case.path("control")).unwrap();
        // It may hang up before it has it all.
        let _ = stream.write_all(rubbish);
        let _ = stream.shutdown(std::net::Shutdown::Write);
        let mut answer = String::new();
        let _ = stream.read_to_string(&mut answer);
        assert_eq!(answer, "");
    }
    assert_eq!(init.status().unwrap()["state"], "ready");
    assert_eq!(init.stop(), 0);
}

#[test]
fn the_socket_is_gone_when_the_init_has_ended() {
    let case = Case::new();
    let mut init = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    init.until_ready();
    assert_eq!(init.stop(), 0);
    assert!(!case.path("control").exists());
}

#[test]
fn a_second_init_on_the_same_socket_is_refused_and_a_dead_ones_socket_is_taken() {
    let case = Case::new();
    let mut first = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    first.until_ready();
    let second = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").output();
    assert_eq!(second.status.code(), Some(1));
    assert!(stderr(&second).contains("already"), "{}", stderr(&second));
    first.signal(9);
    first.end();
    let mut third = Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").start();
    third.until_said_times("main catching", 2);
    third.until("ready");
    assert_eq!(third.stop(), 0);
}
