//! The roles outlive `berth`, and the next one takes them over.

use std::fs::File;
use std::process::Child;

use berth_tests::{Process, wait_until};
use nix::libc::{SIGINT, SIGKILL};

use crate::service::{ROLES, Service};

/// A `berth up` in the foreground, once it has nothing left to do.
fn foreground(service: &Service) -> Child {
    let talk = File::create(service.case.path("talk")).unwrap();
    let mut command = service.berth(&["up", "--no-prove"]);
    let mut child = command.stdout(talk.try_clone().unwrap()).stderr(talk).spawn().unwrap();
    wait_until("it is up", || {
        assert_eq!(child.try_wait().unwrap(), None, "{}", service.case.read("talk"));
        service.case.read("talk").contains("Ctrl-C stops it").then_some(())
    });
    child
}

fn process(child: &Child) -> Process {
    Process::of(child)
}

#[test]
fn what_a_killed_berth_left_is_adopted_by_the_next_up_and_stopped_by_down() {
    let service = Service::new();
    let mut child = foreground(&service);
    let inits = service.all("init");
    process(&child).signal(SIGKILL).unwrap();
    child.wait().unwrap();
    assert!(inits.iter().all(|init| init.lives()), "the roles go on");
    let again = service.done(&["up", "--detach", "--no-prove"]);
    for role in ROLES {
        assert!(again.err.contains(&format!("{role} runs already")), "{}", again.err);
    }
    assert_eq!(service.all("init"), inits);
    service.down();
}

#[test]
fn a_foreground_up_replaces_a_killed_init_and_ctrl_c_stops_all() {
    let service = Service::new();
    let mut child = foreground(&service);
    let (init, main) = (service.process("mx", "init"), service.process("mx", "main"));
    init.signal(SIGKILL).unwrap();
    wait_until("its node is gone with it", || (!main.lives()).then_some(()));
    wait_until("another one is ready", || {
        let mx = service.role("mx");
        (mx["state"] == "ready" && mx["init"] != init.0).then_some(())
    });
    assert_eq!(service.role("mx")["restarts"], 1, "it is the same role, started once more");
    let says = |what: &str| {
        wait_until(what, || service.case.read("talk").contains(what).then_some(()));
    };
    says("mx ended by itself; started again in");
    says("mx was started again, now 1 times");
    says("mx is ready after");
    service.process("imap", "main").signal(SIGKILL).unwrap();
    says("imap was started again, now 1 times");
    says("imap is ready after");
    service.done(&["restart", "mx"]);
    assert_eq!(service.role("mx")["restarts"], 2);
    says("mx was started again, now 2 times");
    service.done(&["up", "--detach", "--no-prove"]);
    says("another berth up wants the same");
    assert!(!service.case.read("talk").contains("mx is down"), "{}", service.case.read("talk"));
    process(&child).signal(SIGINT).unwrap();
    let ended = wait_until("it ends", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(0), "{}", service.case.read("talk"));
    assert_eq!(service.case.processes(), []);
}

#[test]
fn ctrl_c_while_it_starts_stops_what_was_started() {
    let service = Service::new();
    let talk = File::create(service.case.path("talk")).unwrap();
    let mut child = service.berth(&["up"]).stdout(talk.try_clone().unwrap()).stderr(talk).spawn().unwrap();
    wait_until("something is started", || service.case.read("talk").contains("is started").then_some(()));
    process(&child).signal(SIGINT).unwrap();
    let ended = wait_until("it ends", || child.try_wait().unwrap());
    assert_eq!(ended.code(), Some(130), "{}", service.case.read("talk"));
    assert_eq!(service.case.processes(), []);
    assert_eq!(service.run(&["status"]).code, Some(1), "and it is not wanted any more");
}

/// Ctrl-C in a terminal goes to the whole foreground group; the roles must not be hit by it, or they would not be
/// stopped in order.
#[test]
fn each_init_has_a_session_of_its_own() {
    let service = Service::new();
    service.bring_up_with(&["sqlite"]);
    let init = service.process("sqlite", "init");
    let session = nix::unistd::getsid(Some(nix::unistd::Pid::from_raw(init.0))).unwrap();
    assert_eq!(session.as_raw(), init.0);
    service.down();
}
