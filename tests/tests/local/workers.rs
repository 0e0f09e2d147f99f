//! The roles that only ask for work leave a trace of it.

use std::time::Duration;

use berth_tests::{wait_until, wait_until_within};
use nix::libc::SIGKILL;
use serde_json::Value;

use crate::clients::{done, swaks_from_outside};
use crate::service::{Service, have};

/// What a worker wrote down of its last run. It tries again later when `sqlite` was not there yet.
fn trace(service: &Service, role: &str) -> Option<Value> {
    let trace = service.case.read(format!("state/data/housekeeping/{role}.json"));
    serde_json::from_str(&trace).ok().filter(|trace: &Value| trace["error"].is_null())
}

#[test]
fn both_housekeepers_have_run_when_the_service_is_up_and_again_after_a_kill() {
    if !have(&["swaks"]) {
        return;
    }
    let service = Service::up_with(&["sqlite", "mx", "bree", "sqlite-bree"]);
    let bob = service.user("bob");
    done(swaks_from_outside(&service).args(["--to", &bob.address]));
    for (role, what, count) in [("bree", "arrivals", "files"), ("sqlite-bree", "mailboxes", "later")] {
        let first = wait_until(&format!("{role} has run"), || trace(&service, role));
        assert_eq!(first["role"], role, "{first}");
        assert_eq!(first["what"], what, "{first}");
        let logged = service.log(role).into_iter().any(|line| line["message"] == "housekeeping");
        assert!(logged, "{:#?}", service.log(role));

        service.process(role, "main").signal(SIGKILL).unwrap();
        let second = wait_until(&format!("{role} has run again"), || {
            trace(&service, role).filter(|trace| trace["time"] != first["time"])
        });
        assert_eq!(second[count], 1, "the one mailbox that there is by now: {second}");
    }
    // A worker has neither port nor message of its own: it is ready when it has lived for a while.
    wait_until_within(Duration::from_secs(30), "both are ready again", || {
        ["bree", "sqlite-bree"].iter().all(|role| service.role(role)["state"] == "ready").then_some(())
    });
    service.down();
}
