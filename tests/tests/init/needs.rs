use std::os::unix::fs::PermissionsExt;

use berth_tests::{Case, is_root};

use crate::listening::{Door, nobody};
use crate::running::{Init, Place, places};

#[test]
fn a_role_starts_once_what_it_needs_answers() {
    for place in places() {
        let case = Case::new();
        let sqlite = Door::guarded();
        let init = Init::role(&case, place, "imap", "ready on=15:0 catch").set("SQLITE_PORT", sqlite.port());
        let mut init = init.start();
        init.until_ready();
        assert_eq!(init.stop(), 0);
    }
}

#[test]
fn a_role_waits_for_its_need_and_says_so() {
    for place in places() {
        let case = Case::new();
        let port = nobody();
        let mut init =
            Init::role(&case, place, "imap", "ready on=15:0 catch").set("SQLITE_PORT", &port).start();
        let status = berth_tests::wait_until("it says what it waits for", || {
            init.status().filter(|status| status["waiting_for"][0].is_string())
        });
        assert_eq!(status["state"], "waiting");
        assert!(status["main"].is_null());
        assert!(status["waiting_for"][0].as_str().unwrap().contains("sqlite"), "{status}");
        assert!(init.logged("waits for its needs")[0]["waiting_for"].as_str().unwrap().contains("sqlite"));

        let sqlite = Door::guarded_at(&port);
        init.until_ready();
        assert!(init.status().unwrap()["waiting_for"].as_array().unwrap().is_empty());
        assert_eq!(init.stop(), 0);
        drop(sqlite);
    }
}

#[test]
fn a_need_that_does_not_come_in_time_is_named_and_ends_it_with_69() {
    let silent = Door::silent();
    for port in [nobody(), silent.port()] {
        let case = Case::new();
        let init = Init::role(&case, Place::Ordinary, "imap", "ready catch").set("SQLITE_PORT", &port);
        let mut init = init.set("BERTH_NEED_WITHIN", "0.5").start();
        assert_eq!(init.end(), 69);
        assert!(init.said().is_empty(), "it was started: {:?}", init.said());
        let missed = init.logged("a need did not answer in time");
        assert!(missed[0]["waiting_for"].as_str().unwrap().contains("sqlite"), "{missed:?}");
    }
}

#[test]
fn term_while_it_waits_ends_it_at_once_with_143() {
    for place in places() {
        for number in [15, 2] {
            let case = Case::new();
            let mut init =
                Init::role(&case, place, "imap", "ready catch").set("SQLITE_PORT", nobody()).start();
            init.until("waiting");
            init.signal(number);
            assert_eq!(init.end(), 143);
            assert!(init.said().is_empty());
        }
    }
}

/// A probe under way does not keep it.
#[test]
fn term_while_it_asks_a_silent_need_ends_it_at_once_with_143() {
    let case = Case::new();
    let silent = Door::silent();
    let mut init =
        Init::role(&case, Place::Ordinary, "imap", "ready catch").set("SQLITE_PORT", silent.port()).start();
    silent.until_knocked();
    assert_eq!(init.stop(), 143);
}

#[test]
fn other_signals_while_it_waits_are_dropped() {
    let case = Case::new();
    let mut init =
        Init::role(&case, Place::Ordinary, "imap", "ready catch").set("SQLITE_PORT", nobody()).start();
    init.until("waiting");
    for number in [1, 10, 12, 28, 34] {
        init.signal(number);
    }
    assert_eq!(init.until("waiting")["restarts"], 0);
    assert_eq!(init.stop(), 143);
}

#[test]
fn a_lazy_need_is_not_waited_for() {
    let case = Case::new();
    let mut init =
        Init::role(&case, Place::Ordinary, "mx", "ready on=15:0 catch").set("SQLITE_PORT", nobody()).start();
    init.until_said("main catching");
    assert_eq!(init.stop(), 0);
}

/// tokio panics where it can start no thread for the resolver, and PID 1 ended by that. The limit counts a user's processes
/// wherever they are, so this is one that nobody else is.
#[test]
fn a_need_whose_name_no_thread_can_be_started_to_look_up_is_told_as_any_that_does_not_answer() {
    let case = Case::new();
    std::fs::set_permissions(case.folder(), std::fs::Permissions::from_mode(0o777)).unwrap();
    let user = format!("--reuid={}", 2_000_000 + std::process::id());
    let mut launcher = vec!["prlimit", "--nproc=1"];
    if is_root() {
        launcher.extend(["setpriv", &user, "--clear-groups"]);
    }
    let init = Init::role(&case, Place::Ordinary, "imap", "ready catch").set("SQLITE_HOST", "stores.invalid");
    let mut init = init.set("BERTH_NEED_WITHIN", "0.5").through(&launcher).start();
    assert_eq!(init.end(), 69);
    let missed = init.logged("a need did not answer in time");
    let told = missed[0]["waiting_for"].as_str().unwrap();
    assert!(told.contains("cannot connect") && told.contains("temporarily unavailable"), "{told}");
}
