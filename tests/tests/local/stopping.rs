//! A role that is asked to end under load ends in time, and loses nothing.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use berth_tests::{init, wait_until_within};
use nix::libc::SIGTERM;
use serde_json::Value;

use crate::load::{Load, Mails};
use crate::service::{ROLES, Service, have, tell};

/// The grace of each role, as `berth-init roles --json` tells it.
fn graces(service: &Service) -> BTreeMap<String, Duration> {
    let output = service.case.command(init()).args(["roles", "--json"]).output().unwrap();
    let roles: Value = serde_json::from_slice(&output.stdout).unwrap();
    let grace = |role: &Value| {
        let seconds = role["stop"]["grace_seconds"].as_f64().unwrap();
        (role["name"].as_str().unwrap().to_owned(), Duration::from_secs_f64(seconds))
    };
    roles.as_array().unwrap().iter().map(grace).collect()
}

#[test]
fn each_role_ends_within_its_grace_under_load_and_nothing_that_was_accepted_is_lost() {
    if !have(&["python3"]) {
        return;
    }
    let service = Service::up();
    let graces = graces(&service);
    let load = Load::start(&service, Mails { threads: 2, size: 2000, pause: 0.05 });
    let mut told = Vec::new();
    for role in ROLES {
        load.goes_on(5);
        let before = service.log(role).len();
        let (init, main) = (service.process(role, "init"), service.process(role, "main"));
        let begun = Instant::now();
        init.signal(SIGTERM).unwrap();
        wait_until_within(graces[role], &format!("{role} ends"), || (!init.lives()).then_some(()));
        told.push(format!("{role} {} ms", begun.elapsed().as_millis()));
        assert!(!main.lives(), "{role}: its main process is left");
        let log = service.log(role);
        let ends: Vec<_> = log[before..].iter().filter(|line| line["message"] == "end").collect();
        assert_eq!(ends.len(), 1, "{role}: {log:#?}");
        assert_eq!(ends[0]["code"], 0, "{role}: drained, not given up: {:#?}", &log[before..]);
        service.bring_up();
    }
    tell(&format!("TERM under load, until the end: {}", told.join(", ")));
    load.goes_on(5);
    load.finish("TERM");
    service.down();
}
